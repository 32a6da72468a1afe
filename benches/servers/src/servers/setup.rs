//! What every server holds before it is measured: keys, a policy, tokens, a role, secrets.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::api::{Api, text};
use super::{Audit, Kind};
use crate::client::Target;
use crate::work::{KEYS, MESSAGE, RENEWED};

/// What the caller of the load may do: nothing that the load does not need.
const POLICY: &str = r#"
path "transit/*" { capabilities = ["create", "read", "update"] }
path "secret/*" { capabilities = ["create", "read", "update"] }
"#;

/// What requests are made of.
#[derive(Default)]
pub struct Prepared {
    /// Unseals.
    pub share: String,
    /// The root token; the load does not use it.
    pub root: String,
    /// A token with a policy.
    pub token: String,
    /// Tokens that are renewed, of the same policy.
    pub renewed: Vec<String>,
    /// Body of a login.
    pub login: String,
    /// A ciphertext of each key, version 1.
    pub sealed: Vec<String>,
}

/// Initialises, unseals and fills a server.
pub(super) async fn all(
    target: &Target,
    kind: Kind,
    audit: Audit,
    folder: &Path,
) -> Result<Prepared> {
    let mut api = Api::open(target, "").await?;
    let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
    let made = api.until("POST", "sys/init", &shares).await?;
    let mut prepared = Prepared {
        share: text(&made, "/keys_base64/0")?,
        root: text(&made, "/root_token")?,
        ..Prepared::default()
    };
    unseal(target, &prepared.share).await?;
    let mut api = Api::open(target, &prepared.root).await?;
    if kind == Kind::Strongroom && audit != Audit::Off {
        let options = json!({
            "file_path": folder.join("audit.log"),
            "durable": (audit == Audit::Durable).to_string(),
        });
        api.post("sys/audit/file", json!({ "type": "file", "options": options })).await?;
    }
    engines(&mut api, &mut prepared).await?;
    callers(&mut api, &mut prepared).await?;
    Ok(prepared)
}

/// Unseals a server and waits until it answers as an active one.
pub(super) async fn unseal(target: &Target, share: &str) -> Result<()> {
    let mut api = Api::open(target, "").await?;
    api.until("POST", "sys/unseal", &json!({ "key": share })).await?;
    api.until("GET", "sys/health", &Value::Null).await?;
    Ok(())
}

async fn engines(api: &mut Api, prepared: &mut Prepared) -> Result<()> {
    api.post("sys/mounts/transit", json!({ "type": "transit" })).await?;
    api.post("sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await?;
    api.post("transit/keys/sign", json!({ "type": "ed25519" })).await?;
    for n in 0..KEYS {
        api.post(&format!("transit/keys/key-{n}"), Value::Null).await?;
        let sealed =
            api.post(&format!("transit/encrypt/key-{n}"), json!({ "plaintext": MESSAGE })).await?;
        prepared.sealed.push(text(&sealed, "/data/ciphertext")?);
    }
    // A mount that is being made ready refuses writes for a moment.
    api.until("POST", "secret/data/read", &crate::work::secret()).await?;
    Ok(())
}

async fn callers(api: &mut Api, prepared: &mut Prepared) -> Result<()> {
    api.post("sys/policies/acl/load", json!({ "policy": POLICY })).await?;
    let asked = json!({ "policies": ["load"], "ttl": "24h" });
    let token = api.post("auth/token/create", asked).await?;
    prepared.token = text(&token, "/auth/client_token")?;
    api.post("sys/auth/approle", json!({ "type": "approle" })).await?;
    let role = json!({ "token_policies": ["load"], "token_ttl": "10m" });
    api.post("auth/approle/role/load", role).await?;
    let id = api.call("GET", "auth/approle/role/load/role-id", &Value::Null).await?;
    let secret = api.post("auth/approle/role/load/secret-id", json!({})).await?;
    let login = json!({
        "role_id": text(&id, "/data/role_id")?,
        "secret_id": text(&secret, "/data/secret_id")?,
    });
    for _ in 0..RENEWED {
        let made = api.post("auth/approle/login", login.clone()).await?;
        prepared.renewed.push(text(&made, "/auth/client_token")?);
    }
    prepared.login = login.to_string();
    Ok(())
}

/// Sums of the counters of all audit devices: records, bytes, syncs.
pub(super) async fn audited(target: &Target, token: &str) -> Result<[f64; 3]> {
    let mut api = Api::open(target, token).await?;
    let figures = api.call("GET", "sys/metrics", &Value::Null).await?;
    let counters = figures["Counters"].as_array().context("no counters")?;
    let sum = |name: &str| {
        let of = counters.iter().filter(|c| c["Name"] == name);
        of.filter_map(|c| c["Count"].as_f64()).sum()
    };
    Ok(["records", "bytes", "syncs"].map(|what| sum(&format!("strongroom.audit.{what}"))))
}
