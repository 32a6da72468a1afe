//! Files as operators write them, right and wrong.

use super::parse;
use crate::config::ConfigError;

const FULL: &str = r#"
# a comment
listener "tcp" {
  address         = "127.0.0.1:8300"
  cluster_address = "127.0.0.1:8401"
  tls_cert_file   = "/etc/strongroom/tls.crt"
  tls_key_file    = "/etc/strongroom/tls.key"
  tls_min_version = "tls13"
}
listener "tcp" {
  address     = "[::1]:8302"
  tls_disable = 1
}
storage "strongroom" {
  path     = "/var/lib/strongroom"
  io_uring = false
  snapshot_retention = "3gb"
}
replication {
  log_retention = "256mb"
}
api_addr      = "https://a.example:8300"
cluster_addr  = "https://a.example:8401"
cluster_name  = "north"
disable_mlock = true
log_level     = "Debug"
ui            = true
"#;

fn small(listener: &str, rest: &str) -> String {
    format!(
        "listener \"tcp\" {{\n{listener}\n}}\nstorage \"strongroom\" {{\n path = \"d\"\n}}\n{rest}"
    )
}

#[test]
fn a_full_file_is_understood() {
    let loaded = parse(FULL).unwrap();
    let c = &loaded.config;
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(c.listeners.len(), 2);
    assert_eq!(c.listeners[0].address.to_string(), "127.0.0.1:8300");
    assert_eq!(c.listeners[0].cluster_address.unwrap().port(), 8401);
    assert_eq!(c.listeners[0].tls.as_ref().unwrap().min_version.as_deref(), Some("tls13"));
    assert!(c.listeners[1].tls.is_none());
    assert_eq!(c.data_path.to_str(), Some("/var/lib/strongroom"));
    assert_eq!(c.log_retention_bytes, 256 << 20);
    assert_eq!(c.snapshot_retention_bytes, 3 << 30);
    assert_eq!(c.log_level, "debug");
    assert_eq!(c.cluster_name.as_deref(), Some("north"));
    assert!(c.disable_mlock && !c.io_uring);
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let c = parse(&small("tls_disable = \"true\"", "")).unwrap().config;
    assert_eq!(c.listeners[0].address.to_string(), "127.0.0.1:8200");
    assert_eq!(c.listeners[0].cluster_address, None);
    assert_eq!(c.log_retention_bytes, 1 << 30);
    assert_eq!(c.snapshot_retention_bytes, 16 << 30);
    assert_eq!(c.log_level, "info");
    assert!(!c.disable_mlock && c.io_uring && c.dev.is_none());
}

#[test]
fn unknown_keys_warn_with_their_line() {
    let text = small("tls_disable = true\nproxy_colour = 1", "tls_cert = \"x\"\nseal \"x\" {}\n");
    let warnings = parse(&text).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("listener.proxy_colour") && warnings[0].ends_with("line 3"));
    assert!(warnings[1].contains("field tls_cert") && warnings[1].ends_with("line 8"));
    assert!(warnings[2].contains("block seal") && warnings[2].ends_with("line 9"));
}

#[test]
fn wrong_types_name_key_and_line() {
    for (text, key, line) in [
        (small("tls_disable = \"maybe\"", ""), "listener.tls_disable", 2),
        (small("tls_disable = true\naddress = 8200", ""), "listener.address", 3),
        (small("tls_disable = true", "\nlog_level = \"loud\""), "log_level", 8),
        (small("tls_disable = true", "api_addr = [1]"), "api_addr", 7),
        (
            small("tls_disable = true", "replication {\n log_retention = \"much\"\n}"),
            "replication.log_retention",
            8,
        ),
        (
            small("tls_disable = true\ntls_min_version = \"ssl3\"", ""),
            "listener.tls_min_version",
            3,
        ),
    ] {
        match parse(&text) {
            Err(ConfigError::Value { line: l, key: k, .. }) => {
                assert_eq!((l, k.as_str()), (line, key), "{text}");
            }
            other => panic!("{other:?} for {text}"),
        }
    }
}

#[test]
fn tls_is_required_unless_switched_off() {
    for listener in ["", "tls_cert_file = \"only.crt\"", "tls_disable = false"] {
        let error = parse(&small(listener, "")).unwrap_err();
        assert!(matches!(error, ConfigError::TlsRequired { line: 1 }), "{error}");
        assert!(error.to_string().contains("tls_disable = true"));
    }
}

#[test]
fn what_is_missing_or_double_or_unknown_is_named() {
    assert!(matches!(parse(""), Err(ConfigError::Missing { what: "listener", .. })));
    let text = "listener \"tcp\" { tls_disable = true }\n";
    assert!(matches!(parse(text), Err(ConfigError::Missing { what: "storage path", .. })));
    let text = small("tls_disable = true", "storage \"strongroom\" { path = \"e\" }");
    assert!(matches!(parse(&text), Err(ConfigError::Twice { line: 7, .. })));
    let text = small("tls_disable = true", "").replace("\"strongroom\"", "\"consul\"");
    assert!(matches!(parse(&text), Err(ConfigError::Kind { line: 4, .. })));
    assert!(matches!(parse("listener \"tcp\" {"), Err(ConfigError::Syntax { .. })));
}

#[test]
fn a_listener_bounds_requests_and_believes_proxies_as_it_is_told() {
    use crate::config::ProxyBehavior;
    let parsed = |listener: &str| parse(&small(&format!("tls_disable = true\n{listener}"), ""));
    let plain = parsed("").unwrap().config.listeners.remove(0);
    assert_eq!(plain.limits.body_max, 32 << 20);
    assert_eq!(plain.limits.duration_max.as_secs(), 90);
    assert!(plain.proxy.is_none() && plain.forwarded_for.authorized.is_empty());
    let loaded = parsed(
        "max_request_size = \"1mb\"\nmax_request_duration = \"10s\"\n\
         x_forwarded_for_authorized_addrs = [\"10.0.0.0/8\", \"::1\"]\n\
         x_forwarded_for_hop_skips = 1\nx_forwarded_for_reject_not_present = false\n\
         proxy_protocol_behavior = \"deny_unauthorized\"\n\
         proxy_protocol_authorized_addrs = \"10.1.0.0/16,10.2.0.0/16\"",
    );
    let loaded = loaded.unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let listener = &loaded.config.listeners[0];
    assert_eq!((listener.limits.body_max, listener.limits.duration_max.as_secs()), (1 << 20, 10));
    let forwarded = &listener.forwarded_for;
    assert_eq!((forwarded.authorized.len(), forwarded.hop_skips), (2, 1));
    assert!(!forwarded.reject_not_present && forwarded.reject_not_authorized);
    let proxy = listener.proxy.as_ref().unwrap();
    assert_eq!((proxy.behavior, proxy.authorized.len()), (ProxyBehavior::DenyUnauthorized, 2));
    for bad in [
        "x_forwarded_for_authorized_addrs = [\"10.0.0.0/99\"]",
        "proxy_protocol_behavior = \"maybe\"",
        "max_request_duration = \"zz\"",
        "x_forwarded_for_hop_skips = -1",
    ] {
        assert!(matches!(parsed(bad), Err(ConfigError::Value { .. })), "{bad}");
    }
}

#[test]
fn files_of_other_servers_start_this_one() {
    let volatile = parse("listener \"tcp\" { tls_disable = true }\nbackend \"inmem\" {}").unwrap();
    assert!(volatile.volatile && volatile.warnings.is_empty(), "{:?}", volatile.warnings);
    for kind in ["file", "raft"] {
        let text = format!(
            "listener \"tcp\" {{ tls_disable = true }}\n\
             storage \"{kind}\" {{\n path = \"d\"\n node_id = \"a\"\n}}"
        );
        let loaded = parse(&text).unwrap();
        assert_eq!(loaded.config.data_path.to_str(), Some("d"));
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    }
    let quoted = "\"listener\" \"tcp\" {\n  \"tls_disable\" = 1\n}\nstorage \"inmem\" {}\n\
                  \"max_lease_ttl\" = \"1000h\"";
    assert_eq!(parse(quoted).unwrap().config.lease_times.max, 3_600_000);
    let both = small("tls_disable = true", "backend \"inmem\" {}");
    assert!(matches!(parse(&both), Err(ConfigError::Twice { .. })));
}

#[test]
fn a_development_server_takes_listeners_and_settings_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.json");
    let text = r#"{"listener": {"tcp": {"address": "127.0.0.1:8555", "tls_disable": true}},
                   "storage": {"inmem": {}}, "log_level": "warn", "surprise": 1}"#;
    std::fs::write(&path, text).unwrap();
    let any = "127.0.0.1:8200".parse().unwrap();
    let mut config = crate::config::Config::for_dev(any, "d".into(), None);
    let warnings = crate::config::load_beside(&path, &mut config).unwrap();
    assert_eq!((warnings.len(), config.listeners.len()), (1, 2), "{warnings:?}");
    assert_eq!((config.listeners[1].address.port(), config.log_level.as_str()), (8555, "warn"));
    assert_eq!(config.data_path.to_str(), Some("d"));
    assert_eq!(config.api_addr.as_deref(), Some("http://127.0.0.1:8200"));
    std::fs::write(&path, "").unwrap();
    assert!(crate::config::load_beside(&path, &mut config).unwrap().is_empty());
}

#[test]
fn json_means_what_the_same_hcl_means() {
    let text = r#"{
        "listener": [
            {"tcp": {"address": "127.0.0.1:8300", "tls_disable": true,
                     "telemetry": {"unauthenticated_metrics_access": true}}},
            {"tcp": {"address": "127.0.0.1:8302", "tls_disable": 1,
                     "x_forwarded_for_authorized_addrs": ["10.0.0.0/8", "192.168.0.1"]}}
        ],
        "storage": {"strongroom": {"path": "/data"}},
        "replication": {"log_retention": "256mb"},
        "disable_mlock": true, "api_addr": null, "surprise": 5
    }"#;
    let loaded = parse(text).unwrap();
    let c = &loaded.config;
    assert_eq!((c.listeners.len(), c.listeners[1].address.port()), (2, 8302));
    assert!(c.listeners[0].open.metrics && c.disable_mlock && c.api_addr.is_none());
    assert_eq!(c.listeners[1].forwarded_for.authorized.len(), 2);
    assert_eq!(c.data_path.to_str(), Some("/data"));
    assert_eq!(c.log_retention_bytes, 256 << 20);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("surprise"));
    assert!(loaded.warnings[0].ends_with("at line 10"), "{:?}", loaded.warnings);
    assert!(matches!(parse("{\"listener\": }"), Err(ConfigError::Syntax { line: 1, .. })));
    assert!(matches!(parse("{}"), Err(ConfigError::Missing { .. })));
}

/// Messages about JSON once named line 1 whatever was wrong.
#[test]
fn what_is_wrong_in_json_is_found_by_its_line() {
    let file = |storage: &str, rest: &str| {
        format!(
            "\n{{\n\"listener\": {{\"tcp\": {{\n\"tls_disable\": true}}}},\n\
             \"storage\": {{\"strongroom\": {{\"path\":\n{storage}}}}}{rest}}}"
        )
    };
    assert_eq!(parse(&file("\"/${a}\"", "")).unwrap().config.data_path.to_str(), Some("/${a}"));
    for (text, line) in [
        (file("[5]", ""), 6),
        (file("\"d\"", ",\n\"disable_mlock\": \"maybe\""), 7),
        (file("\"d\"", ",\n\n\"api_addr\": \"a\", \"api_addr\": \"b\""), 8),
        (file("\"d\"", ",\n\"max_lease_ttl\": \"2h\""), 7),
    ] {
        match parse(&text).unwrap_err() {
            ConfigError::Value { line: at, .. } | ConfigError::Syntax { line: at, .. } => {
                assert_eq!(at, line, "{text}");
            }
            other => panic!("{other} of {text}"),
        }
    }
    let syntax = parse("{\n\"listener\":\n}").unwrap_err();
    assert!(matches!(syntax, ConfigError::Syntax { line: 3, .. }), "{syntax}");
}

#[test]
fn lease_times_are_32_days_or_as_given_and_fit_together() {
    let times = |rest: &str| {
        parse(&small("tls_disable = true", rest)).map(|loaded| loaded.config.lease_times)
    };
    let usual = times("").unwrap();
    assert_eq!((usual.default, usual.max), (2_764_800, 2_764_800));
    let own = times("default_lease_ttl = \"1h\"\nmax_lease_ttl = 7200").unwrap();
    assert_eq!((own.default, own.max), (3600, 7200));
    assert_eq!(times("default_lease_ttl = 0\nmax_lease_ttl = \"0\"").unwrap(), usual);
    for bad in ["max_lease_ttl = \"2h\"", "default_lease_ttl = \"1000h\"", "max_lease_ttl = \"x\""]
    {
        assert!(matches!(times(bad), Err(ConfigError::Value { .. })), "{bad}");
    }
}
