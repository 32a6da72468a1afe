//! Logins of every auth method by real clients, over TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;

use crate::support::{Run, Server, bao, eventually, python};

/// Writes `ca.pem`, a server's `tls.crt` and `tls.key`, a client's `client.pem` and `client.key`,
/// and `jwt` signed with the key of `jwt.pub`.
fn prepare(folder: &Path) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "ca");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", ca.pem());
    for (name, certificate, key) in
        [("127.0.0.1", "tls.crt", "tls.key"), ("web", "client.pem", "client.key")]
    {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let pair = KeyPair::generate().unwrap();
        write(certificate, params.signed_by(&pair, &ca).unwrap().pem());
        write(key, pair.serialize_pem());
    }
    let issuer = KeyPair::generate().unwrap();
    write("jwt.pub", issuer.public_key_pem());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": "me", "sub": "bob", "aud": "app", "iat": now, "exp": now + 600});
    let key = EncodingKey::from_ec_der(&issuer.serialize_der());
    write("jwt", jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap());
}

struct Prepared {
    server: Server,
    folder: PathBuf,
    root: String,
}

impl Prepared {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        prepare(&folder);
        let listener = format!(
            "tls_cert_file = \"{0}/tls.crt\"\n  tls_key_file = \"{0}/tls.key\"",
            folder.display()
        );
        let mut server = Server::prepared(&listener, "https");
        server.start();
        let mut prepared = Self { server, folder, root: String::new() };
        let init = ["operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json"];
        let init = eventually("the TLS listener", || {
            let run = prepared.bao(&init);
            (run.code == 0).then(|| run.json())
        });
        prepared.bao(&["operator", "unseal", init["unseal_keys_b64"][0].as_str().unwrap()]).ok();
        init["root_token"].as_str().unwrap().clone_into(&mut prepared.root);
        prepared
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `bao` with the root token, once there is one.
    fn bao(&self, arguments: &[&str]) -> Run {
        let ca = self.path("ca.pem");
        let environment =
            [("BAO_ADDR", self.server.url()), ("BAO_CACERT", &ca), ("BAO_TOKEN", &self.root)];
        bao(&environment, arguments)
    }

    /// The display name of the token that a login gave.
    fn name(&self, login: &Run) -> String {
        let made = login.json();
        let accessor = made["auth"]["accessor"].as_str().unwrap();
        let shown = self.bao(&["token", "lookup", "-format=json", "-accessor", accessor]).ok();
        shown.json()["data"]["display_name"].as_str().unwrap().to_owned()
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn bao_logs_in_by_every_method() {
    let served = Prepared::new();
    for kind in ["userpass", "approle", "cert", "jwt"] {
        served.bao(&["auth", "enable", kind]).ok();
    }
    let login = |arguments: &[&str]| {
        let mut all = vec!["login", "-no-store", "-format=json"];
        all.extend_from_slice(arguments);
        served.bao(&all)
    };
    served.bao(&["write", "auth/userpass/users/bob", "password=p", "token_policies=web"]).ok();
    let run = login(&["-method=userpass", "username=bob", "password=p"]).ok();
    assert_eq!(served.name(&run), "userpass-bob");
    login(&["-method=userpass", "username=bob", "password=q"]).fails(2, "400");

    let certificate = format!("certificate=@{}", served.path("ca.pem"));
    served.bao(&["write", "auth/cert/certs/web", &certificate, "policies=web"]).ok();
    let (own, key) = (served.path("client.pem"), served.path("client.key"));
    let (own, key) = (format!("-client-cert={own}"), format!("-client-key={key}"));
    let run = login(&["-method=cert", &own, &key, "name=web"]).ok();
    assert_eq!(served.name(&run), "cert-web");
    login(&["-method=cert", "name=web"]).fails(2, "no client certificate found");

    let keys = format!("jwt_validation_pubkeys=@{}", served.path("jwt.pub"));
    served.bao(&["write", "auth/jwt/config", &keys, "bound_issuer=me"]).ok();
    let role = ["role_type=jwt", "user_claim=sub", "bound_audiences=app"];
    served.bao(&[&["write", "auth/jwt/role/dev"], &role[..]].concat()).ok();
    let token = format!("jwt=@{}", served.path("jwt"));
    let run = served.bao(&["write", "-format=json", "auth/jwt/login", "role=dev", &token]).ok();
    assert_eq!(served.name(&run), "jwt-bob");

    served.bao(&["write", "-f", "auth/approle/role/app"]).ok();
    let field = |path: &str, name: &str, arguments: &[&str]| {
        let name = format!("-field={name}");
        served.bao(&[arguments, &[&name, path]].concat()).ok().out
    };
    let role = field("auth/approle/role/app/role-id", "role_id", &["read"]);
    let secret = field("auth/approle/role/app/secret-id", "secret_id", &["write", "-f"]);
    let (role, secret) = (format!("role_id={role}"), format!("secret_id={secret}"));
    let run = served.bao(&["write", "-format=json", "auth/approle/login", &role, &secret]).ok();
    assert_eq!(served.name(&run), "approle");
}

#[test]
fn hvac_logs_in_by_every_method() {
    let served = Prepared::new();
    let (ca, folder) = (served.path("ca.pem"), served.folder.display().to_string());
    let environment = [
        ("VAULT_ADDR", served.server.url()),
        ("VAULT_TOKEN", &served.root),
        ("VAULT_CACERT", &ca),
        ("CERTIFICATES", &folder),
    ];
    assert_eq!(python(&environment, "logins.py").ok().out.trim(), "ok");
}
