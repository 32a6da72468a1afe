//! Records in words. Values are never shown, only their length: they are ciphertext, and long.

use serde::Serialize;
use strongroom_aries::{After, Before, Record};

/// A record as it is shown.
#[derive(Serialize)]
pub(crate) struct Shown {
    pub(crate) lsn: u64,
    pub(crate) len: usize,
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
}

/// Describes a record. One that cannot be decoded is shown as such; its bytes are sound, so
/// another version wrote it.
pub(crate) fn describe(lsn: u64, bytes: &[u8]) -> Shown {
    let (kind, detail) = match Record::decode(bytes) {
        Ok(record) => words(&record),
        Err(error) => ("unknown", error.to_string()),
    };
    Shown { lsn, len: bytes.len(), kind, detail }
}

fn words(record: &Record<'_>) -> (&'static str, String) {
    match record {
        Record::Update(update) => {
            let key = update.key.escape_ascii();
            let after = match update.after {
                After::Value(value) => format!("put {} bytes", value.len()),
                After::Deleted => "delete".to_owned(),
            };
            let txn = match update.txn {
                Some((txn, prev)) => format!(", transaction {}, previous {prev}", txn.0),
                None => String::new(),
            };
            ("update", format!("keyspace {} {key}: {after}{txn}", update.keyspace))
        }
        Record::Compensation(undone) => {
            let key = undone.key.escape_ascii();
            let restored = match undone.restore {
                Before::Present { at, len, .. } => format!("restore {len} bytes at {at}"),
                Before::Deleted => "delete".to_owned(),
                Before::Absent | Before::Omitted => "remove".to_owned(),
            };
            let (keyspace, txn, next) = (undone.keyspace, undone.txn.0, undone.undo_next);
            let detail = format!(
                "keyspace {keyspace} {key}: {restored}, transaction {txn}, undo next {next}"
            );
            ("compensation", detail)
        }
        Record::Relocation(moved) => {
            let (key, len, version) = (moved.key.escape_ascii(), moved.value.len(), moved.version);
            let keyspace = moved.keyspace;
            ("relocation", format!("keyspace {keyspace} {key}: {len} bytes, version {version}"))
        }
        Record::Commit(txn) => ("commit", format!("transaction {}", txn.0)),
        Record::End(txn) => ("end", format!("transaction {}", txn.0)),
        Record::CreateKeyspace { keyspace, id, class } => {
            ("create-keyspace", format!("keyspace {keyspace} is {}, class {class}", hex(id)))
        }
        Record::DropKeyspace { keyspace } => ("drop-keyspace", format!("keyspace {keyspace}")),
        Record::RootMark(mark) => {
            let (replicated, all) = (hex(&mark.replicated), hex(&mark.all));
            ("root-mark", format!("at {}: replicated {replicated}, all {all}", mark.at))
        }
        Record::CheckpointBegin => ("checkpoint-begin", String::new()),
        Record::CheckpointEnd(end) => {
            let map = &end.map;
            let detail = format!(
                "began at {}, page map in page segment {} at {} ({} bytes), {} transactions active",
                end.begin,
                map.segment,
                map.offset,
                map.len,
                end.transactions.len()
            );
            ("checkpoint-end", detail)
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
