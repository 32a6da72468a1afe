//! Transit: encryption, signing and the like as a service; keys never leave unless they may.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `config` | [`config::Config`] |
//! | `wrapping-key` | the RSA key that imports are wrapped under |
//! | `key/<name>` | [`key::Stored`]: rules and all versions of a key |
//!
//! What reads keys is served by every cluster; what changes them, by the primary. Encrypting with an
//! unknown name creates the key, which makes that call the primary's too.

mod agree;
mod backup;
mod batch;
mod certificate;
mod cipher;
mod config;
mod crypt;
mod decimal;
mod der;
mod derive;
mod encoding;
mod export;
mod hash;
mod import;
mod key;
mod keys;
mod kind;
mod material;
mod native;
mod nonce;
mod pem;
mod ready;
mod rotation;
mod scheme;
mod secret;
mod sign;
mod tools;
mod wire;
mod wrapping;

pub(crate) use rotation::rotate_due;
pub(crate) use tools::{hash, random};

use crate::barrier::View;
use crate::logical::{Access, ApiResult, Call, EngineHandler, Method, Operation, Response, Route};

type Handler = fn(&Call<'_>, &mut View<'_>) -> ApiResult<Response>;

/// A route that tells no create from update.
const fn route(
    pattern: &'static str,
    summary: &'static str,
    methods: &'static [Method<Handler>],
) -> Route<EngineHandler> {
    Route { pattern, summary, access: Access::Token, exists: None, methods }
}

const SIGN: &[Method<Handler>] = &[Method::local(Operation::Write, sign::sign)];
const VERIFY: &[Method<Handler>] = &[Method::local(Operation::Write, sign::verify)];
const HMAC: &[Method<Handler>] = &[Method::local(Operation::Write, sign::hmac)];
const RANDOM: &[Method<Handler>] = &[Method::local(Operation::Write, tools::random)];
const HASH: &[Method<Handler>] = &[Method::local(Operation::Write, tools::hash)];
const RESTORE: &[Method<Handler>] = &[Method::primary(Operation::Write, backup::restore)];
const BYOK: &[Method<Handler>] = &[Method::local(Operation::Read, import::export)];
const EXPORT: &[Method<Handler>] = &[Method::local(Operation::Read, export::export)];

pub(super) static ROUTES: &[Route<EngineHandler>] = &[
    Route {
        pattern: "encrypt/{name}",
        summary: "Encrypt a message or a batch.",
        access: Access::Token,
        exists: Some(crypt::exists),
        methods: &[Method::local(Operation::Write, crypt::encrypt)],
    },
    route(
        "decrypt/{name}",
        "Decrypt a message or a batch.",
        &[Method::local(Operation::Write, crypt::decrypt)],
    ),
    route(
        "rewrap/{name}",
        "Encrypt again under another version, without showing the message.",
        &[Method::local(Operation::Write, crypt::rewrap)],
    ),
    route("sign/{name}", "Sign an input or a batch.", SIGN),
    route("sign/{name}/{algorithm}", "Sign with a hash function.", SIGN),
    route("verify/{name}", "Verify signatures or HMACs.", VERIFY),
    route("verify/{name}/{algorithm}", "Verify with a hash function.", VERIFY),
    route("hmac/{name}", "HMAC of an input or a batch.", HMAC),
    route("hmac/{name}/{algorithm}", "HMAC with a hash function.", HMAC),
    route(
        "datakey/{kind}/{name}",
        "A new random key, encrypted.",
        &[Method::local(Operation::Write, tools::datakey)],
    ),
    route("random", "Random bytes.", RANDOM),
    route("random/{first}", "Random bytes: how many, or from where.", RANDOM),
    route("random/{first}/{bytes}", "Random bytes: from where and how many.", RANDOM),
    route("hash", "Hash of an input.", HASH),
    route("hash/{algorithm}", "Hash with a hash function.", HASH),
    route("keys", "List keys.", &[Method::local(Operation::List, keys::list_keys)]),
    Route {
        pattern: "keys/{name}",
        summary: "Create, read and delete a key.",
        access: Access::Token,
        exists: Some(crypt::exists),
        methods: &[
            Method::local(Operation::Read, keys::read),
            Method::primary(Operation::Write, keys::create),
            Method::primary(Operation::Delete, keys::delete),
        ],
    },
    route(
        "keys/{name}/rotate",
        "Add a version to a key.",
        &[Method::primary(Operation::Write, keys::rotate)],
    ),
    route(
        "keys/{name}/config",
        "Set the rules of a key.",
        &[Method::primary(Operation::Write, keys::configure)],
    ),
    route(
        "keys/{name}/trim",
        "Remove old versions of a key for good.",
        &[Method::primary(Operation::Write, keys::trim)],
    ),
    route(
        "keys/{name}/soft-delete",
        "Keep a key from being used.",
        &[Method::primary(Operation::Delete, keys::soft_delete)],
    ),
    route(
        "keys/{name}/soft-delete-restore",
        "Bring a key back into use.",
        &[Method::primary(Operation::Write, keys::soft_restore)],
    ),
    route(
        "keys/{name}/import",
        "Create a key out of wrapped material or a public key.",
        &[Method::primary(Operation::Write, import::import)],
    ),
    route(
        "keys/{name}/import_version",
        "Add a version to an imported key.",
        &[Method::primary(Operation::Write, import::import_version)],
    ),
    route(
        "keys/{name}/csr",
        "A certificate request signed by a key.",
        &[Method::local(Operation::Write, certificate::csr)],
    ),
    route(
        "keys/{name}/set-certificate",
        "Keep a chain of certificates with a key.",
        &[Method::primary(Operation::Write, certificate::set)],
    ),
    route(
        "wrapping_key",
        "The public key to wrap imports under.",
        &[Method::local(Operation::Read, wrapping::read)],
    ),
    route("byok-export/{destination}/{source}", "Export a key wrapped under another.", BYOK),
    route("byok-export/{destination}/{source}/{version}", "Export one version so.", BYOK),
    route(
        "derive-key/{name}",
        "A key out of a key agreement.",
        &[Method::primary(Operation::Write, agree::derive_key)],
    ),
    route("export/{kind}/{name}", "Export a key that may leave.", EXPORT),
    route("export/{kind}/{name}/{version}", "Export one version.", EXPORT),
    route(
        "backup/{name}",
        "A whole key as one text, if it may leave.",
        &[Method::primary(Operation::Read, backup::backup)],
    ),
    route("restore", "Bring a key back under its own name.", RESTORE),
    route("restore/{name}", "Bring a key back under another name.", RESTORE),
    route(
        "config/keys",
        "Whether encrypting creates keys.",
        &[
            Method::local(Operation::Read, config::read_keys),
            Method::primary(Operation::Write, config::write_keys),
        ],
    ),
    route(
        "cache-config",
        "Size of the key cache.",
        &[
            Method::local(Operation::Read, config::read_cache),
            Method::primary(Operation::Write, config::write_cache),
        ],
    ),
];

#[cfg(test)]
mod tests;
