//! Secrets and their versions.

use serde_json::{Value, json};

use super::mount;
use crate::logical::Operation::{Delete, List, Patch, Read, Write};

#[test]
fn a_write_is_read_back_with_its_version() {
    let mut kv = mount();
    assert_eq!(kv.status(Read, "data/a", json!({})), 404);
    let info = kv.ok(Write, "data/a", json!({"data": {"x": 1}}));
    assert_eq!(
        info,
        json!({"created_time": "2027-01-15T08:00:00Z", "custom_metadata": null,
               "deletion_time": "", "destroyed": false, "version": 1})
    );
    assert_eq!(kv.ok(Read, "data/a", json!({})), json!({"data": {"x": 1}, "metadata": info}));
    kv.pass(1);
    assert_eq!(kv.ok(Write, "data/a", json!({"data": {"x": 2}}))["version"], 2);
    assert_eq!(kv.ok(Read, "data/a?version=1", json!({}))["data"]["x"], 1);
    assert_eq!(kv.ok(Read, "data/a?version=0", json!({}))["data"]["x"], 2);
    assert_eq!(kv.status(Read, "data/a?version=3", json!({})), 404);
    assert_eq!(kv.status(Read, "data/a?version=x", json!({})), 400);
    let big = r#"{"data":{"n":123456789012345678901234567890}}"#;
    kv.raw(Write, "data/a", big).unwrap();
    let got = kv.raw(Read, "data/a", "").unwrap().data.unwrap();
    assert!(got.get().contains("123456789012345678901234567890"));
}

#[test]
fn check_and_set_guards_writes() {
    let mut kv = mount();
    let mismatch = "check-and-set parameter did not match the current version";
    let write = |cas: Value| json!({"data": {"x": 1}, "options": {"cas": cas}});
    assert_eq!(kv.error(Write, "data/a", write(json!(1))), (400, mismatch.into()));
    kv.ok(Write, "data/a", write(json!(0)));
    assert_eq!(kv.error(Write, "data/a", write(json!(0))), (400, mismatch.into()));
    assert_eq!(kv.error(Write, "data/a", write(json!(-1))), (400, mismatch.into()));
    assert_eq!(
        kv.error(Write, "data/a", write(json!("x"))).1,
        "error parsing check-and-set parameter"
    );
    kv.ok(Write, "data/a", write(json!("1")));
    kv.ok(Delete, "data/a", json!({}));
    assert_eq!(kv.error(Write, "data/a", write(json!(0))), (400, mismatch.into()));
    kv.ok(Write, "config", json!({"cas_required": true}));
    let required = "check-and-set parameter required for this call";
    assert_eq!(kv.error(Write, "data/a", json!({"data": {}})), (400, required.into()));
    assert_eq!(kv.error(Write, "data/new", json!({"data": {}})), (400, required.into()));
    kv.ok(Write, "data/a", write(json!(2)));
}

#[test]
fn bad_bodies_and_paths_are_refused() {
    let mut kv = mount();
    assert_eq!(kv.error(Write, "data/a", json!({"x": 1})), (400, "no data provided".into()));
    for body in [json!({"data": "s"}), json!({"data": [1]}), json!({"data": {}, "options": "j"})] {
        assert_eq!(kv.status(Write, "data/a", body), 400);
    }
    assert_eq!(kv.status(Write, "data/", json!({"data": {}})), 400);
    assert_eq!(kv.status(Write, "data/a/", json!({"data": {}})), 400);
    let plain = kv.raw(Write, "foo", r#"{"a":1}"#).unwrap();
    assert_eq!(plain.status, Some(404));
    assert!(plain.warnings[0].starts_with("Invalid path for a versioned K/V secrets engine."));
    assert_eq!(kv.raw(Read, "data", "").unwrap().status, Some(404));
    assert!(kv.raw(Read, "data/", "").unwrap_err().errors.is_empty());
    assert_eq!(kv.status(Read, "destroy/a", json!({})), 405);
    assert_eq!(kv.status(List, "data/", json!({})), 405);
    assert_eq!(kv.status(Delete, "config", json!({})), 405);
    assert!(kv.stored("").is_empty());
}

#[test]
fn patch_merges_into_the_current_version() {
    let mut kv = mount();
    assert_eq!(kv.status(Patch, "data/a", json!({"data": {"y": 1}})), 404);
    kv.ok(Write, "data/a", json!({"data": {"x": 1, "keep": [1]}}));
    kv.ok(Patch, "data/a", json!({"data": {"x": null, "z": {"q": null, "r": 1}}}));
    assert_eq!(kv.ok(Read, "data/a", json!({}))["data"], json!({"keep": [1], "z": {"r": 1}}));
    assert_eq!(kv.status(Patch, "data/a", json!({"data": {}, "options": {"cas": 1}})), 400);
    assert_eq!(kv.status(Patch, "data/a", json!({})), 400);
    assert_eq!(kv.ok(Patch, "data/a", json!({"data": null}))["version"], 3);
    kv.ok(Delete, "data/a", json!({}));
    let (status, gone) = kv.answer(Patch, "data/a", json!({"data": {"y": 1}}));
    assert_eq!((status, &gone["version"]), (404, &json!(3)));
}

#[test]
fn a_deleted_version_answers_404_with_what_is_known() {
    let mut kv = mount();
    kv.ok(Write, "data/a", json!({"data": {"x": 1}}));
    kv.pass(5);
    kv.ok(Delete, "data/a", json!({}));
    let (status, gone) = kv.answer(Read, "data/a", json!({}));
    assert_eq!(status, 404);
    assert_eq!(gone["data"], Value::Null);
    assert_eq!(gone["metadata"]["deletion_time"], "2027-01-15T08:00:05Z");
    let (status, gone) = kv.answer(Read, "subkeys/a", json!({}));
    assert_eq!((status, &gone["subkeys"]), (404, &Value::Null));
    kv.ok(Write, "undelete/a", json!({"versions": [1]}));
    assert_eq!(kv.ok(Read, "data/a", json!({}))["data"]["x"], 1);
    kv.ok(Write, "destroy/a", json!({"versions": "1"}));
    assert_eq!(kv.stored("version/"), Vec::<String>::new());
    kv.ok(Write, "undelete/a", json!({"versions": [1]}));
    let (status, gone) = kv.answer(Read, "data/a", json!({}));
    assert_eq!((status, &gone["metadata"]["destroyed"]), (404, &json!(true)));
    assert_eq!(kv.status(Write, "destroy/a", json!({})), 400);
    for verb in ["delete", "undelete", "destroy"] {
        assert_eq!(kv.status(Write, &format!("{verb}/none"), json!({"versions": [1]})), 204);
        assert_eq!(kv.status(Write, &format!("{verb}/a"), json!({"versions": ["x"]})), 400);
    }
}

#[test]
fn the_mount_and_the_secret_agree_on_lifetimes() {
    for (mount_after, own, want) in [
        ("-1s", "10s", 0),
        ("0s", "10s", 10),
        ("5s", "10s", 5),
        ("10s", "5s", 5),
        ("10s", "0s", 10),
    ] {
        let mut kv = mount();
        kv.ok(Write, "config", json!({"delete_version_after": mount_after}));
        kv.ok(Write, "metadata/z", json!({"delete_version_after": own}));
        let info = kv.ok(Write, "data/z", json!({"data": {}}));
        assert_eq!(info["deletion_time"] == "", want == 0, "{mount_after} {own}");
        kv.pass(want.max(1) - 1);
        assert_eq!(kv.status(Read, "data/z", json!({})), 200, "{mount_after} {own}");
        kv.pass(1);
        assert_eq!(kv.status(Read, "data/z", json!({})), if want == 0 { 200 } else { 404 });
    }
}
