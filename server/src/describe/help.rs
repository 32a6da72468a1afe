//! The help of a path: `GET` with `?help=1`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::openapi::{document, item};
use super::{parameters, paths, template};
use crate::barrier::Session;
use crate::logical::{Access, ApiError, ApiResult, Described, Operation, Response, Takes, matches};
use crate::mount::{Scope, route};

/// Help for `path`; of a mount alone, all its paths.
///
/// # Errors
/// 404 where nothing answers.
pub fn help(session: &mut Session, path: &str) -> ApiResult<Response> {
    let (mount, rest) = route(session, Scope::Here, path)?.ok_or_else(ApiError::not_found)?;
    let all = paths(mount.target);
    let found: Vec<&Described> = all
        .iter()
        .filter(|p| rest.trim_matches('/').is_empty() || matches(p.pattern, rest))
        .collect();
    if found.is_empty() {
        return Err(ApiError::not_found());
    }
    let whole = rest.trim_matches('/').is_empty();
    let text = if whole { overview(&mount.entry.kind, &found) } else { of_path(rest, found[0]) };
    let items: Map<String, Value> = found
        .iter()
        .map(|p| {
            let key = format!("/{}", template(p.pattern));
            let item = item(p, None, &mount.entry.kind, &key);
            (key, item)
        })
        .collect();
    Response::bare(&json!({
        "help": text,
        "see_also": null,
        "openapi": document(&Value::Object(items)),
    }))
}

fn overview(kind: &str, all: &[&Described]) -> String {
    let mut text = format!("This is the {kind} backend.\n\n## PATHS\n\n");
    for path in all {
        // Writing to a string does not fail.
        let _ = write!(text, "    {}\n        {}\n\n", template(path.pattern), path.summary);
    }
    text
}

fn of_path(rest: &str, path: &Described) -> String {
    let verbs: Vec<_> = path.ops.iter().map(|op| verb(*op)).collect();
    let who = match path.access {
        Access::Token => "a token whose policies allow it",
        Access::Sudo => "a token whose policies allow it, with the capability \"sudo\"",
        Access::Public => "anyone",
        Access::Always => "anyone, also while the server is sealed",
    };
    let mut text = format!(
        "Request:        {rest}\nMatching Route: {}\n\n{}\n\n## VERBS\n\n    {}\n\n## FOR\n\n    {who}\n",
        template(path.pattern),
        path.summary,
        verbs.join(", "),
    );
    let mut names = parameters(path.pattern).peekable();
    if names.peek().is_some() {
        text += "\n## PARAMETERS\n\n";
        for name in names {
            let _ = writeln!(text, "    {name} (string)");
        }
    }
    let Takes::Only(fields) = path.takes else { return text };
    if !fields.is_empty() {
        text += "\n## FIELDS\n\n";
        for field in fields {
            let _ = writeln!(text, "    {}\n        {}\n", field.name, field.about);
        }
    }
    text
}

fn verb(op: Operation) -> &'static str {
    match op {
        Operation::Read => "GET",
        Operation::List => "LIST",
        Operation::Scan => "SCAN",
        Operation::Write => "POST",
        Operation::Patch => "PATCH",
        Operation::Delete => "DELETE",
        Operation::Head => "HEAD",
    }
}
