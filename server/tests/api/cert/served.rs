//! A server that speaks TLS, and clients with certificates.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use strongroom_server::config::TlsFiles;

use crate::support::{ROOT, TestServer};

/// A certificate with its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn client(by: &Authority, name: &str, serial: u64) -> Identity {
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
pub(super) struct Served {
    server: TestServer,
    roots: RootCertStore,
}

impl Served {
    pub(super) fn new(change: impl FnOnce(&mut TlsFiles)) -> Self {
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
    pub(super) fn enabled() -> Self {
        let served = Self::new(|_| {});
        served.root("POST", "sys/auth/cert", &json!({"type": "cert"}), 204);
        served
    }

    pub(super) fn call(
        &self,
        identity: Option<&Identity>,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        self.call_by(identity, rustls::DEFAULT_VERSIONS, method, path, token, body)
    }

    pub(super) fn call_by(
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

    pub(super) fn root(&self, method: &str, path: &str, body: &Value, want: u16) -> Value {
        let (status, value) = self.call(None, method, path, ROOT, body);
        assert_eq!(status, want, "{method} {path} {body}: {value}");
        value
    }

    pub(super) fn role(&self, name: &str, ca: &Authority, more: &Value) {
        let mut body = json!({ "certificate": ca.pem() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.root("POST", &format!("auth/cert/certs/{name}"), &body, 204);
    }

    pub(super) fn login(&self, identity: &Identity, body: &Value) -> (u16, Value) {
        self.call(Some(identity), "POST", "auth/cert/login", "", body)
    }

    /// The only message of a login that fails.
    pub(super) fn refused(&self, identity: Option<&Identity>, body: &Value) -> String {
        let (status, answer) = self.call(identity, "POST", "auth/cert/login", "", body);
        assert_eq!(status, 400, "{answer}");
        answer["errors"][0].as_str().unwrap().to_owned()
    }
}
