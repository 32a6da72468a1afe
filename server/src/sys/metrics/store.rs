//! The figures of the store: its contents, its log, its index, and what works behind the requests.
//!
//! What each means and what to do about it stands in `docs/operations.md`; a test holds that table
//! against the names here.

use std::time::Duration;

use strongroom_storage::{LogNeed, Lsn, Stats};

use super::figures::{Figures, Labels, count_f64};
use crate::cluster::Unsealed;

/// Adds the store's figures, and those of what encrypts for it.
pub(super) fn add(figures: &mut Figures, unsealed: &Unsealed) {
    let store = &unsealed.store;
    // The figures first: the log's end lies behind the checkpoint that they tell of.
    let stats = store.stats();
    let position = store.position();
    let healthy = f64::from(u8::from(store.health().is_ok()));
    figures.gauges.push(("strongroom.store.healthy", healthy, Labels::new()));
    contents(figures, &stats, position);
    needs(figures, &store.log_needs());
    index(figures, &stats);
    background(figures, &stats, position);
    recovery(figures, &stats);
    let term = vec![("term", unsealed.barrier.keyring().active_term().to_string())];
    figures.counters.push(("vault.barrier.estimated_encryptions", unsealed.barrier.seals(), term));
}

/// What is stored, and the log that holds it.
fn contents(figures: &mut Figures, stats: &Stats, position: Lsn) {
    gauges(
        figures,
        [
            ("vault.replication.wal.last_wal", position.0),
            ("vault.replication.wal.last_performance_wal", position.0),
            ("vault.replication.merkle.commit_index", position.0),
            ("strongroom.store.keys", stats.keys),
            ("strongroom.store.live_bytes", stats.live_bytes),
            ("strongroom.wal.segments", stats.log_segments),
        ],
    );
    counters(
        figures,
        [
            ("vault.wal.persistWALs", stats.frames),
            ("vault.wal.gc.deleted", stats.recycled_segments),
            ("strongroom.store.commits", stats.commits),
            ("strongroom.store.conflicts", stats.conflicts),
            ("strongroom.store.compensations", stats.compensations),
            ("strongroom.wal.bytes", stats.log_bytes),
        ],
    );
}

/// Who keeps how much of the log, and how much he may.
fn needs(figures: &mut Figures, needs: &[LogNeed]) {
    let by = |need: &LogNeed| vec![("by", need.name.to_owned())];
    let needed = needs.iter().map(|n| ("strongroom.wal.needed_bytes", count_f64(n.bytes), by(n)));
    figures.gauges.extend(needed);
    let bounds = needs.iter().filter_map(|need| Some((need, need.bound?)));
    let bound =
        bounds.map(|(n, bound)| ("strongroom.wal.needed_bytes_max", count_f64(bound), by(n)));
    figures.gauges.extend(bound);
}

/// The pages of the index, in memory and on the way there and back.
fn index(figures: &mut Figures, stats: &Stats) {
    gauges(figures, [("strongroom.store.pages_resident", stats.pages_resident)]);
    counters(
        figures,
        [
            ("strongroom.store.page_bytes", stats.page_bytes),
            ("strongroom.store.pages_read", stats.pages_read),
            ("strongroom.store.pages_evicted", stats.pages_evicted),
            ("strongroom.store.pages_stolen", stats.pages_stolen),
            ("strongroom.store.pages_uncommitted", stats.pages_uncommitted),
            ("strongroom.store.pages_unreadable", stats.pages_unreadable),
        ],
    );
}

/// Checkpointer and cleaner.
fn background(figures: &mut Figures, stats: &Stats, position: Lsn) {
    let checkpoint = stats.checkpoint_lsn;
    gauges(
        figures,
        [
            ("strongroom.store.checkpoint_lsn", checkpoint.0),
            ("strongroom.store.checkpoint_distance", position.0.saturating_sub(checkpoint.0)),
        ],
    );
    counters(
        figures,
        [
            ("vault.merkle.saveCheckpoint", stats.checkpoints),
            ("strongroom.store.checkpoints_failed", stats.checkpoints_failed),
            ("strongroom.store.relocated_bytes", stats.relocated_bytes),
            ("strongroom.store.background_worked_ms", millis(stats.background_worked)),
            ("strongroom.store.background_rested_ms", millis(stats.background_rested)),
        ],
    );
}

/// What the last restart did; it does not change until the next one.
fn recovery(figures: &mut Figures, stats: &Stats) {
    let did = &stats.recovery;
    gauges(
        figures,
        [
            ("strongroom.recovery.pages", did.pages),
            ("strongroom.recovery.frames", did.frames),
            ("strongroom.recovery.redone", did.redone),
            ("strongroom.recovery.skipped", did.skipped),
            ("strongroom.recovery.roots_checked", did.roots_checked),
            ("strongroom.recovery.undone", did.undone),
        ],
    );
}

fn gauges<const N: usize>(figures: &mut Figures, all: [(&'static str, u64); N]) {
    figures.gauges.extend(all.map(|(name, value)| (name, count_f64(value), Labels::new())));
}

fn counters<const N: usize>(figures: &mut Figures, all: [(&'static str, u64); N]) {
    figures.counters.extend(all.map(|(name, n)| (name, n, Labels::new())));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use strongroom_storage::RecoveryReport;

    use super::*;

    /// Each figure is a number of its own: one that is shown under the name of another is seen. A
    /// figure that is added to the store has to be told of here.
    fn sample() -> Stats {
        Stats {
            keys: 1,
            live_bytes: 2,
            frames: 3,
            commits: 4,
            conflicts: 5,
            log_bytes: 6,
            page_bytes: 7,
            log_segments: 8,
            checkpoints: 9,
            checkpoints_failed: 32,
            checkpoint_lsn: Lsn(1000),
            relocated_bytes: 11,
            recycled_segments: 12,
            compensations: 13,
            pages_resident: 14,
            pages_read: 15,
            pages_unreadable: 16,
            pages_evicted: 17,
            pages_stolen: 18,
            pages_uncommitted: 19,
            background_worked: Duration::from_micros(20_999),
            background_rested: Duration::from_millis(21),
            recovery: RecoveryReport {
                pages: 22,
                frames: 23,
                redone: 24,
                skipped: 25,
                roots_checked: 26,
                undone: 27,
            },
        }
    }

    fn shown(stats: &Stats, position: Lsn) -> Figures {
        let mut figures = Figures::default();
        contents(&mut figures, stats, position);
        let need = |name, from, bytes, bound| LogNeed { name, from: Lsn(from), bytes, bound };
        let all = [need("restart", 1000, 28, Some(29)), need("undo", 999, 31, None)];
        needs(&mut figures, &all);
        index(&mut figures, stats);
        background(&mut figures, stats, position);
        recovery(&mut figures, stats);
        figures
    }

    #[test]
    fn each_figure_is_shown_under_its_own_name() {
        let figures = shown(&sample(), Lsn(1030));
        let text = figures.prometheus();
        for line in [
            "vault_replication_wal_last_wal 1030",
            "strongroom_store_keys 1",
            "strongroom_store_live_bytes 2",
            "vault_wal_persistWALs 3",
            "strongroom_store_commits 4",
            "strongroom_store_conflicts 5",
            "strongroom_wal_bytes 6",
            "strongroom_store_page_bytes 7",
            "strongroom_wal_segments 8",
            "vault_merkle_saveCheckpoint 9",
            "strongroom_store_checkpoints_failed 32",
            "strongroom_store_checkpoint_lsn 1000",
            "strongroom_store_checkpoint_distance 30",
            "strongroom_store_relocated_bytes 11",
            "vault_wal_gc_deleted 12",
            "strongroom_store_compensations 13",
            "strongroom_store_pages_resident 14",
            "strongroom_store_pages_read 15",
            "strongroom_store_pages_unreadable 16",
            "strongroom_store_pages_evicted 17",
            "strongroom_store_pages_stolen 18",
            "strongroom_store_pages_uncommitted 19",
            "strongroom_store_background_worked_ms 20",
            "strongroom_store_background_rested_ms 21",
            "strongroom_recovery_pages 22",
            "strongroom_recovery_frames 23",
            "strongroom_recovery_redone 24",
            "strongroom_recovery_skipped 25",
            "strongroom_recovery_roots_checked 26",
            "strongroom_recovery_undone 27",
            "strongroom_wal_needed_bytes{by=\"restart\"} 28",
            "strongroom_wal_needed_bytes_max{by=\"restart\"} 29",
            "strongroom_wal_needed_bytes{by=\"undo\"} 31",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}:\n{text}");
        }
    }

    /// What only grows is a counter, what is now is a gauge; told once each.
    #[test]
    fn each_name_has_one_kind() {
        let text = shown(&sample(), Lsn(1030)).prometheus();
        let types: Vec<&str> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
        for (name, kind) in [
            ("strongroom_store_checkpoint_distance", "gauge"),
            ("strongroom_store_pages_resident", "gauge"),
            ("strongroom_recovery_undone", "gauge"),
            ("strongroom_wal_segments", "gauge"),
            ("strongroom_store_pages_read", "counter"),
            ("strongroom_store_background_worked_ms", "counter"),
        ] {
            assert!(types.contains(&format!("# TYPE {name} {kind}").as_str()), "{name}: {types:?}");
        }
        let mut names: Vec<&str> = types.iter().filter_map(|l| l.split(' ').nth(2)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), types.len(), "{types:?}");
    }

    #[test]
    fn a_checkpoint_that_overtook_the_position_is_no_distance() {
        let text = shown(&sample(), Lsn(7)).prometheus();
        assert!(text.contains("strongroom_store_checkpoint_distance 0\n"), "{text}");
    }
}
