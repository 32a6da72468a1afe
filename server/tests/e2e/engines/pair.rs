//! A server of ours beside one of OpenBao, with the same mounts.

use serde_json::Value;

use crate::support::{ROOT, Reference, Server, http};

pub(super) struct Pair {
    ours: Server,
    theirs: Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

pub(super) const BOTH_WAYS: [(Side, Side); 2] =
    [(Side::Ours, Side::Theirs), (Side::Theirs, Side::Ours)];

impl Pair {
    pub(super) fn with(mounts: &[(&str, Value)]) -> Self {
        let pair = Self { ours: Server::dev(), theirs: Reference::start() };
        for (path, body) in mounts {
            for side in [Side::Ours, Side::Theirs] {
                pair.ok(side, "POST", &format!("sys/mounts/{path}"), body);
            }
        }
        pair
    }

    fn call(&self, side: Side, verb: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = if side == Side::Ours { self.ours.url() } else { self.theirs.url() };
        let body = (!body.is_null()).then(|| body.to_string());
        http(verb, url, path, Some(ROOT), body.as_deref()).unwrap()
    }

    /// The `data` of an answer that must succeed.
    #[track_caller]
    pub(super) fn ok(&self, side: Side, verb: &str, path: &str, body: &Value) -> Value {
        let (status, mut answer) = self.call(side, verb, path, body);
        assert!(status < 300, "{side:?} {verb} {path} {body}: {status} {answer}");
        answer["data"].take()
    }

    /// Sends to both; status and shape must be the same. What OpenBao calls an internal error though
    /// the request is wrong is a bad request here.
    #[track_caller]
    pub(super) fn same(&self, verb: &str, path: &str, body: &Value) {
        let (ours, theirs) =
            (self.call(Side::Ours, verb, path, body), self.call(Side::Theirs, verb, path, body));
        let status = if theirs.0 == 500 { 400 } else { theirs.0 };
        let context = format!("{verb} {path} {body}\nours: {ours:?}\ntheirs: {theirs:?}");
        assert_eq!(ours.0, status, "status of {context}");
        assert_eq!(shape(&ours.1["data"]), shape(&theirs.1["data"]), "answer to {context}");
        let warns = |answer: &Value| answer["warnings"].as_array().is_some_and(|w| !w.is_empty());
        assert_eq!(warns(&ours.1), warns(&theirs.1), "warnings of {context}");
    }
}

/// Names and types, without values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => 0.into(),
        other => other.clone(),
    }
}
