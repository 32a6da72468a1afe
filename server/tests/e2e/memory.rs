//! Memory that must not go to swap.

use crate::support::Server;

/// What the system says of a process.
fn status(process: &str, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

/// Whether this process, and what it starts, may lock any amount of memory (`CAP_IPC_LOCK`).
fn may_lock() -> bool {
    u64::from_str_radix(&status("self", "CapEff"), 16).unwrap() & (1 << 14) != 0
}

#[test]
fn memory_is_locked_or_the_server_does_not_start() {
    let mut server = Server::prepared("tls_disable = true", "http");
    let path = server.folder().join("strongroom.hcl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("disable_mlock = true", "disable_mlock = false")).unwrap();

    let poor = "ulimit -l 64; exec \"$@\"";
    if may_lock() {
        let rightless = format!("setpriv --bounding-set=-ipc_lock sh -c '{poor}' sh \"$@\"");
        server.start_under(&["sh", "-c", &rightless, "sh"]);
    } else {
        server.start_under(&["sh", "-c", poor, "sh"]);
    }
    assert!(!server.wait().success());
    let log = server.log();
    assert!(log.contains("failed to lock memory") && log.contains("disable_mlock = true"), "{log}");

    if may_lock() {
        server.start();
        server.wait_for(501);
        let (keys, root) = server.init(1, 1);
        server.unseal(&keys);
        assert_eq!(server.call("GET", "sys/mounts", &root, None).0, 200);
        let locked = status(&server.id().to_string(), "VmLck");
        assert_ne!(locked, "0 kB");
        server.terminate();
    }
}
