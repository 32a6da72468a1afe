//! A server in this process and a plain HTTP client for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use strongroom_server::cluster::Cluster;
use strongroom_server::config::{Config, Listener};
use strongroom_server::http::Server;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Root token of development servers.
pub(crate) const ROOT: &str = "root";
/// A server that does not answer by then is taken for dead.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; stopped cleanly when dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) folder: Arc<tempfile::TempDir>,
    stop: Option<oneshot::Sender<()>>,
    done: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl TestServer {
    /// Initialised, unsealed, with the root token [`ROOT`] and `secret/`.
    pub(crate) fn dev() -> Self {
        Self::start(true)
    }

    /// As [`TestServer::dev`], with its listener changed.
    pub(crate) fn listening(change: impl FnOnce(&mut Listener)) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let change = |config: &mut Config| change(&mut config.listeners[0]);
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), true, free, change)
    }

    /// As [`TestServer::dev`], with its configuration changed.
    pub(crate) fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), true, free, change)
    }

    /// Not initialised.
    pub(crate) fn bare() -> Self {
        Self::start(false)
    }

    /// Stops this server cleanly and starts another one on its folder.
    pub(crate) fn restart(self) -> Self {
        let folder = Arc::clone(&self.folder);
        let dev = self.cluster.config().dev.is_some();
        let cluster_port = self.cluster.config().cluster_listen();
        drop(self);
        Self::start_on(folder, dev, cluster_port)
    }

    fn start(dev: bool) -> Self {
        // Others are told the cluster port's number, so it has to be known.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::start_on(Arc::new(tempfile::tempdir().unwrap()), dev, free)
    }

    fn start_on(folder: Arc<tempfile::TempDir>, dev: bool, cluster_port: SocketAddr) -> Self {
        Self::start_with(folder, dev, cluster_port, |_| {})
    }

    fn start_with(
        folder: Arc<tempfile::TempDir>,
        dev: bool,
        cluster_port: SocketAddr,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::for_dev(any, folder.path().to_owned(), Some(ROOT.to_owned()));
        config.listeners[0].cluster_address = Some(cluster_port);
        change(&mut config);
        if !dev {
            config.dev = None;
        }
        let server = runtime.block_on(Server::open(config)).unwrap();
        let cluster = Arc::clone(server.cluster());
        if dev {
            runtime.block_on(cluster.dev_start()).unwrap();
        }
        let address = server.addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let done = runtime.spawn(async move {
            let stop = async move {
                let _ = stopped.await;
            };
            server.serve(stop).await.unwrap();
        });
        Self {
            address,
            cluster,
            folder,
            stop: Some(stop),
            done: Some(done),
            runtime: Some(runtime),
        }
    }

    /// Runs a call into the cluster.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }

    /// One request; status and body (`null` when empty).
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        let token =
            if token.is_empty() { String::new() } else { format!("X-Vault-Token: {token}\r\n") };
        let answer = self.raw(method, &format!("/v1/{path}"), &token, body.as_bytes());
        let value = if answer.body.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
        };
        (answer.status, value)
    }

    /// As [`TestServer::call`] with the root token; the status must be `want`.
    pub(crate) fn root(&self, method: &str, path: &str, body: &str, want: u16) -> Value {
        let (status, value) = self.call(method, path, ROOT, body);
        assert_eq!(status, want, "{method} {path} {body}: {value}");
        value
    }

    /// The messages of an error.
    pub(crate) fn error(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &str,
        want: u16,
    ) -> String {
        let (status, value) = self.call(method, path, token, body);
        assert_eq!(status, want, "{method} {path} {body}: {value}");
        let errors = value["errors"].as_array().unwrap();
        errors.iter().map(|e| e.as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }

    /// One request with headers of one's own; `path` is sent as it is.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server may answer before it has read all of a body that it refuses.
        let _ = stream.write_all(body);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        Answer::parse(&String::from_utf8_lossy(&text))
    }

    /// A token with these policies.
    pub(crate) fn token(&self, body: &str) -> String {
        let made = self.root("POST", "auth/token/create", body, 200);
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let (Some(runtime), Some(done)) = (self.runtime.take(), self.done.take()) {
            let joined = runtime.block_on(done);
            if !std::thread::panicking() {
                joined.unwrap();
            }
        }
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}
