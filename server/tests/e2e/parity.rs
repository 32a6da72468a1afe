//! The `bao` client, unchanged, against us and against OpenBao's own server, step by step: exit
//! codes, HTTP statuses and the shape of every answer must be the same.

use serde_json::Value;

use crate::support::{ROOT, Reference, Run, Server};

/// Fields whose values are random, times, or a product's own words; that they are there, and of which
/// type, is compared.
const VARIES: [&str; 25] = [
    "accessor",
    "ciphertext",
    "client_token",
    "commit_date",
    "created_time",
    "creation_time",
    "creation_ttl",
    "deletion_time",
    "description",
    "encryptions",
    "expire_time",
    "id",
    "install_time",
    "issue_time",
    "key",
    "keys_time",
    "last_renewal",
    "lease_id",
    "policy",
    "request_id",
    "signature",
    "ttl",
    "updated_time",
    "uuid",
    "warnings",
];
/// Fields that only OpenBao has.
const ONLY_OPENBAO: [&str; 10] = [
    "cas_required_policy",
    "current_metadata_version",
    "metadata_cas_required",
    "modified",
    "num_uses_remaining",
    "deprecation_status",
    "soft_deleted",
    "version_policy",
    "external_key",
    "running_plugin_version",
];

struct Pair {
    ours: Server,
    theirs: Reference,
}

impl Pair {
    fn start() -> Self {
        Self { ours: Server::dev(), theirs: Reference::start() }
    }

    /// Runs one command on both sides and compares; our run comes back.
    #[track_caller]
    fn same(&self, arguments: &[&str]) -> Run {
        let (ours, theirs) = (self.ours.bao(ROOT, arguments), self.theirs.bao(ROOT, arguments));
        let context = format!("{arguments:?}\nours: {ours:#?}\ntheirs: {theirs:#?}");
        assert_eq!(ours.code, theirs.code, "exit code of {context}");
        assert_eq!(status(&ours), status(&theirs), "status of {context}");
        if let Ok(theirs) = serde_json::from_str::<Value>(&theirs.out) {
            let ours = serde_json::from_str::<Value>(&ours.out)
                .unwrap_or_else(|e| panic!("{e} in {context}"));
            assert_eq!(shape(&ours), shape(&theirs), "answer of {context}");
        }
        ours
    }

    #[track_caller]
    fn all(&self, steps: &[&[&str]]) {
        for step in steps {
            self.same(step);
        }
    }
}

/// `Code: 400.` in the client's words.
fn status(run: &Run) -> Option<&str> {
    run.err.lines().find(|line| line.starts_with("Code: ")).map(|line| &line[6..9])
}

/// The answer without what differs from run to run.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !ONLY_OPENBAO.contains(&name.as_str()))
            .map(|(name, value)| {
                let varies = VARIES.contains(&name.as_str()) && !value.is_object();
                let value = if varies { kind(value).into() } else { shape(value) };
                // A key's versions map to the times they were made.
                let value = if name == "keys" && value.is_object() { times(&value) } else { value };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        other => other.clone(),
    }
}

fn times(versions: &Value) -> Value {
    let versions = versions.as_object().into_iter().flatten();
    versions.map(|(version, time)| (version.clone(), Value::from(kind(time)))).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn key_value_version_2() {
    let pair = Pair::start();
    pair.all(&[
        &["kv", "get", "-format=json", "secret/none"],
        &["kv", "list", "-format=json", "secret/"],
        &["kv", "put", "-format=json", "secret/a/b", "x=1", "y=two"],
        &["kv", "get", "-format=json", "secret/a/b"],
        &["kv", "get", "-field=y", "secret/a/b"],
        &["kv", "put", "-format=json", "-cas=7", "secret/a/b", "x=2"],
        &["kv", "put", "-format=json", "-cas=1", "secret/a/b", "x=2"],
        &["kv", "patch", "-format=json", "secret/a/b", "z=3"],
        &["kv", "patch", "-format=json", "secret/none", "z=3"],
        &["kv", "get", "-format=json", "-version=1", "secret/a/b"],
        &["kv", "get", "-format=json", "-version=9", "secret/a/b"],
        &["kv", "list", "-format=json", "secret/"],
        &["kv", "list", "-format=json", "secret/a"],
        &["kv", "delete", "-versions=2", "secret/a/b"],
        &["kv", "get", "-format=json", "-version=2", "secret/a/b"],
        &["kv", "undelete", "-versions=2", "secret/a/b"],
        &["kv", "destroy", "-versions=1", "secret/a/b"],
        &["kv", "get", "-format=json", "-version=1", "secret/a/b"],
        &["kv", "rollback", "-version=2", "secret/a/b"],
        &["kv", "metadata", "put", "-max-versions=3", "-custom-metadata=k=v", "secret/a/b"],
        &["kv", "metadata", "get", "-format=json", "secret/a/b"],
        &["kv", "delete", "secret/a/b"],
        &["kv", "get", "-format=json", "secret/a/b"],
        &["kv", "metadata", "delete", "secret/a/b"],
        &["kv", "metadata", "get", "-format=json", "secret/a/b"],
        &["read", "-format=json", "secret/config"],
        &["write", "secret/data/q", "data=text"],
        &["kv", "get", "nowhere/a"],
    ]);
}

#[test]
fn key_value_version_1_and_mounts() {
    let pair = Pair::start();
    pair.all(&[
        &["secrets", "enable", "-path=one", "-version=1", "kv"],
        &["secrets", "enable", "-path=one", "-version=1", "kv"],
        &["secrets", "enable", "-path=bad", "nonsense"],
        &["kv", "put", "one/a", "x=1"],
        &["kv", "get", "-format=json", "one/a"],
        &["write", "one/b/c", "y=2"],
        &["list", "-format=json", "one/"],
        &["list", "-format=json", "one/none"],
        &["read", "one/none"],
        &["delete", "one/a"],
        &["read", "one/a"],
        &["read", "-format=json", "sys/mounts/one/tune"],
        &["secrets", "disable", "one"],
        &["secrets", "disable", "one"],
        &["read", "one/b/c"],
    ]);
}

#[test]
fn transit() {
    let pair = Pair::start();
    pair.all(&[
        &["secrets", "enable", "transit"],
        &["list", "-format=json", "transit/keys"],
        &["write", "-f", "-format=json", "transit/keys/k"],
        &["read", "-format=json", "transit/keys/k"],
        &["read", "-format=json", "transit/keys/none"],
        &["write", "-format=json", "transit/encrypt/k", "plaintext=aGVsbG8="],
        &["write", "-format=json", "transit/encrypt/k", "plaintext=not-base64!"],
        &["write", "-format=json", "transit/decrypt/k", "ciphertext=vault:v1:AAAA"],
        &["write", "-format=json", "transit/decrypt/k", "ciphertext=nonsense"],
        &["write", "-format=json", "transit/decrypt/none", "ciphertext=vault:v1:AAAA"],
        &["write", "-f", "-format=json", "transit/keys/k/rotate"],
        &["write", "-format=json", "transit/keys/s", "type=ed25519"],
        &["write", "-format=json", "transit/sign/s", "input=aGVsbG8="],
        &["write", "-format=json", "transit/sign/k", "input=aGVsbG8="],
        &["write", "-format=json", "transit/keys/x", "type=nonsense"],
        &["list", "-format=json", "transit/keys"],
        &["delete", "transit/keys/k"],
    ]);
}

#[test]
fn policies_and_tokens() {
    let pair = Pair::start();
    pair.all(&[
        &["policy", "list", "-format=json"],
        &["policy", "read", "none"],
        &["write", "sys/policies/acl/p", "policy=path \"secret/*\" { capabilities = [\"read\"] }"],
        &["write", "sys/policies/acl/bad", "policy=path {"],
        &["policy", "read", "p"],
        &["policy", "list", "-format=json"],
        &["policy", "delete", "p"],
        &["policy", "delete", "root"],
        &["policy", "delete", "default"],
        &["token", "create", "-format=json", "-policy=default", "-ttl=1h"],
        &["token", "create", "-format=json", "-policy=default", "-ttl=nonsense"],
        &["token", "lookup"],
        &["token", "lookup", "hvs.none"],
        &["token", "revoke", "hvs.none"],
        &["token", "capabilities", "secret/data/a"],
        &["read", "-format=json", "sys/key-status"],
        &["write", "-f", "sys/nothing"],
        &["read", "sys/nothing"],
        &["unwrap", "hvs.none"],
    ]);
}
