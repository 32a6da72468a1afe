//! Batch tokens: the entry, sealed by the barrier, is the token. Nothing is stored.
//!
//! `hvb.` and, in URL-safe base64 without padding, what the barrier made of [`Carried`] in JSON. All
//! clusters of a replication set have the barrier's keys, so a batch token without a parent is good
//! on every one of them; with a parent only where the parent is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::entry::{Token, TokenEntry, later};
use crate::auth::{Cidr, Origin};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;

const PREFIX: &str = "hvb.";
const LABEL: &str = "batch-token";

/// What of an entry travels with every request; short names, and nothing that is empty.
#[derive(Serialize, Deserialize)]
struct Carried {
    #[serde(rename = "c")]
    created: Stamp,
    #[serde(rename = "t")]
    ttl: u64,
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    meta: Option<BTreeMap<String, String>>,
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    display_name: String,
    #[serde(rename = "e", default, skip_serializing_if = "String::is_empty")]
    entity_id: String,
    #[serde(rename = "r", default, skip_serializing_if = "String::is_empty")]
    role: String,
    #[serde(rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    bound_cidrs: Vec<Cidr>,
    #[serde(rename = "a", default, skip_serializing_if = "String::is_empty")]
    mount_accessor: String,
}

/// Whether it looks like a batch token, of this server or of an older form.
pub(super) fn is_batch(token: &str) -> bool {
    token.starts_with(PREFIX) || token.starts_with("b.")
}

/// The token that carries `entry`.
pub(super) fn seal(session: &Session, entry: &TokenEntry) -> Result<Zeroizing<String>, ViewError> {
    let entry = entry.clone();
    let carried = Carried {
        created: entry.created,
        ttl: entry.creation_ttl,
        policies: entry.policies,
        parent: entry.parent,
        path: entry.path,
        meta: entry.meta,
        display_name: entry.display_name,
        entity_id: entry.entity_id,
        role: entry.role,
        bound_cidrs: entry.bound_cidrs,
        mount_accessor: entry.mount_accessor,
    };
    let plain = Zeroizing::new(serde_json::to_vec(&carried).map_err(|_| ViewError::Decode)?);
    let sealed = session.seal_for(LABEL, &plain)?;
    Ok(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))))
}

/// What a token carries; `None` for what was not made by [`seal`].
pub(super) fn open(session: &Session, token: &str) -> Option<Token> {
    let sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    let plain = session.open_for(LABEL, sealed).ok()?;
    let carried: Carried = serde_json::from_slice(&plain).ok()?;
    let entry = TokenEntry {
        accessor: String::new(),
        parent: carried.parent,
        policies: carried.policies,
        path: carried.path,
        meta: carried.meta,
        display_name: carried.display_name,
        num_uses: 0,
        created: carried.created,
        creation_ttl: carried.ttl,
        explicit_max_ttl: 0,
        period: 0,
        renewable: false,
        entity_id: carried.entity_id,
        expires: Some(later(carried.created, carried.ttl)),
        renewed: None,
        max_ttl: 0,
        role: carried.role,
        bound_cidrs: carried.bound_cidrs,
        mount_accessor: carried.mount_accessor,
        origin: Origin::default(),
        batch: true,
    };
    Some(Token::new("", entry))
}
