//! What a listener bounds and whom it believes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use strongroom_server::config::{ForwardedFor, Network, Open, ProxyBehavior, ProxyProtocol};

use crate::support::{ROOT, TestServer};

fn loopback() -> Vec<Network> {
    vec![Network::parse("127.0.0.0/8").unwrap()]
}

/// The addresses of the requests in flight, as the server sees them.
fn seen(body: &str) -> String {
    let list: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
    let flight = list.as_object().unwrap().values().next().unwrap();
    flight["client_remote_address"].as_str().unwrap().to_owned()
}

#[test]
fn the_size_of_a_body_is_the_listeners() {
    let server = TestServer::listening(|l| l.limits.body_max = 100);
    server.root("POST", "secret/data/a", r#"{"data":{"k":"v"}}"#, 200);
    let large = format!(r#"{{"data":{{"k":"{}"}}}}"#, "v".repeat(100));
    server.error("POST", "secret/data/a", ROOT, &large, 413);
}

#[test]
fn forwarded_addresses_are_believed_only_where_the_listener_says_so() {
    let ask = |server: &TestServer, forwarded: &str| {
        let headers = format!("X-Vault-Token: {ROOT}\r\n{forwarded}");
        server.raw("GET", "/v1/sys/in-flight-req", &headers, b"")
    };
    let off = TestServer::dev();
    let answer = ask(&off, "X-Forwarded-For: 192.0.2.1\r\n");
    assert!(seen(&answer.body).starts_with("127.0.0.1:"));
    let on = TestServer::listening(|l| {
        l.forwarded_for = ForwardedFor { authorized: loopback(), ..ForwardedFor::default() };
    });
    assert!(seen(&ask(&on, "X-Forwarded-For: 192.0.2.1\r\n").body).starts_with("192.0.2.1:"));
    assert_eq!(ask(&on, "").status, 400);
    assert_eq!(ask(&on, "X-Forwarded-For: nonsense\r\n").status, 400);
}

#[test]
fn the_proxy_protocol_names_the_client_in_both_its_versions() {
    let server = TestServer::listening(|l| {
        let behavior = ProxyBehavior::AllowAuthorized;
        l.proxy = Some(ProxyProtocol { behavior, authorized: loopback() });
    });
    let ask = |head: &[u8]| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let request = format!(
            "GET /v1/sys/in-flight-req HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-Vault-Token: {ROOT}\r\n\r\n"
        );
        stream.write_all(head).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text.split_once("\r\n\r\n").map(|(_, body)| seen(body))
    };
    let v1 = b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 8200\r\n";
    assert_eq!(ask(v1).unwrap(), "192.0.2.1:5000");
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([192, 0, 2, 2, 10, 0, 0, 1, 0x13, 0x88, 0x20, 0x08]);
    assert_eq!(ask(&v2).unwrap(), "192.0.2.2:5000");
    assert!(ask(b"").unwrap().starts_with("127.0.0.1:"), "the proxy itself");
    assert_eq!(ask(b"PROXY NONSENSE\r\n"), None);
}

#[test]
fn figures_are_shown_to_anyone_where_the_listener_says_so() {
    let closed = TestServer::dev();
    for path in ["sys/metrics", "sys/in-flight-req"] {
        closed.error("GET", path, "", "", 403);
    }
    let server = TestServer::listening(|l| l.open = Open { metrics: true, in_flight: false });
    for token in ["", "nope"] {
        assert_eq!(server.call("GET", "sys/metrics", token, "").0, 200);
    }
    for path in ["sys/in-flight-req", "sys/host-info", "secret/config"] {
        server.error("GET", path, "", "", 403);
    }
    server.error("POST", "sys/metrics", "", "", 403);
}
