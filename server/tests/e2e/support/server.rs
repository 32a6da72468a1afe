//! One server process with its folder.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::{Run, eventually, free_ports};

/// Root token of development servers in tests.
pub(crate) const ROOT: &str = "root";

/// A server; killed on drop.
pub(crate) struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    /// A development server, ready.
    pub(crate) fn dev() -> Self {
        let port = free_ports(2);
        let folder = tempfile::tempdir().unwrap();
        let arguments = vec![
            "server".to_owned(),
            "-dev".to_owned(),
            format!("-dev-listen-address=127.0.0.1:{port}"),
            format!("-dev-root-token-id={ROOT}"),
            format!("-dev-data={}", folder.path().join("data").display()),
        ];
        let mut server =
            Self { child: None, arguments, url: format!("http://127.0.0.1:{port}"), folder };
        server.start();
        server.wait_for(200);
        server
    }

    /// A server with a plain listener and a configuration file, not initialised.
    pub(crate) fn configured() -> Self {
        let server = Self::prepared("tls_disable = true", "http");
        let mut server = server;
        server.start();
        server.wait_for(501);
        server
    }

    /// Configuration written, nothing started. `listener` is the rest of the listener's block.
    pub(crate) fn prepared(listener: &str, scheme: &str) -> Self {
        let port = free_ports(2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("strongroom.hcl");
        let text = format!(
            "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  {listener}\n}}\n\
             storage \"strongroom\" {{\n  path = \"{}\"\n}}\n\
             api_addr = \"{scheme}://127.0.0.1:{port}\"\ndisable_mlock = true\n",
            folder.path().join("data").display()
        );
        std::fs::write(&file, text).unwrap();
        let arguments = vec!["server".to_owned(), "-config".to_owned(), file.display().to_string()];
        Self { child: None, arguments, url: format!("{scheme}://127.0.0.1:{port}"), folder }
    }

    /// Starts the process; its output goes to [`Server::log`].
    pub(crate) fn start(&mut self) {
        self.start_under(&[]);
    }

    /// Starts the process with a program in front (`sh -c 'ulimit ...; exec "$@"' sh`).
    pub(crate) fn start_under(&mut self, front: &[&str]) {
        assert!(self.child.is_none(), "it runs already");
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut words: Vec<&str> = front.to_vec();
        words.push(env!("CARGO_BIN_EXE_strongroom"));
        words.extend(self.arguments.iter().map(String::as_str));
        let child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits until `sys/health` answers with that status.
    pub(crate) fn wait_for(&mut self, status: u16) {
        let url = self.url.clone();
        eventually(&format!("status {status} of {url}"), || {
            if let Some(ended) = self.child.as_mut().and_then(|c| c.try_wait().unwrap()) {
                panic!("the server ended ({ended}):\n{}", self.log());
            }
            (http("GET", &url, "sys/health", None, None).ok()?.0 == status).then_some(())
        });
    }

    /// Waits until it answers at all, with whatever status.
    pub(crate) fn wait_until_it_answers(&self) {
        eventually(&format!("an answer from {}", self.url), || {
            http("GET", &self.url, "sys/health", None, None).ok()
        });
    }

    /// Waits for a process that ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        eventually("the end of the server", || child.try_wait().unwrap())
    }

    /// SIGTERM, then the exit status.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Any signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id();
        // The shell's own kill: there may be no other.
        let script = format!("kill -{name} {pid}");
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Folder of the test: configuration, log, data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the server wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// One call with a token.
    #[track_caller]
    pub(crate) fn call(
        &self,
        verb: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        http(verb, &self.url, path, Some(token), body.map(ToString::to_string).as_deref()).unwrap()
    }

    /// Our own client against it.
    pub(crate) fn strongroom(&self, token: &str, arguments: &[&str]) -> Run {
        super::strongroom(&[("VAULT_ADDR", &self.url), ("VAULT_TOKEN", token)], arguments)
    }

    /// `bao` against it.
    pub(crate) fn bao(&self, token: &str, arguments: &[&str]) -> Run {
        super::bao(&[("BAO_ADDR", &self.url), ("BAO_TOKEN", token)], arguments)
    }

    /// A script against it.
    pub(crate) fn python(&self, token: &str, script: &str) -> Run {
        super::python(&[("VAULT_ADDR", &self.url), ("VAULT_TOKEN", token)], script)
    }

    /// Initialises, and unseals with as many shares as it takes; the keys and the root token.
    pub(crate) fn init(&self, shares: u8, threshold: u8) -> (Vec<String>, String) {
        let body = serde_json::json!({"secret_shares": shares, "secret_threshold": threshold});
        let (status, reply) = self.call("POST", "sys/init", "", Some(&body));
        assert_eq!(status, 200, "{reply}");
        let keys: Vec<String> = reply["keys_base64"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        self.unseal(&keys[..usize::from(threshold)]);
        (keys, reply["root_token"].as_str().unwrap().to_owned())
    }

    /// Gives these shares; the server is unsealed afterwards.
    pub(crate) fn unseal(&self, keys: &[String]) {
        let mut sealed = Value::Bool(true);
        for key in keys {
            let body = serde_json::json!({ "key": key });
            let (status, mut reply) = self.call("POST", "sys/unseal", "", Some(&body));
            assert_eq!(status, 200, "{reply}");
            sealed = reply["sealed"].take();
        }
        assert_eq!(sealed, Value::Bool(false));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.url, self.log());
        }
    }
}

/// One plain HTTP call: status and JSON body (null when there is none).
///
/// # Errors
/// Nothing answers, or the connection broke.
pub(crate) fn http(
    verb: &str,
    url: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&str>,
) -> Result<(u16, Value), ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(super::PATIENCE))
        .max_idle_connections(0)
        .build()
        .new_agent();
    let request = ureq::http::Request::builder()
        .method(verb)
        .uri(format!("{url}/v1/{path}"))
        .header("x-vault-token", token.unwrap_or_default());
    let mut answer = match body {
        Some(body) => agent.run(request.body(body.to_owned())?)?,
        None => agent.run(request.body(())?)?,
    };
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string()?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}
