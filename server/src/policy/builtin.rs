//! The policies every cluster starts with.

use super::{entry, key};
use crate::barrier::{Session, ViewError};
use crate::keyspace::CORE;

/// May do everything; has no text and cannot be changed.
pub const ROOT: &str = "root";
/// Goes with every token unless it asks not to have it; can be changed, not removed.
pub const DEFAULT: &str = "default";
/// Of wrapping tokens: what they may do is not for anyone to say, nor to give to other tokens.
pub const WRAPPING: &str = "response-wrapping";

const DEFAULT_TEXT: &str = r#"# What a token may do with itself.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self"  { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self"  { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }

# Its own entity.
path "identity/entity/id/{{identity.entity.id}}"     { capabilities = ["read"] }
path "identity/entity/name/{{identity.entity.name}}" { capabilities = ["read"] }

# The token's own private store.
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Leases whose id the caller knows.
path "sys/renew"         { capabilities = ["update"] }
path "sys/leases/renew"  { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }

# Wrapped answers.
path "sys/wrapping/wrap"   { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

# Where an application asks for a sign-in of the token's entity.
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }

# Tools without state.
path "sys/tools/hash"   { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
"#;

/// Writes the built-in policies of a new cluster.
///
/// # Errors
/// See [`ViewError`].
pub fn create_defaults(session: &mut Session) -> Result<(), ViewError> {
    let entry = entry::PolicyEntry {
        text: DEFAULT_TEXT.to_owned(),
        version: 1,
        ..entry::PolicyEntry::default()
    };
    session.view(CORE).put_json(&key(DEFAULT), &entry)
}

#[cfg(test)]
mod tests {
    use super::DEFAULT_TEXT;

    #[test]
    fn the_default_policy_parses() {
        assert!(super::super::parse(DEFAULT_TEXT).unwrap().len() > 10);
    }
}
