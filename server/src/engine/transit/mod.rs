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
mod configure;
mod crypt;
mod crypt_request;
mod decimal;
mod der;
mod derive;
mod describe;
mod encoding;
mod export;
mod hash;
mod hmac;
mod import;
mod key;
mod keys;
mod kind;
mod material;
mod native;
mod nonce;
mod pem;
mod ready;
mod results;
mod rotation;
mod scheme;
mod secret;
mod sign;
mod sign_request;
mod takes;
mod tools;
mod verify;
mod wire;
mod wrapping;

pub(crate) use rotation::rotate_due;
pub(crate) use tools::{hash, random};

use crate::barrier::View;
use crate::logical::{ApiResult, Call, EngineRoute, Field, Method, Operation, Response};

type Handler = fn(&Call<'_>, &mut View<'_>) -> ApiResult<Response>;

const SIGN: &[Method<Handler>] = &[Method::local(Operation::Write, sign::sign)];
const VERIFY: &[Method<Handler>] = &[Method::local(Operation::Write, verify::verify)];
const HMAC: &[Method<Handler>] = &[Method::local(Operation::Write, hmac::hmac)];
const RANDOM: &[Method<Handler>] = &[Method::local(Operation::Write, tools::random)];
const HASH: &[Method<Handler>] = &[Method::local(Operation::Write, tools::hash)];
const RESTORE: &[Method<Handler>] = &[Method::primary(Operation::Write, backup::restore)];
const BYOK: &[Method<Handler>] = &[Method::local(Operation::Read, import::export)];
const EXPORT: &[Method<Handler>] = &[Method::local(Operation::Read, export::export)];

pub(super) static ROUTES: &[EngineRoute] = &[
    EngineRoute::new(
        "encrypt/{name}",
        "Encrypt a message or a batch.",
        &[Method::local(Operation::Write, crypt::encrypt)],
    )
    .creates(crypt::exists)
    .takes(takes::ENCRYPT),
    EngineRoute::new(
        "decrypt/{name}",
        "Decrypt a message or a batch.",
        &[Method::local(Operation::Write, crypt::decrypt)],
    )
    .takes(takes::DECRYPT),
    EngineRoute::new(
        "rewrap/{name}",
        "Encrypt again under another version, without showing the message.",
        &[Method::local(Operation::Write, crypt::rewrap)],
    )
    .takes(takes::REWRAP),
    EngineRoute::new("sign/{name}", "Sign an input or a batch.", SIGN).takes(takes::SIGN),
    EngineRoute::new("sign/{name}/{urlalgorithm}", "Sign with a hash function.", SIGN)
        .takes(takes::SIGN),
    EngineRoute::new("verify/{name}", "Verify signatures or HMACs.", VERIFY).takes(takes::VERIFY),
    EngineRoute::new("verify/{name}/{urlalgorithm}", "Verify with a hash function.", VERIFY)
        .takes(takes::VERIFY),
    EngineRoute::new("hmac/{name}", "HMAC of an input or a batch.", HMAC).takes(takes::HMAC),
    EngineRoute::new("hmac/{name}/{urlalgorithm}", "HMAC with a hash function.", HMAC)
        .takes(takes::HMAC),
    EngineRoute::new(
        "datakey/{kind}/{name}",
        "A new random key, encrypted.",
        &[Method::local(Operation::Write, tools::datakey)],
    )
    .takes(takes::DATAKEY),
    EngineRoute::new("random", "Random bytes.", RANDOM).takes(takes::RANDOM),
    EngineRoute::new("random/{first}", "Random bytes: how many, or from where.", RANDOM)
        .takes(takes::RANDOM),
    EngineRoute::new("random/{first}/{urlbytes}", "Random bytes: from where and how many.", RANDOM)
        .takes(takes::RANDOM),
    EngineRoute::new("hash", "Hash of an input.", HASH).takes(takes::HASH),
    EngineRoute::new("hash/{urlalgorithm}", "Hash with a hash function.", HASH).takes(takes::HASH),
    EngineRoute::new("keys", "List keys.", &[Method::local(Operation::List, keys::list_keys)])
        .takes(Field::PAGE),
    EngineRoute::new(
        "keys/{name}",
        "Create, read and delete a key.",
        &[
            Method::local(Operation::Read, keys::read),
            Method::primary(Operation::Write, keys::create),
            Method::primary(Operation::Delete, keys::delete),
        ],
    )
    .creates(crypt::exists)
    .takes(takes::KEYS),
    EngineRoute::new(
        "keys/{name}/rotate",
        "Add a version to a key.",
        &[Method::primary(Operation::Write, keys::rotate)],
    )
    .takes(&[]),
    EngineRoute::new(
        "keys/{name}/config",
        "Set the rules of a key.",
        &[Method::primary(Operation::Write, configure::configure)],
    )
    .takes(takes::KEYS_CONFIG),
    EngineRoute::new(
        "keys/{name}/trim",
        "Remove old versions of a key for good.",
        &[Method::primary(Operation::Write, configure::trim)],
    )
    .takes(takes::KEYS_TRIM),
    EngineRoute::new(
        "keys/{name}/soft-delete",
        "Keep a key from being used.",
        &[Method::primary(Operation::Delete, keys::soft_delete)],
    )
    .takes(&[]),
    EngineRoute::new(
        "keys/{name}/soft-delete-restore",
        "Bring a key back into use.",
        &[Method::primary(Operation::Write, keys::soft_restore)],
    )
    .takes(&[]),
    EngineRoute::new(
        "keys/{name}/import",
        "Create a key out of wrapped material or a public key.",
        &[Method::primary(Operation::Write, import::import)],
    )
    .takes(takes::KEYS_IMPORT),
    EngineRoute::new(
        "keys/{name}/import_version",
        "Add a version to an imported key.",
        &[Method::primary(Operation::Write, import::import_version)],
    )
    .takes(takes::KEYS_IMPORT_VERSION),
    EngineRoute::new(
        "keys/{name}/csr",
        "A certificate request signed by a key.",
        &[Method::local(Operation::Write, certificate::csr)],
    )
    .takes(takes::KEYS_CSR),
    EngineRoute::new(
        "keys/{name}/set-certificate",
        "Keep a chain of certificates with a key.",
        &[Method::primary(Operation::Write, certificate::set)],
    )
    .takes(takes::KEYS_SET_CERTIFICATE),
    EngineRoute::new(
        "wrapping_key",
        "The public key to wrap imports under.",
        &[Method::local(Operation::Read, wrapping::read)],
    )
    .takes(&[]),
    EngineRoute::new(
        "byok-export/{destination}/{source}",
        "Export a key wrapped under another.",
        BYOK,
    )
    .takes(takes::BYOK_EXPORT),
    EngineRoute::new(
        "byok-export/{destination}/{source}/{version}",
        "Export one version so.",
        BYOK,
    )
    .takes(takes::BYOK_EXPORT),
    EngineRoute::new(
        "derive-key/{name}",
        "A key out of a key agreement.",
        &[Method::primary(Operation::Write, agree::derive_key)],
    )
    .takes(takes::DERIVE_KEY),
    EngineRoute::new("export/{kind}/{name}", "Export a key that may leave.", EXPORT)
        .takes(takes::EXPORT),
    EngineRoute::new("export/{kind}/{name}/{version}", "Export one version.", EXPORT)
        .takes(takes::EXPORT),
    EngineRoute::new(
        "backup/{name}",
        "A whole key as one text, if it may leave.",
        &[Method::primary(Operation::Read, backup::backup)],
    )
    .takes(&[]),
    EngineRoute::new("restore", "Bring a key back under its own name.", RESTORE)
        .takes(takes::RESTORE_FIELDS),
    EngineRoute::new("restore/{name}", "Bring a key back under another name.", RESTORE)
        .takes(takes::RESTORE_BY_PATH),
    EngineRoute::new(
        "config/keys",
        "Whether encrypting creates keys.",
        &[
            Method::local(Operation::Read, config::read_keys),
            Method::primary(Operation::Write, config::write_keys),
        ],
    )
    .takes(takes::CONFIG_KEYS),
    EngineRoute::new(
        "cache-config",
        "Size of the key cache.",
        &[
            Method::local(Operation::Read, config::read_cache),
            Method::primary(Operation::Write, config::write_cache),
        ],
    )
    .takes(takes::CACHE_CONFIG),
];

#[cfg(test)]
mod tests;
