//! The servers that take part: started from nothing, set up alike, each a process of its own.

mod api;
mod bao;
mod bare;
mod process;
mod setup;
mod strongroom;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::client::{Identity, Target};
use crate::load::Generator;

pub use process::Process;

/// The audit device of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// None.
    Off,
    /// A file that is not synced.
    File,
    /// A file whose records are synced before the answer leaves.
    Durable,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Ours.
    Strongroom,
    /// `OpenBao`.
    Bao,
    /// hyper alone.
    Bare,
}

/// What all servers are started with.
pub struct Grounds {
    /// Our binary.
    pub strongroom: PathBuf,
    /// The binary `bao`.
    pub bao: PathBuf,
    /// Folders of the servers go here.
    pub data: PathBuf,
    /// Certificate of every listener.
    pub identity: Identity,
}

/// Where a server listens.
#[derive(Clone, Copy)]
struct Ports {
    plain: SocketAddr,
    tls: SocketAddr,
    clusters: [SocketAddr; 2],
}

/// A server at work.
pub struct Server {
    /// Which.
    pub kind: Kind,
    /// Its audit device.
    pub audit: Audit,
    /// Its process.
    pub process: Process,
    /// What is known about it.
    pub prepared: setup::Prepared,
    ports: Ports,
    identity: Identity,
}

impl Server {
    /// Starts one and sets it up.
    pub fn start(
        grounds: &Grounds,
        generator: &Generator,
        kind: Kind,
        audit: Audit,
    ) -> Result<Self> {
        let folder = grounds.data.join(format!("{kind:?}-{audit:?}").to_lowercase());
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let ports = Ports::free()?;
        let process = spawn(grounds, &folder, ports, kind, audit)?;
        let plain = Target { address: ports.plain, tls: None };
        let prepared = match kind {
            Kind::Bare => setup::Prepared::default(),
            _ => generator.wait(setup::all(&plain, kind, audit, &folder))?,
        };
        if kind == Kind::Bare {
            generator.wait(api::listening(&plain))?;
        }
        Ok(Self { kind, audit, process, prepared, ports, identity: grounds.identity.clone() })
    }

    /// Where it is reached.
    pub fn target(&self, tls: bool) -> Result<Target> {
        if !tls {
            return Ok(Target { address: self.ports.plain, tls: None });
        }
        let tls = Some(crate::client::trusting(&self.identity)?);
        Ok(Target { address: self.ports.tls, tls })
    }

    /// What the server counts of its audit devices so far, if it does: records, bytes, syncs.
    pub fn audited(&self, generator: &Generator) -> Result<[f64; 3]> {
        generator.wait(setup::audited(&self.target(false)?, &self.prepared.root))
    }
}

/// Starts a server on a folder that was set up before, and says how long it takes until it answers
/// unsealed, and the memory that it has a while later.
pub fn again(
    grounds: &Grounds,
    generator: &Generator,
    stopped: Server,
    rest: Duration,
) -> Result<(Server, Duration, f64)> {
    let Server { kind, audit, process, prepared, ports, identity } = stopped;
    process.stop()?;
    let folder = grounds.data.join(format!("{kind:?}-{audit:?}").to_lowercase());
    let began = std::time::Instant::now();
    let process = spawn(grounds, &folder, ports, kind, audit)?;
    let plain = Target { address: ports.plain, tls: None };
    generator.wait(setup::unseal(&plain, &prepared.share))?;
    let took = began.elapsed();
    std::thread::sleep(rest);
    let memory = process.resident_bytes()?;
    Ok((Server { kind, audit, process, prepared, ports, identity }, took, memory))
}

fn spawn(
    grounds: &Grounds,
    folder: &Path,
    ports: Ports,
    kind: Kind,
    audit: Audit,
) -> Result<Process> {
    match kind {
        Kind::Strongroom => strongroom::spawn(grounds, folder, ports),
        Kind::Bao => bao::spawn(grounds, folder, ports, audit),
        Kind::Bare => bare::spawn(grounds, folder, ports),
    }
}

impl Ports {
    /// Free ones, as far as the system knows now.
    fn free() -> Result<Self> {
        let held = (0..4)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<Vec<_>, _>>()?;
        let at = |n: usize| held[n].local_addr();
        Ok(Self { plain: at(0)?, tls: at(1)?, clusters: [at(2)?, at(3)?] })
    }
}
