//! The pages of a trie as a list: what a checkpoint writes, and what a restart begins with.

use super::Trie;
use super::map::{At, Map};
use super::node::{Item, Node, PageEnd, Place, Sum};
use crate::digest::Digest;
use crate::hash;
use crate::page::PAGE_LEAVES_MAX;
use crate::prefix::Prefix;

/// A page as the trie knows it without loading it.
#[derive(Debug)]
pub struct PageRef<'a, H> {
    /// What the key hashes in it start with.
    pub prefix: Prefix,
    /// See [`Page::digest`](crate::Page::digest).
    pub digest: Digest,
    /// Number of leaves.
    pub len: u32,
    /// The page itself.
    pub handle: &'a H,
}

/// Why a list of pages makes no trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPages {
    /// Not in strictly ascending order of prefixes, or one under another.
    #[error("page {0} is out of order or under another page: the list is damaged")]
    OutOfOrder(Prefix),
    /// No leaves, or more than a page holds.
    #[error("page {0} of {1} leaves, 1 to 16 are possible: the list is damaged")]
    Size(Prefix, u32),
    /// More leaves than a trie can count.
    #[error("2^32 leaves or more: the list is damaged")]
    TooMany,
    /// Pages that together would be one page.
    #[error("the pages under {0} fit into one: the list is damaged")]
    NotMaximal(Prefix),
}

impl<H: Clone> Trie<H> {
    /// All pages, in prefix order, without loading them.
    pub fn pages(&self) -> impl Iterator<Item = PageRef<'_, H>> {
        let mut stack = vec![(Prefix::ROOT, self.place())];
        std::iter::from_fn(move || {
            while let Some((prefix, place)) = stack.pop() {
                match place {
                    Place::Empty => {}
                    Place::Page(PageEnd { digest, len, handle }) => {
                        return Some(PageRef { prefix, digest: *digest, len: *len, handle });
                    }
                    Place::Fork(fork) => {
                        stack.push((prefix.child(1), fork.side(1)));
                        stack.push((prefix.child(0), fork.side(0)));
                    }
                }
            }
            None
        })
    }

    /// The trie of these pages (prefix, digest, number of leaves, handle), as
    /// [`pages`](Self::pages) lists them. Loads none; whether they hold what is said of them shows
    /// when they are loaded, and in the root.
    ///
    /// # Errors
    /// When the list is not that of a trie. Memory is bounded by the length of the list.
    pub fn from_pages(
        pages: impl IntoIterator<Item = (Prefix, Digest, u32, H)>,
    ) -> Result<Self, MalformedPages> {
        let pages = pages.into_iter();
        let mut list = Vec::with_capacity(pages.size_hint().0);
        for (prefix, digest, len, handle) in pages {
            check(list.last(), &prefix, len)?;
            list.push(Some((prefix, PageEnd { digest, len, handle })));
        }
        Ok(Self { top: item(Prefix::ROOT, &mut list)? })
    }
}

type Listed<H> = Option<(Prefix, PageEnd<H>)>;

fn check<H>(last: Option<&Listed<H>>, prefix: &Prefix, len: u32) -> Result<(), MalformedPages> {
    if let Some(Some((last, _))) = last
        && (last >= prefix || last.covers(prefix))
    {
        return Err(MalformedPages::OutOfOrder(*prefix));
    }
    if len == 0 || usize::try_from(len).map_or(true, |len| len > PAGE_LEAVES_MAX) {
        return Err(MalformedPages::Size(*prefix, len));
    }
    Ok(())
}

/// The subtree under `prefix`, at whose depth a node may begin, of those pages.
fn item<H>(prefix: Prefix, list: &mut [Listed<H>]) -> Result<Item<H>, MalformedPages> {
    if let Some(item) = end(prefix, list) {
        return Ok(item);
    }
    let count = check_fork(prefix, list)?;
    let (mut map, mut items) = (Map::default(), Vec::new());
    let digest = sides(prefix, At::TOP, list, &mut map, &mut items)?;
    Ok(Item::Node(Sum { digest, count }, Node::new(map, items.into_iter())))
}

/// An empty subtree or a page.
fn end<H>(prefix: Prefix, list: &mut [Listed<H>]) -> Option<Item<H>> {
    match list {
        [] => Some(Item::Empty),
        [only] if only.as_ref().is_some_and(|(own, _)| *own == prefix) => {
            only.take().map(|(_, page)| Item::Page(page))
        }
        _ => None,
    }
}

/// The number of leaves of pages that are to be below a fork.
fn check_fork<H>(prefix: Prefix, list: &[Listed<H>]) -> Result<u32, MalformedPages> {
    let lens = list.iter().map(|page| page.as_ref().map_or(0, |(_, page)| page.len));
    let count = lens.fold(0, u32::saturating_add);
    match usize::try_from(count) {
        Ok(many) if many <= PAGE_LEAVES_MAX => Err(MalformedPages::NotMaximal(prefix)),
        _ if count == u32::MAX => Err(MalformedPages::TooMany),
        _ => Ok(count),
    }
}

/// Appends what is below a fork in its node; gives the fork's digest.
fn sides<H>(
    prefix: Prefix,
    at: At,
    list: &mut [Listed<H>],
    map: &mut Map,
    items: &mut Vec<Item<H>>,
) -> Result<Digest, MalformedPages> {
    let right = prefix.child(1).first();
    let cut =
        list.partition_point(|page| page.as_ref().is_none_or(|(prefix, _)| prefix.first() < right));
    let (left, right) = list.split_at_mut(cut);
    let mut digests = [Digest::ZERO; 2];
    for (bit, list) in [left, right].into_iter().enumerate() {
        let (at, prefix) = (at.side(bit), prefix.child(bit));
        let whole = if at.is_inner() { end(prefix, list) } else { Some(item(prefix, list)?) };
        digests[bit] = match whole {
            Some(Item::Empty) => Digest::ZERO,
            Some(item) => {
                map.put(at);
                let digest = item.digest();
                items.push(item);
                digest
            }
            None => inner(prefix, at, list, map, items)?,
        };
    }
    Ok(hash::node([&digests[0], &digests[1]]))
}

/// Appends a fork, and what is below it, to the node that it is within; gives its digest.
fn inner<H>(
    prefix: Prefix,
    at: At,
    list: &mut [Listed<H>],
    map: &mut Map,
    items: &mut Vec<Item<H>>,
) -> Result<Digest, MalformedPages> {
    let count = check_fork(prefix, list)?;
    map.put_inner(at);
    let own = items.len();
    items.push(Item::Inner(Sum { digest: Digest::ZERO, count }));
    let digest = sides(prefix, at, list, map, items)?;
    items[own] = Item::Inner(Sum { digest, count });
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    // No list so long fits into memory; what it is refused by is seen at a few sizes that are no
    // page's.
    #[test]
    fn more_leaves_than_a_trie_counts_are_refused() {
        let outcome = |lens: [u32; 2]| {
            let page =
                |len| Some((Prefix::ROOT, PageEnd { digest: Digest::ZERO, len, handle: () }));
            check_fork(Prefix::ROOT, &lens.map(page))
        };
        assert_eq!(outcome([u32::MAX - 9, 8]), Ok(u32::MAX - 1));
        assert_eq!(outcome([u32::MAX - 9, 9]), Err(MalformedPages::TooMany));
        assert_eq!(outcome([u32::MAX - 9, 99]), Err(MalformedPages::TooMany));
    }
}
