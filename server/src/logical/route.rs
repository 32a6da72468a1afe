//! Route tables: one static table per engine, from which dispatch, access rules and help all come.
//!
//! Patterns are relative to the mount. A segment `{name}` captures one segment, a last segment
//! `{name..}` captures the rest of the path (possibly empty), everything else matches itself. No
//! name ends in a full stop; the rest of a path may.

use super::{ApiError, ApiResult, Call, Field, Operation, Response, Takes};
use crate::barrier::View;

/// A handler of a secrets engine: reads and buffers writes, never waits, never commits.
/// It may be run more than once for one request (conflicts), so it has no other effect.
pub type EngineHandler = fn(&Call<'_>, &mut View<'_>) -> ApiResult<Response>;

/// A route of a secrets engine.
pub type EngineRoute = Route<EngineHandler>;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A token whose policies allow it.
    Token,
    /// As `Token`, with the `sudo` capability too.
    Sudo,
    /// Anyone, without a token.
    Public,
    /// As `Public`, and also while the server is sealed or not initialised.
    Always,
}

/// Where a call to a replicated mount is served when this cluster is a secondary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Here. Should the handler write replicated data after all, the call is forwarded instead.
    Locally,
    /// Always forwarded to the primary.
    ByPrimary,
}

/// One verb of a route. `H` is the handler's type.
#[derive(Debug)]
pub struct Method<H: 'static> {
    /// The verb.
    pub op: Operation,
    /// What runs.
    pub run: H,
    /// Where it runs on a secondary.
    pub served: Served,
}

impl<H> Method<H> {
    /// Served locally: reads, lists, transit.
    pub const fn local(op: Operation, run: H) -> Self {
        Self { op, run, served: Served::Locally }
    }

    /// Served by the primary: writes of replicated data.
    pub const fn primary(op: Operation, run: H) -> Self {
        Self { op, run, served: Served::ByPrimary }
    }
}

/// Whether what a call is about is there already.
pub type Exists = fn(&Call<'_>, &mut View<'_>) -> ApiResult<bool>;

/// One path pattern with its verbs.
#[derive(Debug, Clone, Copy)]
pub struct Route<H: 'static> {
    /// See the module's text.
    pub pattern: &'static str,
    /// One line for help and `OpenAPI`.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Tells create from update for policies; `None` means always update.
    pub exists: Option<Exists>,
    /// What comes with a call.
    pub takes: Takes,
    /// The verbs.
    pub methods: &'static [Method<H>],
}

/// A route without its handlers, for documents.
#[derive(Debug, Clone)]
pub struct Described {
    /// As [`Route::pattern`].
    pub pattern: &'static str,
    /// As [`Route::summary`].
    pub summary: &'static str,
    /// As [`Route::access`].
    pub access: Access,
    /// Whether a policy tells create from update here.
    pub creates: bool,
    /// As [`Route::takes`].
    pub takes: Takes,
    /// The verbs.
    pub ops: Vec<Operation>,
}

impl<H> Route<H> {
    /// For tokens whose policies allow it; takes anything.
    pub const fn new(
        pattern: &'static str,
        summary: &'static str,
        methods: &'static [Method<H>],
    ) -> Self {
        let (access, exists, takes) = (Access::Token, None, Takes::Anything);
        Self { pattern, summary, access, exists, takes, methods }
    }

    /// The same, with the `sudo` capability too.
    #[must_use]
    pub const fn sudo(mut self) -> Self {
        self.access = Access::Sudo;
        self
    }

    /// The same, open to anyone.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.access = Access::Public;
        self
    }

    /// The same, open to anyone and also while the server is sealed.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.access = Access::Always;
        self
    }

    /// The same, where policies tell create from update.
    #[must_use]
    pub const fn creates(mut self, exists: Exists) -> Self {
        self.exists = Some(exists);
        self
    }

    /// The same, with all the fields that it takes.
    #[must_use]
    pub const fn takes(mut self, fields: &'static [Field]) -> Self {
        self.takes = Takes::Only(fields);
        self
    }

    /// Without the handlers.
    pub fn describe(&self) -> Described {
        Described {
            pattern: self.pattern,
            summary: self.summary,
            access: self.access,
            creates: self.exists.is_some(),
            takes: self.takes,
            ops: self.methods.iter().map(|m| m.op).collect(),
        }
    }
}

/// Whether a pattern matches a path.
pub fn matches(pattern: &'static str, path: &str) -> bool {
    match_pattern(pattern, path).is_some()
}

/// What a pattern captured, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Params<'a> {
    /// The captured text.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == name).map(|(_, v)| *v)
    }

    /// The last capture.
    fn last(&self) -> Option<&'a str> {
        self.0.last().map(|(_, v)| *v)
    }

    /// All captures in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> + '_ {
        self.0.iter().copied()
    }
}

/// The first route that matches `path`, its method for `op`, and the captured parameters.
///
/// # Errors
/// 404 when no pattern matches; 405 when patterns match but none has the verb.
pub fn find_route<'t, 'p, H>(
    table: &'t [Route<H>],
    op: Operation,
    path: &'p str,
) -> ApiResult<(&'t Route<H>, &'t Method<H>, Params<'p>)> {
    let mut known_path = false;
    for route in table {
        let Some(params) = match_pattern(route.pattern, path) else { continue };
        // The slash at the end of a LIST makes its path another one, unless a tail takes it.
        let listed = matches!(op, Operation::List | Operation::Scan);
        let empty = params.last().is_some_and(str::is_empty) && route.pattern.contains('/');
        let tail = route.pattern.ends_with("..}") && !empty;
        known_path |= !listed || tail;
        if let Some(method) = route.methods.iter().find(|m| m.op == op) {
            return Ok((route, method, params));
        }
    }
    Err(if known_path { ApiError::unsupported_operation() } else { ApiError::unsupported_path() })
}

fn match_pattern<'p>(pattern: &'static str, path: &'p str) -> Option<Params<'p>> {
    let mut captured = Vec::new();
    let (mut rest, mut pattern) = (Some(path), Some(pattern));
    while let Some(wanted) = pattern {
        let (segment, more) = first_segment(wanted);
        pattern = more;
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("..}")) {
            captured.push((name, rest.unwrap_or("")));
            return Some(Params(captured));
        }
        let current = rest?;
        let (head, tail) = first_segment(current);
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            if head.is_empty() || head.ends_with('.') {
                return None;
            }
            captured.push((name, head));
        } else if segment != head {
            return None;
        }
        rest = tail;
    }
    // A trailing slash is accepted: LIST paths come with one.
    rest.is_none_or(str::is_empty).then_some(Params(captured))
}

/// What is in front of the first slash, and what comes after it. By bytes: a search for a character
/// costs more than such short texts do.
fn first_segment(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::match_pattern;

    #[test]
    fn patterns_capture_segments_and_tails() {
        let p = match_pattern("keys/{name}/rotate", "keys/app/rotate").unwrap();
        assert_eq!(p.get("name"), Some("app"));
        assert_eq!(match_pattern("data/{path..}", "data/a/b/").unwrap().get("path"), Some("a/b/"));
        assert_eq!(match_pattern("metadata/{path..}", "metadata").unwrap().get("path"), Some(""));
        assert!(match_pattern("keys/{name}", "keys/").is_none());
        assert!(match_pattern("keys", "keys/").is_some());
        assert!(match_pattern("keys", "keys/a").is_none());
        assert!(match_pattern("keys/{name}", "keys/a/b").is_none());
        assert!(match_pattern("keys/{name}", "keys/a.").is_none());
        assert_eq!(match_pattern("data/{path..}", "data/a.").unwrap().get("path"), Some("a."));
    }
}
