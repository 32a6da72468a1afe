//! Servers in this process, each with its own runtime, folder and ports.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use strongroom_server::cluster::Cluster;
use strongroom_server::cluster::ops::{ClusterOps as _, ForwardRequest};
use strongroom_server::config::Config;
use strongroom_server::http::Server;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing here takes longer unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; stopped cleanly when dropped.
pub(crate) struct TestServer {
    config: Config,
    folder: Arc<tempfile::TempDir>,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    done: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
    cluster: Option<Arc<Cluster>>,
}

impl TestServer {
    /// In development mode: initialised, unsealed, with this root token.
    pub(crate) fn dev(root: &str) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), Some(root), |_| {})
    }

    /// In development mode, with another configuration.
    pub(crate) fn dev_with(root: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), Some(root), change)
    }

    /// Not initialised.
    pub(crate) fn bare() -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), None, |_| {})
    }

    fn start(
        folder: Arc<tempfile::TempDir>,
        root: Option<&str>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (api, cluster) = ports();
        let mut config = Config::for_dev(api, folder.path().to_owned(), root.map(str::to_owned));
        config.listeners[0].cluster_address = Some(cluster);
        config.cluster_addr = Some(format!("https://{cluster}"));
        if root.is_none() {
            config.dev = None;
        }
        change(&mut config);
        let mut server = Self {
            config,
            folder,
            client: Client { address: api, root: root.unwrap_or_default().to_owned() },
            stop: None,
            done: None,
            runtime: None,
            cluster: None,
        };
        server.run();
        server
    }

    /// Starts on the folder and ports that it has.
    pub(crate) fn run(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(Server::open(self.config.clone())).unwrap();
        let cluster = Arc::clone(server.cluster());
        if self.config.dev.is_some() {
            runtime.block_on(Cluster::dev_start(&cluster)).unwrap();
        }
        self.cluster = Some(Arc::clone(&cluster));
        let (stop, stopped) = oneshot::channel();
        self.done = Some(runtime.spawn(async move {
            let stop = async move {
                let _ = stopped.await;
            };
            server.serve(stop).await.unwrap();
        }));
        self.stop = Some(stop);
        self.runtime = Some(runtime);
    }

    /// Runs a call as if a secondary had forwarded it; its status.
    pub(crate) fn forwarded(&self, call: ForwardRequest) -> u16 {
        let (runtime, cluster) = (self.runtime.as_ref(), self.cluster.as_ref());
        let reply = runtime.unwrap().block_on(cluster.unwrap().execute(call));
        reply.result.map_or_else(|e| e.status, |_| 200)
    }

    /// Stops cleanly.
    pub(crate) fn halt(&mut self) {
        drop(self.stop.take());
        drop(self.cluster.take());
        if let (Some(runtime), Some(done)) = (self.runtime.take(), self.done.take()) {
            let joined = runtime.block_on(done);
            if !std::thread::panicking() {
                joined.unwrap();
            }
        }
    }

    pub(crate) fn data_path(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.halt();
    }
}

/// The HTTP API of a server, as whoever holds its root token sees it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) root: String,
}

impl Client {
    /// One request with the root token; status and body (`null` when empty).
    pub(crate) fn try_call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (token, length) = (&self.root, body.len());
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-Vault-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let value = if body.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"))
        };
        (status, value)
    }

    /// As [`Self::try_call`]; the status must be below 300.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, value) = self.try_call(method, path, body);
        assert!(status < 300, "{method} {path} {body}: {status} {value}");
        value
    }

    /// The messages of a refusal.
    pub(crate) fn error(&self, method: &str, path: &str, body: &str, want: u16) -> String {
        let (status, value) = self.try_call(method, path, body);
        assert_eq!(status, want, "{method} {path} {body}: {value}");
        let errors = value["errors"].as_array().unwrap();
        errors.iter().map(|e| e.as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }

    /// The performance status.
    pub(crate) fn status(&self) -> Value {
        self.call("GET", "sys/replication/performance/status", "")["data"].clone()
    }

    /// Makes this a primary.
    pub(crate) fn enable_primary(&self) {
        self.call("POST", "sys/replication/performance/primary/enable", "{}");
    }

    /// An activation token.
    pub(crate) fn activation(&self, id: &str) -> String {
        let path = "sys/replication/performance/primary/secondary-token";
        let answer = self.call("POST", path, &format!(r#"{{"id":"{id}"}}"#));
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    /// Makes this a secondary by an activation token; status and body.
    pub(crate) fn try_join(&self, token: &str) -> (u16, Value) {
        let body = format!(r#"{{"token":"{token}"}}"#);
        self.try_call("POST", "sys/replication/performance/secondary/enable", &body)
    }

    /// As [`Self::try_join`] of a server that may die meanwhile.
    pub(crate) fn try_join_quietly(&self, token: &str) {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return };
        let body = format!(r#"{{"token":"{token}"}}"#);
        let (root, length) = (&self.root, body.len());
        let request = format!(
            "POST /v1/sys/replication/performance/secondary/enable HTTP/1.1\r\nHost: x\r\n\
             Connection: close\r\nX-Vault-Token: {root}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(request.as_bytes()).is_ok() {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }

    /// Initialises with one key share and unseals; answers the share.
    pub(crate) fn init(&mut self) -> String {
        let shares = r#"{"secret_shares":1,"secret_threshold":1}"#;
        let answer = self.call("POST", "sys/init", shares);
        let key = answer["keys"][0].as_str().unwrap().to_owned();
        answer["root_token"].as_str().unwrap().clone_into(&mut self.root);
        let (status, body) = self.unseal(&key);
        assert_eq!(status, 200, "{body}");
        key
    }

    /// Gives a key share; status and body.
    pub(crate) fn unseal(&self, key: &str) -> (u16, Value) {
        self.try_call("POST", "sys/unseal", &format!(r#"{{"key":"{key}"}}"#))
    }
}

impl std::ops::Deref for TestServer {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl std::ops::DerefMut for TestServer {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A port of the loopback that is free now.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn ports() -> (SocketAddr, SocketAddr) {
    let (a, b) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    (a.local_addr().unwrap(), b.local_addr().unwrap())
}

/// Polls until `done`; panics with `what` when it never is.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a secondary streams and has its primary's root.
pub(crate) fn level(primary: &TestServer, secondary: &TestServer) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (there, here) = (primary.status(), secondary.status());
        if here["state"] == "stream-wals" && here["merkle_root"] == there["merkle_root"] {
            return;
        }
        assert!(Instant::now() < deadline, "not level: {there} {here}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A primary and a secondary that joined it, level.
pub(crate) fn pair() -> (TestServer, TestServer) {
    let primary = TestServer::dev("root-p");
    primary.enable_primary();
    let secondary = joined(&primary, TestServer::dev("root-s"), "eu");
    (primary, secondary)
}

/// Joins a server in development mode, which knows its primary's root token from then on.
pub(crate) fn joined(primary: &TestServer, mut secondary: TestServer, id: &str) -> TestServer {
    let (status, body) = secondary.try_join(&primary.activation(id));
    assert_eq!(status, 200, "{body}");
    assert!(body["warnings"][0].as_str().unwrap().contains("discarded"), "{body}");
    secondary.root.clone_from(&primary.root);
    level(primary, &secondary);
    secondary
}
