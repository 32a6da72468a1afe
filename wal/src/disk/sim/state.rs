//! What a simulated disk is asked to do wrong, and what becomes of each call.

use std::collections::BTreeSet;
use std::io;

use super::medium::{Medium, NameChange};
use super::moment::Moment;
use super::rng::Rng;
use crate::disk::is_no_space;

/// All there is of a simulated disk.
#[derive(Clone)]
pub(super) struct State {
    pub(super) medium: Medium,
    pub(super) rng: Rng,
    pub(super) calls: u64,
    pub(super) fault: Option<Fault>,
    pub(super) crash_at: Option<u64>,
    pub(super) misdirect: Option<(u64, u64)>,
    /// The file whose write went elsewhere.
    pub(super) misdirected: Option<usize>,
    pub(super) dead: bool,
    pub(super) locks: BTreeSet<String>,
    /// What power loss would have met, if that is kept.
    pub(super) moments: Option<Vec<Moment>>,
    /// The medium may not be what the last moment has.
    changed: bool,
}

/// Calls that fail.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    pub(super) at: u64,
    pub(super) kind: io::ErrorKind,
    pub(super) sticky: bool,
}

/// What a call does besides its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works.
    Works,
    /// It does its work by chance, and fails with this.
    Fails(io::ErrorKind),
    /// Power fails while it is under way.
    Crashes,
}

pub(super) fn power_failed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "power failed")
}

impl State {
    /// A disk that does nothing wrong.
    pub(super) fn new(medium: Medium, seed: u64) -> Self {
        Self {
            medium,
            rng: Rng::new(seed),
            calls: 0,
            fault: None,
            crash_at: None,
            misdirect: None,
            misdirected: None,
            dead: false,
            locks: BTreeSet::new(),
            moments: None,
            changed: true,
        }
    }

    /// Counts a call and says what becomes of it.
    pub(super) fn enter(&mut self) -> io::Result<Fate> {
        if self.dead {
            return Err(power_failed());
        }
        let call = self.calls;
        self.calls += 1;
        if self.crash_at == Some(call) {
            self.dead = true;
            return Ok(Fate::Crashes);
        }
        let due = |fault: &Fault| call == fault.at || (fault.sticky && call >= fault.at);
        Ok(self.fault.filter(due).map_or(Fate::Works, |fault| Fate::Fails(fault.kind)))
    }

    /// Keeps what power loss would meet at the call under way, whose own change is begun.
    fn keep_moment(&mut self) {
        // The call is counted already.
        self.keep_moment_of(self.calls - 1);
    }

    pub(super) fn keep_moment_of(&mut self, call: u64) {
        let Some(moments) = &mut self.moments else { return };
        match moments.last_mut() {
            Some(last) if !self.changed => last.extend(call),
            _ => moments.push(Moment::new(call, self.medium.clone())),
        }
        self.changed = false;
    }

    /// For calls that change nothing, or change nothing when they fail.
    pub(super) fn enter_plain(&mut self) -> io::Result<()> {
        let fate = self.enter()?;
        self.keep_moment();
        finish(fate)
    }

    /// For calls that make durable what is not; they have to end with [`finish`].
    pub(super) fn enter_sync(&mut self) -> io::Result<Fate> {
        let fate = self.enter()?;
        self.keep_moment();
        self.changed = true;
        Ok(fate)
    }

    /// For name changes: one under way when power fails may or may not have happened.
    pub(super) fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let fate = self.enter()?;
        if !matches!(fate, Fate::Fails(_)) {
            self.medium.change_name(change)?;
            self.changed = true;
        }
        self.keep_moment();
        finish(fate)
    }

    /// Where a write really goes, and how much of it.
    fn aim<'a>(&mut self, inode: usize, at: u64, data: &'a [u8]) -> (u64, &'a [u8]) {
        match self.misdirect.take() {
            Some((0, elsewhere)) => {
                self.misdirected = Some(inode);
                let room = self.medium.len(inode).saturating_sub(elsewhere);
                let len = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
                (elsewhere, &data[..len])
            }
            later => {
                self.misdirect = later.map(|(n, elsewhere)| (n - 1, elsewhere));
                (at, data)
            }
        }
    }

    /// For writes, durable or not.
    pub(super) fn write(
        &mut self,
        inode: usize,
        at: u64,
        data: &[u8],
        durable: bool,
    ) -> io::Result<()> {
        let fate = self.enter()?;
        match fate {
            Fate::Fails(kind) if is_no_space(&kind.into()) => return Err(kind.into()),
            _ => {}
        }
        let (at, data) = self.aim(inode, at, data);
        self.medium.write(inode, at, data)?;
        self.changed = true;
        self.keep_moment();
        self.changed = true;
        match fate {
            Fate::Works if durable => self.medium.settle_range(inode, at, data.len()),
            Fate::Fails(_) => self.medium.lose_range(inode, at, data.len(), &mut self.rng),
            Fate::Works | Fate::Crashes => {}
        }
        finish(fate)
    }
}

pub(super) fn finish(fate: Fate) -> io::Result<()> {
    match fate {
        Fate::Works => Ok(()),
        Fate::Fails(kind) => Err(io::Error::new(kind, "injected fault")),
        Fate::Crashes => Err(power_failed()),
    }
}
