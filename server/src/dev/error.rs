//! Why the launcher gave up; every message says what to change.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A launch that did not succeed. Whatever was started has been stopped again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// Stop what listens there, or choose another first address.
    #[error(
        "{address} is in use, and {member} needs it for its {purpose}; stop what listens there \
         or choose another address with --dev-listen-address"
    )]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// Which cluster wants it.
        member: String,
        /// `API` or `cluster port`.
        purpose: &'static str,
    },
    /// Choose a lower first port.
    #[error("the ports of {members} clusters do not fit above {first}; choose a lower first port")]
    NoRoom {
        /// The first API address.
        first: SocketAddr,
        /// How many clusters.
        members: u16,
    },
    /// Choose another folder, or stop the other launcher.
    #[error("another launcher uses {}; stop it or choose another --dev-data", .0.display())]
    FolderInUse(PathBuf),
    /// Start them where they were.
    #[error(
        "the clusters in {} were made at {address} and know each other by it; leave out \
         --dev-listen-address, or choose another --dev-data",
        folder.display()
    )]
    Moved {
        /// The folder.
        folder: PathBuf,
        /// Where the primary's API was.
        address: SocketAddr,
    },
    /// Start the launcher first.
    #[error(
        "no launcher is running for {}; start it with --dev-secondaries, or leave out \
         --dev-launcher to run this server alone",
        .0.display()
    )]
    NoLauncher(PathBuf),
    /// Check the path and its permissions.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to start a process.
    #[error("cannot start {member}: {source}")]
    Spawn {
        /// Which cluster.
        member: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its log says why.
    #[error("{member} ended while it was starting ({how}); the end of {}:\n{tail}", log.display())]
    Died {
        /// Which cluster.
        member: String,
        /// Exit code or signal.
        how: String,
        /// Its log.
        log: PathBuf,
        /// Last lines of it.
        tail: String,
    },
    /// Its log says why.
    #[error("{member} did not become ready in {seconds} s; its log is {}", log.display())]
    Slow {
        /// Which cluster.
        member: String,
        /// The bound.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// A step of wiring up replication failed.
    #[error("{member} answered {path} with: {detail}")]
    Wiring {
        /// Which cluster.
        member: String,
        /// The call.
        path: String,
        /// Its answer.
        detail: String,
    },
    /// The machine's random source failed.
    #[error("no random numbers: {0}")]
    Random(String),
    /// Signals could not be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// The user stopped it while it was starting.
    #[error("stopped while starting")]
    Stopped,
}
