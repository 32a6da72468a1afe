//! Random cases, each made from a seed of its own: what fails prints the command that repeats it.

use std::hash::{BuildHasher, RandomState};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// A number that a run is given.
pub fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// Cases of a run, unless `STRONGROOM_CRASH_CASES` makes it longer.
const CASES: u64 = 200;
/// Smaller cases that are tried when one has failed.
const SHRINKS: u32 = 2000;

/// Holds a test of a suite against as many cases as are asked for: the one that `STRONGROOM_SEED` makes
/// and those after it, or any.
pub fn each_seed<S: Strategy>(
    (suite, test): (&str, &str),
    cases: &S,
    holds: impl Fn(S::Value) -> TestCaseResult,
) {
    let first = given("STRONGROOM_SEED").unwrap_or_else(|| RandomState::new().hash_one(test));
    for n in 0..given("STRONGROOM_CRASH_CASES").unwrap_or(CASES) {
        let seed = first.wrapping_add(n);
        if let Err(failure) = runner(seed).run(cases, &holds) {
            panic!(
                "{failure}\nagain: STRONGROOM_SEED={seed} STRONGROOM_CRASH_CASES=1 \
                 cargo test -p strongroom-storage --test {suite} {test}"
            );
        }
    }
}

/// Runs one case, and smaller ones if it fails.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let one = Config {
        cases: 1,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(one, rng)
}
