//! Who gets in: only known, unrevoked secondaries with their own certificate, by TLS 1.3 and the right
//! protocol.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use strongroom_storage::Options;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::cluster::{Cluster, level, until};
use super::ops::DATA;
use crate::replication::ca::{self, Ca};
use crate::replication::secondary::connect::{ConnectError, Link};
use crate::replication::state::Persisted;
use crate::replication::tls;
use crate::replication::wire::{Purpose, RefusalCode};

async fn primary(dir: &tempfile::TempDir) -> Cluster {
    Cluster::primary(dir.path().join("p"), Options::default()).await
}

async fn connect(bundle: &crate::replication::bundle::Bundle) -> Result<(), ConnectError> {
    Link::new(bundle, None, None)?.connect(Purpose::Stream).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let primary = primary(&dir).await;
    let known = primary.bundle("eu").await;
    assert!(connect(&known).await.is_ok());
    let now = SystemTime::now();
    let Persisted::Primary(state) = primary.state() else { panic!() };
    let own = Ca::open(&state.ca()).unwrap();

    // Of our CA, but never made known.
    let unknown = primary.bundle_with("eu", own.issue_client("eu", now, ca::LIFETIME).unwrap());
    let refused = connect(&unknown).await;
    assert!(matches!(refused, Err(ConnectError::Refused { code: RefusalCode::NotKnown, .. })));

    // A known certificate under another's id.
    let mut posing = primary.bundle("us").await;
    posing.secondary_id = "eu".into();
    let refused = connect(&posing).await;
    assert!(matches!(refused, Err(ConnectError::Refused { code: RefusalCode::NotKnown, .. })));

    // Of another CA.
    let foreign = Ca::open(&Ca::generate("x", now).unwrap()).unwrap();
    let bundle = primary.bundle_with("eu", foreign.issue_client("eu", now, ca::LIFETIME).unwrap());
    assert!(matches!(connect(&bundle).await, Err(ConnectError::Tls { .. })));

    // Expired.
    let then = now - Duration::from_hours(240);
    let old = own.issue_client("eu", then, Duration::from_hours(1)).unwrap();
    let bundle = primary.bundle_with("eu", old);
    assert!(matches!(connect(&bundle).await, Err(ConnectError::Tls { .. })));

    // A server's certificate does not make a secondary.
    let bundle = primary.bundle_with("eu", own.issue_server(now).unwrap());
    assert!(matches!(connect(&bundle).await, Err(ConnectError::Tls { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_refuses_whoever_is_not_its_primary() {
    let dir = tempfile::tempdir().unwrap();
    let one = primary(&dir).await;
    let other = Cluster::primary(dir.path().join("o"), Options::default()).await;
    let mut bundle = one.bundle("eu").await;
    bundle.primary_cluster_addr = format!("https://{}", other.listen);
    assert!(matches!(connect(&bundle).await, Err(ConnectError::Tls { .. })));
    // Another secondary that poses as the primary: its certificate is for clients only.
    let mut bundle = one.bundle("eu").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    bundle.primary_cluster_addr = format!("https://{}", listener.local_addr().unwrap());
    let stolen = ca::Identity { cert: bundle.client_cert.clone(), key: bundle.client_key.clone() };
    let config = Arc::new(tls::server(&bundle.ca_cert, &stolen).unwrap());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let _ = tokio_rustls::TlsAcceptor::from(config).accept(tcp).await;
    });
    assert!(matches!(connect(&bundle).await, Err(ConnectError::Tls { .. })));
}

/// Connects with a hand-made configuration; answers whether the primary lets it say hello.
async fn reaches(primary: &Cluster, config: ClientConfig) -> bool {
    let tcp = TcpStream::connect(primary.listen).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(tls::server_name().unwrap(), tcp).await else {
        return false;
    };
    // A refusal after the handshake shows in the first read.
    let mut byte = [0; 1];
    tokio::time::timeout(Duration::from_millis(500), stream.read(&mut byte)).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_tls_no_certificate_and_other_protocols_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let primary = primary(&dir).await;
    let bundle = primary.bundle("eu").await;
    assert!(reaches(&primary, tls::client(&bundle).unwrap()).await);

    let mut alpn = tls::client(&bundle).unwrap();
    alpn.alpn_protocols = vec![b"h2".to_vec()];
    assert!(!reaches(&primary, alpn).await);
    let mut none = tls::client(&bundle).unwrap();
    none.alpn_protocols = Vec::new();
    assert!(!reaches(&primary, none).await);

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(bundle.ca_cert.clone())).unwrap();
    let mut bare = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    bare.alpn_protocols = vec![tls::ALPN_REPLICATION.to_vec()];
    assert!(!reaches(&primary, bare).await);

    let mut old = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from(bundle.client_cert.clone())],
            rustls_pki_types::PrivatePkcs8KeyDer::from(bundle.client_key.expose().to_vec()).into(),
        )
        .unwrap();
    old.alpn_protocols = vec![tls::ALPN_REPLICATION.to_vec()];
    assert!(!reaches(&primary, old).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_cuts_a_live_secondary_off_and_keeps_it_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut primary = primary(&dir).await;
    let old = primary.bundle("eu").await;
    let mut secondary =
        primary.secondary(dir.path().join("s"), old.clone(), Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    primary.revoke("eu").await;
    primary.put(DATA, "after", b"v").await;
    until("the refusal is shown", || {
        secondary.status()["last_error"].as_str().is_some_and(|e| e.contains("not known"))
    })
    .await;
    assert_eq!(secondary.get(DATA, "after"), None);
    // Also after the primary came back from its stored state: asked until its port is open again.
    primary.crash().await;
    primary.start().await;
    let mut refused = connect(&old).await;
    for _ in 0..1000 {
        if !matches!(refused, Err(ConnectError::Tcp { .. })) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        refused = connect(&old).await;
    }
    assert!(matches!(refused, Err(ConnectError::Refused { code: RefusalCode::NotKnown, .. })));
    assert_eq!(secondary.get(DATA, "after"), None);
    // A new certificate for the same id lets it in again.
    let renewed = primary.bundle("eu").await;
    assert!(connect(&renewed).await.is_ok());
}
