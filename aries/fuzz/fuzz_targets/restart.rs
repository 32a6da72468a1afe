//! Any log of records goes through analysis and undo: restart ends, or names what is broken. It
//! takes no more steps back than there are updates, and a second restart has none left to take.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use strongroom_aries::{Analysis, NO_LSN, Outcome, PageId, Record, Undo};

/// One byte of length before each record. Its position in the log is that in the input.
fn log(bytes: &[u8]) -> BTreeMap<u64, Record<'_>> {
    let mut log = BTreeMap::new();
    let mut at = 0;
    while let Some((len, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
        let Some(record) = rest.get(..usize::from(*len)) else { break };
        at += 1 + record.len();
        if let Ok(record) = Record::decode(record) {
            log.insert(at as u64, record);
        }
    }
    log
}

fn analyse(log: &BTreeMap<u64, Record<'_>>) -> Outcome {
    let begin = log.iter().find(|(_, r)| matches!(r, Record::CheckpointBegin));
    let begin = begin.map_or(NO_LSN, |(lsn, _)| *lsn);
    let mut analysis = Analysis::new(begin);
    for (lsn, record) in log.range(begin..) {
        analysis.see(*lsn, record, |keyspace, pending, key| {
            let path = u64::from(key.first().copied().unwrap_or_default()) << 56;
            PageId { keyspace, pending, path, depth: 8 }
        });
    }
    analysis.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let mut log = log(bytes);
    let outcome = analyse(&log);
    let mut undo = Undo::new(&outcome.transactions);
    let mut end = bytes.len() as u64 + 1;
    let mut written = BTreeMap::new();
    for txn in undo.only_to_end() {
        written.insert(end, Record::End(*txn));
        end += 1;
    }
    let mut last = u64::MAX;
    let mut steps = 0;
    while let Some(lsn) = undo.next() {
        let Some(record) = log.get(&lsn) else { return };
        let Ok(step) = undo.step(record) else { return };
        assert!(lsn < last, "the sweep goes forward");
        last = lsn;
        steps += 1;
        written.insert(end, Record::Compensation(step.compensation));
        end += 1;
        if step.ends {
            written.insert(end, Record::End(step.compensation.txn));
            end += 1;
        }
    }
    assert!(steps <= log.len());
    log.append(&mut written);
    assert!(analyse(&log).transactions.is_empty(), "a second restart has something left");
});
