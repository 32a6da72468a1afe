//! A durable audit device under SIGKILL: whatever was answered is on record.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ROOT, Server, eventually, http};

/// Ids of the answers that a file has records of; `None` while its last line is not whole.
fn recorded(path: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut ids = Vec::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).ok()?;
        if record["type"] == "response" {
            ids.push(record["request"]["id"].as_str().unwrap().to_owned());
        }
    }
    Some(ids)
}

/// The kernel keeps what a killed process wrote; the half of the file that is cut off stands for
/// what a power loss takes.
#[test]
fn audit_has_every_answer_after_a_kill_and_a_file_that_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut server = Server::dev();
    let options = json!({ "file_path": path, "durable": "true" });
    let body = json!({ "type": "file", "options": options }).to_string();
    let url = server.url().to_owned();
    assert_eq!(http("POST", &url, "sys/audit/file", Some(ROOT), Some(&body)).unwrap().0, 204);
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..8)
            .map(|n| {
                let (url, stop, answered) = (url.clone(), Arc::clone(&stop), Arc::clone(&answered));
                thread::spawn(move || {
                    let path = format!("secret/data/{n}");
                    let body = json!({ "data": { "n": n } }).to_string();
                    while !stop.load(Ordering::Relaxed) {
                        let answer = http("POST", &url, &path, Some(ROOT), Some(&body));
                        if let Ok((200, answer)) = answer {
                            let id = answer["request_id"].as_str().unwrap().to_owned();
                            answered.lock().unwrap().insert(id);
                        }
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(400));
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        let length = fs::metadata(&path).unwrap().len();
        if round != 0 {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
        }
        server.start();
        server.wait_for(200);
        let answered = answered.lock().unwrap();
        assert!(answered.len() > 10 * (round + 1), "{} answers", answered.len());
        eventually("every answer on record", || {
            let recorded = recorded(&path)?;
            let distinct: BTreeSet<&String> = recorded.iter().collect();
            assert_eq!(distinct.len(), recorded.len(), "none is there twice");
            answered.iter().all(|id| distinct.contains(id)).then_some(())
        });
    }
}
