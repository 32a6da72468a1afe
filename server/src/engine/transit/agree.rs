//! `derive-key`: a new symmetric key out of a key agreement with another party (ECDH), by HKDF-SHA256
//! (RFC 5869) without salt and info.
//!
//! The result is like an imported key: it cannot be rotated, and agreeing again adds a version.

use rustls_pki_types::pem::SectionKind;

use super::super::fields::Fields;
use super::derive::expand;
use super::key::{self, Imported, Settings, Stored};
use super::kind::{Family, Kind};
use super::material::Version;
use super::native::Pkey;
use super::pem;
use super::ready::{Key, load_stored};
use super::secret::Secret;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

pub(super) fn derive_key(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let refuse = |why: String| ApiError::bad_request(why);
    let fields = Fields::of(call)?;
    let given = |field: &str| -> ApiResult<Option<String>> {
        Ok(fields.text(field)?.filter(|text| !text.is_empty()))
    };
    let peer = given("peer_public_key")?
        .ok_or_else(|| refuse("peer public key not provided".to_owned()))?;
    let base =
        given("base_key_name")?.ok_or_else(|| refuse("base key name not provided".to_owned()))?;
    let algorithm = given("key_derivation_algorithm")?.unwrap_or_else(|| "ecdh".to_owned());
    if algorithm != "ecdh" {
        return Err(refuse(format!("key derivation algorithm {algorithm} not supported")));
    }
    let wanted = given("derived_key_type")?.unwrap_or_else(|| Kind::default().name().to_owned());
    let kind = Kind::from_name(&wanted);
    let Some((kind, Family::Aead(len))) = kind.map(|kind| (kind, kind.family())) else {
        return Err(refuse(format!("unknown key type {wanted}")));
    };
    if !key::is_name(&base) {
        return Err(refuse("specified base key not found".to_owned()));
    }
    let base =
        Key::load(view, &base)?.ok_or_else(|| refuse("specified base key not found".to_owned()))?;
    let secret = agree(&base, &peer, fields.integer("base_key_version")?.unwrap_or(0))?;
    let bytes = expand(&secret, &[], len)?;
    let version = Version::of(kind, false, Secret::from_bytes(bytes.to_vec()), call.now.into())
        .ok_or_else(|| ApiError::internal("a derived key is malformed"))?;
    let mut stored = match load_stored(view, name)? {
        Some(stored) if stored.kind != kind || stored.derived || stored.imported.is_none() => {
            return Err(refuse(format!("key {name} exists and is not one that was derived so")));
        }
        Some(stored) => stored,
        None => {
            let mut stored = Stored::empty(&Settings { kind, ..Settings::default() })?;
            stored.imported = Some(Imported { allow_rotation: false, rotated: false });
            stored
        }
    };
    stored.must_be_in_use()?;
    stored.add(version)?;
    key::store(view, name, &stored)?;
    Ok(Response::empty())
}

/// The secret shared by a version of the base key and the other party.
fn agree(base: &Key, peer: &str, version: i64) -> ApiResult<zeroize::Zeroizing<Vec<u8>>> {
    let kind = base.stored.kind;
    base.stored.must_be_in_use()?;
    let Family::Ecdsa(curve) = kind.family() else {
        let name = kind.name();
        return Err(ApiError::bad_request(format!(
            "base key type {name} does not support key agreement"
        )));
    };
    let peer = pem::decode(peer, SectionKind::PublicKey).and_then(|der| Pkey::from_spki(&der));
    let peer = peer.ok_or_else(|| {
        ApiError::bad_request(
            "failed to parse supplied peer public key PEM: data does not contain any valid public \
             keys",
        )
    })?;
    if peer.curve() != Some(curve) {
        let name = kind.name();
        return Err(ApiError::bad_request(format!(
            "base private key type {name} does not match peer public key curve"
        )));
    }
    let version = base.stored.version_to_write(version, "key derivation")?;
    base.must_be_private(version, "key derivation")?;
    base.pair(version)?
        .agree(&peer)
        .ok_or_else(|| ApiError::bad_request("the keys do not agree on a secret"))
}
