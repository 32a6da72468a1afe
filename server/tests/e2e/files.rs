//! Data folders and configuration files that cannot be used.

use std::os::unix::fs::PermissionsExt;

use crate::support::{ROOT, Server, strongroom};

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let first = Server::dev();
    let data = first.data();
    let run = strongroom(
        &[],
        &["server", "-dev", "-dev-listen-address=127.0.0.1:0", "-dev-data", data.to_str().unwrap()],
    )
    .fails(1, "another");
    assert!(run.err.contains(data.to_str().unwrap()), "{run:#?}");
    assert_eq!(first.call("GET", "sys/mounts", ROOT, None).0, 200);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let mut server = Server::prepared("tls_disable = true", "http");
    // A file in its place: this is refused for root too, whom permissions do not stop.
    std::fs::write(server.data(), "not a folder").unwrap();
    server.start();
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    assert!(log.contains(server.data().to_str().unwrap()), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(std::fs::read_to_string(server.data()).unwrap(), "not a folder");
}

#[test]
fn a_folder_without_permission_is_refused() {
    let mut server = Server::prepared("tls_disable = true", "http");
    let data = server.data();
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read_dir(&data).is_ok() {
        // Permissions do not stop root; a link that leads nowhere does.
        std::fs::remove_dir(&data).unwrap();
        std::os::unix::fs::symlink("/proc/no/such/place", &data).unwrap();
    }
    server.start();
    assert_eq!(server.wait().code(), Some(1));
    assert!(server.log().contains(data.to_str().unwrap()), "{}", server.log());
    if data.is_dir() {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn configuration_mistakes_name_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.hcl");
    let storage = format!("storage \"strongroom\" {{ path = \"{}\" }}", folder.path().display());
    for (text, words) in [
        (format!("listener \"tcp\" {{}}\n{storage}"), "tls_disable = true"),
        ("listener \"tcp\" { tls_disable = true }".to_owned(), "storage"),
        (format!("listener \"tcp\" {{ tls_disable = 7 }}\n{storage}"), "line 1"),
        (format!("{storage}\nlistener \"tcp\" {{"), "line"),
    ] {
        std::fs::write(&file, &text).unwrap();
        strongroom(&[], &["server", "-config", file.to_str().unwrap()]).fails(1, words);
    }
    strongroom(&[], &["server", "-config", "/no/such/file"]).fails(1, "/no/such/file");
    strongroom(&[], &["server"]).fails(1, "-dev");
}

#[test]
fn unknown_settings_are_warned_about() {
    let mut server = Server::prepared("tls_disable = true\n  proxy_color = 1", "http");
    server.start();
    server.wait_for(501);
    assert!(server.log().contains("listener.proxy_color"), "{}", server.log());
}

#[test]
fn a_port_in_use_is_named() {
    let first = Server::dev();
    let address = first.url().strip_prefix("http://").unwrap();
    strongroom(&[], &["server", "-dev", "-dev-listen-address", address]).fails(1, address);
}
