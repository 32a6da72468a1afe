//! Subtrees whose shape changes, drawn anew.
//!
//! What was there is never changed: nodes and pages that stay are shared with what is drawn, and on
//! an error nothing has happened.

use super::build::Builder;
use super::draft::Draft;
use super::map::At;
use super::node::{Fork, Item, PageEnd, Place};
use super::work::{self, Work, note};
use crate::page::packed::Loose;
use crate::page::{Page, PageValue};
use crate::pages::PagesMut;

/// From this many changes below a node on, the node is finished as soon as what is below it is:
/// enough to fill vector registers, few enough to be in the processor's cache still.
const FINISH_FROM: usize = 48;

/// What stands after `work`, which is not empty, at a place at a depth where nodes begin.
pub(super) fn redraw<P: PagesMut>(
    pages: &P,
    place: Place<'_, P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Item<P::Handle>, P::Error> {
    let mut builder = Builder::new();
    let mark = builder.mark();
    let draft = update(pages, &mut builder, place, depth, work)?;
    Ok(builder.finish(pages, mark, draft))
}

/// Drafts what stands at a place after `work`, which is not empty.
fn update<'t, P: PagesMut>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    place: Place<'t, P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Draft<'t, P::Handle>, P::Error> {
    match place {
        Place::Empty => Ok(builder.leaves(depth, &merged(&[], work).0)),
        Place::Page(end) => update_page(pages, builder, end, depth, work),
        Place::Fork(fork) if work::may_shrink_to_page(fork.count(), work) => {
            let mut below = Vec::new();
            load_all(pages, place, &mut below)?;
            let leaves: Vec<_> = below.iter().flat_map(loose).collect();
            let (leaves, changed) = merged(&leaves, work);
            Ok(if changed { builder.leaves(depth, &leaves) } else { Draft::Old(place) })
        }
        Place::Fork(fork) => {
            let (left, right) = work.split_at_mut(work::split(work, depth));
            let left = update_side(pages, builder, fork.side(0), depth + 1, left)?;
            let right = update_side(pages, builder, fork.side(1), depth + 1, right)?;
            Ok(builder.fork(depth, [left, right]))
        }
    }
}

fn update_side<'t, P: PagesMut>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    place: Place<'t, P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Draft<'t, P::Handle>, P::Error> {
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

fn update_page<'t, P: PagesMut>(
    pages: &P,
    builder: &mut Builder<'t, P::Handle, P::Value>,
    end: &'t PageEnd<P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Draft<'t, P::Handle>, P::Error> {
    let page = pages.load(&end.handle)?;
    let leaves: Vec<_> = loose(&page).collect();
    let (leaves, changed) = merged(&leaves, work);
    Ok(if changed { builder.leaves(depth, &leaves) } else { Draft::Old(Place::Page(end)) })
}

pub(super) fn loose<V: PageValue>(page: &Page<V>) -> impl Iterator<Item = Loose<'_, V>> {
    (0..page.len()).map(|at| page.loose(at))
}

/// What `work` makes of leaves in order, and whether it changes anything.
pub(super) fn merged<'a, 'k: 'a, V: Copy>(
    leaves: &[Loose<'a, V>],
    work: Work<'_, '_, 'k, V>,
) -> (Vec<Loose<'a, V>>, bool) {
    let mut out = Vec::with_capacity(leaves.len() + work.len());
    let (mut old, mut rest, mut changed) = (leaves, work, false);
    while !rest.is_empty() {
        let (run, tail) = rest.split_at_mut(work::run(rest));
        let hash = *run[0].hash();
        let kept = old.iter().take_while(|leaf| leaf.hash < hash).count();
        out.extend_from_slice(&old[..kept]);
        old = &old[kept..];
        let standing = old.first().filter(|leaf| leaf.hash == hash);
        old = &old[usize::from(standing.is_some())..];
        let before = standing.map(|leaf| (leaf.digest, leaf.value));
        note(run, before);
        let last = run[run.len() - 1].change();
        changed |= before.is_some() || last.put.is_some();
        if let Some((digest, value)) = last.put {
            out.push(Loose { hash, digest, value, key: last.key });
        }
        rest = tail;
    }
    out.extend_from_slice(old);
    (out, changed)
}

/// Loads every page below a place.
fn load_all<P: PagesMut>(
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
