//! Versions of a secret against a plain model: whatever is done, both hold the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::mount;
use crate::engine::testing::Harness;
use crate::logical::Operation::{Delete, Patch, Read, Write};

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
