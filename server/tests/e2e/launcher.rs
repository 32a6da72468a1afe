//! `server -dev -dev-secondaries 2`: three processes from one command.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::{Run, bao, eventually, free_ports, http, strongroom};

const TOKEN: &str = "launch-root";

/// A launcher with what it printed so far.
struct Launcher {
    child: Child,
    out: Arc<Mutex<String>>,
    first_port: u16,
}

impl Launcher {
    fn start(data: &std::path::Path) -> Self {
        Self::start_at(free_ports(22), data)
    }

    fn start_at(first_port: u16, data: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["server", "-dev", "-dev-secondaries", "2", "-dev-root-token-id", TOKEN])
            .arg(format!("-dev-listen-address=127.0.0.1:{first_port}"))
            .arg(format!("-dev-data={}", data.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = Arc::new(Mutex::new(String::new()));
        let (lines, copy) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&out));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut text = copy.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { child, out, first_port }
    }

    fn url(&self, number: u16) -> String {
        format!("http://127.0.0.1:{}", self.first_port + 10 * number)
    }

    fn printed(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    fn wait_for(&self, words: &str, times: usize) {
        let text = || self.printed();
        eventually(&format!("{words:?} in:\n{}", text()), || {
            (text().matches(words).count() >= times).then_some(())
        });
    }

    /// Process id that the launcher printed.
    fn pid(&self, name: &str) -> String {
        let text = self.printed();
        let line = text.lines().find(|l| l.starts_with(name) && l.contains("pid ")).unwrap();
        line.split("pid ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    }

    fn bao(&self, number: u16, arguments: &[&str]) -> Run {
        bao(&[("BAO_ADDR", &self.url(number)), ("BAO_TOKEN", TOKEN)], arguments)
    }

    fn stop(&mut self, signal: &str) -> Option<i32> {
        send(signal, &self.child.id().to_string());
        eventually("the end of the launcher", || self.child.try_wait().unwrap()).code()
    }

    fn nobody_answers(&self) {
        for number in 0..3 {
            let url = self.url(number);
            eventually(&format!("{url} to be gone"), || {
                http("GET", &url, "sys/health", None, None).is_err().then_some(())
            });
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Its clusters notice and stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the launcher printed:\n{}", self.printed());
        }
    }
}

fn send(signal: &str, pid: &str) {
    let script = format!("kill -{signal} {pid}");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

#[test]
fn one_command_from_start_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("clusters");
    let mut launcher = Launcher::start(&data);
    launcher.wait_for("(live)", 2);
    let text = launcher.printed();
    for words in ["Root Token: launch-root", "kv put", "kv get", "replication status"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }

    // Written on the primary, read on each secondary; forwarded; LIST and delete.
    launcher.bao(0, &["kv", "put", "secret/a", "x=1"]).ok();
    for number in [1, 2] {
        eventually("the secret on a secondary", || {
            let run = launcher.bao(number, &["kv", "get", "-field=x", "secret/a"]);
            (run.code == 0 && run.out == "1").then_some(())
        });
    }
    launcher.bao(1, &["kv", "put", "secret/through", "y=2"]).ok();
    assert_eq!(launcher.bao(1, &["kv", "get", "-field=y", "secret/through"]).ok().out, "2");
    assert_eq!(launcher.bao(0, &["kv", "get", "-field=y", "secret/through"]).ok().out, "2");
    let list = launcher.bao(1, &["kv", "list", "-format=json", "secret/"]).ok().json();
    assert_eq!(list, json!(["a", "through"]));
    launcher.bao(2, &["kv", "metadata", "delete", "secret/a"]).ok();
    launcher.bao(2, &["kv", "get", "secret/a"]).fails(2, "");

    // Encrypted on one secondary, decrypted on the other.
    launcher.bao(0, &["secrets", "enable", "transit"]).ok();
    launcher.bao(0, &["write", "-f", "transit/keys/k"]).ok();
    let ciphertext = eventually("the key on a secondary", || {
        let arguments = ["write", "-field=ciphertext", "transit/encrypt/k", "plaintext=aGVsbG8="];
        let run = launcher.bao(1, &arguments);
        (run.code == 0).then_some(run.out)
    });
    let argument = format!("ciphertext={ciphertext}");
    let plain = eventually("the key on the other secondary", || {
        let run = launcher.bao(2, &["write", "-field=plaintext", "transit/decrypt/k", &argument]);
        (run.code == 0).then_some(run.out)
    });
    assert_eq!(plain, "aGVsbG8=");
    let url = launcher.url(2);
    let status = strongroom(&[("VAULT_ADDR", &url)], &["replication", "status"]).ok();
    assert!(status.out.contains("stream-wals"), "{status:#?}");

    assert_eq!(launcher.stop("INT"), Some(0));
    launcher.nobody_answers();

    // A second start finds everything wired up, and the data.
    let mut launcher = Launcher::start_at(launcher.first_port, &data);
    launcher.wait_for("(live)", 2);
    assert_eq!(launcher.bao(1, &["kv", "get", "-field=y", "secret/through"]).ok().out, "2");
    assert_eq!(launcher.stop("TERM"), Some(0));
    launcher.nobody_answers();
}

#[test]
fn a_killed_cluster_is_reported_and_comes_back_by_the_printed_command() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start(folder.path());
    launcher.wait_for("(live)", 2);
    send("KILL", &launcher.pid("secondary-1"));
    launcher.wait_for("killed by signal 9", 1);
    launcher.bao(0, &["kv", "put", "secret/meanwhile", "x=1"]).ok();

    let text = launcher.printed();
    let command = text.lines().find(|l| l.contains("--dev-launcher")).unwrap().trim();
    let mut again = Command::new("sh").args(["-c", &format!("exec {command}")]).spawn().unwrap();
    eventually("the secret on the secondary", || {
        let run = launcher.bao(1, &["kv", "get", "-field=x", "secret/meanwhile"]);
        (run.code == 0 && run.out == "1").then_some(())
    });
    launcher.wait_for("(live)", 3);

    // Even a launcher that is killed leaves nobody behind.
    send("KILL", &launcher.child.id().to_string());
    launcher.nobody_answers();
    eventually("the end of the one started by hand", || again.try_wait().unwrap());
}

#[test]
fn ports_in_use_are_named_before_anything_starts() {
    let first_port = free_ports(22);
    let taken = std::net::TcpListener::bind(("127.0.0.1", first_port + 11)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "server",
        "-dev",
        "-dev-secondaries=2",
        &format!("-dev-listen-address=127.0.0.1:{first_port}"),
        &format!("-dev-data={}", folder.path().display()),
    ];
    let run = strongroom(&[], &arguments).fails(1, "secondary-1");
    assert!(run.err.contains(&taken.local_addr().unwrap().to_string()), "{run:#?}");
    assert!(!folder.path().join("primary").exists());
}
