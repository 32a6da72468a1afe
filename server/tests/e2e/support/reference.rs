//! OpenBao's own server, to compare with.

use std::process::{Child, Command, Stdio};

use super::clients::client;
use super::{ROOT, Run, eventually, free_ports, http};

/// `bao server -dev`; killed on drop.
pub(crate) struct Reference {
    child: Child,
    url: String,
}

impl Reference {
    /// Started and ready; its root token is [`ROOT`].
    pub(crate) fn start() -> Self {
        let port = free_ports(2);
        let url = format!("http://127.0.0.1:{port}");
        let mut child = Command::new(client("bao"))
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg(format!("-dev-root-token-id={ROOT}"))
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("bao server -dev", || {
            // Whatever else might answer at that address must not be taken for it.
            assert!(child.try_wait().unwrap().is_none(), "bao ended while it was starting");
            // The mount comes last.
            let (status, _) = http("GET", &url, "secret/config", Some(ROOT), None).ok()?;
            (status == 200).then_some(())
        });
        Self { child, url }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `bao` against it.
    pub(crate) fn bao(&self, token: &str, arguments: &[&str]) -> Run {
        super::bao(&[("BAO_ADDR", &self.url), ("BAO_TOKEN", token)], arguments)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
