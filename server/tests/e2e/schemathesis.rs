//! `schemathesis` over our own `OpenAPI` document: whatever it makes up, no call ends in a failure
//! of the server's own, and every status is one that the document names.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{ROOT, Server, client};

/// Paths after which nothing is left to ask, or that other tests call with more care.
const LEFT_OUT: &str = "^/sys/(seal|step-down|init|unseal|rekey|rotate|generate-root|replication|\
                        audit|quotas|remount|mounts|auth|monitor|storage|loggers)|\
                        ^/sys/(leases/)?revoke|^/auth/token/revoke";

#[test]
fn what_schemathesis_makes_up_is_answered_as_documented() {
    let server = Server::dev();
    for (path, kind) in [("mounts/transit", "transit"), ("mounts/kv", "kv")] {
        let body = json!({ "type": kind });
        assert_eq!(server.call("POST", &format!("sys/{path}"), ROOT, Some(&body)).0, 204);
    }
    for kind in ["userpass", "approle"] {
        let body = json!({ "type": kind });
        assert_eq!(server.call("POST", &format!("sys/auth/{kind}"), ROOT, Some(&body)).0, 204);
    }
    let (status, document) = server.call("GET", "sys/internal/specs/openapi", ROOT, None);
    assert_eq!(status, 200);
    let file = server.folder().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let run = Command::new(client("schemathesis"))
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("{}/v1", server.url())])
        .args(["--header", &format!("X-Vault-Token: {ROOT}")])
        .args(["--phases", "coverage", "--workers", "2", "--no-shrink"])
        .args(["--generation-deterministic", "--continue-on-failure", "--warnings", "off"])
        .args(["--checks", "not_a_server_error,status_code_conformance"])
        .args(["--exclude-path-regex", LEFT_OUT])
        .current_dir(server.folder())
        .env("HOME", server.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{out}\n{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(server.call("GET", "sys/health", "", None).0, 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
