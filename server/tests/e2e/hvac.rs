//! Python's `hvac`, unchanged, against a development server.

use crate::support::{ROOT, Server};

#[track_caller]
fn passes(script: &str) {
    let server = Server::dev();
    let run = server.python(ROOT, script).ok();
    assert_eq!(run.out.trim(), "ok", "{run:#?}");
}

#[test]
fn hvac_kv_version_1() {
    passes("kv1.py");
}

#[test]
fn hvac_kv_version_2() {
    passes("kv2.py");
}

#[test]
fn hvac_transit() {
    passes("transit.py");
}

#[test]
fn hvac_mounts_policies_and_tokens() {
    passes("system.py");
}
