//! Standard encodings of keys: PKCS #8 (RFC 5958), `SubjectPublicKeyInfo` (RFC 5280), and what is
//! inside of them for each family: RFC 8410 (ed25519), SEC 1 (curves), PKCS #1 (RSA), FIPS 204's
//! seeds (RFC 9881).

use zeroize::Zeroizing;

use super::der::{self, BIT_STRING, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use super::native::{Curve, MlDsa};

/// Context tag 0, primitive: the seed of an ML-DSA key.
const SEED: u8 = 0x80;
/// Context tags 0 and 1, constructed: curve and public key in SEC 1.
const SEC1_CURVE: u8 = 0xa0;
const SEC1_PUBLIC: u8 = 0xa1;
const VERSION_0: &[u8] = &[INTEGER, 1, 0];
const VERSION_1: &[u8] = &[INTEGER, 1, 1];
const NULL: &[u8] = &[0x05, 0];

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// An algorithm with a key that is plain bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Ed25519,
    MlDsa(MlDsa),
}

impl Plain {
    pub(super) fn algorithm(self) -> Zeroizing<Vec<u8>> {
        let arc = |last: u8| vec![0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last];
        let oid = match self {
            Self::Ed25519 => ED25519.to_vec(),
            Self::MlDsa(MlDsa::L44) => arc(17),
            Self::MlDsa(MlDsa::L65) => arc(18),
            Self::MlDsa(MlDsa::L87) => arc(19),
        };
        der::value(SEQUENCE, &[&der::value(OID, &[&oid])])
    }

    /// PKCS #8 of a seed.
    pub(super) fn pkcs8(self, seed: &[u8]) -> Zeroizing<Vec<u8>> {
        let tag = if self == Self::Ed25519 { OCTET_STRING } else { SEED };
        pkcs8(&self.algorithm(), &der::value(tag, &[seed]))
    }

    /// The seed in a PKCS #8; ML-DSA may have the expanded key beside it.
    pub(super) fn seed_of(self, der: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let (algorithm, inner) = split_pkcs8(der)?;
        if algorithm != &**self.algorithm() {
            return None;
        }
        let mut reader = Reader::new(inner);
        let seed = match (self, reader.next()?) {
            (Self::Ed25519, (OCTET_STRING, seed, _)) | (Self::MlDsa(_), (SEED, seed, _)) => seed,
            (Self::MlDsa(_), (SEQUENCE, both, _)) => Reader::new(both).expect(OCTET_STRING)?,
            _ => return None,
        };
        seed.try_into().ok().map(Zeroizing::new)
    }

    /// `SubjectPublicKeyInfo` of a public key.
    pub(super) fn spki(self, public: &[u8]) -> Vec<u8> {
        let bits = der::value(BIT_STRING, &[&[0], public]);
        der::value(SEQUENCE, &[&self.algorithm(), &bits]).to_vec()
    }

    /// The public key in a `SubjectPublicKeyInfo`.
    pub(super) fn public_of(self, spki: &[u8]) -> Option<Vec<u8>> {
        let mut fields = der::sequence(spki)?;
        let (_, _, algorithm) = fields.next()?;
        let bits = fields.expect(BIT_STRING)?;
        (algorithm == &**self.algorithm() && fields.is_empty() && bits.first() == Some(&0))
            .then(|| bits[1..].to_vec())
    }
}

fn pkcs8(algorithm: &[u8], inner: &[u8]) -> Zeroizing<Vec<u8>> {
    der::value(SEQUENCE, &[VERSION_0, algorithm, &der::value(OCTET_STRING, &[inner])])
}

/// Algorithm and inner key of a PKCS #8; attributes are passed over.
fn split_pkcs8(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = der::sequence(der)?;
    fields.expect(INTEGER)?;
    let (_, _, algorithm) = fields.next()?;
    Some((algorithm, fields.expect(OCTET_STRING)?))
}

/// PKCS #8 of an RSA key in PKCS #1.
pub(super) fn rsa_to_pkcs8(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    pkcs8(&rsa_algorithm(), pkcs1)
}

/// PKCS #1 of an RSA key in PKCS #8.
pub(super) fn rsa_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    split_pkcs8(der).map(|(_, inner)| inner)
}

fn rsa_algorithm() -> Zeroizing<Vec<u8>> {
    der::value(SEQUENCE, &[&der::value(OID, &[RSA]), NULL])
}

/// `SubjectPublicKeyInfo` of an RSA key's modulus and exponent.
pub(super) fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der::value(SEQUENCE, &[&der::integer(modulus), &der::integer(exponent)]);
    der::value(SEQUENCE, &[&rsa_algorithm(), &der::value(BIT_STRING, &[&[0], &key])]).to_vec()
}

/// Modulus and exponent in an RSA key's `SubjectPublicKeyInfo`.
pub(super) fn rsa_public_of(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = der::sequence(bits_of(spki)?)?;
    Some((key.integer()?, key.integer()?))
}

/// The content of a `SubjectPublicKeyInfo`.
fn bits_of(spki: &[u8]) -> Option<&[u8]> {
    let mut fields = der::sequence(spki)?;
    fields.next()?;
    fields.expect(BIT_STRING)?.split_first().map(|(_, key)| key)
}

fn curve_oid(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        Curve::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
        Curve::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
    }
}

fn curve_algorithm(curve: Curve) -> Zeroizing<Vec<u8>> {
    der::value(
        SEQUENCE,
        &[&der::value(OID, &[EC_PUBLIC_KEY]), &der::value(OID, &[curve_oid(curve)])],
    )
}

/// PKCS #8 of a key on a curve: private number, and both coordinates of the public point.
pub(super) fn ec_pkcs8(curve: Curve, d: &[u8], x: &[u8], y: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let d = padded(d, curve.len())?;
    let point = der::value(BIT_STRING, &[&[0], &ec_point(curve, x, y)?]);
    let inner = der::value(
        SEQUENCE,
        &[VERSION_1, &der::value(OCTET_STRING, &[&d]), &der::value(SEC1_PUBLIC, &[&point])],
    );
    Some(pkcs8(&curve_algorithm(curve), &inner))
}

/// `SubjectPublicKeyInfo` of a point.
pub(super) fn ec_spki(curve: Curve, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let bits = der::value(BIT_STRING, &[&[0], &ec_point(curve, x, y)?]);
    Some(der::value(SEQUENCE, &[&curve_algorithm(curve), &bits]).to_vec())
}

fn ec_point(curve: Curve, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let (x, y) = (padded(x, curve.len())?, padded(y, curve.len())?);
    Some([&[4][..], &x, &y].concat())
}

/// Both coordinates in a `SubjectPublicKeyInfo` of a point that is not compressed.
pub(super) fn ec_coordinates(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, point) = bits_of(spki)?.split_first()?;
    (*first == 4).then(|| point.split_at(point.len() / 2))
}

/// The private number in a PKCS #8 of a key on a curve.
pub(super) fn ec_number(der: &[u8]) -> Option<&[u8]> {
    let mut fields = der::sequence(split_pkcs8(der)?.1)?;
    fields.expect(INTEGER)?;
    fields.expect(OCTET_STRING)
}

/// SEC 1 of a key on a curve in PKCS #8, with the curve in it.
pub(super) fn ec_sec1(curve: Curve, der: &[u8], spki: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let number = der::value(OCTET_STRING, &[ec_number(der)?]);
    let curve = der::value(SEC1_CURVE, &[&der::value(OID, &[curve_oid(curve)])]);
    let point = der::value(BIT_STRING, &[&[0], bits_of(spki)?]);
    let public = der::value(SEC1_PUBLIC, &[&point]);
    Some(der::value(SEQUENCE, &[VERSION_1, &number, &curve, &public]))
}

/// An ECDSA signature in DER as both numbers in fixed length (JWS, RFC 7518).
pub(super) fn ecdsa_to_fixed(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = der::sequence(signature)?;
    let r = padded(numbers.integer()?, curve.len())?;
    let s = padded(numbers.integer()?, curve.len())?;
    numbers.is_empty().then(|| [&**r, &**s].concat())
}

/// The way back.
pub(super) fn ecdsa_of_fixed(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    if signature.len() != 2 * curve.len() {
        return None;
    }
    let (r, s) = signature.split_at(curve.len());
    Some(der::value(SEQUENCE, &[&der::integer(r), &der::integer(s)]).to_vec())
}

/// Whether an ECDSA signature is two positive numbers in DER.
pub(super) fn is_ecdsa(signature: &[u8]) -> bool {
    let numbers = der::sequence(signature);
    numbers.is_some_and(|mut n| n.integer().is_some() && n.integer().is_some() && n.is_empty())
}

/// With leading zeros up to `len`; `None` if it is longer.
fn padded(bytes: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = der::trimmed(bytes);
    let mut out = Zeroizing::new(vec![0; len.checked_sub(bytes.len())?]);
    out.reserve_exact(bytes.len());
    out.extend_from_slice(bytes);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::native::Pkey;
    use super::*;

    #[test]
    fn the_library_reads_what_is_written_here() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let key = Pkey::generate_ec(curve).unwrap();
            let (pkcs8, spki) = (key.to_pkcs8().unwrap(), key.to_spki().unwrap());
            let (x, y) = ec_coordinates(&spki).unwrap();
            let again = ec_pkcs8(curve, ec_number(&pkcs8).unwrap(), x, y).unwrap();
            assert_eq!(Pkey::from_pkcs8(&again).unwrap().to_spki().unwrap(), spki);
            assert_eq!(ec_spki(curve, x, y).unwrap(), spki);
        }
        let key = Pkey::generate_rsa(2048).unwrap();
        let (pkcs8, spki) = (key.to_pkcs8().unwrap(), key.to_spki().unwrap());
        assert_eq!(*rsa_to_pkcs8(rsa_of_pkcs8(&pkcs8).unwrap()), *pkcs8);
        let (n, e) = rsa_public_of(&spki).unwrap();
        assert_eq!(rsa_spki(n, e), spki);
    }

    #[test]
    fn plain_keys_have_the_encodings_of_their_standards() {
        for plain in [Plain::Ed25519, Plain::MlDsa(MlDsa::L44), Plain::MlDsa(MlDsa::L87)] {
            let pkcs8 = plain.pkcs8(&[5; 32]);
            assert_eq!(*plain.seed_of(&pkcs8).unwrap(), [5; 32]);
            assert!(Plain::MlDsa(MlDsa::L65).seed_of(&pkcs8).is_none());
            let spki = plain.spki(&[6; 40]);
            assert_eq!(plain.public_of(&spki).unwrap(), [6; 40]);
            assert!(plain.public_of(&spki[1..]).is_none());
        }
    }

    #[test]
    fn fixed_signatures_are_as_long_as_the_curve_says() {
        let der = [0x30, 6, 2, 1, 1, 2, 1, 2];
        let fixed = ecdsa_to_fixed(Curve::P521, &der).unwrap();
        assert_eq!(fixed.len(), 132);
        assert_eq!(ecdsa_of_fixed(Curve::P521, &fixed).unwrap(), der);
        assert!(ecdsa_of_fixed(Curve::P256, &fixed).is_none());
        assert!(is_ecdsa(&der) && !is_ecdsa(&der[1..]) && !is_ecdsa(&[]));
    }
}
