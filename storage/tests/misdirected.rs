//! A write lands elsewhere in its file, and the disk says that it went well.
//!
//! What is expected: nothing else than what was written is ever served. A read, a commit or the
//! opening that meets the damage ends in a typed error that names the file, or the place in the log.
//! One thing no store can tell: that a frame at the very end of the log never arrived, or that the
//! stray write lies on it, when no frame was written since that speaks of it. It looks like one that
//! was never acknowledged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use strongroom_storage::{CommitError, OpenError, Options, ReadError, Store};
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{LogError, ReadError as LogReadError};
use support::session::{LargeStep, Session};
use support::{Model, Step, check, four_pages, open_with, options};

fn workload() -> Vec<Step> {
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))]),
        Step::Commit(vec![(2, 0, Some(30_000))]),
        Step::Checkpoint,
        Step::Commit(vec![(2, 2, Some(40_000)), (3, 1, None)]),
        Step::Recreate(3),
        Step::Commit(vec![(3, 5, Some(10))]),
        Step::Checkpoint,
        Step::Commit(vec![(2, 1, Some(20)), (3, 6, Some(10))]),
        Step::Commit(vec![(2, 0, Some(20))]),
    ]
}

fn large_workload() -> Vec<Step> {
    let write = |from, to, len| Step::Large(LargeStep::Write { keyspace: 2, from, to, len });
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (2, 50, Some(10)), (3, 1, Some(10))]),
        write(0, 60, Some(300)),
        Step::Checkpoint,
        Step::Large(LargeStep::Savepoint),
        write(5, 8, None),
        Step::Large(LargeStep::RollBack),
        Step::Commit(vec![(3, 1, Some(2000))]),
        Step::Large(LargeStep::Commit),
        Step::Checkpoint,
        write(0, 30, Some(50)),
        Step::Commit(vec![(3, 1, Some(20))]),
    ]
}

/// How often what happened.
#[derive(Debug, Default)]
struct Seen {
    whole: u32,
    refused_open: u32,
    refused_reads: u32,
    refused_commits: u32,
    lost_at_the_end: u32,
}

/// Holds every value that can be read against the model; answers how many reads were refused.
fn reads(store: &Store, model: &Model, context: &str) -> u32 {
    let mut refused = 0;
    let keyspaces: Vec<_> = store.keyspaces().into_iter().map(|(id, _)| id).collect();
    assert_eq!(keyspaces, model.keys().copied().collect::<Vec<_>>(), "{context}");
    for (id, (_, entries)) in model {
        let keys = store.scan(*id, b"", None, usize::MAX);
        assert_eq!(keys, entries.keys().cloned().collect::<Vec<_>>(), "{context}");
        for (key, value) in entries {
            match store.get(*id, key) {
                Ok(found) => assert_eq!(found.map(|e| e.value).as_ref(), Some(value), "{context}"),
                Err(ReadError::Corrupt { .. }) => refused += 1,
                Err(ReadError::Page { cause }) => {
                    assert!(cause.contains("pages-") || cause.contains("page segment"), "{cause}");
                    refused += 1;
                }
                Err(e) => panic!("{context}: {e}"),
            }
        }
    }
    refused
}

/// The segment of the log that an error of the log names.
fn segment_of(e: &OpenError) -> Option<u64> {
    match e {
        OpenError::Log(LogError::Rotten { segment, .. } | LogError::Missing { segment })
        | OpenError::LogRead(LogReadError::Rotten { segment, .. }) => Some(*segment),
        _ => None,
    }
}

fn names(e: &OpenError, hit: &str) -> bool {
    match e {
        OpenError::Damaged { file, .. } => file == hit,
        e => segment_of(e).is_some_and(|segment| hit == format!("wal-{segment:016x}.log")),
    }
}

/// Runs the workload with its `n`-th write going to `elsewhere`; false when there are fewer writes.
fn misdirect(
    workload: &[Step],
    options: Options,
    (n, elsewhere): (u64, u64),
    seen: &mut Seen,
) -> bool {
    let pages = options.pool_pages;
    let context = format!("write {n} to {elsewhere}, {pages} pages, of {workload:?}");
    let disk = SimDisk::new(n);
    disk.misdirect_after(n, elsewhere);
    let mut model = Model::new();
    // Before the last step that logged something, unless it began after the write had gone astray.
    let mut unproven: Option<Model> = None;
    let mut unsure: Option<Model> = None;
    {
        let Ok(store) = open_with(&disk, options) else { return !disk.misdirects() };
        let mut session = Session::new(&store);
        session.stuck = true;
        for (i, step) in workload.iter().enumerate() {
            let next = session.after(&model, i, step);
            let (was_straight, position) = (disk.misdirects(), store.position());
            match session.run(i, step) {
                Ok(true) => {
                    if store.position() > position {
                        unproven = was_straight.then(|| model.clone());
                    }
                    model = next;
                }
                Ok(false) => {}
                Err(CommitError::Unreadable(_)) => {
                    seen.refused_commits += 1;
                    if matches!(step, Step::Large(_)) {
                        session.abandon();
                    }
                }
                Err(CommitError::Failed(_)) => {
                    seen.refused_commits += 1;
                    unsure = Some(next);
                    break;
                }
                Err(e) => panic!("{context}: {e}"),
            }
        }
        seen.refused_reads += reads(&store, &model, &context);
    }
    if disk.misdirects() {
        return false;
    }
    let hit = disk.misdirected().unwrap_or_default();
    match open_with(&disk.clone_image(), options) {
        Err(e) => {
            assert!(names(&e, &hit), "{context}: hit {hit}, and answered {e:?}");
            seen.refused_open += 1;
        }
        Ok(store) => {
            let found: Vec<_> = store.keyspaces().into_iter().map(|(id, _)| id).collect();
            let allowed: Vec<&Model> =
                [&model].into_iter().chain(&unsure).chain(&unproven).collect();
            let all_readable = found.iter().all(|id| {
                let keys = store.scan(*id, b"", None, usize::MAX);
                keys.iter().all(|key| store.get(*id, key).is_ok())
            });
            if !all_readable {
                seen.refused_reads += reads(&store, &model, &context);
            } else if check(&store, &allowed, &format!("{context}, hit {hit}")) == 0 {
                seen.whole += 1;
            } else {
                seen.lost_at_the_end += 1;
            }
        }
    }
    true
}

#[test]
fn a_write_that_goes_elsewhere_is_never_served() {
    let mut seen = Seen::default();
    for (workload, options) in [
        (workload(), options()),
        (workload(), four_pages()),
        (large_workload(), options()),
        (large_workload(), four_pages()),
    ] {
        for elsewhere in [0, 100, 4096, 8192, 5 * 4096, 9 * 4096] {
            let mut n = 0;
            while misdirect(&workload, options, (n, elsewhere), &mut seen) {
                n += 1;
            }
            assert!(n > 10, "{n} writes");
        }
    }
    assert!(seen.refused_open > 50 && seen.refused_reads > 10 && seen.whole > 50, "{seen:?}");
}
