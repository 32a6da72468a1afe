//! One version of a key in a backup.
//!
//! Symmetric keys and seeds are base64; keys on curves and RSA keys are their numbers in decimal.

use base64::Engine;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::super::super::stamp::Stamp;
use super::super::kind::{Family, Kind};
use super::super::material::Version;
use super::super::native::Curve;
use super::super::secret::Secret;
use super::super::wire::{BASE64, decode};
use super::super::{decimal, der, encoding, pem};

/// As in the format; what a type does not have is null.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Material {
    key: Option<Secret>,
    hmac_key: Option<Secret>,
    #[serde(default)]
    time: String,
    ec_x: Option<Number>,
    ec_y: Option<Number>,
    ec_d: Option<Number>,
    rsa_key: Option<RsaKey>,
    rsa_public_key: Option<RsaPublic>,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    pub(super) convergent_version: i32,
    #[serde(default)]
    creation_time: i64,
    certificate_chain: Option<Vec<String>>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct RsaKey {
    #[serde(rename = "N")]
    modulus: Number,
    #[serde(rename = "E")]
    exponent: Number,
    #[serde(rename = "D")]
    private: Number,
    #[serde(rename = "Primes")]
    primes: Vec<Number>,
    #[serde(rename = "Precomputed")]
    precomputed: Precomputed,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Precomputed {
    #[serde(rename = "Dp")]
    dp: Number,
    #[serde(rename = "Dq")]
    dq: Number,
    #[serde(rename = "Qinv")]
    qinv: Number,
    /// Of keys with more than two primes, which are not supported.
    #[serde(rename = "CRTValues", default, skip_deserializing)]
    crt: [(); 0],
}

#[derive(serde::Serialize, serde::Deserialize)]
struct RsaPublic {
    #[serde(rename = "N")]
    modulus: Number,
    #[serde(rename = "E")]
    exponent: Number,
}

impl Material {
    /// The entry before the first version.
    pub(super) fn nothing() -> Self {
        Self { time: "0001-01-01T00:00:00Z".to_owned(), ..Self::default() }
    }

    /// Of a version; `None` if it is malformed.
    pub(super) fn of(kind: Kind, version: &Version) -> Option<Self> {
        let plain = !matches!(kind.family(), Family::Ecdsa(_) | Family::Rsa(_));
        let mut material = Self {
            key: (plain && version.is_private()).then(|| version.key.clone()),
            hmac_key: Some(version.hmac_key.clone()),
            time: version.created.rfc3339(),
            creation_time: version.created.unix(),
            ..Self::default()
        };
        if !version.certificates.is_empty() {
            material.certificate_chain = Some(certificates(&version.certificates)?);
        }
        match kind.family() {
            Family::Ecdsa(_) => {
                let (x, y) = encoding::ec_coordinates(&version.public)?;
                (material.ec_x, material.ec_y) = (Some(Number::of(x)), Some(Number::of(y)));
                if version.is_private() {
                    let number = encoding::ec_number(version.key.expose())?;
                    material.ec_d = Some(Number::of(number));
                }
                material.public_key = version.public_text(kind);
            }
            Family::Rsa(_) if version.is_private() => {
                material.rsa_key = Some(RsaKey::of(version.key.expose())?);
            }
            Family::Rsa(_) => {
                let (modulus, exponent) = encoding::rsa_public_of(&version.public)?;
                material.rsa_public_key = Some(RsaPublic {
                    modulus: Number::of(modulus),
                    exponent: Number::of(exponent),
                });
            }
            _ if version.public.is_empty() => {}
            _ => material.public_key = version.public_text(kind),
        }
        Some(material)
    }

    /// The version that it describes, checked; `None` if it is none of a key of this type.
    pub(super) fn read(mut self, kind: Kind, derived: bool) -> Option<Version> {
        let created = Stamp::parse(&self.time)?;
        let hmac_key = self.hmac_key.take().filter(|key| !key.expose().is_empty())?;
        let private = match kind.family() {
            Family::Ecdsa(curve) => match &self.ec_d {
                Some(d) => {
                    let (x, y) = (self.ec_x.as_ref()?.bytes()?, self.ec_y.as_ref()?.bytes()?);
                    Some(encoding::ec_pkcs8(curve, &d.bytes()?, &x, &y)?)
                }
                None => None,
            },
            Family::Rsa(_) => match &self.rsa_key {
                Some(key) => Some(encoding::rsa_to_pkcs8(&key.pkcs1()?)),
                None => None,
            },
            _ => self.key.as_ref().map(|key| Zeroizing::new(key.expose().to_vec())),
        };
        let mut version = if let Some(key) = private.filter(|key| !key.is_empty()) {
            Version::of(kind, derived, Secret::from_bytes(key.to_vec()), created)?
        } else {
            let public = self.public(kind)?;
            Version::public_only(kind, &public, created)?
        };
        version.hmac_key = hmac_key;
        if let Some(chain) = self.certificate_chain.take() {
            let blocks: Option<Vec<Vec<u8>>> = chain.iter().map(|text| decode(text).ok()).collect();
            version.certificates =
                blocks?.iter().map(|der| pem::encode("CERTIFICATE", der).to_string()).collect();
        }
        Some(version)
    }

    /// `SubjectPublicKeyInfo` of what has no private key.
    fn public(&self, kind: Kind) -> Option<Vec<u8>> {
        let point = |curve: Curve| {
            let (x, y) = (self.ec_x.as_ref()?.bytes()?, self.ec_y.as_ref()?.bytes()?);
            encoding::ec_spki(curve, &x, &y)
        };
        match kind.family() {
            Family::Ecdsa(curve) => point(curve),
            Family::Rsa(_) => {
                let key = self.rsa_public_key.as_ref()?;
                Some(encoding::rsa_spki(&key.modulus.bytes()?, &key.exponent.bytes()?))
            }
            _ => Some(kind.plain()?.spki(&decode(&self.public_key).ok()?)),
        }
    }
}

/// Certificates in PEM as base64 each.
fn certificates(text: &str) -> Option<Vec<String>> {
    let all = pem::decode_all(text, rustls_pki_types::pem::SectionKind::Certificate)?;
    Some(all.iter().map(|der| BASE64.encode(der)).collect())
}

impl RsaKey {
    /// From PKCS #8.
    fn of(pkcs8: &[u8]) -> Option<Self> {
        let mut numbers = der::sequence(encoding::rsa_of_pkcs8(pkcs8)?)?;
        numbers.expect(der::INTEGER)?;
        let mut next = || numbers.integer().map(Number::of);
        Some(Self {
            modulus: next()?,
            exponent: next()?,
            private: next()?,
            primes: vec![next()?, next()?],
            precomputed: Precomputed { dp: next()?, dq: next()?, qinv: next()?, crt: [] },
        })
    }

    fn pkcs1(&self) -> Option<Zeroizing<Vec<u8>>> {
        let [p, q] = self.primes.as_slice() else { return None };
        let Precomputed { dp, dq, qinv, .. } = &self.precomputed;
        let mut all = Zeroizing::new(der::integer(&[]).to_vec());
        all.reserve_exact(8 * 1024);
        for number in [&self.modulus, &self.exponent, &self.private, p, q, dp, dq, qinv] {
            all.extend_from_slice(&der::integer(&number.bytes()?));
        }
        Some(der::value(der::SEQUENCE, &[&all]))
    }
}

/// A number in decimal.
struct Number(Zeroizing<String>);

impl Number {
    fn of(bytes: &[u8]) -> Self {
        Self(decimal::encode(bytes))
    }

    fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        decimal::decode(&self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue =
            serde_json::from_str(&self.0).map_err(|_| serde::ser::Error::custom("not a number"))?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(D::Error::custom("not a number"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}
