//! Power loss at one moment, in every way that is worth a look; or the end of the process alone.

use super::SimDisk;
use super::medium::{Kept, Medium};
use super::rng::Rng;

/// What power loss leaves of the changes that were not synced: writes, and changes of names. They are
/// numbered from 0, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// None of them.
    Nothing,
    /// All, as if they had been synced.
    All,
    /// All but this one.
    AllBut(usize),
    /// This one alone, before those that came earlier.
    Only(usize),
    /// All but half of this one.
    Torn(usize),
    /// All, and none of it is durable yet: the process was killed, and power is there.
    Cached,
    /// Sector by sector, as [`SimDisk::crash_with`] has it with this seed.
    Seeded(u64),
}

/// What power loss met, or would have met: the disk at one call, with that call's own change begun and
/// not durable.
#[derive(Clone)]
pub struct Moment {
    /// The first and the last call that met the disk like this.
    calls: (u64, u64),
    medium: Medium,
}

impl Moment {
    pub(super) fn new(call: u64, medium: Medium) -> Self {
        Self { calls: (call, call), medium }
    }

    /// Another call found the disk as it is here.
    pub(super) fn extend(&mut self, call: u64) {
        self.calls.1 = call;
    }

    /// The first and the last call that met the disk like this; calls in between changed nothing.
    #[must_use]
    pub fn calls(&self) -> (u64, u64) {
        self.calls
    }

    /// The choices that there are, but for seeds: all or nothing, the end of the process alone, and each change alone lost, kept and torn
    /// if there are at most `few`; the first lost, and the last kept or torn, if there are more.
    #[must_use]
    pub fn choices(&self, few: usize) -> Vec<Left> {
        let changes = self.medium.unsynced().len();
        let mut choices = vec![Left::Nothing];
        match changes {
            0 => {}
            1 => choices.extend([Left::All, Left::Cached, Left::Torn(0)]),
            _ if changes <= few => {
                choices.extend([Left::All, Left::Cached]);
                choices.extend(
                    (0..changes).flat_map(|n| [Left::AllBut(n), Left::Only(n), Left::Torn(n)]),
                );
            }
            _ => {
                let last = changes - 1;
                choices.extend([Left::All, Left::Cached, Left::AllBut(0)]);
                choices.extend([Left::Only(last), Left::Torn(last)]);
            }
        }
        choices
    }

    /// The disk as it is found afterwards.
    #[must_use]
    pub fn left(&self, left: Left) -> SimDisk {
        let numbers = self.medium.unsynced();
        let is = |number: u64, n: usize| numbers.get(n) == Some(&number);
        let yes = |kept| if kept { Kept::Yes } else { Kept::No };
        let medium = match left {
            Left::Nothing => self.medium.leaving(|_| Kept::No),
            Left::Cached => self.medium.clone(),
            Left::All => self.medium.leaving(|_| Kept::Yes),
            Left::AllBut(n) => self.medium.leaving(|number| yes(!is(number, n))),
            Left::Only(n) => self.medium.leaving(|number| yes(is(number, n))),
            Left::Torn(n) => {
                self.medium.leaving(|number| if is(number, n) { Kept::Half } else { Kept::Yes })
            }
            Left::Seeded(seed) => {
                let mut rng = Rng::new(seed);
                let medium = self.medium.after_power_loss(&mut rng);
                return SimDisk::from_medium(medium, rng.next());
            }
        };
        SimDisk::from_medium(medium, 0)
    }
}
