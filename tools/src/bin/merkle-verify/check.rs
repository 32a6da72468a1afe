//! The comparison: everything from the values upwards.

use std::collections::BTreeMap;

use strongroom_merkle::{Change, Digest, KeyHash, MemPages, Page, Trie, composite, leaf_digest};
use strongroom_storage::{Class, Index, IndexEntry, KeyspaceId, Look, ReadError, Snapshot};
use strongroom_tools::progress::{Bar, Unit};

use crate::report::{Difference, KeyspaceReport, Report, Roots};

/// Leaves that are put into the trie at a time.
const BATCH: usize = 8192;

/// Compares all that the look found with what its values say.
pub(crate) fn check(look: &Look) -> Report {
    let snapshot = &look.snapshot;
    let mut found = Found::default();
    let mut keyspaces = Vec::new();
    let indexes: Vec<_> = snapshot
        .keyspaces()
        .into_iter()
        .filter_map(|(id, class)| Some((id, class, snapshot.trie(id)?)))
        .collect();
    let entries: usize = indexes.iter().map(|(_, _, index)| index.len()).sum();
    let mut bar = Bar::new("comparing", u64::try_from(entries).ok(), Unit::Entries);
    for (id, class, index) in &indexes {
        let named = (*id, *class);
        keyspaces.push(check_keyspace(snapshot, named, index, &mut bar, &mut found));
    }
    let replicated = keyspaces.iter().filter(|k| k.class == Class::Replicated);
    let roots = Roots {
        indexed: snapshot.replicated_root(),
        recomputed: composite(replicated.map(|k| (k.id.0, k.recomputed))),
    };
    Report {
        position: snapshot.lsn(),
        keyspaces,
        replicated: Some(roots),
        promises_kept: look.recovery.roots_checked,
        unfinished: look.losers,
        unlocked: look.unlocked.clone(),
        differences: found.differences,
        unreadable_pages: found.unreadable_pages,
        damage: found.damage,
    }
}

/// What is not as it should be.
#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
    /// Pages that could not be had.
    unreadable_pages: u64,
    /// The first of them.
    damage: Option<String>,
}

fn check_keyspace(
    snapshot: &Snapshot,
    (id, class): (KeyspaceId, Class),
    indexed: &Index,
    bar: &mut Bar,
    found: &mut Found,
) -> KeyspaceReport {
    let mut recomputed = Trie::new();
    let mut value_bytes = 0u64;
    let mut leaves = Vec::new();
    let mut differ = BTreeMap::new();
    for entry in snapshot.index(id) {
        bar.advance(1);
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.unreadable_pages += 1;
                found.damage.get_or_insert(error.to_string());
                continue;
            }
        };
        value_bytes += u64::from(entry.value_len);
        match recompute(snapshot, indexed, &entry) {
            Ok(leaf) => leaves.push(leaf),
            Err(what) => drop(differ.insert(entry.key_hash, what)),
        }
        if leaves.len() == BATCH {
            add(&mut recomputed, &mut leaves);
        }
    }
    add(&mut recomputed, &mut leaves);
    found.differences.extend(named(snapshot, id, indexed, differ));
    KeyspaceReport {
        id,
        class,
        entries: indexed.len(),
        value_bytes,
        indexed: indexed.root(),
        recomputed: recomputed.root(),
    }
}

/// What differs by key hash, with the names that lists have; names that lists would show and that the
/// index does not have; and those whose page cannot be had. The store was not opened unless there are as many
/// names as entries, so that without one of the former both are the same.
fn named(
    snapshot: &Snapshot,
    id: KeyspaceId,
    index: &Index,
    mut differ: BTreeMap<KeyHash, String>,
) -> Vec<Difference> {
    const NOWHERE: &str = "it is listed, but the index has no such entry";
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    let mut add = |key_hash, key, what| {
        all.push(Difference { keyspace: id, key_hash, key, what });
    };
    loop {
        let names = snapshot.scan(id, b"", after.as_deref(), BATCH);
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        for key in names {
            let hash = KeyHash::of(&key);
            let not_found = || match index.get(&hash) {
                Ok(Some(_)) => None,
                Ok(None) => Some(NOWHERE.to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(what) = differ.remove(&hash).or_else(not_found) {
                add(hash, Some(key), what);
            }
        }
    }
    for (hash, what) in differ {
        add(hash, None, what);
    }
    all
}

/// Puts leaves into the trie that is made anew.
fn add(trie: &mut Trie<Page<()>>, leaves: &mut Vec<(Vec<u8>, Digest)>) {
    let mut changes: Vec<_> =
        leaves.iter().map(|(key, digest)| Change::new(key, Some((*digest, ())))).collect();
    match trie.apply(&MemPages::new(), &mut changes) {
        Ok(()) => {}
        Err(never) => match never {},
    }
    leaves.clear();
}

/// The key of an entry and the digest that it makes with the value, or how they are not what the index says.
fn recompute(
    snapshot: &Snapshot,
    index: &Index,
    entry: &IndexEntry,
) -> Result<(Vec<u8>, Digest), String> {
    let (key, value) = snapshot.read(entry).map_err(|error| match error {
        ReadError::Corrupt { at } => {
            format!("the key and the value at {at} do not have the digest in the index")
        }
        error => error.to_string(),
    })?;
    match index.get(&entry.key_hash) {
        Ok(Some((digest, _))) if digest == entry.digest => {}
        Ok(_) => return Err("the index does not find the key under its own hash".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let digest = leaf_digest(&key, &value);
    Ok((key, digest))
}
