//! Crashes of a workload, many at a time, each held against the model.

use std::collections::HashSet;

use strongroom_storage::{Options, Stats};
use strongroom_wal::disk::sim::{Left, SimDisk};

use super::seeds::given;
use super::{Course, Ended, Model, Step, apply, check, open_with, run, run_all_with};

/// What the steps were run on, and what was seen over a whole sweep.
pub struct Sweep {
    options: Options,
    /// Restarts from different images.
    images: u32,
    seen: Stats,
}

impl Sweep {
    pub fn on(options: Options) -> Self {
        Self { options, images: 0, seen: Stats::default() }
    }

    /// Calls to the disk that the whole workload takes, the opening included.
    pub fn calls_of(&self, workload: &[Step]) -> u64 {
        let disk = SimDisk::new(1);
        run_all_with(&disk, self.options, workload);
        disk.calls()
    }

    /// Crashes the workload at one call.
    pub fn crash_once(&mut self, workload: &[Step], at: u64, seed: u64) -> (SimDisk, Ended) {
        let disk = SimDisk::new(seed);
        disk.crash_at_call(at);
        let ended = run_all_with(&disk, self.options, workload);
        let image = disk.crash_with(seed ^ 0x9e37_79b9);
        self.note(&ended.stats);
        (image, ended)
    }

    fn note(&mut self, stats: &Stats) {
        self.seen.pages_stolen += stats.pages_stolen;
        self.seen.pages_uncommitted += stats.pages_uncommitted;
        self.seen.compensations += stats.compensations;
        self.seen.recovery.undone += stats.recovery.undone;
    }

    /// Holds what a restart finds against the models, and what another one does after power loss.
    pub fn survives(&mut self, image: &SimDisk, allowed: &[&Model], context: &str) {
        self.survives_twice((image, Left::Seeded(7)), allowed, context);
    }

    fn survives_twice(
        &mut self,
        (image, then): (&SimDisk, Left),
        allowed: &[&Model],
        context: &str,
    ) {
        self.images += 1;
        let open = |disk| open_with(disk, self.options);
        let store = open(image).unwrap_or_else(|e| panic!("{context}: {e}"));
        let stats = store.stats();
        let which = check(&store, allowed, context);
        // Life goes on: what comes next is kept too.
        let mut model = allowed[which].clone();
        let step = Step::Commit(vec![(2, 0, Some(50))]);
        run(&store, 99, &step).unwrap_or_else(|e| panic!("{context}: {e}"));
        apply(&mut model, 99, &step);
        drop(store);
        let store =
            open(&image.moment().left(then)).unwrap_or_else(|e| panic!("{context}, again: {e}"));
        check(&store, &[&model], context);
        self.note(&stats);
    }

    /// A crash at every call of the last step of a workload, and after it: those before are of a
    /// shorter workload. Whatever power loss may leave each time, but no image twice.
    fn every_call(&mut self, workload: &[Step], draws: &Draws, again: &str) {
        let disk = SimDisk::new(draws.seed);
        disk.keep_moments();
        let course = Course::of(&disk, self.options, workload);
        self.note(&course.stats);
        let mut tried = HashSet::new();
        for moment in disk.moments() {
            let calls = moment.calls();
            if calls.1 < course.before_last() {
                continue;
            }
            let allowed = course.allowed(calls);
            let seeded = (0..draws.images).map(|n| Left::Seeded(draws.seed ^ (calls.0 << 32) ^ n));
            for left in moment.choices(FEW).into_iter().chain(seeded) {
                let image = moment.left(left);
                // What the restart found is there after the next power loss, also if it was not durable.
                let then = if left == Left::Cached { Left::Nothing } else { Left::Seeded(7) };
                let cached = left == Left::Cached;
                // The first of the allowed models tells which they are.
                let models = (std::ptr::from_ref(allowed[0]), allowed.len());
                if tried.insert((image.digest(), cached, models)) {
                    let context = format!("{again}\n{workload:?} call {}, left {left:?}", calls.0);
                    self.survives_twice((&image, then), &allowed, &context);
                }
            }
        }
    }

    /// Crashes at every `stride`th call of a workload, and at every call of the restarts after it,
    /// three deep.
    pub fn three_deep(&mut self, workload: &[Step], stride: usize) {
        for at in (0..self.calls_of(workload)).step_by(stride) {
            for again in 0.. {
                let (mut image, ended) = self.crash_once(workload, at, at);
                let mut hit = false;
                for depth in 0..3u64 {
                    image.crash_at_call(again + depth);
                    let opened = open_with(&image, self.options);
                    hit |= image.is_dead();
                    drop(opened);
                    let left = match (again + depth) % 6 {
                        0 => Left::Nothing,
                        1 => Left::All,
                        2 => Left::Cached,
                        _ => Left::Seeded(at * 1000 + again * 10 + depth),
                    };
                    image = image.moment().left(left);
                }
                let context = format!("call {at}, restart crashed at {again} and on");
                self.survives(&image, &ended.allowed(), &context);
                if !hit {
                    break;
                }
            }
        }
    }

    /// The sweep was one: pages were stolen with what was not committed in them, rollbacks logged
    /// compensations, and restarts had losers to undo.
    pub fn has_seen_it_all(&self) {
        let seen = &self.seen;
        assert!(seen.pages_stolen > 0 && seen.pages_uncommitted > 0, "{seen:?}");
        assert!(seen.compensations > 0 && seen.recovery.undone > 0, "{seen:?}");
    }
}

/// Of so many changes that were not synced each is lost, kept and torn alone.
const FEW: usize = 6;

/// What a run of the exhaustive sweeps is asked for.
struct Draws {
    /// The disk's, and that of the random images.
    seed: u64,
    /// Random images of each moment, besides those that are chosen.
    images: u64,
    /// Steps that are any of the alphabet's.
    free: u32,
    /// The one workload to run, by its number.
    only: Option<u64>,
}

impl Draws {
    fn given(free: u32) -> Self {
        Self {
            seed: given("STRONGROOM_SEED").unwrap_or(1),
            images: given("STRONGROOM_CRASH_IMAGES").unwrap_or(2),
            free: given("STRONGROOM_CRASH_FREE").map_or(free, |n| u32::try_from(n).unwrap()),
            only: given("STRONGROOM_CRASH_WORKLOAD"),
        }
    }
}

/// Every workload of some first steps and up to so many of an alphabet.
pub fn every_workload(
    test: &str,
    (first, alphabet): (&[Step], &[Step]),
    free: u32,
    sweeps: &mut [Sweep],
) {
    let draws = Draws::given(free);
    let Draws { seed, images, free, .. } = draws;
    let lengths = 0..=free;
    let numbers = lengths.flat_map(|len| (0..alphabet.len().pow(len)).map(move |n| (len, n)));
    // Shorter ones of the first steps alone come first.
    let shorter = (0..first.len()).map(|len| first[..len].to_vec());
    let free_steps = numbers.map(|(len, mut n)| {
        let mut workload = first.to_vec();
        for _ in 0..len {
            workload.push(alphabet[n % alphabet.len()].clone());
            n /= alphabet.len();
        }
        workload
    });
    for (number, workload) in (0..).zip(shorter.chain(free_steps)) {
        if draws.only.is_some_and(|only| only != number) {
            continue;
        }
        let again = format!(
            "again: STRONGROOM_SEED={seed} STRONGROOM_CRASH_IMAGES={images} STRONGROOM_CRASH_FREE={free} \
             STRONGROOM_CRASH_WORKLOAD={number} cargo test -p strongroom-storage --test crash_points {test}"
        );
        for sweep in &mut *sweeps {
            sweep.every_call(&workload, &draws, &again);
        }
    }
    for sweep in sweeps {
        println!("{} pages in memory: {} images", sweep.options.pool_pages, sweep.images);
        assert!(draws.only.is_some() || sweep.images > 500, "{} crash images", sweep.images);
    }
}
