//! Writers and readers for the length of a slice: threads, or tasks.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use tokio::runtime::Runtime;

use super::process::cpu_us;
use super::sample::{Figure, Sample};
use super::stat::percentile_us;

/// How much a slice is.
#[derive(Clone, Copy)]
pub struct Slice {
    /// Threads or tasks.
    pub workers: usize,
    /// How long new operations are begun.
    pub length: Duration,
    /// Keys that an operation is about.
    pub keys: usize,
}

/// Runs an operation in a loop on every thread until the time is over. The operation is given what
/// its thread keeps from one to the next.
pub fn threads<S: Default>(
    slice: Slice,
    op: impl Fn(&mut S) -> Result<()> + Sync,
) -> Result<Sample> {
    let (stop, start) = (AtomicBool::new(false), Barrier::new(slice.workers + 1));
    let cpu = cpu_us();
    let runs: Result<Vec<Run>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..slice.workers)
            .map(|_| {
                let (stop, start, op) = (&stop, &start, &op);
                scope.spawn(move || {
                    let mut kept = S::default();
                    start.wait();
                    Run::of(stop, || op(&mut kept))
                })
            })
            .collect();
        start.wait();
        std::thread::sleep(slice.length);
        stop.store(true, Ordering::Relaxed);
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow!("a worker panicked"))?)
            .collect()
    });
    sample(runs?, cpu_us() - cpu, slice.keys)
}

/// What one worker did.
struct Run {
    began: Instant,
    ended: Instant,
    /// In ns.
    latencies: Vec<u32>,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, ended: now, latencies: Vec::with_capacity(1 << 12) }
    }

    fn of(stop: &AtomicBool, mut op: impl FnMut() -> Result<()>) -> Result<Self> {
        let mut run = Self::new();
        while !stop.load(Ordering::Relaxed) {
            op()?;
            run.lap();
        }
        Ok(run)
    }

    /// An operation ended, and the next begins at once.
    fn lap(&mut self) {
        let now = Instant::now();
        self.latencies.push(u32::try_from((now - self.ended).as_nanos()).unwrap_or(u32::MAX));
        self.ended = now;
    }
}

/// As [`threads`], with tasks of a runtime.
pub fn tasks<F>(
    runtime: &Runtime,
    slice: Slice,
    op: impl Fn() -> F + Send + Sync + 'static,
) -> Result<Sample>
where
    F: Future<Output = Result<()>> + Send,
{
    let (stop, op) = (Arc::new(AtomicBool::new(false)), Arc::new(op));
    let cpu = cpu_us();
    let handles: Vec<_> = (0..slice.workers)
        .map(|_| {
            let (stop, op) = (Arc::clone(&stop), Arc::clone(&op));
            runtime.spawn(async move {
                let mut run = Run::new();
                while !stop.load(Ordering::Relaxed) {
                    op().await?;
                    run.lap();
                }
                Ok::<_, anyhow::Error>(run)
            })
        })
        .collect();
    std::thread::sleep(slice.length);
    stop.store(true, Ordering::Relaxed);
    let mut runs = Vec::with_capacity(slice.workers);
    for handle in handles {
        runs.push(runtime.block_on(handle)??);
    }
    sample(runs, cpu_us() - cpu, slice.keys)
}

fn sample(runs: Vec<Run>, cpu: f64, keys: usize) -> Result<Sample> {
    let began = runs.iter().map(|run| run.began).min().context("no worker")?;
    let ended = runs.iter().map(|run| run.ended).max().context("no worker")?;
    let mut latencies: Vec<u32> = runs.into_iter().flat_map(|run| run.latencies).collect();
    latencies.sort_unstable();
    let operations = latencies.len() as f64;
    Ok(Sample::from([
        (Figure::KeysPerSecond, operations * keys as f64 / (ended - began).as_secs_f64()),
        (Figure::P50Us, percentile_us(&latencies, 500)),
        (Figure::P99Us, percentile_us(&latencies, 990)),
        (Figure::CpuUs, cpu / operations),
    ]))
}
