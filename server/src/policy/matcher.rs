//! Which rule of a policy applies to a path.
//!
//! Only the most specific matching pattern of all policies counts; the same pattern in several
//! policies is the union of what they grant.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::pattern::{
    by_priority, common_prefix, first_plus, segments_match, segments_touch, split_glob,
};
use super::{Grant, Rule};

/// A policy, ready to be asked.
#[derive(Debug, Default)]
pub struct Policy {
    exact: HashMap<Box<str>, Grant>,
    /// Patterns whose only wildcard is the `*` at their end, without it.
    prefix: BTreeMap<Box<str>, Grant>,
    /// Patterns with `+`.
    segments: Vec<Segmented>,
    /// Rules that depend on the caller or on the time; they match nothing as they stand.
    conditional: Vec<Rule>,
}

#[derive(Debug)]
struct Segmented {
    pattern: Box<str>,
    /// Bytes in front of the first segment that is `+`: they are looked at first, as most paths differ
    /// there.
    fixed: usize,
    grant: Grant,
}

/// The best rule of a policy for some path.
#[derive(Debug, Clone)]
pub struct Match<'p> {
    /// The pattern without its final `*`.
    text: &'p str,
    glob: bool,
    /// What it grants.
    pub grant: Grant,
}

impl Policy {
    /// Compiles rules; rules of the same pattern are united.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut policy = Self::default();
        for rule in rules {
            if rule.template || rule.expires.is_some() {
                policy.conditional.push(rule);
            } else {
                policy.add(rule);
            }
        }
        policy
    }

    /// The rules with templates or an end.
    pub(super) fn conditional(&self) -> &[Rule] {
        &self.conditional
    }

    /// Adds a rule whose pattern stands as it is.
    pub(super) fn add(&mut self, mut rule: Rule) {
        let path = std::mem::take(&mut rule.path);
        let grant = Grant::from(rule);
        let (text, glob) = split_glob(&path);
        if text.split('/').any(|s| s == "+") {
            let known = self.segments.iter_mut().find(|s| *s.pattern == path);
            if let Some(known) = known {
                known.grant = known.grant.union(&grant);
            } else {
                let fixed = first_plus(text);
                self.segments.push(Segmented { pattern: path.into(), fixed, grant });
            }
            return;
        }
        let slot = if glob {
            self.prefix.entry(text.into()).or_default()
        } else {
            self.exact.entry(path.into()).or_default()
        };
        *slot = slot.union(&grant);
    }

    /// The rule that applies to exactly `path`, if any.
    pub fn find(&self, path: &str) -> Option<Match<'_>> {
        if !self.exact.is_empty()
            && let Some((text, grant)) = self.exact.get_key_value(path)
        {
            return Some(Match { text, glob: false, grant: grant.clone() });
        }
        let near = |s: &&Segmented| path.as_bytes().starts_with(&s.pattern.as_bytes()[..s.fixed]);
        let segments = self.segments.iter().filter(near).filter_map(|s| {
            let (text, glob) = split_glob(&s.pattern);
            segments_match(text, glob, path).then_some(Match { text, glob, grant: s.grant.clone() })
        });
        self.longest_prefix(path).into_iter().chain(segments).max_by(Match::priority)
    }

    /// Whether anything is granted on some path below `folder`, which ends in a slash.
    pub fn touches(&self, folder: &str) -> bool {
        let below =
            |text: &str, glob: bool| text.starts_with(folder) || (glob && folder.starts_with(text));
        self.exact.iter().any(|(text, g)| g.capabilities.any() && below(text, false))
            || self.prefix.iter().any(|(text, g)| g.capabilities.any() && below(text, true))
            || self.segments.iter().any(|s| {
                let (text, glob) = split_glob(&s.pattern);
                s.grant.capabilities.any() && segments_touch(text, glob, folder)
            })
    }

    /// Goes down the sorted prefixes: the greatest one not above `path` is a prefix of it, or what
    /// the two have in common bounds where a prefix can be.
    fn longest_prefix(&self, path: &str) -> Option<Match<'_>> {
        let mut bound = path;
        loop {
            let (text, grant) = self
                .prefix
                .range::<str, _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(bound)))
                .next_back()?;
            if path.starts_with(&**text) {
                return Some(Match { text, glob: true, grant: grant.clone() });
            }
            bound = common_prefix(bound, text);
        }
    }
}

impl Match<'_> {
    /// Which of two matching patterns is the more specific.
    pub fn priority(&self, other: &Self) -> Ordering {
        by_priority((self.text, self.glob), (other.text, other.glob))
    }

    /// Whether this is a rule for `path` alone.
    pub fn is_exact(&self, path: &str) -> bool {
        !self.glob && self.text == path
    }

    /// Whether both come from the same pattern, of one policy or of two.
    pub fn same_pattern(&self, other: &Self) -> bool {
        self.text == other.text && self.glob == other.glob
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Capabilities;
    use super::*;

    /// What the module of patterns says, taken literally: every pattern is tried on every path.
    fn plain(rules: &[Rule], path: &str) -> Option<Capabilities> {
        fn matches(pattern: &str, path: &str) -> bool {
            let (text, glob) = split_glob(pattern);
            let want: Vec<&str> = text.split('/').collect();
            let have: Vec<&str> = path.split('/').collect();
            if glob && !text.contains('+') {
                return path.starts_with(text);
            }
            if have.len() < want.len() || (!glob && have.len() > want.len()) {
                return false;
            }
            (0..want.len()).all(|i| {
                want[i] == "+"
                    || want[i] == have[i]
                    || (glob && i + 1 == want.len() && have[i].starts_with(want[i]))
            })
        }
        fn lower(a: &str, b: &str) -> bool {
            let exact = |p: &str| !p.contains('+') && !p.ends_with('*');
            if exact(a) != exact(b) {
                return exact(b);
            }
            let first = |p: &str| p.find(['+', '*']).unwrap_or(p.len());
            if first(a) != first(b) {
                return first(a) < first(b);
            }
            if a.ends_with('*') != b.ends_with('*') {
                return a.ends_with('*');
            }
            let plus = |p: &str| p.matches('+').count();
            if plus(a) != plus(b) {
                return plus(a) > plus(b);
            }
            if a.len() != b.len() {
                return a.len() < b.len();
            }
            a < b
        }
        let mut best: Option<&str> = None;
        for rule in rules.iter().filter(|r| matches(&r.path, path)) {
            if best.is_none_or(|b| lower(b, &rule.path)) {
                best = Some(&rule.path);
            }
        }
        let best = best?;
        Some(
            rules
                .iter()
                .filter(|r| r.path == best)
                .fold(Capabilities::NONE, |all, r| all.union(r.capabilities)),
        )
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment =
            prop_oneof![3 => "[ab]{1,2}", 2 => Just("+".to_owned()), 1 => Just(String::new())];
        (proptest::collection::vec(segment, 1..4), any::<bool>()).prop_map(|(segments, glob)| {
            let mut text = segments.join("/");
            if glob && !text.ends_with('+') {
                text.push('*');
            }
            text
        })
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let one = (pattern(), 0_u8..8).prop_map(|(path, bit)| Rule {
            path,
            capabilities: Capabilities::by_name(
                ["create", "read", "update", "patch", "delete", "list", "sudo", "deny"]
                    [usize::from(bit)],
            )
            .unwrap(),
            ..Rule::default()
        });
        proptest::collection::vec(one, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_the_plain_evaluator(
            rules in rules(),
            path in "([ab]{0,3}/){0,3}[ab]{0,2}",
            cut in 0_usize..12,
        ) {
            let one = Policy::new(rules.clone()).find(&path).map(|m| m.grant.capabilities);
            prop_assert_eq!(one, plain(&rules, &path));
            // The same rules in two policies of one token.
            let (left, right) = rules.split_at(cut.min(rules.len()));
            let (left, right) = (Policy::new(left.to_vec()), Policy::new(right.to_vec()));
            let merged = super::super::acl::merge([&left, &right].into_iter(), &path);
            prop_assert_eq!(merged.capabilities, plain(&rules, &path).unwrap_or_default());
        }
    }

    #[test]
    fn documented_cases() {
        let rule = |path: &str, name: &str| Rule {
            path: path.to_owned(),
            capabilities: Capabilities::by_name(name).unwrap(),
            ..Rule::default()
        };
        let policy = Policy::new(vec![
            rule("secret/*", "read"),
            rule("secret/super/*", "list"),
            rule("secret/+/team", "update"),
            rule("secret/a/team", "deny"),
            rule("b/+/c*", "read"),
        ]);
        let names = |path: &str| policy.find(path).map(|m| m.grant.capabilities.names());
        assert_eq!(names("secret/x"), Some(vec!["read"]));
        assert_eq!(names("secret/super/x"), Some(vec!["list"]));
        assert_eq!(names("secret/b/team"), Some(vec!["update"]));
        assert_eq!(names("secret/a/team"), Some(vec!["deny"]));
        assert_eq!(names("b/q/cde/f"), Some(vec!["read"]));
        assert_eq!(names("b//c"), Some(vec!["read"]), "a + matches an empty segment too");
        assert_eq!(names("other"), None);
    }
}
