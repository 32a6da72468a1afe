//! What a client's certificate says of the client.

use std::collections::BTreeMap;

use x509_parser::der_parser::parse_der;
use x509_parser::prelude::{
    ExtendedKeyUsage, FromDer as _, GeneralName, ParsedExtension, X509Certificate,
};

/// Names and numbers of a certificate. No name was checked yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// The last one, as others take it; empty for none.
    pub(super) common_name: String,
    /// Alternative names.
    pub(super) dns: Vec<String>,
    /// Alternative names.
    pub(super) emails: Vec<String>,
    /// Alternative names.
    pub(super) uris: Vec<String>,
    /// Organizational units.
    pub(super) units: Vec<String>,
    /// Decimal.
    pub(super) serial: String,
    /// Bytes in hexadecimal with colons, or empty.
    pub(super) subject_key: String,
    /// As `subject_key`.
    pub(super) authority_key: String,
    /// Text by object identifier; what holds no text is there with an empty one.
    pub(super) extensions: BTreeMap<String, String>,
}

impl Client {
    /// Reads a certificate; `None` for what is none.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut client = Self { serial: certificate.serial.to_string(), ..Self::default() };
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            value.as_str().map(str::to_owned).ok()
        };
        let subject = certificate.subject();
        client.common_name = subject.iter_common_name().filter_map(text).last().unwrap_or_default();
        client.units = subject.iter_organizational_unit().filter_map(text).collect();
        for extension in certificate.extensions() {
            let value = parse_der(extension.value).ok();
            let value = value.and_then(|(_, value)| value.as_str().ok().map(str::to_owned));
            client.extensions.insert(extension.oid.to_id_string(), value.unwrap_or_default());
            client.note(extension.parsed_extension());
        }
        Some(client)
    }

    fn note(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key = colons(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key =
                    id.key_identifier.as_ref().map(|id| colons(id.0)).unwrap_or_default();
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
                        GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
                        GeneralName::URI(name) => self.uris.push((*name).to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a certificate may be used by TLS clients: nothing forbids it.
pub(super) fn is_for_clients(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.extended_key_usage();
    let allows = |usage: &ExtendedKeyUsage<'_>| usage.client_auth || usage.any;
    usage.is_ok_and(|usage| usage.is_none_or(|usage| allows(usage.value)))
}

fn colons(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    digits.join(":")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_is_read() {
        let mut params = CertificateParams::new(vec!["web.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "web");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "eng");
        params.subject_alt_names.push(SanType::Rfc822Name("ops@web.test".try_into().unwrap()));
        params.subject_alt_names.push(SanType::URI("spiffe://web".try_into().unwrap()));
        params.serial_number = Some(vec![1, 0].into());
        let der = b"\x0c\x05hello".to_vec();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 3, 4], der));
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let client = Client::parse(made.der()).unwrap();
        assert_eq!((client.common_name.as_str(), client.serial.as_str()), ("web", "256"));
        assert_eq!(client.units, ["eng"]);
        assert_eq!(
            (client.dns, client.emails),
            (vec!["web.test".into()], vec!["ops@web.test".into()])
        );
        assert_eq!(client.uris, ["spiffe://web"]);
        assert_eq!(client.extensions["1.2.3.4"], "hello");
        for end in 0..made.der().len() {
            assert_eq!(Client::parse(&made.der()[..end]), None);
        }
    }
}
