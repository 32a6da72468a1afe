//! The comparison: everything from the values upwards.

use strongroom_merkle::{Change, Digest, KeyHash, MemPages, Page, Trie, composite, leaf_digest};
use strongroom_storage::{Class, Index, IndexEntry, KeyspaceId, Look, ReadError, Snapshot};

use crate::progress::{Bar, Unit};
use crate::report::{Difference, KeyspaceReport, Report, Roots};

/// Leaves that are put into the trie at a time.
const BATCH: usize = 8192;

/// Compares all that the look found with what its values say.
pub(crate) fn check(look: &Look) -> Report {
    let snapshot = &look.snapshot;
    let mut differences = Vec::new();
    let mut keyspaces = Vec::new();
    let indexes: Vec<_> = snapshot
        .keyspaces()
        .into_iter()
        .filter_map(|(id, class)| Some((id, class, snapshot.trie(id)?)))
        .collect();
    let entries: usize = indexes.iter().map(|(_, _, index)| index.len()).sum();
    let mut bar = Bar::new(u64::try_from(entries).unwrap_or(u64::MAX), Unit::Entries);
    for (id, class, index) in &indexes {
        let named = (*id, *class);
        keyspaces.push(check_keyspace(snapshot, named, index, &mut bar, &mut differences));
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
        differences,
        damage: None,
    }
}

fn check_keyspace(
    snapshot: &Snapshot,
    (id, class): (KeyspaceId, Class),
    indexed: &Index,
    bar: &mut Bar,
    differences: &mut Vec<Difference>,
) -> KeyspaceReport {
    let mut recomputed = Trie::new();
    let mut value_bytes = 0u64;
    let mut leaves = Vec::new();
    for entry in snapshot.index(id) {
        bar.advance(1);
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let what = error.to_string();
                let key = Vec::new();
                differences.push(Difference {
                    keyspace: id,
                    key_hash: KeyHash::of(&key),
                    key,
                    what,
                });
                continue;
            }
        };
        value_bytes += u64::from(entry.value_len);
        match recompute(snapshot, id, &entry) {
            Ok(digest) => leaves.push((entry.key, digest)),
            Err(what) => differences.push(Difference {
                keyspace: id,
                key_hash: KeyHash::of(&entry.key),
                key: entry.key,
                what,
            }),
        }
        if leaves.len() == BATCH {
            add(&mut recomputed, &mut leaves);
        }
    }
    add(&mut recomputed, &mut leaves);
    KeyspaceReport {
        id,
        class,
        entries: indexed.len(),
        value_bytes,
        indexed: indexed.root(),
        recomputed: recomputed.root(),
    }
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

/// The digest that an entry's value makes, or how it is not the one in the index.
fn recompute(snapshot: &Snapshot, id: KeyspaceId, entry: &IndexEntry) -> Result<Digest, String> {
    let value = snapshot
        .get(id, &entry.key)
        .map_err(|error| match error {
            ReadError::Corrupt { at } => {
                format!("the value at {at} does not have the digest in the index")
            }
            error => error.to_string(),
        })?
        .ok_or_else(|| "the index does not find the key under its own hash".to_owned())?;
    let digest = leaf_digest(&entry.key, &value);
    if digest != entry.digest {
        return Err("the value does not have the digest in the index".to_owned());
    }
    Ok(digest)
}
