//! Logins at a secondary: checked there, or settled by the primary where they write what is replicated; the
//! token is the secondary's own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use strongroom_server::config::{Config, TlsFiles};

use crate::support::{TestServer, free_port, joined, level, pair};

/// What a login gave: known to the secondary, not to the primary; its entity is known to both.
fn check(primary: &TestServer, secondary: &TestServer, answer: &Value, name: &str) -> String {
    let auth = &answer["auth"];
    let lookup = json!({ "token": auth["client_token"] }).to_string();
    let own = secondary.call("POST", "auth/token/lookup", &lookup);
    assert_eq!(own["data"]["display_name"], name, "{own}");
    assert_ne!(primary.try_call("POST", "auth/token/lookup", &lookup).0, 200);
    level(primary, secondary);
    let entity = auth["entity_id"].as_str().unwrap().to_owned();
    for server in [primary, secondary] {
        let shown = server.call("GET", &format!("identity/entity/id/{entity}"), "");
        assert_eq!(shown["data"]["aliases"].as_array().unwrap().len(), 1, "{shown}");
    }
    entity
}

#[test]
fn a_signed_token_logs_in_at_the_secondary() {
    let (primary, secondary) = pair();
    let key = KeyPair::generate().unwrap();
    primary.call("POST", "sys/auth/jwt", r#"{"type":"jwt"}"#);
    let config = json!({ "jwt_validation_pubkeys": key.public_key_pem() });
    primary.call("POST", "auth/jwt/config", &config.to_string());
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["app"]});
    primary.call("POST", "auth/jwt/role/dev", &role.to_string());
    level(&primary, &secondary);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"sub": "bob", "aud": "app", "iat": now, "exp": now + 300});
    let signer = EncodingKey::from_ec_der(&key.serialize_der());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &signer).unwrap();
    let login = json!({"role": "dev", "jwt": token}).to_string();
    let first = secondary.call("POST", "auth/jwt/login", &login);
    let entity = check(&primary, &secondary, &first, "jwt-bob");
    // Nothing new to write now: this one is settled by the secondary alone.
    let second = secondary.call("POST", "auth/jwt/login", &login);
    assert_eq!(check(&primary, &secondary, &second, "jwt-bob"), entity);
    let wrong = json!({"role": "dev", "jwt": format!("{token}x")}).to_string();
    secondary.error("POST", "auth/jwt/login", &wrong, 400);
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(by: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// Adds a listener with TLS at `address`.
fn listen(config: &mut Config, address: SocketAddr, by: &Authority, folder: &std::path::Path) {
    let (own, key) = certificate(by, "localhost");
    let (cert_file, key_file) = (folder.join("cert"), folder.join("key"));
    std::fs::write(&cert_file, own.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let mut listener = config.listeners[0].clone();
    (listener.address, listener.cluster_address) = (address, None);
    listener.tls = Some(TlsFiles::new(cert_file, key_file));
    config.listeners.push(listener);
}

/// Logs in with a certificate.
fn log_in(
    address: SocketAddr,
    ca: &Authority,
    (own, key): (rcgen::Certificate, KeyPair),
) -> (u16, Value) {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own.der().clone()], key)
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let request = "POST /v1/auth/cert/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                   Content-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn a_certificate_logs_in_at_the_secondary() {
    let primary = TestServer::dev("root-p");
    primary.enable_primary();
    let (server_ca, client_ca) = (authority(), authority());
    let (address, folder) = (free_port(), tempfile::tempdir().unwrap());
    let secondary = TestServer::dev_with("root-s", |config| {
        listen(config, address, &server_ca, folder.path());
    });
    let secondary = joined(&primary, secondary, "eu");
    primary.call("POST", "sys/auth/cert", r#"{"type":"cert"}"#);
    let role = json!({ "certificate": client_ca.pem() }).to_string();
    primary.call("POST", "auth/cert/certs/web", &role);
    level(&primary, &secondary);

    let (status, first) = log_in(address, &server_ca, certificate(&client_ca, "bob"));
    assert_eq!(status, 200, "{first}");
    let entity = check(&primary, &secondary, &first, "cert-web");
    let (_, second) = log_in(address, &server_ca, certificate(&client_ca, "bob"));
    assert_eq!(check(&primary, &secondary, &second, "cert-web"), entity);
    let (status, refused) = log_in(address, &server_ca, certificate(&server_ca, "bob"));
    assert_eq!(status, 400, "{refused}");
}
