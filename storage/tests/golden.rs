//! A store that version 1 left behind when its process was ended: it has to open for good, with what
//! was committed in it.
//!
//! In it are values of each class, a keyspace that was dropped and one that was made again, and a
//! checkpoint amid two large transactions: one commits behind it, the other rolls back in part and
//! never ends. What it has to hold was written by a reader made from the documents alone.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write;
use std::path::Path;

use strongroom_storage::{Class, Store};
use support::{contents, options};

fn text(store: &Store) -> String {
    let mut out = String::new();
    for class in [Class::Replicated, Class::Local, Class::Ignored] {
        writeln!(out, "root {class:?} {}", store.root(class)).unwrap();
    }
    for (id, (class, entries)) in contents(store) {
        writeln!(out, "keyspace {} {class:?}", id.0[0]).unwrap();
        for (key, value) in entries {
            let (key, value) = (key.escape_ascii(), value.escape_ascii());
            writeln!(out, "\"{key}\" \"{value}\"").unwrap();
        }
    }
    out
}

#[test]
fn a_store_of_version_1_recovers() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(golden.join("store-v1")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let expected = std::fs::read_to_string(golden.join("store-v1.txt")).unwrap();
    for round in ["recovered", "opened again"] {
        let store = Store::open(folder.path(), options()).unwrap();
        assert_eq!(text(&store), expected, "{round}");
        store.close().unwrap();
    }
}
