//! Activation tokens: a JWT (`EdDSA`) signed by the primary around a single-use wrapping id.
//!
//! The JWT lets the token carry the primary's API address; the secret in it is the wrapping id
//! (`jti`), under which the primary keeps the bundle. The primary checks
//! its own signature before it looks an id up; a secondary can only read the claims.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Longest activation token that is looked at, bytes.
pub(crate) const TOKEN_MAX: usize = 8192;

/// What the token says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Accessor of the wrapping id.
    pub(crate) accessor: String,
    /// The primary's API address, or empty.
    pub(crate) addr: String,
    /// Seconds since the epoch.
    pub(crate) exp: u64,
    /// Seconds since the epoch.
    pub(crate) iat: u64,
    /// The wrapping id; a secret.
    pub(crate) jti: String,
    /// Seconds since the epoch.
    pub(crate) nbf: u64,
    /// Always `wrapping`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not a JWT of ours.
    #[error("the activation token is not valid; copy the whole token that the primary gave")]
    Malformed,
    /// Signed by another cluster, or changed.
    #[error("the activation token was not issued by this cluster")]
    Foreign,
    /// Too old.
    #[error("the activation token has expired; ask the primary for a new one")]
    Expired,
    /// The stored signing key is damaged.
    #[error("the token signing key is not usable")]
    Key,
}

/// Signs and checks the tokens of one primary.
pub(crate) struct TokenKey {
    pkcs8: Secret,
    public: Vec<u8>,
}

impl TokenKey {
    /// A new key, PKCS#8.
    pub(crate) fn generate() -> Result<Secret, TokenError> {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&rng).map_err(|_| TokenError::Key)?;
        Ok(Secret::new(pkcs8.as_ref().to_vec()))
    }

    /// A stored key.
    pub(crate) fn open(pkcs8: &Secret) -> Result<Self, TokenError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| TokenError::Key)?;
        Ok(Self { pkcs8: pkcs8.clone(), public: pair.public_key().as_ref().to_vec() })
    }

    /// Signs.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        let key = EncodingKey::from_ed_der(self.pkcs8.expose());
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key)
            .map_err(|_| TokenError::Key)
    }

    /// The claims of a token that this key signed and that is still valid.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        use jsonwebtoken::errors::ErrorKind;
        if token.len() > TOKEN_MAX {
            return Err(TokenError::Malformed);
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        let key = DecodingKey::from_ed_der(&self.public);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules)
            .map_err(|e| match e.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                ErrorKind::InvalidSignature => TokenError::Foreign,
                _ => TokenError::Malformed,
            })?
            .claims;
        if claims.kind == "wrapping" { Ok(claims) } else { Err(TokenError::Malformed) }
    }
}

/// The claims, unchecked: a secondary does not know the primary's key yet and reads only where to
/// ask. What it gets there is authenticated by TLS and by the single-use id.
pub(crate) fn read_claims(token: &str) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_MAX {
        return Err(TokenError::Malformed);
    }
    let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|_| TokenError::Malformed)?;
    if claims.kind == "wrapping" && !claims.jti.is_empty() {
        Ok(claims)
    } else {
        Err(TokenError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp_in: i64) -> Claims {
        let now = jsonwebtoken::get_current_timestamp();
        Claims {
            accessor: "a".into(),
            addr: "https://p:8200".into(),
            exp: now.saturating_add_signed(exp_in),
            iat: now - 100,
            jti: "hvs.secret".into(),
            nbf: now - 100,
            kind: "wrapping".into(),
        }
    }

    #[test]
    fn only_this_clusters_unexpired_tokens_pass() {
        let key = TokenKey::open(&TokenKey::generate().unwrap()).unwrap();
        let other = TokenKey::open(&TokenKey::generate().unwrap()).unwrap();
        let token = key.sign(&claims(60)).unwrap();
        assert_eq!(key.verify(&token).unwrap().jti, "hvs.secret");
        assert_eq!(read_claims(&token).unwrap().addr, "https://p:8200");
        assert_eq!(other.verify(&token).err(), Some(TokenError::Foreign));
        let old = key.sign(&claims(-10)).unwrap();
        assert_eq!(key.verify(&old).err(), Some(TokenError::Expired));
    }

    #[test]
    fn changed_and_unsigned_tokens_are_refused() {
        let key = TokenKey::open(&TokenKey::generate().unwrap()).unwrap();
        let token = key.sign(&claims(60)).unwrap();
        for i in 0..token.len() {
            let mut bad = token.clone().into_bytes();
            bad[i] = if bad[i] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            // The last character of base64 may carry unused bits; everything else must count.
            assert!(key.verify(&bad).is_err() || i == token.len() - 1, "byte {i}");
        }
        // {"alg":"none","typ":"JWT"} with the same claims and no signature.
        let body = token.split('.').nth(1).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
        assert!(key.verify(&unsigned).is_err());
        for bad in ["", "a.b", "a.b.c", &"x".repeat(TOKEN_MAX + 1)] {
            assert_eq!(read_claims(bad).err(), Some(TokenError::Malformed));
        }
    }
}
