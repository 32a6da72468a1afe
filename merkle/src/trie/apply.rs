//! A batch of changes, applied in one pass.
//!
//! Changes are put in hash order first, so each page and node on a shared path is made once a
//! batch. What was there is never changed: on an error the trie stays as it is.

use super::build::{Builder, Draft};
use super::node::{At, Fork, Item, PageEnd, Place};
use super::pack::{Half, joined};
use super::warm::{self, GROUP_MAX};
use super::work::{self, Work};
use super::{Change, Trie};
use crate::digest::Digest;
use crate::page::packed::{Loose, NewPage};
use crate::page::{Page, PageValue};
use crate::pages::Pages;

/// From this many changes below a node on, the node is finished as soon as what is below it is:
/// enough to fill vector registers, few enough to be in the processor's cache still.
const FINISH_FROM: usize = 48;
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
    /// Each page and each node on the way to a change is made anew once, whatever the number of
    /// changes below it; all others are shared with the trie before.
    ///
    /// # Errors
    /// When a page cannot be loaded. The trie is as before then.
    pub fn apply<P: Pages<Handle = H>>(
        &mut self,
        pages: &P,
        changes: &mut [Change<'_, P::Value>],
    ) -> Result<(), P::Error> {
        let mut work = work::sorted(changes);
        if !work.is_empty() {
            self.top = finish(pages, self.place(), &mut work)?;
        }
        Ok(())
    }

    /// As [`apply`](Self::apply), with the two halves of a large batch in `join`.
    ///
    /// # Errors
    /// When a page cannot be loaded. The trie is as before then.
    pub fn apply_with<P, J>(
        &mut self,
        pages: &P,
        join: &J,
        changes: &mut [Change<'_, P::Value>],
    ) -> Result<(), P::Error>
    where
        P: Pages<Handle = H> + Sync,
        J: Join,
        H: Send + Sync,
        P::Value: Send,
        P::Error: Send,
    {
        let mut work = work::sorted(changes);
        if work.is_empty() {
            return Ok(());
        }
        self.top = match self.place() {
            Place::Fork(fork)
                if work.len() >= JOIN_FROM && !work::may_shrink_to_page(&fork, &work) =>
            {
                let (left, right) = {
                    let at = work::split(&work, 0);
                    work.split_at_mut(at)
                };
                let (left, right) = join.join(
                    || finish_side(pages, fork, 0, left),
                    || finish_side(pages, fork, 1, right),
                );
                joined(left?, right?)
            }
            place => finish(pages, place, &mut work)?,
        };
        Ok(())
    }
}

fn finish_side<P: Pages>(
    pages: &P,
    fork: Fork<'_, P::Handle>,
    bit: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Half<P::Handle>, P::Error> {
    let mut builder = Builder::new();
    let draft = match work {
        [] => Draft::Old(fork.side(bit)),
        work => {
            if work.len() <= GROUP_MAX {
                warm::warm(pages, fork.side(bit), 1, work);
            }
            update(pages, &mut builder, fork.side(bit), 1, work)?
        }
    };
    Ok(builder.finish_half(pages, bit, draft))
}

/// Applies `work`, which is not empty, to a whole trie.
fn finish<P: Pages>(
    pages: &P,
    place: Place<'_, P::Handle>,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Item<P::Handle>, P::Error> {
    let mut builder = Builder::new();
    let mark = builder.mark();
    if work.len() <= GROUP_MAX {
        warm::warm(pages, place, 0, work);
    }
    let draft = update(pages, &mut builder, place, 0, work)?;
    Ok(builder.finish(pages, mark, draft))
}

/// Drafts what stands at a place after `work`, which is not empty.
fn update<'t, P: Pages>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    place: Place<'t, P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Draft<'t, P::Handle>, P::Error> {
    match place {
        Place::Empty => Ok(builder.leaves(depth, &merged(&[], work).0)),
        Place::Page(end) => update_page(pages, builder, end, depth, work),
        Place::Fork(fork) if work::may_shrink_to_page(&fork, work) => {
            let mut below = Vec::new();
            load_all(pages, place, &mut below)?;
            let leaves: Vec<_> = below.iter().flat_map(loose).collect();
            let (leaves, changed) = merged(&leaves, work);
            Ok(if changed { builder.leaves(depth, &leaves) } else { Draft::Old(place) })
        }
        Place::Fork(fork) => {
            let many = work.len() > GROUP_MAX;
            let (left, right) = work.split_at_mut(work::split(work, depth));
            let left = update_side(pages, builder, fork.side(0), depth + 1, left, many)?;
            let right = update_side(pages, builder, fork.side(1), depth + 1, right, many)?;
            Ok(builder.fork(depth, [left, right]))
        }
    }
}

fn update_side<'t, P: Pages>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    place: Place<'t, P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
    many: bool,
) -> Result<Draft<'t, P::Handle>, P::Error> {
    if many && work.len() <= GROUP_MAX {
        warm::warm(pages, place, depth, work);
    }
    match place {
        place if work.is_empty() => Ok(Draft::Old(place)),
        Place::Fork(Fork { at: At::TOP, .. }) if work.len() >= FINISH_FROM => {
            let mark = builder.mark();
            let draft = update(pages, builder, place, depth, work)?;
            Ok(builder.finish_below(pages, mark, draft))
        }
        place => update(pages, builder, place, depth, work),
    }
}

fn update_page<'t, P: Pages>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    end: &'t PageEnd<P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Draft<'t, P::Handle>, P::Error> {
    let page = pages.load(&end.handle)?;
    match replaced(&page, work) {
        Replaced::Nothing => Ok(Draft::Old(Place::Page(end))),
        Replaced::Values(page) => Ok(builder.page(page)),
        Replaced::Keys => {
            let leaves: Vec<_> = loose(&page).collect();
            Ok(builder.leaves(depth, &merged(&leaves, work).0))
        }
    }
}

/// What a batch does to a page.
enum Replaced<V> {
    Nothing,
    /// The keys stay.
    Values(NewPage<V>),
    /// Keys come or go.
    Keys,
}

fn replaced<V: PageValue>(page: &Page<V>, work: Work<'_, '_, '_, V>) -> Replaced<V> {
    let mut new: Option<NewPage<V>> = None;
    let mut rest = work;
    while !rest.is_empty() {
        let (run, tail) = rest.split_at_mut(work::run(rest));
        let put = run[run.len() - 1].change().put;
        match (page.find(run[0].spot()), put) {
            (Ok(at), Some((digest, value))) => {
                let leaf = page.leaf(at);
                note(run, Some((leaf.digest, leaf.value)));
                new.get_or_insert_with(|| NewPage::copy(page)).set(at, &digest, &value);
            }
            (Err(_), None) => note(run, None),
            _ => return Replaced::Keys,
        }
        rest = tail;
    }
    new.map_or(Replaced::Nothing, Replaced::Values)
}

/// Notes what was there before these changes, all to one key.
fn note<V: Copy>(run: Work<'_, '_, '_, V>, before: Option<(Digest, V)>) {
    for item in run {
        item.change_mut().before = before;
    }
}

fn loose<V: PageValue>(page: &Page<V>) -> impl Iterator<Item = Loose<'_, V>> {
    (0..page.len()).map(|at| page.loose(at))
}

/// What `work` makes of leaves in order, and whether it changes anything.
fn merged<'a, 'k: 'a, V: Copy>(
    leaves: &[Loose<'a, V>],
    work: Work<'_, '_, 'k, V>,
) -> (Vec<Loose<'a, V>>, bool) {
    let mut out = Vec::with_capacity(leaves.len() + work.len());
    let (mut old, mut rest, mut changed) = (leaves, work, false);
    while !rest.is_empty() {
        let (run, tail) = rest.split_at_mut(work::run(rest));
        let spot = *run[0].spot();
        let kept = old.iter().take_while(|leaf| leaf.spot < spot).count();
        out.extend_from_slice(&old[..kept]);
        old = &old[kept..];
        let standing = old.first().filter(|leaf| leaf.spot == spot);
        old = &old[usize::from(standing.is_some())..];
        let before = standing.map(|leaf| (leaf.digest, leaf.value));
        note(run, before);
        let last = run[run.len() - 1].change();
        changed |= before.is_some() || last.put.is_some();
        if let Some((digest, value)) = last.put {
            out.push(Loose { spot, digest, value, key: last.key });
        }
        rest = tail;
    }
    out.extend_from_slice(old);
    (out, changed)
}

/// Loads every page below a place.
fn load_all<P: Pages>(
    pages: &P,
    place: Place<'_, P::Handle>,
    out: &mut Vec<Page<P::Value>>,
) -> Result<(), P::Error> {
    match place {
        Place::Empty => {}
        Place::Page(end) => out.push(pages.load(&end.handle)?),
        Place::Fork(fork) => {
            load_all(pages, fork.side(0), out)?;
            load_all(pages, fork.side(1), out)?;
        }
    }
    Ok(())
}
