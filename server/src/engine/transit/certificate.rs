//! `csr` and `set-certificate`: certificate requests signed by a key, and the certificates that came
//! of them.

use rustls_pki_types::pem::SectionKind;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::fields::Fields;
use super::der::{self, BIT_STRING, INTEGER, OID, SEQUENCE};
use super::hash::Hash;
use super::key::{self, Stored};
use super::kind::{Family, Kind};
use super::native::{Curve, Scheme};
use super::pem;
use super::ready::{Key, load_stored};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Context tag 0, constructed: the attributes of a request.
const ATTRIBUTES: u8 = 0xa0;
/// Context tag 0, constructed: the version of a certificate.
const VERSION: u8 = 0xa0;
const NULL: &[u8] = &[0x05, 0];

/// A request for a certificate (PKCS #10, RFC 2986): subject and attributes as in the template, or
/// none; public key and signature of the key.
pub(super) fn csr(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let fields = Fields::of(call)?;
    let key = signing(view, name)?;
    let kind = key.stored.kind;
    let version = requested(&key.stored, &fields).ok().filter(|n| *n >= key.stored.min_decryption);
    let version = version
        .ok_or_else(|| ApiError::bad_request("could not create the csr: no such key version"))?;
    let material = key.must_be_private(version, "signing")?;
    if key.stored.derived {
        return Err(ApiError::bad_request("a derived key has no public key of its own"));
    }
    let template = match fields.text("csr")?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let der = pem::decode(&text, SectionKind::Csr)
                .ok_or_else(|| ApiError::bad_request("could not decode PEM CSR"))?;
            Some(Template::read(&der).ok_or_else(|| ApiError::bad_request("could not parse CSR"))?)
        }
    };
    let template = template.unwrap_or_else(Template::empty);
    let info = der::value(
        SEQUENCE,
        &[&der::integer(&[]), &template.subject, &material.spki(kind), &template.attributes],
    );
    let (algorithm, signature) = sign(&key, version, &info)?;
    let bits = der::value(BIT_STRING, &[&[0], &signature]);
    let request = der::value(SEQUENCE, &[&info, &algorithm, &bits]);
    let text = pem::encode("CERTIFICATE REQUEST", &request);
    Response::data(&json!({ "name": name, "type": kind.name(), "csr": text.as_str() }))
}

/// The parts of a request that are taken over, each a whole value.
struct Template {
    subject: Vec<u8>,
    attributes: Vec<u8>,
}

impl Template {
    fn empty() -> Self {
        Self {
            subject: der::value(SEQUENCE, &[]).to_vec(),
            attributes: der::value(ATTRIBUTES, &[]).to_vec(),
        }
    }

    fn read(der: &[u8]) -> Option<Self> {
        let mut info = der::sequence(der)?.sequence()?;
        info.expect(INTEGER)?;
        let (tag, _, subject) = info.next()?;
        info.sequence()?;
        let attributes = match info.next() {
            None => der::value(ATTRIBUTES, &[]).to_vec(),
            Some((ATTRIBUTES, _, whole)) => whole.to_vec(),
            Some(_) => return None,
        };
        (tag == SEQUENCE).then(|| Self { subject: subject.to_vec(), attributes })
    }
}

/// The algorithm's identifier and the signature, with the hash function that suits the key.
fn sign(key: &Key, version: u32, message: &[u8]) -> ApiResult<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let kind = key.stored.kind;
    if kind == Kind::Ed25519 {
        let signature = key.ed25519(version, None)?.sign(message).as_ref().to_vec();
        return Ok((algorithm(kind), signature));
    }
    let (scheme, hash) = match kind.family() {
        Family::Rsa(_) => (Scheme::Pkcs1(Hash::Sha256), Hash::Sha256),
        Family::Ecdsa(curve) => (Scheme::Ecdsa, curve_hash(curve)),
        _ => (Scheme::MlDsa, Hash::None),
    };
    let digest = hash.digest(message).unwrap_or_else(|| message.to_vec());
    let signature = key.pair(version)?.sign(scheme, &digest);
    let signature = signature.ok_or_else(|| ApiError::internal("the request was not signed"))?;
    Ok((algorithm(kind), signature))
}

fn curve_hash(curve: Curve) -> Hash {
    match curve {
        Curve::P256 => Hash::Sha256,
        Curve::P384 => Hash::Sha384,
        Curve::P521 => Hash::Sha512,
    }
}

fn algorithm(kind: Kind) -> Zeroizing<Vec<u8>> {
    let ecdsa = |last: u8| {
        let oid = der::value(OID, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last]]);
        der::value(SEQUENCE, &[&oid])
    };
    match (kind.family(), kind.plain()) {
        (_, Some(plain)) => plain.algorithm(),
        (Family::Ecdsa(Curve::P256), _) => ecdsa(2),
        (Family::Ecdsa(Curve::P384), _) => ecdsa(3),
        (Family::Ecdsa(Curve::P521), _) => ecdsa(4),
        _ => {
            let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
            der::value(SEQUENCE, &[&der::value(OID, &[&oid]), NULL])
        }
    }
}

/// Keeps a chain of certificates with a version; the first must be for its public key.
pub(super) fn set(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let fields = Fields::of(call)?;
    let key = signing(view, name)?;
    let kind = key.stored.kind;
    let text = fields.text("certificate_chain")?.unwrap_or_default();
    let chain = pem::decode_all(&text, SectionKind::Certificate);
    let chain = chain.filter(|chain| text.is_empty() || !chain.is_empty()).ok_or_else(|| {
        ApiError::bad_request("could not decode a PEM block in the certificate chain")
    })?;
    let first = chain.first().ok_or_else(|| {
        ApiError::bad_request(
            "provided certificate chain did not contain any valid PEM encoded certificate",
        )
    })?;
    let version = requested(&key.stored, &fields)?;
    let Some(mut stored) = load_stored(view, name)? else { return Err(missing(name)) };
    let Some(material) = stored.versions.get_mut(&version) else {
        return Err(ApiError::bad_request("no such key version"));
    };
    let public =
        public_key_of(first).ok_or_else(|| ApiError::bad_request("failed to parse certificate"))?;
    if chain[1..].iter().any(|der| public_key_of(der).is_none()) {
        return Err(ApiError::bad_request("failed to parse certificate"));
    }
    if public != material.spki(kind) {
        return Err(ApiError::bad_request(
            "provided leaf certificate public key does not match the key version selected",
        ));
    }
    material.certificates =
        chain.iter().map(|der| pem::encode("CERTIFICATE", der).to_string()).collect();
    key::store(view, name, &stored)?;
    Ok(Response::empty())
}

/// The `SubjectPublicKeyInfo` of a certificate.
fn public_key_of(certificate: &[u8]) -> Option<&[u8]> {
    let mut body = der::sequence(certificate)?.sequence()?;
    let (tag, ..) = body.next()?;
    if tag == VERSION {
        body.expect(INTEGER)?;
    }
    // Signature algorithm, issuer, validity, subject.
    for _ in 0..4 {
        body.sequence()?;
    }
    let (tag, _, whole) = body.next()?;
    (tag == SEQUENCE).then_some(whole)
}

fn missing(name: &str) -> ApiError {
    ApiError::bad_request(format!("key with provided name '{name}' not found"))
}

/// A key that signs.
fn signing(view: &mut View<'_>, name: &str) -> ApiResult<std::sync::Arc<Key>> {
    let key = Key::load(view, name)?.ok_or_else(|| missing(name))?;
    key.stored.must_be_in_use()?;
    if !key.stored.kind.signs() {
        let kind = key.stored.kind.name();
        return Err(ApiError::bad_request(format!("key type '{kind}' does not support signing")));
    }
    Ok(key)
}

/// The version that the request names; the latest if it names none.
fn requested(stored: &Stored, fields: &Fields<'_>) -> ApiResult<u32> {
    let asked = match fields.text("version")?.as_deref() {
        None | Some("" | "0" | "latest") => return Ok(stored.latest),
        Some(digits) => digits.parse().ok(),
    };
    asked
        .filter(|number| stored.versions.contains_key(number))
        .ok_or_else(|| ApiError::bad_request("no such key version"))
}
