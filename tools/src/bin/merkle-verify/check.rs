//! The comparison: everything from the values upwards.

use strongroom_merkle::{Digest, KeyHash, Leaf, Trie, composite, leaf_digest};
use strongroom_storage::{Class, IndexEntry, KeyspaceId, Look, ReadError, Snapshot};

use crate::report::{Difference, KeyspaceReport, Report, Roots};

/// A leaf made from a value that was read.
#[derive(Clone, Copy)]
struct Recomputed {
    key_hash: KeyHash,
    digest: Digest,
}

impl Leaf for Recomputed {
    fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

/// Compares all that the look found with what its values say.
pub(crate) fn check(look: &Look) -> Report {
    let snapshot = &look.snapshot;
    let mut differences = Vec::new();
    let mut keyspaces = Vec::new();
    for (id, class) in snapshot.keyspaces() {
        if let Some(trie) = snapshot.trie(id) {
            keyspaces.push(check_keyspace(snapshot, (id, class), &trie, &mut differences));
        }
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
    trie: &Trie<IndexEntry>,
    differences: &mut Vec<Difference>,
) -> KeyspaceReport {
    let mut leaves = Vec::with_capacity(trie.len());
    let mut value_bytes = 0u64;
    for entry in trie {
        value_bytes += u64::from(entry.value_len());
        match recompute(snapshot, id, entry) {
            Ok(leaf) => leaves.push(leaf),
            Err(what) => differences.push(Difference {
                keyspace: id,
                key_hash: entry.key_hash(),
                key: entry.key().to_vec(),
                what,
            }),
        }
    }
    leaves.sort_unstable_by_key(|leaf| leaf.key_hash);
    leaves.dedup_by_key(|leaf| leaf.key_hash);
    KeyspaceReport {
        id,
        class,
        entries: trie.len(),
        value_bytes,
        indexed: trie.root(),
        recomputed: Trie::from_sorted(leaves).root(),
    }
}

/// The leaf that an entry's key and value make, or how it is not the one in the index.
fn recompute(
    snapshot: &Snapshot,
    id: KeyspaceId,
    entry: &IndexEntry,
) -> Result<Recomputed, String> {
    let key_hash = entry.key_hash();
    let (key, value) = snapshot
        .get_by_hash(id, &key_hash)
        .map_err(|error| match error {
            ReadError::Corrupt { at } => {
                format!("the value at {at} does not have the digest in the index")
            }
            error => error.to_string(),
        })?
        .ok_or_else(|| "the index does not find the key under its own hash".to_owned())?;
    let leaf = Recomputed { key_hash: KeyHash::of(&key), digest: leaf_digest(&key, &value) };
    if leaf.key_hash != key_hash || key != entry.key() {
        return Err("the key does not have the hash that it is filed under".to_owned());
    }
    if leaf.digest != entry.digest() {
        return Err("the value does not have the digest in the index".to_owned());
    }
    Ok(leaf)
}
