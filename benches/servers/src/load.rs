//! Slices of load: some connections that each send the next request once the last was answered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::client::{Connection, Target};
use crate::servers::Process;
use crate::stat::percentile_us;
use crate::work::{Dice, Work};

/// How much a slice is.
#[derive(Clone, Copy)]
pub struct Slice {
    /// Connections.
    pub connections: usize,
    /// How long new requests are sent.
    pub length: Duration,
}

/// What a slice gave.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Requests.
    pub requests: usize,
    /// Requests a second.
    pub per_second: f64,
    /// CPU of the server for a request, user and system, us.
    pub cpu_us: f64,
    /// Median latency, us.
    pub p50_us: f64,
    /// Latency that one request in a hundred exceeds, us.
    pub p99_us: f64,
}

/// The thread and its connections.
pub struct Generator(Runtime);

impl Generator {
    /// One thread.
    pub fn new() -> Result<Self> {
        Ok(Self(tokio::runtime::Builder::new_current_thread().enable_all().build()?))
    }

    /// Waits for a future, for what surrounds the slices.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    /// One slice. Connections are opened, and each sends a request, before anything is counted.
    pub fn slice(
        &self,
        target: &Target,
        process: &Process,
        work: &Rc<Work>,
        slice: Slice,
    ) -> Result<Sample> {
        self.0.block_on(LocalSet::new().run_until(async {
            let mut lanes = Vec::with_capacity(slice.connections);
            for at in 0..slice.connections {
                lanes.push(Lane::open(target, Rc::clone(work), at).await?);
            }
            let (stop, cpu, began) = (Rc::new(Cell::new(false)), process.cpu_us()?, Instant::now());
            let lanes: Vec<_> = lanes
                .into_iter()
                .map(|lane| tokio::task::spawn_local(lane.run(Rc::clone(&stop))))
                .collect();
            tokio::time::sleep(slice.length).await;
            stop.set(true);
            let mut latencies = Vec::new();
            for lane in lanes {
                latencies.append(&mut lane.await??);
            }
            let (took, cpu) = (began.elapsed(), process.cpu_us()? - cpu);
            latencies.sort_unstable();
            let requests = latencies.len();
            Ok(Sample {
                requests,
                per_second: requests as f64 / took.as_secs_f64(),
                cpu_us: cpu / requests as f64,
                p50_us: percentile_us(&latencies, 500),
                p99_us: percentile_us(&latencies, 990),
            })
        }))
    }
}

/// One connection at work.
struct Lane {
    connection: Connection,
    work: Rc<Work>,
    dice: Dice,
}

impl Lane {
    async fn open(target: &Target, work: Rc<Work>, at: usize) -> Result<Self> {
        let connection = Connection::open(target).await?;
        let mut lane = Self { connection, work, dice: Dice::new(at as u64) };
        lane.once().await?;
        Ok(lane)
    }

    async fn once(&mut self) -> Result<()> {
        let request = self.work.pick(&mut self.dice);
        let answer = self.connection.exchange(request).await?;
        if !(200..300).contains(&answer.status) {
            let first = request.split(|b| *b == b'\r').next().unwrap_or_default();
            let (asked, said) = (String::from_utf8_lossy(first), answer.body()?);
            bail!("{asked}: {} {}", answer.status, String::from_utf8_lossy(&said));
        }
        Ok(())
    }

    /// Latencies in ns.
    async fn run(mut self, stop: Rc<Cell<bool>>) -> Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 12);
        while !stop.get() {
            let began = Instant::now();
            self.once().await.context("a request under load")?;
            latencies.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        Ok(latencies)
    }
}
