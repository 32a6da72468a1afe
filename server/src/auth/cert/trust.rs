//! Whether a role's certificates vouch for a client's.
//!
//! An authority vouches for what it signed, over any authorities between that the client sends. The
//! certificate of a client itself vouches for that client alone. Both have to be in date and fit for
//! TLS clients, and no certificate of the chain may be revoked; when there is another chain, that
//! one counts (RFC 5280, section 6; path building by webpki, which bounds its effort).

use std::cell::Cell;
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, VerifiedPath, anchor_from_trusted_cert,
};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::client::is_for_clients;
use super::crl::Revoked;
use crate::engine::stamp::Stamp;

/// `1.3.6.1.5.5.7.3.2`.
const CLIENT_AUTH: [usize; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 2];
/// `2.5.29.37.0`.
const ANY: [usize; 5] = [2, 5, 29, 37, 0];

/// What a role's certificates say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// The client is not known to them.
    Foreign,
    /// It would be trusted, but for a revoked certificate.
    Revoked,
    /// It is trusted.
    Trusted,
}

/// The certificates in a text; `None` when there are none or one is broken.
pub(super) fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// Judges a client's chain, its own certificate first.
pub(super) fn judge(
    trusted: &[CertificateDer<'_>],
    chain: &[Vec<u8>],
    revoked: &Revoked,
    now: SystemTime,
) -> Verdict {
    let Some((own, between)) = chain.split_first() else { return Verdict::Foreign };
    let between: Vec<CertificateDer<'_>> =
        between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let each = trusted.iter().map(|anchor| {
        if anchor.as_ref() == own.as_slice() {
            itself(own, revoked, now)
        } else {
            signed(anchor, own, &between, revoked, now)
        }
    });
    each.max().unwrap_or(Verdict::Foreign)
}

/// The client's own certificate is the trusted one.
fn itself(own: &[u8], revoked: &Revoked, now: SystemTime) -> Verdict {
    let Ok((_, certificate)) = X509Certificate::from_der(own) else { return Verdict::Foreign };
    let at = ASN1Time::from_timestamp(Stamp::from(now).unix());
    if !at.is_ok_and(|at| certificate.validity().is_valid_at(at)) || !is_for_clients(&certificate) {
        return Verdict::Foreign;
    }
    if revoked.holds(certificate.raw_serial()) { Verdict::Revoked } else { Verdict::Trusted }
}

fn signed(
    anchor: &CertificateDer<'_>,
    own: &[u8],
    between: &[CertificateDer<'_>],
    revoked: &Revoked,
    now: SystemTime,
) -> Verdict {
    let Ok((_, authority)) = X509Certificate::from_der(anchor) else { return Verdict::Foreign };
    let Ok(trust) = anchor_from_trusted_cert(anchor) else { return Verdict::Foreign };
    let own = CertificateDer::from(own);
    let Ok(leaf) = EndEntityCert::try_from(&own) else { return Verdict::Foreign };
    let Ok(since) = now.duration_since(SystemTime::UNIX_EPOCH) else { return Verdict::Foreign };
    let at = ASN1Time::from_timestamp(Stamp::from(now).unix());
    if !authority.is_ca() || !at.is_ok_and(|at| authority.validity().is_valid_at(at)) {
        return Verdict::Foreign;
    }
    let anchors = [trust];
    let stopped = Cell::new(false);
    let unrevoked = |path: &VerifiedPath<'_>| {
        let bad = revoked.holds(authority.raw_serial())
            || revoked.holds(path.end_entity().serial())
            || path.intermediate_certificates().any(|c| revoked.holds(c.serial()));
        stopped.set(stopped.get() || bad);
        if bad { Err(Error::CertRevoked) } else { Ok(()) }
    };
    let verified = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        between,
        UnixTime::since_unix_epoch(since),
        ForClients,
        None,
        Some(&unrevoked),
    );
    match (verified, stopped.get()) {
        (Ok(_), _) => Verdict::Trusted,
        (Err(_), true) => Verdict::Revoked,
        (Err(_), false) => Verdict::Foreign,
    }
}

/// For TLS clients, for any use, or without a word about it.
struct ForClients;

impl ExtendedKeyUsageValidator for ForClients {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for purpose in purposes {
            let oid = purpose?.to_decoded_oid();
            if oid == CLIENT_AUTH || oid == ANY {
                return Ok(());
            }
            present.push(oid);
        }
        let silent = present.is_empty();
        let required = KeyUsage::client_auth();
        let wrong = RequiredEkuNotFoundContext { required, present };
        if silent { Ok(()) } else { Err(Error::RequiredEkuNotFoundContext(wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
        IsCa, KeyPair,
    };

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(name.as_bytes().to_vec().into());
        params
    }

    fn authority(name: &str, by: Option<&Authority>) -> Authority {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        match by {
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
            Some(by) => CertifiedIssuer::signed_by(params, key, by).unwrap(),
        }
    }

    fn client(by: &Authority, usage: &[ExtendedKeyUsagePurpose]) -> Vec<u8> {
        let mut params = named("client");
        params.extended_key_usages = usage.to_vec();
        params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().to_vec()
    }

    #[test]
    fn authorities_vouch_for_what_they_signed() {
        let root = authority("root", None);
        let between = authority("between", Some(&root));
        let der = |a: &Authority| a.der().to_vec();
        let trusted = [root.der().clone()];
        let now = SystemTime::now();
        let none = Revoked::none();
        let judge = |chain: &[Vec<u8>]| judge(&trusted, chain, &none, now);
        let own = client(&root, &[ExtendedKeyUsagePurpose::ClientAuth]);
        assert_eq!(judge(&[own]), Verdict::Trusted);
        assert_eq!(judge(&[client(&root, &[])]), Verdict::Trusted);
        assert_eq!(judge(&[client(&root, &[ExtendedKeyUsagePurpose::Any])]), Verdict::Trusted);
        let server = client(&root, &[ExtendedKeyUsagePurpose::ServerAuth]);
        assert_eq!(judge(&[server]), Verdict::Foreign);
        assert_eq!(judge(&[client(&authority("root", None), &[])]), Verdict::Foreign);
        let deep = client(&between, &[]);
        assert_eq!(judge(std::slice::from_ref(&deep)), Verdict::Foreign, "the link is missing");
        assert_eq!(judge(&[deep, der(&between)]), Verdict::Trusted);
        assert_eq!(judge(&[der(&root)]), Verdict::Trusted, "it holds the authority's own key");
        assert_eq!(judge(&[]), Verdict::Foreign);
        assert_eq!(judge(&[b"junk".to_vec()]), Verdict::Foreign);
    }

    #[test]
    fn a_client_is_trusted_by_itself_and_vouches_for_nobody() {
        let key = KeyPair::generate().unwrap();
        let own = named("self").self_signed(&key).unwrap();
        let trusted = [own.der().clone()];
        let none = Revoked::none();
        let now = SystemTime::now();
        assert_eq!(judge(&trusted, &[own.der().to_vec()], &none, now), Verdict::Trusted);
        // Signed with the client's key, and named as if it were an authority.
        let issuer = rcgen::Issuer::new(named("self"), key);
        let child = named("child").signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        assert_eq!(judge(&trusted, &[child.der().to_vec()], &none, now), Verdict::Foreign);
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(judge(&trusted, &[own.der().to_vec()], &none, past), Verdict::Foreign);
    }

    #[test]
    fn a_chain_without_a_revoked_certificate_is_enough() {
        let root = authority("root", None);
        let between = authority("between", Some(&root));
        let other = CertifiedIssuer::signed_by(
            {
                let mut params = named("between");
                params.serial_number = Some(b"other".to_vec().into());
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params
            },
            KeyPair::from_pem(&between.key().serialize_pem()).unwrap(),
            &root,
        )
        .unwrap();
        let trusted = [root.der().clone()];
        let now = SystemTime::now();
        let own = client(&between, &[]);
        let short = [own.clone(), between.der().to_vec()];
        let both = [own, between.der().to_vec(), other.der().to_vec()];
        for (serial, chain, want) in [
            ("client", &short[..], Verdict::Revoked),
            ("between", &short, Verdict::Revoked),
            ("root", &short, Verdict::Revoked),
            ("else", &short, Verdict::Trusted),
            ("between", &both, Verdict::Trusted),
            ("client", &both, Verdict::Revoked),
        ] {
            let revoked = Revoked::one(serial.as_bytes());
            assert_eq!(judge(&trusted, chain, &revoked, now), want, "{serial}");
        }
        let alone = [root.der().to_vec()];
        assert_eq!(judge(&trusted, &alone, &Revoked::one(b"root"), now), Verdict::Revoked);
    }
}
