//! The Rust client `vaultrs`, unchanged, against a development server of ours.
//!
//! The server is the binary that `STRONGROOM` names, or the one that a build of the workspace left
//! in its `target/debug`.
#![cfg(test)]

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vaultrs::api::auth::approle::requests::SetAppRoleRequest;
use vaultrs::api::token::requests::CreateTokenRequest;
use vaultrs::api::transit::KeyType;
use vaultrs::api::transit::requests::{CreateKeyRequest, VerifySignedDataRequest};
use vaultrs::auth::approle;
use vaultrs::client::{Client as _, VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::{kv2, sys, token, transit};

const ROOT: &str = "root";
/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// A development server; killed on drop.
struct Server {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let binary = std::env::var_os("STRONGROOM").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/debug/strongroom"),
            PathBuf::from,
        );
        let folder = tempfile::tempdir().unwrap();
        // The cluster port is the next one.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() & !1;
        let child = Command::new(&binary)
            .args(["server", "-dev"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-data={}", folder.path().join("data").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", binary.display()));
        Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    fn client(&self, token: &str) -> VaultClient {
        let settings =
            VaultClientSettingsBuilder::default().address(&self.url).token(token).build().unwrap();
        VaultClient::new(settings).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers, and a client with the root token.
async fn ready() -> (Server, VaultClient) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = Server::start();
    let client = server.client(ROOT);
    let deadline = Instant::now() + PATIENCE;
    while !matches!(client.status().await, Ok(sys::ServerStatus::OK)) {
        assert!(Instant::now() < deadline, "the server does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (server, client)
}

fn status(error: &ClientError) -> u16 {
    match error {
        ClientError::APIError { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn health_mounts_auth_methods_and_policies() {
    let (_server, client) = ready().await;
    let health = sys::health(&client).await.unwrap();
    assert!(health.initialized && !health.sealed && !health.standby);
    sys::mount::enable(&client, "team", "kv-v2", None).await.unwrap();
    let mounts = sys::mount::list(&client).await.unwrap();
    assert_eq!(mounts["team/"].mount_type, "kv");
    let config = sys::mount::get_configuration_of_a_secret_engine(&client, "team").await.unwrap();
    assert_eq!(config.options.unwrap()["version"], "2");
    sys::mount::disable(&client, "team").await.unwrap();
    assert!(!sys::mount::list(&client).await.unwrap().contains_key("team/"));
    sys::auth::enable(&client, "up", "userpass", None).await.unwrap();
    assert_eq!(sys::auth::list(&client).await.unwrap()["up/"].mount_type, "userpass");
    sys::auth::disable(&client, "up").await.unwrap();
    let text = "path \"secret/*\" { capabilities = [\"read\"] }";
    sys::policy::set(&client, "reader", text).await.unwrap();
    assert_eq!(sys::policy::read(&client, "reader").await.unwrap().rules, text);
    let policies = sys::policy::list(&client).await.unwrap().policies;
    assert!(policies.contains(&"reader".to_owned()));
    sys::policy::delete(&client, "reader").await.unwrap();
    assert_eq!(status(&sys::policy::read(&client, "reader").await.unwrap_err()), 404);
}

#[tokio::test]
async fn versions_of_secrets() {
    let (_server, client) = ready().await;
    let secret = HashMap::from([("x".to_owned(), "1".to_owned())]);
    let first = kv2::set(&client, "secret", "a/b", &secret).await.unwrap();
    assert_eq!(first.version, 1);
    kv2::set(&client, "secret", "a/b", &HashMap::from([("x", "2")])).await.unwrap();
    let read: HashMap<String, String> = kv2::read(&client, "secret", "a/b").await.unwrap();
    assert_eq!(read["x"], "2");
    let read: HashMap<String, String> =
        kv2::read_version(&client, "secret", "a/b", 1).await.unwrap();
    assert_eq!(read, secret);
    assert_eq!(kv2::list(&client, "secret", "a").await.unwrap(), ["b"]);
    kv2::delete_versions(&client, "secret", "a/b", vec![1]).await.unwrap();
    kv2::undelete_versions(&client, "secret", "a/b", vec![1]).await.unwrap();
    kv2::destroy_versions(&client, "secret", "a/b", vec![1]).await.unwrap();
    let metadata = kv2::read_metadata(&client, "secret", "a/b").await.unwrap();
    assert_eq!(metadata.current_version, 2);
    assert!(metadata.versions["1"].destroyed);
    kv2::delete_latest(&client, "secret", "a/b").await.unwrap();
    let gone = kv2::read::<HashMap<String, String>>(&client, "secret", "a/b").await;
    // Data and no errors are in this answer, so the client passes it on as it is.
    let gone = format!("{:?}", gone.unwrap_err());
    assert!(gone.contains("code: 404") && gone.contains("deletion_time"), "{gone}");
    kv2::delete_metadata(&client, "secret", "a/b").await.unwrap();
    assert_eq!(status(&kv2::list(&client, "secret", "a").await.unwrap_err()), 404);
}

#[tokio::test]
async fn transit_encrypts_and_signs() {
    let (_server, client) = ready().await;
    sys::mount::enable(&client, "transit", "transit", None).await.unwrap();
    transit::key::create(&client, "transit", "app", None).await.unwrap();
    let plain = "aGVsbG8=";
    let sealed = transit::data::encrypt(&client, "transit", "app", plain, None).await.unwrap();
    transit::key::rotate(&client, "transit", "app").await.unwrap();
    let rewrapped =
        transit::data::rewrap(&client, "transit", "app", &sealed.ciphertext, None).await.unwrap();
    assert!(rewrapped.ciphertext.starts_with("vault:v2:"));
    let opened = transit::data::decrypt(&client, "transit", "app", &rewrapped.ciphertext, None);
    assert_eq!(opened.await.unwrap().plaintext, plain);
    let mut kind = CreateKeyRequest::builder();
    kind.key_type(KeyType::Ed25519);
    transit::key::create(&client, "transit", "sig", Some(&mut kind)).await.unwrap();
    let key = transit::key::read(&client, "transit", "sig").await.unwrap();
    assert!(key.supports_signing && !key.supports_encryption);
    let signed = transit::data::sign(&client, "transit", "sig", plain, None).await.unwrap();
    let mut check = VerifySignedDataRequest::builder();
    check.signature(signed.signature);
    let verified = transit::data::verify(&client, "transit", "sig", plain, Some(&mut check));
    assert!(verified.await.unwrap().valid);
    let keys = transit::key::list(&client, "transit").await.unwrap().keys;
    assert_eq!(keys, ["app", "sig"]);
    transit::generate::hmac(&client, "transit", "app", plain, None).await.unwrap();
    assert_eq!(status(&transit::key::delete(&client, "transit", "app").await.unwrap_err()), 400);
}

#[tokio::test]
async fn tokens_are_made_renewed_and_revoked() {
    let (server, client) = ready().await;
    let mut wish = CreateTokenRequest::builder();
    wish.policies(vec!["default".to_owned()]).ttl("10m").display_name("me");
    let made = token::new(&client, Some(&mut wish)).await.unwrap();
    assert_eq!((made.lease_duration, made.renewable), (600, true));
    let own = server.client(&made.client_token);
    let shown = own.lookup().await.unwrap();
    assert_eq!((shown.display_name.as_str(), shown.orphan), ("token-me", false));
    assert_eq!(own.renew(Some("20m")).await.unwrap().lease_duration, 1200);
    let denied = kv2::read::<HashMap<String, String>>(&own, "secret", "a").await;
    assert_eq!(status(&denied.unwrap_err()), 403);
    let by_accessor = token::lookup_accessor(&client, &made.accessor).await.unwrap();
    assert_eq!(by_accessor.id, "");
    token::revoke_accessor(&client, &made.accessor).await.unwrap();
    assert_eq!(status(&own.lookup().await.unwrap_err()), 403);
}

#[tokio::test]
async fn a_role_logs_in_and_is_asked_at_renewals() {
    let (server, client) = ready().await;
    sys::auth::enable(&client, "approle", "approle", None).await.unwrap();
    let mut role = SetAppRoleRequest::builder();
    role.token_policies(vec!["default".to_owned()]).token_ttl("5m");
    approle::role::set(&client, "approle", "app", Some(&mut role)).await.unwrap();
    assert_eq!(approle::role::list(&client, "approle").await.unwrap().keys, ["app"]);
    let id = approle::role::read_id(&client, "approle", "app").await.unwrap().role_id;
    let secret = approle::role::secret::generate(&client, "approle", "app", None).await.unwrap();
    let made = approle::login(&client, "approle", &id, &secret.secret_id).await.unwrap();
    assert_eq!(made.lease_duration, 300);
    let own = server.client(&made.client_token);
    assert_eq!(own.renew(None).await.unwrap().lease_duration, 300);
    approle::role::delete(&client, "approle", "app").await.unwrap();
    assert_eq!(status(&own.renew(None).await.unwrap_err()), 400);
    assert_eq!(status(&approle::login(&client, "approle", &id, "x").await.unwrap_err()), 400);
}
