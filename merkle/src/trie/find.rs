//! Many lookups at once: what they need is asked for together, see [`warm`](super::warm).

use super::edit::GROUP_MAX;
use super::map::At;
use super::node::Item;
use super::warm::warm;
use super::work::{self, note};
use super::{Change, Trie};
use crate::pages::Pages;

impl<H: Clone> Trie<H> {
    /// Notes in each change what stands before it, as [`apply`](Self::apply) does, and makes none.
    ///
    /// # Errors
    /// When a page cannot be loaded.
    pub fn look_up<P: Pages<Handle = H>>(
        &self,
        pages: &P,
        changes: &mut [Change<'_, P::Value>],
    ) -> Result<(), P::Error> {
        let mut work = work::sorted(changes);
        for group in work.chunks_mut(GROUP_MAX) {
            if let Item::Node(_, node) = &self.top {
                warm(pages, (node.map(), node.items()), At::TOP, 0, group);
            }
            let mut rest = group;
            while !rest.is_empty() {
                let (run, tail) = rest.split_at_mut(work::run(rest));
                let found = match self.top.page_of(run[0].hash()) {
                    Some((end, _)) => pages.load(&end.handle)?.entry(&run[0].change().hash),
                    None => None,
                };
                note(run, found);
                rest = tail;
            }
        }
        Ok(())
    }
}
