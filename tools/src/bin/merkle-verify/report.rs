//! What was found, as a table for people or as JSON.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};
use strongroom_merkle::{Digest, KeyHash};
use strongroom_storage::{Class, KeyspaceId, Lsn};

/// The outcome of a check. Holds keys, never values.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) position: Lsn,
    pub(crate) keyspaces: Vec<KeyspaceReport>,
    /// Over the replicated keyspaces; `None` when the store could not be opened.
    pub(crate) replicated: Option<Roots>,
    /// Roots that the log promises since the last checkpoint and that recovery arrived at.
    pub(crate) promises_kept: u64,
    /// Transactions that a restart would take back; their changes are counted in.
    pub(crate) unfinished: u64,
    pub(crate) differences: Vec<Difference>,
    /// Pages of the index that cannot be had: what they hold was not compared.
    pub(crate) unreadable_pages: u64,
    /// Why a server may have been writing meanwhile, if that cannot be ruled out.
    pub(crate) unlocked: Option<String>,
    /// Why nothing could be compared, or the first of these pages could not.
    pub(crate) damage: Option<String>,
}

/// A root as the index has it and as the values make it.
pub(crate) struct Roots {
    pub(crate) indexed: Digest,
    pub(crate) recomputed: Digest,
}

pub(crate) struct KeyspaceReport {
    pub(crate) id: KeyspaceId,
    pub(crate) class: Class,
    pub(crate) entries: usize,
    pub(crate) value_bytes: u64,
    pub(crate) indexed: Digest,
    pub(crate) recomputed: Digest,
}

/// An entry that is not what the index says.
pub(crate) struct Difference {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key_hash: KeyHash,
    /// As the lists name it; `None` when they name no such key.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) what: String,
}

impl Report {
    /// A store that is there but cannot be opened.
    pub(crate) fn damaged(why: String) -> Self {
        Self { damage: Some(why), ..Self::default() }
    }

    /// Whether nothing differs.
    pub(crate) fn same(&self) -> bool {
        let equal = |k: &KeyspaceReport| k.indexed == k.recomputed;
        self.damage.is_none()
            && self.differences.is_empty()
            && self.keyspaces.iter().all(equal)
            && self.replicated.as_ref().is_some_and(|r| r.indexed == r.recomputed)
    }

    pub(crate) fn table(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(why) = &self.unlocked {
            writeln!(out, "not locked: {why}")?;
            writeln!(out, "what a server writes meanwhile would look like damage\n")?;
        }
        if let Some(why) = &self.damage {
            writeln!(out, "DAMAGED: {why}")?;
            if self.replicated.is_none() {
                return writeln!(out, "restore the store from a backup or a secondary");
            }
            writeln!(out, "{} pages of the index cannot be read\n", self.unreadable_pages)?;
        }
        writeln!(
            out,
            "{:<32}  {:<10}  {:>9}  {:>12}  {:<9}  ROOT",
            "KEYSPACE", "CLASS", "ENTRIES", "VALUE BYTES", "VERDICT"
        )?;
        for k in &self.keyspaces {
            let id = hex(&k.id.0);
            let (class, verdict) = (class_word(k.class), verdict(k.indexed, k.recomputed));
            let (entries, bytes, root) = (k.entries, k.value_bytes, k.indexed);
            writeln!(out, "{id}  {class:<10}  {entries:>9}  {bytes:>12}  {verdict:<9}  {root}")?;
        }
        if let Some(roots) = &self.replicated {
            let verdict = verdict(roots.indexed, roots.recomputed);
            writeln!(out, "\nreplicated root {}: {verdict}", roots.indexed)?;
        }
        let (position, kept) = (self.position, self.promises_kept);
        writeln!(
            out,
            "log read up to {position}; {kept} promised roots since the checkpoint, all kept"
        )?;
        if self.unfinished > 0 {
            writeln!(
                out,
                "{} unfinished transactions; a restart takes them back",
                self.unfinished
            )?;
        }
        for difference in &self.differences {
            let Difference { keyspace, key_hash, key, what } = difference;
            let keyspace = hex(&keyspace.0);
            let key =
                key.as_ref().map_or("not listed".to_owned(), |k| k.escape_ascii().to_string());
            writeln!(
                out,
                "\nDIFFERS  keyspace {keyspace}  key {key}\n  hash {key_hash}\n  {what}"
            )?;
        }
        if self.same() {
            writeln!(out, "same")
        } else {
            writeln!(out, "\n{} entries differ", self.differences.len())?;
            writeln!(out, "restore them from a backup or a secondary")
        }
    }

    pub(crate) fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let keyspaces: Vec<Value> = self.keyspaces.iter().map(KeyspaceReport::to_json).collect();
        let differences: Vec<Value> = self.differences.iter().map(Difference::to_json).collect();
        let report = json!({
            "same": self.same(),
            "not_locked": self.unlocked,
            "damage": self.damage,
            "unreadable_pages": self.unreadable_pages,
            "position": self.position.0,
            "keyspaces": keyspaces,
            "replicated_root": self.replicated.as_ref().map(|r| r.indexed.to_string()),
            "recomputed_replicated_root":
                self.replicated.as_ref().map(|r| r.recomputed.to_string()),
            "promised_roots_kept": self.promises_kept,
            "unfinished_transactions": self.unfinished,
            "differences": differences,
        });
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)
    }
}

impl KeyspaceReport {
    fn to_json(&self) -> Value {
        json!({
            "keyspace": hex(&self.id.0),
            "class": class_word(self.class),
            "entries": self.entries,
            "value_bytes": self.value_bytes,
            "root": self.indexed.to_string(),
            "recomputed_root": self.recomputed.to_string(),
            "same": self.indexed == self.recomputed,
        })
    }
}

impl Difference {
    fn to_json(&self) -> Value {
        json!({
            "keyspace": hex(&self.keyspace.0),
            "key_hash": self.key_hash.to_string(),
            "key": self.key.as_ref().map(|key| key.escape_ascii().to_string()),
            "what": self.what,
        })
    }
}

fn verdict(indexed: Digest, recomputed: Digest) -> &'static str {
    if indexed == recomputed { "same" } else { "DIFFERS" }
}

pub(crate) fn class_word(class: Class) -> &'static str {
    match class {
        Class::Replicated => "replicated",
        Class::Local => "local",
        Class::Ignored => "ignored",
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = fmt::Write::write_fmt(&mut out, format_args!("{byte:02x}"));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_folder_was_not_locked_is_told_first() {
        let report = Report { unlocked: Some("no locks here".to_owned()), ..Report::default() };
        let (mut table, mut json) = (Vec::new(), Vec::new());
        report.table(&mut table).unwrap();
        report.json(&mut json).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(table.starts_with("not locked: no locks here\n"), "{table}");
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["not_locked"], "no locks here");
    }
}
