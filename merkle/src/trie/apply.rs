//! A batch of changes, applied in one pass.
//!
//! Changes are put in hash order first, so each page and node on a shared path is touched once a
//! batch. The batch is cut into groups of neighbours, see [`edit`](super::edit).

use super::edit::{GROUP_MAX, Group, opened};
use super::inside::Inside;
use super::map::At;
use super::node::{Item, PageEnd, Sum};
use super::work::{self, Work, note};
use super::{Change, Trie, fate};
use crate::hash;
use crate::page::PageValue;
use crate::pages::PagesMut;

/// From this many changes on, the two sides of a trie are worth two threads.
const JOIN_FROM: usize = 256;

/// Runs two pieces of work, at the same time if it can.
pub trait Join {
    /// The results of both.
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send;
}

/// One after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Join for Sequential {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(), b())
    }
}

impl<H: Clone> Trie<H> {
    /// Applies a batch: puts and removals, in any order, and notes what was there `before` in each
    /// change. When a key comes more than once its last change counts; removing what is not there
    /// does nothing.
    ///
    /// What no other trie shares is changed in place. Each page and each node that another shares,
    /// on the way to a change, is copied once, whatever the number of changes below it.
    ///
    /// # Errors
    /// When a page cannot be loaded. Some changes are made then and others are not; the trie is
    /// whole, its root that of the leaves it has. Who needs all or nothing keeps a clone.
    pub fn apply<P: PagesMut<Handle = H>>(
        &mut self,
        pages: &P,
        changes: &mut [Change<'_, P::Value>],
    ) -> Result<(), P::Error> {
        let mut work = work::sorted(changes);
        let Some(mut opened) = self.open(pages, &mut work)? else { return Ok(()) };
        let [(left, to_left), (right, to_right)] = opened.sides();
        let errors = [half(pages, left, 0, to_left), half(pages, right, 1, to_right)];
        opened.close();
        errors.into_iter().flatten().next().map_or(Ok(()), Err)
    }

    /// As [`apply`](Self::apply), with the two halves of a large batch in `join`.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_with<P, J>(
        &mut self,
        pages: &P,
        join: &J,
        changes: &mut [Change<'_, P::Value>],
    ) -> Result<(), P::Error>
    where
        P: PagesMut<Handle = H> + Sync,
        J: Join,
        H: Send + Sync,
        P::Value: Send,
        P::Error: Send,
    {
        if changes.len() < JOIN_FROM {
            return self.apply(pages, changes);
        }
        let mut work = work::sorted(changes);
        let Some(mut opened) = self.open(pages, &mut work)? else { return Ok(()) };
        let [(left, to_left), (right, to_right)] = opened.sides();
        let errors =
            join.join(|| half(pages, left, 0, to_left), || half(pages, right, 1, to_right));
        opened.close();
        errors.0.or(errors.1).map_or(Ok(()), Err)
    }

    /// Makes ready for changes to both sides of the first fork. `None`: the changes are made
    /// already, or there are none.
    fn open<'o, 'c, 'k, P: PagesMut<Handle = H>>(
        &'o mut self,
        pages: &P,
        work: Work<'o, 'c, 'k, P::Value>,
    ) -> Result<Option<Opened<'o, 'c, 'k, H, P::Value>>, P::Error> {
        if work.is_empty() {
            return Ok(None);
        }
        if let Item::Page(end) = &mut self.top
            && let Some(fate) = fate::of_page(&pages.load(&end.handle)?, work)
        {
            change_page(pages, end, fate, work)?;
            return Ok(None);
        }
        let fates = opened(pages, &mut self.top, 0, work)?;
        Ok(fates.map(|fates| Opened { top: &mut self.top, fates, work }))
    }
}

/// A trie whose first node can be changed in place.
struct Opened<'o, 'c, 'k, H, V> {
    top: &'o mut Item<H>,
    fates: fate::Fates,
    work: Work<'o, 'c, 'k, V>,
}

type Side<'s, 'c, 'k, H, V> = (Inside<'s, H>, Work<'s, 'c, 'k, V>);

impl<'c, 'k, H: Clone, V> Opened<'_, 'c, 'k, H, V> {
    /// What is on each side of the first fork, and the changes to it.
    fn sides(&mut self) -> [Side<'_, 'c, 'k, H, V>; 2] {
        let Item::Node(_, node) = &mut *self.top else { unreachable!("a node was opened") };
        let (map, items) = node.parts_mut();
        let [left, right] = Inside { map, items, fates: &self.fates }.halves();
        let (to_left, to_right) = self.work.split_at_mut(work::split(self.work, 0));
        [(left, to_left), (right, to_right)]
    }

    /// The sides are changed.
    fn close(self) {
        if let Item::Node(sum, node) = self.top {
            let (map, items) = node.parts_mut();
            *sum = sum_of(&mut Inside { map, items, fates: &[] }, At::TOP);
        }
    }
}

/// Changes one side of a trie's first fork.
fn half<P: PagesMut>(
    pages: &P,
    inside: Inside<'_, P::Handle>,
    bit: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Option<P::Error> {
    let mut group = Group::new();
    many(pages, &mut group, inside, At::TOP.side(bit), 1, work);
    group.error
}

/// Makes any number of changes below a place, group by group.
fn many<P: PagesMut>(
    pages: &P,
    group: &mut Group<P::Error>,
    mut inside: Inside<'_, P::Handle>,
    at: At,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) {
    if work.is_empty() {
        return;
    }
    if inside.map.is_empty(at) {
        return note(work, None);
    }
    if work.len() <= GROUP_MAX {
        return group.run(pages, inside, at, depth, work);
    }
    match inside.item(at) {
        Item::Inner(_) => {
            sides(pages, group, inside.again(), at, depth, work);
            *inside.item(at) = Item::Inner(sum_of(&mut inside, at));
        }
        item @ Item::Node(..) => match opened(pages, item, depth, work) {
            Ok(Some(fates)) => {
                if let Item::Node(sum, node) = item {
                    let (map, items) = node.parts_mut();
                    let mut below = Inside { map, items, fates: &fates };
                    sides(pages, group, below.again(), At::TOP, depth, work);
                    *sum = sum_of(&mut below, At::TOP);
                }
            }
            Ok(None) => {}
            Err(e) => group.fail(e),
        },
        Item::Page(_) | Item::Empty => group.run(pages, inside, at, depth, work),
    }
}

/// Makes changes to both sides of a fork.
fn sides<P: PagesMut>(
    pages: &P,
    group: &mut Group<P::Error>,
    mut inside: Inside<'_, P::Handle>,
    at: At,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) {
    let (left, right) = work.split_at_mut(work::split(work, depth));
    many(pages, group, inside.again(), at.side(0), depth + 1, left);
    many(pages, group, inside, at.side(1), depth + 1, right);
}

/// What is known of a fork, from its sides.
fn sum_of<H>(inside: &mut Inside<'_, H>, at: At) -> Sum {
    let mut side = |bit| {
        let at = at.side(bit);
        if inside.map.is_empty(at) { Item::<H>::Empty.known() } else { inside.item(at).known() }
    };
    let (left, right) = (side(0), side(1));
    let digest = hash::node([&left.digest, &right.digest]);
    Sum { digest, count: left.count + right.count }
}

/// Changes a page that is a whole trie.
fn change_page<P: PagesMut>(
    pages: &P,
    end: &mut PageEnd<P::Handle>,
    fate: fate::Fate,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<(), P::Error>
where
    P::Value: PageValue,
{
    if fate == fate::Fate::Nothing {
        note(work, None);
        return Ok(());
    }
    let (digest, len) = (&mut end.digest, &mut end.len);
    pages.edit(&mut end.handle, |page| {
        fate::change(page, fate, work);
        *digest = hash::group(page.hash_input());
        *len = u32::try_from(page.len()).unwrap_or(u32::MAX);
    })?;
    pages.seal(&mut end.handle, &end.digest);
    Ok(())
}
