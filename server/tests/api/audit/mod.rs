//! Audit devices: what is on record, what never is, and what happens when a device fails.

mod devices;
mod records;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::TestServer;

struct Audited {
    server: TestServer,
    folder: tempfile::TempDir,
}

impl Audited {
    /// A server with a file device `file/` with these options.
    fn new(options: Value) -> Self {
        let audited = Self { server: TestServer::dev(), folder: tempfile::tempdir().unwrap() };
        audited.enable("file", &audited.path("log"), options);
        audited
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn enable(&self, device: &str, path: &Path, mut options: Value) {
        options["file_path"] = path.to_str().unwrap().into();
        let body = json!({ "type": "file", "options": options });
        self.server.root("POST", &format!("sys/audit/{device}"), &body.to_string(), 204);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn records(&self) -> Vec<Value> {
        self.log().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn hash(&self, text: &str) -> Value {
        let body = json!({ "input": text }).to_string();
        self.server.root("POST", "sys/audit-hash/file", &body, 200)["data"]["hash"].clone()
    }
}
