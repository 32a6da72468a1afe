//! What the run found: lines of the table, all samples beside them.

pub mod table;

use serde::Serialize;

use crate::load::Sample;
use crate::servers::{Audit, Kind};
use crate::stat::Summary;

/// What one server did in a row: a slice a round.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Who.
    pub kind: Kind,
    /// With which device.
    pub audit: Audit,
    /// In the order of the rounds.
    pub samples: Vec<Sample>,
    /// What the device counted meanwhile: records, bytes, syncs.
    pub audited: [f64; 3],
}

impl Series {
    /// One figure.
    pub fn of(&self, figure: impl Fn(&Sample) -> f64) -> Option<Summary> {
        Summary::of(self.samples.iter().map(figure))
    }

    /// This one's figure over another's, round by round.
    pub fn over(&self, other: &Self, figure: impl Fn(&Sample) -> f64) -> Option<Summary> {
        Summary::of(self.samples.iter().zip(&other.samples).map(|(a, b)| figure(a) / figure(b)))
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// CPU of an item at most, us. It was set on one machine; the two bars below say the same of
    /// whatever machine this is.
    CpuUs(f64),
    /// CPU of a request at most, as many times as hyper alone takes for one.
    OfBare(f64),
    /// CPU of the other server at least, as many times as ours.
    UnderBao(f64),
    /// Requests a second, as many times as the other server.
    Times(f64),
    /// Throughput at least, as a part of that without audit.
    Part(f64),
}

/// A bar, and what was found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Judged {
    /// The bar.
    pub bar: Bar,
    /// The median of what it is about.
    pub found: Option<f64>,
    /// `None` when it cannot be said: a server that it needs did not take part.
    pub reached: Option<bool>,
}

/// The servers of a row that stand beside each other.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What was done.
    pub work: String,
    /// Over TLS.
    pub tls: bool,
    /// Connections.
    pub connections: usize,
    /// Items of a request.
    pub items: usize,
    /// Ours.
    pub ours: Series,
    /// `bao`, with the device that is nearest.
    pub bao: Option<Series>,
    /// hyper alone.
    pub bare: Option<Series>,
    /// Ours without a device.
    pub without: Option<Series>,
    /// What is to be reached, and was or was not.
    pub bars: Vec<Judged>,
}

impl Line {
    /// The same, held against bars.
    #[must_use]
    pub fn held_against(mut self, bars: &[Bar]) -> Self {
        let judge = |bar: &Bar| {
            let found = self.found(*bar);
            Judged { bar: *bar, found, reached: found.map(|found| bar.is_reached(found)) }
        };
        self.bars = bars.iter().map(judge).collect();
        self
    }

    /// The figure that a bar is about.
    fn found(&self, bar: Bar) -> Option<f64> {
        let found = match bar {
            Bar::CpuUs(_) => self.ours.of(|s| s.cpu_us / self.items as f64),
            Bar::OfBare(_) => self.ours.over(self.bare.as_ref()?, |s| s.cpu_us),
            Bar::UnderBao(_) => self.bao.as_ref()?.over(&self.ours, |s| s.cpu_us),
            Bar::Times(_) => self.ours.over(self.bao.as_ref()?, |s| s.per_second),
            Bar::Part(_) => self.ours.over(self.without.as_ref()?, |s| s.per_second),
        };
        found.map(|summary| summary.median)
    }
}

impl Bar {
    fn is_reached(self, found: f64) -> bool {
        match self {
            Self::CpuUs(most) | Self::OfBare(most) => found <= most,
            Self::UnderBao(least) | Self::Times(least) | Self::Part(least) => found >= least,
        }
    }
}

/// Memory at rest, and the time that a start takes.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    /// Who.
    pub kind: Kind,
    /// Resident memory, bytes.
    pub memory: Summary,
    /// From the start of the process to the answer that it is unsealed and active, ms.
    pub start_ms: Summary,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the machine says of itself.
    pub machine: String,
    /// The command line.
    pub command: String,
    /// Seconds since 1970 when the run began.
    pub began: u64,
    /// Slices of each.
    pub rounds: usize,
    /// Length of a slice, ms.
    pub slice_ms: u128,
    /// Servers at rest.
    pub idle: Vec<Idle>,
    /// Servers under load.
    pub lines: Vec<Line>,
}
