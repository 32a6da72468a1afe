//! Where the live values of the segments that are cleaned for an idle store lie.
//!
//! To look up whether a value lives costs a microsecond or more, and most values of a sparse segment do
//! not. To walk the whole index costs some nanoseconds an entry. So where the index is in memory and
//! nobody is in the way of a walk, one says for all segments which few are worth a lookup.

use strongroom_wal::Lsn;

use crate::index::State;
use crate::pages::Pool;

/// Pages between two looks at whether to go on.
const PAGES: usize = 1024;

/// See the module's text.
pub(crate) struct Living {
    /// Positions of values, ascending.
    at: Vec<u64>,
}

impl Living {
    /// The values of a state that lie in some segments. `None` if the walk would cost more than it spares,
    /// as the index does not fit into memory, or if it does not `go_on`.
    ///
    /// Values whose pages cannot be read are not among them: they stay where they are.
    pub(crate) fn of(
        state: &State,
        pool: &Pool,
        segment_size: u64,
        segments: &[u64],
        go_on: impl Fn() -> bool,
    ) -> Option<Self> {
        if pool.is_full() {
            return None;
        }
        let mut segments = segments.to_vec();
        segments.sort_unstable();
        let mut at = Vec::new();
        let pages = state.keyspaces.values().flat_map(|keyspace| keyspace.trie.pages());
        for (n, page) in pages.enumerate() {
            if n % PAGES == 0 && !go_on() {
                return None;
            }
            let Ok(page) = pool.load(page.handle) else { continue };
            let positions = page.iter().map(|leaf| leaf.value.at.0);
            // An empty value may come right behind the segment that its record lies in.
            at.extend(positions.filter(|at| {
                segments.binary_search(&(at.saturating_sub(1) / segment_size)).is_ok()
            }));
        }
        at.sort_unstable();
        Some(Self { at })
    }

    /// Whether a live value lies there.
    pub(super) fn contains(&self, at: Lsn) -> bool {
        self.at.binary_search(&at.0).is_ok()
    }
}
