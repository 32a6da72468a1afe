//! The engine through its routes, and its versions against a plain model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::engine::testing::Harness;
use crate::logical::Operation::{Delete, List, Patch, Read, Scan, Write};

fn mount() -> Harness {
    Harness::new("kv", &[("version", "2")])
}

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

/// What a version is to the model: value, when it deletes itself, whether it is destroyed.
type Plain = (u32, Option<u64>, bool);

#[derive(Debug, Clone)]
enum Step {
    Write(u32),
    Patch(u32),
    DeleteLatest,
    Delete(Vec<u64>),
    Undelete(Vec<u64>),
    Destroy(Vec<u64>),
    MaxVersions(u64),
    Lifetime(u64),
    Pass(u64),
    Forget,
}

#[derive(Default)]
struct Model {
    now: u64,
    max: u64,
    lifetime: u64,
    current: u64,
    versions: BTreeMap<u64, Plain>,
}

impl Model {
    fn gone(&self, v: &Plain) -> bool {
        v.2 || v.1.is_some_and(|at| at <= self.now)
    }

    fn write(&mut self, value: u32) {
        self.current += 1;
        let deletion = (self.lifetime > 0).then_some(self.now + self.lifetime);
        self.versions.insert(self.current, (value, deletion, false));
        let keep = if self.max == 0 { 10 } else { self.max };
        while self.versions.keys().next().is_some_and(|first| first + keep <= self.current) {
            self.versions.pop_first();
        }
    }

    fn delete(&mut self, n: u64) {
        let now = self.now;
        if let Some(v) = self.versions.get_mut(&n).filter(|v| !v.2 && v.1.is_none_or(|at| at > now))
        {
            v.1 = Some(now);
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Write(value) => self.write(*value),
            Step::Patch(value) => {
                if self.versions.get(&self.current).is_some_and(|v| !self.gone(v)) {
                    self.write(*value);
                }
            }
            Step::DeleteLatest => self.delete(self.current),
            Step::Delete(ns) => ns.iter().for_each(|n| self.delete(*n)),
            Step::Undelete(ns) => {
                for n in ns {
                    if let Some(v) = self.versions.get_mut(n).filter(|v| !v.2) {
                        v.1 = None;
                    }
                }
            }
            Step::Destroy(ns) => {
                for n in ns {
                    if let Some(v) = self.versions.get_mut(n) {
                        v.2 = true;
                    }
                }
            }
            Step::MaxVersions(n) => self.max = *n,
            Step::Lifetime(s) => self.lifetime = *s,
            Step::Pass(s) => self.now += s,
            Step::Forget => *self = Self { now: self.now, ..Self::default() },
        }
    }
}

fn drive(kv: &mut Harness, step: &Step) {
    match step {
        Step::Write(v) => drop(kv.ok(Write, "data/s", json!({"data": {"v": v}}))),
        Step::Patch(v) => drop(kv.answer(Patch, "data/s", json!({"data": {"v": v}}))),
        Step::DeleteLatest => drop(kv.ok(Delete, "data/s", json!({}))),
        Step::Delete(ns) => drop(kv.ok(Write, "delete/s", json!({"versions": ns}))),
        Step::Undelete(ns) => drop(kv.ok(Write, "undelete/s", json!({"versions": ns}))),
        Step::Destroy(ns) => drop(kv.ok(Write, "destroy/s", json!({"versions": ns}))),
        Step::MaxVersions(n) => drop(kv.ok(Write, "metadata/s", json!({"max_versions": n}))),
        Step::Lifetime(s) => drop(kv.ok(Write, "metadata/s", json!({"delete_version_after": s}))),
        Step::Pass(s) => kv.pass(*s),
        Step::Forget => drop(kv.ok(Delete, "metadata/s", json!({}))),
    }
}

fn compare(kv: &mut Harness, model: &Model) {
    for n in 1..=model.current + 1 {
        let (status, answer) = kv.answer(Read, &format!("data/s?version={n}"), json!({}));
        match model.versions.get(&n) {
            None => assert_eq!((status, &answer), (404, &Value::Null), "version {n}"),
            Some(v) if model.gone(v) => {
                assert_eq!((status, &answer["data"]), (404, &Value::Null), "version {n}");
                assert_eq!(answer["metadata"]["destroyed"], v.2);
            }
            Some(v) => {
                assert_eq!((status, &answer["data"]["v"]), (200, &json!(v.0)), "version {n}");
            }
        }
    }
    let mut entries: Vec<String> = model
        .versions
        .iter()
        .filter(|(_, v)| !v.2)
        .map(|(n, _)| format!("version/s/{n}"))
        .collect();
    entries.sort();
    assert_eq!(kv.stored("version/"), entries);
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(1..8_u64, 1..4);
    prop_oneof![
        6 => any::<u32>().prop_map(Step::Write),
        2 => any::<u32>().prop_map(Step::Patch),
        1 => Just(Step::DeleteLatest),
        1 => some().prop_map(Step::Delete),
        2 => some().prop_map(Step::Undelete),
        1 => some().prop_map(Step::Destroy),
        1 => (0..5_u64).prop_map(Step::MaxVersions),
        1 => (0..4_u64).prop_map(Step::Lifetime),
        2 => (1..4_u64).prop_map(Step::Pass),
        1 => Just(Step::Forget),
    ]
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn versions_follow_the_model(steps in prop::collection::vec(step(), 1..25)) {
        let mut kv = mount();
        let mut model = Model::default();
        for step in &steps {
            drive(&mut kv, step);
            model.apply(step);
            compare(&mut kv, &model);
        }
    }
}
