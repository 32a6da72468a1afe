//! A server killed in the middle of becoming a secondary: it opens as what it was, or as what it was
//! to become, with known keys.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::support::{Client, TestServer, free_port, until};

/// Joins that are killed.
const ROUNDS: usize = 8;
/// The kill comes within this after the join was asked for, milliseconds.
const WITHIN: u64 = 120;

struct Process {
    child: Child,
    client: Client,
}

impl Process {
    fn start(folder: &Path, api: SocketAddr, cluster: SocketAddr) -> Self {
        let config = folder.join("server.hcl");
        let text = format!(
            "listener \"tcp\" {{\n address = \"{api}\"\n cluster_address = \"{cluster}\"\n \
             tls_disable = true\n}}\nstorage \"strongroom\" {{ path = \"{}\" }}\n",
            folder.join("data").display()
        );
        std::fs::File::create(&config).unwrap().write_all(text.as_bytes()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["server", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = Client { address: api, root: String::new() };
        until("the server answers", || std::net::TcpStream::connect(api).is_ok());
        Self { child, client }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_join_that_is_killed_leaves_the_old_store_or_the_new_one() {
    let mut primary = TestServer::bare();
    let keys = primary.init();
    primary.call("POST", "sys/mounts/secret", r#"{"type":"kv"}"#);
    primary.call("POST", "secret/a", r#"{"x":"new"}"#);
    primary.enable_primary();
    let mut random = [0; ROUNDS];
    getrandom::fill(&mut random).unwrap();
    let (mut old, mut new) = (0, 0);
    for (round, byte) in random.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let (api, cluster) = (free_port(), free_port());
        let mut process = Process::start(folder.path(), api, cluster);
        let own = process.client.init();
        process.client.call("POST", "sys/mounts/secret", r#"{"type":"kv"}"#);
        process.client.call("POST", "secret/a", r#"{"x":"old"}"#);
        let token = primary.activation(&format!("s{round}"));
        let asking = process.client.clone();
        let join = std::thread::spawn(move || asking.try_join_quietly(&token));
        std::thread::sleep(Duration::from_millis(u64::from(byte) * WITHIN / 255));
        let root = process.client.root.clone();
        process.kill();
        join.join().unwrap();

        let mut again = Process::start(folder.path(), api, cluster);
        if again.client.unseal(&own).0 == 200 {
            old += 1;
            again.client.root = root;
            assert_eq!(again.client.call("GET", "secret/a", "")["data"]["x"], "old");
            assert_eq!(again.client.status()["mode"], "disabled");
        } else {
            new += 1;
            let (status, body) = again.client.unseal(&keys);
            assert_eq!(status, 200, "neither key opens it: {body}");
            until("it becomes level", || {
                again.client.status()["merkle_root"] == primary.status()["merkle_root"]
            });
        }
    }
    println!("{old} opened as they were, {new} as secondaries");
    assert_eq!(old + new, ROUNDS);
}
