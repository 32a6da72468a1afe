//! KV of both versions, and the cubbyhole.

use serde_json::{Value, json};

use super::pair::Pair;

#[test]
fn key_value_and_cubbyhole_answer_alike() {
    let versioned = json!({"type": "kv", "options": {"version": "2"}});
    let plain = json!({"type": "kv", "options": {"version": "1"}});
    let pair = Pair::with(&[("two", versioned), ("one", plain)]);
    // A new mount of version 2 is not ready at once there.
    std::thread::sleep(std::time::Duration::from_secs(1));
    for (verb, path, body) in [
        ("GET", "two/config", Value::Null),
        (
            "POST",
            "two/config",
            json!({"delete_version_after": "1h", "metadata_cas_required": true}),
        ),
        ("GET", "two/config", Value::Null),
        ("POST", "two/metadata/m", json!({"max_versions": 3})),
        ("POST", "two/metadata/m", json!({"max_versions": 3, "metadata_cas": 0})),
        ("POST", "two/metadata/m", json!({"max_versions": 3, "metadata_cas": 5})),
        (
            "POST",
            "two/config",
            json!({"delete_version_after": "0s", "metadata_cas_required": false}),
        ),
        ("POST", "two/metadata/none", json!({})),
        ("GET", "two/metadata/none", Value::Null),
        ("POST", "two/data/a", json!({"data": {"x": 1}, "options": {"cas": 3}})),
        (
            "POST",
            "two/data/a",
            json!({"data": {"x": {"y": {"z": 1}}, "v": [1]}, "options": {"cas": 0}}),
        ),
        ("POST", "two/data/a/b", json!({"data": {"x": 1}})),
        ("POST", "two/data/c/d/e", json!({"data": {"x": 1}})),
        ("GET", "two/subkeys/a?depth=1", Value::Null),
        ("GET", "two/subkeys/a?depth=x", Value::Null),
        ("LIST", "two/metadata", Value::Null),
        ("LIST", "two/metadata/?after=a&limit=1", Value::Null),
        ("SCAN", "two/metadata/c", Value::Null),
        ("SCAN", "two/metadata/none", Value::Null),
        ("LIST", "two/detailed-metadata/c", Value::Null),
        ("SCAN", "two/detailed-metadata/c", Value::Null),
        ("LIST", "two/detailed-metadata/none", Value::Null),
        ("GET", "two/detailed-metadata/a", Value::Null),
        ("DELETE", "two/data/a", Value::Null),
        ("GET", "two/data/a", Value::Null),
        ("GET", "two/subkeys/a", Value::Null),
        ("POST", "two/undelete/a", json!({"versions": "1"})),
        ("POST", "two/destroy/a", json!({"versions": [1]})),
        ("GET", "two/data/a", Value::Null),
        ("GET", "two/metadata/a", Value::Null),
        ("GET", "two/config/x", Value::Null),
        ("GET", "two/a", Value::Null),
        ("POST", "one/a/b", json!({"x": 1, "ttl": "1h"})),
        ("POST", "one/c", json!({})),
        ("GET", "one/a/b", Value::Null),
        ("LIST", "one/", Value::Null),
        ("SCAN", "one/", Value::Null),
        ("SCAN", "one/none", Value::Null),
        ("POST", "one/a/", json!({"x": 1})),
        ("DELETE", "one/none", Value::Null),
        ("GET", "cubbyhole/a", Value::Null),
        ("POST", "cubbyhole/a", json!({"x": 1})),
        ("POST", "cubbyhole/b/c", json!({"x": [1]})),
        ("POST", "cubbyhole/d", json!({})),
        ("GET", "cubbyhole/a", Value::Null),
        ("LIST", "cubbyhole/", Value::Null),
        ("LIST", "cubbyhole/none", Value::Null),
        ("SCAN", "cubbyhole/", Value::Null),
        ("DELETE", "cubbyhole/a", Value::Null),
        ("GET", "cubbyhole/a", Value::Null),
    ] {
        pair.same(verb, path, &body);
    }
}
