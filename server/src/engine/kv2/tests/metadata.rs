//! What is known of a secret beside its versions, and the folders that it is listed in.

use serde_json::{Value, json};

use super::mount;
use crate::engine::testing::Harness;
use crate::logical::Operation::{Delete, List, Patch, Read, Scan, Write};

#[test]
fn metadata_is_set_patched_and_limited() {
    let mut kv = mount();
    kv.ok(
        Write,
        "metadata/s",
        json!({"max_versions": 2, "delete_version_after": "3h", "custom_metadata": {"a": 1}}),
    );
    let meta = kv.ok(Read, "metadata/s", json!({}));
    assert_eq!(meta["custom_metadata"], json!({"a": "1"}));
    assert_eq!(meta["delete_version_after"], "3h0m0s");
    assert_eq!((&meta["current_version"], &meta["versions"]), (&json!(0), &json!({})));
    assert_eq!(kv.status(Read, "data/s", json!({})), 404);
    assert_eq!(kv.status(Patch, "data/s", json!({"data": {}})), 404);
    kv.ok(
        Patch,
        "metadata/s",
        json!({"custom_metadata": {"p": "q", "a": null}, "max_versions": null}),
    );
    let meta = kv.ok(Read, "metadata/s", json!({}));
    assert_eq!((&meta["custom_metadata"], &meta["max_versions"]), (&json!({"p": "q"}), &json!(0)));
    for custom in [
        json!("x"),
        json!({"a": {}}),
        json!({"": "x"}),
        json!({"a": ""}),
        json!({"a": null}),
        json!({"a": "\u{1}"}),
        json!({"k".repeat(129): "x"}),
        json!({"a": "x".repeat(513)}),
        Value::Object((0..65).map(|i| (i.to_string(), json!("x"))).collect()),
    ] {
        assert_eq!(kv.status(Write, "metadata/s", json!({"custom_metadata": custom})), 400);
    }
    assert_eq!(kv.status(Write, "metadata/s", json!({"delete_version_after": "-1s"})), 400);
    // 32 bits without a sign, so that clients which write -1 for no limit get it.
    kv.ok(Write, "metadata/n", json!({"max_versions": -1}));
    assert_eq!(kv.ok(Read, "metadata/n", json!({}))["max_versions"], json!(4_294_967_295_u32));
    kv.ok(Delete, "metadata/n", json!({}));
    assert_eq!(kv.status(Patch, "metadata/none", json!({"max_versions": 1})), 404);
    assert_eq!(kv.ok(Read, "metadata/s", json!({}))["custom_metadata"], json!({"p": "q"}));
    kv.ok(Write, "data/s", json!({"data": {}}));
    assert_eq!(kv.ok(Read, "data/s", json!({}))["metadata"]["custom_metadata"], json!({"p": "q"}));
    kv.ok(Delete, "metadata/s", json!({}));
    assert!(kv.stored("").is_empty());
    assert_eq!(kv.ok(Write, "data/s", json!({"data": {}}))["version"], 1);
}

#[test]
fn metadata_has_a_check_and_set_of_its_own() {
    let mut kv = mount();
    let version =
        |kv: &mut Harness| kv.ok(Read, "metadata/s", json!({}))["current_metadata_version"].clone();
    // What sets nothing makes nothing.
    kv.ok(Write, "metadata/s", json!({"metadata_cas": 7}));
    assert_eq!(kv.status(Read, "metadata/s", json!({})), 404);
    kv.ok(Write, "metadata/s", json!({"max_versions": 3, "metadata_cas": 0}));
    assert_eq!(version(&mut kv), 1);
    assert_eq!(kv.status(Write, "metadata/s", json!({"max_versions": 4, "metadata_cas": 0})), 400);
    kv.ok(Write, "metadata/s", json!({"metadata_cas_required": true}));
    let required = "metadata check-and-set parameter required for this call";
    for op in [Write, Patch] {
        let (status, error) = kv.error(op, "metadata/s", json!({"max_versions": 4}));
        assert_eq!((status, error.as_str()), (400, required));
    }
    kv.ok(Patch, "metadata/s", json!({"metadata_cas_required": null, "metadata_cas": 2}));
    kv.ok(Write, "metadata/s", json!({"max_versions": 4}));
    assert_eq!(version(&mut kv), 4);
    kv.ok(Write, "config", json!({"metadata_cas_required": true}));
    assert_eq!(kv.status(Write, "metadata/t", json!({"max_versions": 4})), 400);
    // Data is not metadata.
    kv.ok(Write, "data/t", json!({"data": {}}));
}

#[test]
fn folders_are_listed_from_metadata() {
    let mut kv = mount();
    assert_eq!(kv.status(List, "metadata", json!({})), 404);
    for path in ["a", "a/b", "dir/x", "dir/y/z"] {
        kv.ok(Write, &format!("data/{path}"), json!({"data": {}}));
    }
    kv.ok(Delete, "data/a", json!({}));
    assert_eq!(kv.ok(List, "metadata/", json!({}))["keys"], json!(["a", "a/", "dir/"]));
    assert_eq!(kv.ok(List, "metadata/dir", json!({}))["keys"], json!(["x", "y/"]));
    assert_eq!(kv.ok(List, "metadata/?after=a&limit=1", json!({}))["keys"], json!(["a/"]));
    assert_eq!(kv.status(List, "metadata/none", json!({})), 404);
}

#[test]
fn scans_go_into_folders_and_details_come_with_names() {
    let mut kv = mount();
    for path in ["a", "a/b", "c/d/e"] {
        kv.ok(Write, &format!("data/{path}"), json!({"data": {}}));
    }
    assert_eq!(kv.ok(Scan, "metadata/", json!({}))["keys"], json!(["a", "a/b", "c/d/e"]));
    assert_eq!(kv.ok(Scan, "metadata/c/", json!({}))["keys"], json!(["d/e"]));
    assert_eq!(kv.ok(Scan, "metadata?after=a&limit=1", json!({}))["keys"], json!(["a/b"]));
    assert_eq!(kv.ok(Scan, "metadata/none/", json!({})), json!({}));
    let details = kv.ok(List, "detailed-metadata/", json!({}));
    assert_eq!(details["keys"], json!(["a", "a/", "c/"]));
    assert_eq!(details["key_info"]["a"], kv.ok(Read, "metadata/a", json!({})));
    assert_eq!(details["key_info"]["c/"], json!({}));
    let details = kv.ok(Scan, "detailed-metadata/c/", json!({}));
    assert_eq!(details["key_info"]["d/e"]["current_version"], 1);
    assert_eq!(kv.status(List, "detailed-metadata/none/", json!({})), 404);
    assert_eq!(kv.status(Read, "detailed-metadata/a", json!({})), 405);
}

/// A path that ends in a number must not meet another secret's version entries.
#[test]
fn paths_that_look_like_versions_do_not_collide() {
    let mut kv = mount();
    kv.ok(Write, "data/a", json!({"data": {"who": "a"}}));
    kv.ok(Write, "data/a/1", json!({"data": {"who": "a/1"}}));
    assert_eq!(kv.ok(Read, "data/a", json!({}))["data"]["who"], "a");
    kv.ok(Delete, "metadata/a", json!({}));
    assert_eq!(kv.ok(Read, "data/a/1", json!({}))["data"]["who"], "a/1");
}
