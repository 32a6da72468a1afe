//! The rows: who takes part, and what has to be reached.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{Generator, Slice};
use crate::report::{Bar, Idle, Line, Series};
use crate::servers::{Audit, Grounds, Kind, Server, again};
use crate::stat::Summary;
use crate::work::{BATCH, Op, Work};

/// CPU of a request to hyper on the machine that the bars were set on, us.
const BARE_US: f64 = 11.0;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// Memory at rest, and the time that a start takes.
    Idle,
    /// Transit encryption of 32 bytes.
    Encrypt,
    /// The same in batches of 400.
    Batch,
    /// Transit decryption of 32 bytes.
    Decrypt,
    /// Ed25519 signatures.
    Sign,
    /// Reads of KV version 2.
    KvRead,
    /// Durable writes of KV version 2.
    KvWrite,
    /// Transit-heavy: 95 % transit, 4 % logins and renewals, 1 % rotations and KV writes.
    Mix,
}

/// How much is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slices of each.
    pub rounds: usize,
    /// Length of a slice.
    pub length: Duration,
    /// Connections of the rows but the mix.
    pub connections: usize,
    /// Connections of the mix.
    pub mix_connections: usize,
    /// Our devices.
    pub audits: Vec<Audit>,
    /// Without the other server.
    pub alone: bool,
}

/// The servers of the run.
pub struct Run {
    settings: Settings,
    grounds: Grounds,
    generator: Generator,
    servers: BTreeMap<(Kind, Audit), Server>,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Encrypt,
        Self::Batch,
        Self::Decrypt,
        Self::Sign,
        Self::KvRead,
        Self::KvWrite,
        Self::Mix,
    ];

    fn op(self) -> Option<Op> {
        match self {
            Self::Idle | Self::Mix => None,
            Self::Encrypt => Some(Op::Encrypt(1)),
            Self::Batch => Some(Op::Encrypt(BATCH)),
            Self::Decrypt => Some(Op::Decrypt(1)),
            Self::Sign => Some(Op::Sign),
            Self::KvRead => Some(Op::KvRead),
            Self::KvWrite => Some(Op::KvWrite),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Idle => "at rest".to_owned(),
            Self::Encrypt => "transit encrypt, 32 B".to_owned(),
            Self::Batch => format!("the same in batches of {BATCH}, an item"),
            Self::Decrypt => "transit decrypt, 32 B".to_owned(),
            Self::Sign => "transit sign, Ed25519".to_owned(),
            Self::KvRead => "KV 2 read".to_owned(),
            Self::KvWrite => "KV 2 write, durable".to_owned(),
            Self::Mix => "transit-heavy mix".to_owned(),
        }
    }

    fn bars(self, audit: Audit) -> Vec<Bar> {
        match (self, audit) {
            (Self::Encrypt, Audit::Off) => cpu_bars(1, 18.0, 184.0),
            (Self::Encrypt, Audit::File) => cpu_bars(1, 24.0, 305.0),
            (Self::Batch, Audit::Off) => cpu_bars(BATCH, 0.8, 5.1),
            (Self::Batch, Audit::File) => cpu_bars(BATCH, 2.0, 26.0),
            (Self::Sign, Audit::Off) => cpu_bars(1, 30.0, 202.0),
            (Self::KvRead, Audit::Off) => cpu_bars(1, 20.0, 263.0),
            (Self::KvWrite, Audit::Off) => {
                let mut bars = cpu_bars(1, 80.0, 843.0);
                bars.push(Bar::Times(10.0));
                bars
            }
            (Self::Mix, Audit::Durable) => vec![Bar::Part(0.8)],
            _ => Vec::new(),
        }
    }
}

/// The bars for CPU: at most so many us an item, on a machine on which `bao` took so many and a
/// request to hyper [`BARE_US`]; and as ratios, which mean the same on any machine.
fn cpu_bars(items: usize, most_us: f64, bao_us: f64) -> Vec<Bar> {
    let of_bare = most_us * items as f64 / BARE_US;
    vec![Bar::CpuUs(most_us), Bar::OfBare(of_bare), Bar::UnderBao(bao_us / most_us)]
}

impl Run {
    /// Starts and fills all servers.
    pub fn start(settings: Settings, grounds: Grounds) -> Result<Self> {
        let generator = Generator::new()?;
        let mut wanted = vec![(Kind::Bare, Audit::Off)];
        wanted.extend(settings.audits.iter().map(|audit| (Kind::Strongroom, *audit)));
        if !settings.alone {
            wanted.extend(settings.audits.iter().map(|audit| (Kind::Bao, nearest(*audit))));
        }
        let mut servers = BTreeMap::new();
        for (kind, audit) in wanted {
            if let Entry::Vacant(place) = servers.entry((kind, audit)) {
                let server = Server::start(&grounds, &generator, kind, audit);
                place.insert(server.with_context(|| format!("{kind:?} with audit {audit:?}"))?);
            }
        }
        Ok(Self { settings, grounds, generator, servers })
    }

    /// Starts ours and the other server again, some times each in turns.
    pub fn idle(&mut self) -> Result<Vec<Idle>> {
        let rest = self.settings.length.max(Duration::from_millis(300));
        let kinds: Vec<_> = [Kind::Strongroom, Kind::Bao]
            .into_iter()
            .filter(|kind| self.servers.contains_key(&(*kind, Audit::Off)))
            .collect();
        let mut seen: BTreeMap<Kind, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for _ in 0..self.settings.rounds {
            for kind in &kinds {
                let at = (*kind, Audit::Off);
                let stopped = self.servers.remove(&at).context("a server is missing")?;
                let (server, took, memory) = again(&self.grounds, &self.generator, stopped, rest)?;
                self.servers.insert(at, server);
                let (memories, starts) = seen.entry(*kind).or_default();
                memories.push(memory);
                starts.push(took.as_secs_f64() * 1e3);
            }
        }
        let idle = |(kind, (memories, starts)): (Kind, (Vec<f64>, Vec<f64>))| {
            Some(Idle { kind, memory: Summary::of(memories)?, start_ms: Summary::of(starts)? })
        };
        Ok(seen.into_iter().filter_map(idle).collect())
    }

    /// Slices of one kind of work, of all servers in turns.
    pub fn row(&self, row: Row, tls: bool) -> Result<Vec<Line>> {
        let connections = match row {
            Row::Mix => self.settings.mix_connections,
            _ => self.settings.connections,
        };
        let slice = Slice { connections, length: self.settings.length };
        let mut parts: Vec<Part> = Vec::new();
        for server in self.servers.values() {
            let work = match (server.kind, row.op()) {
                (Kind::Bare, _) => Work::hello(),
                (_, Some(op)) => Work::only(op, server, 1),
                (_, None) => Work::mix(server),
            };
            parts.push(Part::new(server, work, &self.generator)?);
        }
        // The first round does not count, and every second one goes backwards.
        for round in 0..=self.settings.rounds {
            parts.reverse();
            for part in &mut parts {
                part.slice(&self.generator, slice, tls, round > 0)?;
            }
        }
        let series = parts
            .into_iter()
            .map(|part| Ok(((part.server.kind, part.server.audit), part.end(&self.generator)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        Ok(self.lines(row, tls, connections, &series))
    }

    fn lines(
        &self,
        row: Row,
        tls: bool,
        connections: usize,
        series: &BTreeMap<(Kind, Audit), Series>,
    ) -> Vec<Line> {
        let line = |audit: &Audit| {
            let bare = series.get(&(Kind::Bare, Audit::Off));
            let without = series.get(&(Kind::Strongroom, Audit::Off));
            let line = Line {
                work: row.words(),
                tls,
                connections,
                items: row.op().map_or(1, Op::items),
                ours: series.get(&(Kind::Strongroom, *audit))?.clone(),
                bao: series.get(&(Kind::Bao, nearest(*audit))).cloned(),
                bare: bare.cloned(),
                without: without.cloned().filter(|_| *audit != Audit::Off),
                bars: Vec::new(),
            };
            Some(if tls { line } else { line.held_against(&row.bars(*audit)) })
        };
        self.settings.audits.iter().filter_map(line).collect()
    }
}

/// The device of the other server that is beside one of ours: it has none that syncs.
fn nearest(audit: Audit) -> Audit {
    if audit == Audit::Off { Audit::Off } else { Audit::File }
}

/// One server in a row.
struct Part<'s> {
    server: &'s Server,
    work: Rc<Work>,
    audited: [f64; 3],
    series: Series,
}

impl<'s> Part<'s> {
    fn new(server: &'s Server, work: Work, generator: &Generator) -> Result<Self> {
        let (kind, audit) = (server.kind, server.audit);
        let audited = audited(server, generator)?;
        let series = Series { kind, audit, samples: Vec::new(), audited: [0.0; 3] };
        Ok(Self { server, work: Rc::new(work), audited, series })
    }

    fn slice(
        &mut self,
        generator: &Generator,
        slice: Slice,
        tls: bool,
        counts: bool,
    ) -> Result<()> {
        let target = self.server.target(tls)?;
        let sample = generator
            .slice(&target, &self.server.process, &self.work, slice)
            .with_context(|| format!("{:?}, audit {:?}", self.server.kind, self.server.audit))?;
        if counts {
            self.series.samples.push(sample);
        }
        Ok(())
    }

    fn end(mut self, generator: &Generator) -> Result<Series> {
        let now = audited(self.server, generator)?;
        self.series.audited = std::array::from_fn(|at| now[at] - self.audited[at]);
        Ok(self.series)
    }
}

fn audited(server: &Server, generator: &Generator) -> Result<[f64; 3]> {
    match (server.kind, server.audit) {
        (Kind::Strongroom, Audit::File | Audit::Durable) => server.audited(generator),
        _ => Ok([0.0; 3]),
    }
}
