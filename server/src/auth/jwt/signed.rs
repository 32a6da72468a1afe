//! JSON Web Signatures in their compact form (RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::{PublicKey, is_known};

/// Why a token is not looked at any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    /// Not three parts, or not what they should be.
    #[error("error verifying token signature: compact JWS format must have three parts")]
    Malformed,
    /// The configuration does not have it, or nobody.
    #[error("invalid algorithm (alg) header parameter: token signed with unexpected algorithm")]
    Algorithm,
    /// No key made it, or the header asks for what is not there.
    #[error(
        "error verifying token signature: no known key successfully validated the token signature"
    )]
    Unknown,
    /// Signed, and no object in JSON.
    #[error("the claims are not an object in JSON")]
    Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// What must be understood; none of it is.
    crit: Option<Value>,
}

/// The claims of a token that one of the keys signed; `algorithms` are those allowed, all if empty.
pub(super) fn open(
    token: &str,
    keys: &[PublicKey],
    algorithms: &[String],
) -> Result<Map<String, Value>, SignatureError> {
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| SignatureError::Malformed);
    let (message, signature) = token.rsplit_once('.').ok_or(SignatureError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(SignatureError::Malformed)?;
    if claims.contains('.') {
        return Err(SignatureError::Malformed);
    }
    let (claims, signature) = (decode(claims)?, decode(signature)?);
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| SignatureError::Malformed)?;
    if !algorithms.is_empty() && !algorithms.contains(&header.alg) {
        return Err(SignatureError::Algorithm);
    }
    let signed = |key: &PublicKey| key.signed(&header.alg, message.as_bytes(), &signature);
    if !is_known(&header.alg) || header.crit.is_some() || !keys.iter().any(signed) {
        return Err(SignatureError::Unknown);
    }
    serde_json::from_slice(&claims).map_err(|_| SignatureError::Claims)
}
