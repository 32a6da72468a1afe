//! `auth/cert`: logins with the certificate of the TLS connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use strongroom_server::config::TlsFiles;

use crate::support::{ROOT, TestServer};

/// A certificate with its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn client(by: &Authority, name: &str, serial: u64) -> Identity {
    let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationalUnitName, "eng");
    params.subject_alt_names.push(SanType::URI(format!("spiffe://{name}").try_into().unwrap()));
    params.serial_number = Some(serial.into());
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, by).unwrap();
    Identity { chain: vec![own.der().clone()], key }
}

/// A TLS server, and the authority that it is known by.
struct Served {
    server: TestServer,
    roots: RootCertStore,
}

impl Served {
    fn new(change: impl FnOnce(&mut TlsFiles)) -> Self {
        let ca = authority("server");
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let own = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = (folder.path().join("cert"), folder.path().join("key"));
        std::fs::write(&cert_file, own.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let mut files = TlsFiles::new(cert_file, key_file);
        change(&mut files);
        let server = TestServer::listening(|listener| listener.tls = Some(files));
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        Self { server, roots }
    }

    /// With the method enabled.
    fn enabled() -> Self {
        let served = Self::new(|_| {});
        served.root("POST", "sys/auth/cert", &json!({"type": "cert"}), 204);
        served
    }

    fn call(
        &self,
        identity: Option<&Identity>,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        self.call_by(identity, rustls::DEFAULT_VERSIONS, method, path, token, body)
    }

    fn call_by(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivatePkcs8KeyDer::from(own.key.serialize_der()).into();
                let key = provider.key_provider.load_private_key(key).unwrap();
                let own = SingleCertAndKey::from(CertifiedKey::new(own.chain.clone(), key));
                builder.with_client_cert_resolver(Arc::new(own))
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(self.server.address).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let body = body.to_string();
        // A server that refuses the handshake may hang up at any time: no status then.
        let _ = write!(
            stream,
            "{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-Vault-Token: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn root(&self, method: &str, path: &str, body: &Value, want: u16) -> Value {
        let (status, value) = self.call(None, method, path, ROOT, body);
        assert_eq!(status, want, "{method} {path} {body}: {value}");
        value
    }

    fn role(&self, name: &str, ca: &Authority, more: &Value) {
        let mut body = json!({ "certificate": ca.pem() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.root("POST", &format!("auth/cert/certs/{name}"), &body, 204);
    }

    fn login(&self, identity: &Identity, body: &Value) -> (u16, Value) {
        self.call(Some(identity), "POST", "auth/cert/login", "", body)
    }

    /// The only message of a login that fails.
    fn refused(&self, identity: Option<&Identity>, body: &Value) -> String {
        let (status, answer) = self.call(identity, "POST", "auth/cert/login", "", body);
        assert_eq!(status, 400, "{answer}");
        answer["errors"][0].as_str().unwrap().to_owned()
    }
}

const FOREIGN: &str = "invalid certificate or no client certificate supplied";
const UNFIT: &str = "no chain matching all constraints could be found for this login certificate";

#[test]
fn a_client_logs_in_with_its_certificate() {
    let served = Served::enabled();
    let ca = authority("ca");
    let web = client(&ca, "web", 77);
    assert_eq!(served.refused(Some(&web), &json!({})), FOREIGN);
    served.role("Web", &ca, &json!({"token_policies": "b,a", "token_ttl": "1h"}));
    assert_eq!(served.refused(None, &json!({})), "no client certificate found");
    let (status, made) = served.login(&web, &json!({}));
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    assert_eq!(auth["policies"], json!(["a", "b", "default"]));
    assert_eq!((&auth["lease_duration"], &auth["token_type"]), (&json!(3600), &json!("service")));
    let metadata = auth["metadata"].as_object().unwrap();
    assert_eq!((&metadata["cert_name"], &metadata["common_name"]), (&json!("web"), &json!("web")));
    assert_eq!(metadata["serial_number"], "77");
    let token = auth["client_token"].as_str().unwrap();
    let shown = served.call(None, "GET", "auth/token/lookup-self", token, &json!({})).1;
    assert_eq!(shown["data"]["display_name"], "cert-web");
    let path = format!("identity/entity/id/{}", auth["entity_id"].as_str().unwrap());
    let entity = served.root("GET", &path, &json!({}), 200);
    assert_eq!(entity["data"]["aliases"][0]["name"], "web");
    assert_eq!(entity["data"]["aliases"][0]["metadata"], Value::Null);

    served.role("db", &authority("else"), &json!({}));
    assert_eq!(served.refused(Some(&web), &json!({"name": "db"})), FOREIGN);
    assert_eq!(served.refused(Some(&web), &json!({"name": "none"})), FOREIGN);
    assert_eq!(served.login(&web, &json!({"name": "WEB"})).0, 200);
    served.root("POST", "auth/cert/config", &json!({"enable_identity_alias_metadata": true}), 204);
    assert_eq!(served.login(&web, &json!({})).0, 200);
    let entity = served.root("GET", &path, &json!({}), 200);
    assert_eq!(entity["data"]["aliases"][0]["metadata"]["serial_number"], "77");
    served.role("web", &ca, &json!({"token_bound_cidrs": "10.0.0.0/8"}));
    assert_eq!(served.login(&web, &json!({})).0, 403);
}

#[test]
fn rules_have_to_be_kept() {
    let served = Served::enabled();
    let ca = authority("ca");
    let web = client(&ca, "web", 1);
    for (rule, fits) in [
        (json!({"allowed_common_names": "db,w*"}), true),
        (json!({"allowed_common_names": ["db"]}), false),
        (json!({"allowed_dns_sans": "*.test"}), true),
        (json!({"allowed_dns_sans": "web"}), false),
        (json!({"allowed_uri_sans": "spiffe://*"}), true),
        (json!({"allowed_uri_sans": "https://*"}), false),
        (json!({"allowed_email_sans": "*"}), false),
        (json!({"allowed_organizational_units": "eng"}), true),
        (json!({"allowed_organizational_units": "ops"}), false),
        (json!({"allowed_names": "web.test"}), true),
        (json!({"allowed_names": "db"}), false),
        (json!({"required_extensions": "1.2.3:x"}), false),
        (json!({"required_extensions": "junk"}), false),
        (json!({"allowed_common_names": "web", "allowed_dns_sans": "x"}), false),
    ] {
        served.root("DELETE", "auth/cert/certs/r", &json!({}), 204);
        served.role("r", &ca, &rule);
        if fits {
            assert_eq!(served.login(&web, &json!({})).0, 200, "{rule}");
        } else {
            assert_eq!(served.refused(Some(&web), &json!({})), UNFIT, "{rule}");
        }
    }
}

#[test]
fn roles_are_made_shown_changed_and_deleted() {
    let served = Served::enabled();
    let ca = authority("ca");
    let post = |body: &Value, want| served.root("POST", "auth/cert/certs/r", body, want);
    for body in [json!({}), json!({"certificate": "junk"}), json!({"display_name": "x"})] {
        assert_eq!(post(&body, 400)["errors"], json!(["failed to parse certificate"]));
    }
    served.root("GET", "auth/cert/certs/r", &json!({}), 404);
    served.root("LIST", "auth/cert/certs", &json!({}), 404);
    served.role("R", &ca, &json!({"allowed_dns_sans": "a,b", "policies": "p"}));
    post(&json!({"display_name": "d", "token_strictly_bind_ip": true}), 204);
    post(&json!({"ocsp_enabled": true}), 400);
    post(&json!({"certificate": ""}), 400);
    post(&json!({"token_ttl": 9, "token_max_ttl": 5}), 400);
    post(&json!({"allowed_dns_sans": {"a": 1}}), 400);
    let shown = served.root("GET", "auth/cert/certs/R", &json!({}), 200);
    let data = &shown["data"];
    assert_eq!(data["certificate"], json!(ca.pem()));
    assert_eq!(
        (&data["display_name"], &data["allowed_dns_sans"]),
        (&json!("d"), &json!(["a", "b"]))
    );
    assert_eq!((&data["allowed_names"], &data["ocsp_enabled"]), (&Value::Null, &json!(false)));
    assert_eq!(data["token_strictly_bind_ip"], true);
    let listed = served.root("LIST", "auth/cert/certs", &json!({}), 200);
    assert_eq!(listed["data"]["keys"], json!(["r"]));
    served.root("DELETE", "auth/cert/certs/R", &json!({}), 204);
    served.root("GET", "auth/cert/certs/r", &json!({}), 404);

    let config = served.root("GET", "auth/cert/config", &json!({}), 200);
    let want = json!({"disable_binding": false, "enable_identity_alias_metadata": false, "ocsp_cache_size": 0});
    assert_eq!(config["data"], want);
    served.root("POST", "auth/cert/config", &json!({"disable_binding": "x"}), 400);
    served.root("POST", "auth/cert/config", &json!({"ocsp_cache_size": 1}), 400);
}

#[test]
fn revoked_certificates_are_turned_away() {
    let served = Served::enabled();
    let ca = authority("ca");
    let (web, db) = (client(&ca, "web", 0x0100), client(&ca, "db", 5));
    served.role("r", &ca, &json!({}));
    let crls = |body: &Value, want| served.root("POST", "auth/cert/crls/One", body, want);
    crls(&json!({}), 400);
    crls(&json!({"crl": "junk"}), 400);
    crls(&json!({"url": "http://127.0.0.1/crl"}), 400);
    served.root("GET", "auth/cert/crls/one", &json!({}), 400);
    served.root("DELETE", "auth/cert/crls/one", &json!({}), 400);
    served.root("LIST", "auth/cert/crls", &json!({}), 404);
    let now = time::OffsetDateTime::now_utc();
    let list = CertificateRevocationListParams {
        this_update: now,
        next_update: now + time::Duration::days(1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(0x0100),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    crls(&json!({"crl": list.signed_by(&ca).unwrap().pem().unwrap()}), 204);
    let shown = served.root("GET", "auth/cert/crls/one", &json!({}), 200);
    assert_eq!(shown["data"]["serials"], json!({"256": {}}));
    assert_eq!(
        served.root("LIST", "auth/cert/crls", &json!({}), 200)["data"]["keys"],
        json!(["one"])
    );
    assert_eq!(served.refused(Some(&web), &json!({})), UNFIT);
    assert_eq!(served.login(&db, &json!({})).0, 200);
    served.root("DELETE", "auth/cert/crls/one", &json!({}), 204);
    assert_eq!(served.login(&web, &json!({})).0, 200);
}

#[test]
fn a_token_is_renewed_with_its_certificate_only() {
    let served = Served::enabled();
    let ca = authority("ca");
    let (web, db) = (client(&ca, "web", 1), client(&ca, "db", 2));
    served.role("r", &ca, &json!({"token_policies": "p", "token_ttl": 600}));
    let (_, made) = served.login(&web, &json!({}));
    let token = made["auth"]["client_token"].as_str().unwrap();
    let renew = |identity: Option<&Identity>| {
        served.call(identity, "POST", "auth/token/renew-self", token, &json!({}))
    };
    let refused = |identity, want: &str| {
        let (status, answer) = renew(identity);
        assert_eq!(status, 400, "{answer}");
        let message = answer["errors"][0].as_str().unwrap();
        assert!(message.contains(want), "{message}");
    };
    assert_eq!(renew(Some(&web)).0, 200);
    refused(None, "no client certificate found");
    refused(Some(&db), "not matching client identity");
    served.role("r", &ca, &json!({"token_policies": "q"}));
    refused(Some(&web), "policies have changed");
    served.role("r", &ca, &json!({"token_policies": "p", "token_ttl": 60}));
    assert_eq!(renew(Some(&web)).1["auth"]["lease_duration"], 60);
    served.role("r", &authority("else"), &json!({}));
    refused(Some(&web), FOREIGN);
    served.root("POST", "auth/cert/config", &json!({"disable_binding": true}), 204);
    assert_eq!(renew(None).0, 200);
    served.root("DELETE", "auth/cert/certs/r", &json!({}), 204);
    refused(Some(&web), "does not exist during renewal");
}

#[test]
fn listeners_ask_for_certificates_as_they_are_told() {
    let ca = authority("ca");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let (own, other) = (client(&ca, "own", 1), client(&authority("other"), "other", 2));
    let status = |served: &Served, identity| {
        served.call(identity, "GET", "sys/seal-status", "", &json!({})).0
    };
    // Named to clients, and not insisted on.
    let asking = Served::new(|files| files.client_ca_file = Some(file.clone()));
    assert_eq!((status(&asking, Some(&own)), status(&asking, None)), (200, 200));
    let strict = Served::new(|files| {
        files.client_ca_file = Some(file.clone());
        files.require_client_cert = true;
    });
    assert_eq!((status(&strict, Some(&own)), status(&strict, None)), (200, 0));
    assert_eq!(status(&strict, Some(&other)), 0);
    let silent = Served::new(|files| files.client_certs = false);
    silent.root("POST", "sys/auth/cert", &json!({"type": "cert"}), 204);
    assert_eq!(silent.refused(Some(&own), &json!({})), "no client certificate found");
}

/// One element of DER: its length with the bytes in front, and the rest.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (head, len) = match der[1] {
        short @ ..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
    };
    der.split_at(head + len)
}

fn inside(element: &[u8]) -> &[u8] {
    let head = if element[1] < 0x80 { 2 } else { 2 + usize::from(element[1] & 0x7f) };
    &element[head..]
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, len[0], len[1]], body.as_slice()].concat()
}

/// The certificate as one of version 1, which has neither version nor extensions; whoever signed it
/// signed something else.
fn of_version_1(der: &[u8]) -> Vec<u8> {
    let (tbs, rest) = element(inside(der));
    let (_version, mut fields) = element(inside(tbs));
    let mut kept = Vec::new();
    while !fields.is_empty() {
        let (field, after) = element(fields);
        // [3] are the extensions.
        kept.extend((field[0] != 0xa3).then_some(field));
        fields = after;
    }
    sequence(&[&sequence(&kept), rest])
}

#[test]
fn a_client_with_a_certificate_of_an_old_version_is_served() {
    let served = Served::new(|_| {});
    let mut old = client(&authority("old"), "old", 1);
    old.chain = vec![of_version_1(&old.chain[0]).into()];
    for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
        let (status, _) =
            served.call_by(Some(&old), &versions, "GET", "sys/health", "", &Value::Null);
        assert_eq!(status, 200, "{versions:?}");
    }
}
