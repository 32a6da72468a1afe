//! What a batch does to a node and its pages, found out before anything is changed.

use super::Change;
use super::map::{At, Map, PLACES};
use super::node::{Item, Node, Sum};
use super::redraw::{loose, merged};
use super::work::{self, Item as Changed, Work, note};
use crate::page::packed::{Loose, NewPage};
use crate::page::{PAGE_LEAVES_MAX, Page, PageValue};
use crate::pages::Pages;

/// What becomes of a page that stays where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Nothing,
    /// Its keys stay.
    Values,
    /// Keys come or go.
    Keys,
}

/// Fates of the pages right in a node, by position of the item.
pub(super) type Fates = [Fate; PLACES];

/// The fates of a node's pages, or `None` when a page or fork right in it comes or goes.
pub(super) fn of_node<P: Pages>(
    pages: &P,
    sum: Sum,
    node: &Node<P::Handle>,
    depth: usize,
    work: &[Changed<'_, '_, P::Value>],
) -> Result<Option<Fates>, P::Error> {
    let mut fates = Fates::default();
    let inside = (node.map(), node.items());
    let keeps = keeps_shape(pages, inside, (At::TOP, depth, sum.count), work, &mut fates)?;
    Ok(keeps.then_some(fates))
}

/// Whether a fork stays one, and all that is below it in its node stays what it is.
fn keeps_shape<P: Pages>(
    pages: &P,
    inside: (Map, &[Item<P::Handle>]),
    (at, depth, count): (At, usize, u32),
    work: &[Changed<'_, '_, P::Value>],
    fates: &mut Fates,
) -> Result<bool, P::Error> {
    let shrinks = |count: u32, work| {
        work::may_shrink_to_page(usize::try_from(count).unwrap_or(usize::MAX), work)
    };
    if shrinks(count, work) {
        return Ok(false);
    }
    let (left, right) = work.split_at(work::split(work, depth));
    for (bit, work) in [left, right].into_iter().enumerate() {
        let (at, (map, items)) = (at.side(bit), inside);
        if work.is_empty() {
            continue;
        }
        if map.is_empty(at) {
            if work.iter().any(|item| item.change().put.is_some()) {
                return Ok(false);
            }
            continue;
        }
        let index = map.index(at);
        let keeps = match &items[index] {
            Item::Empty => false,
            Item::Inner(sum) => {
                keeps_shape(pages, inside, (at, depth + 1, sum.count), work, fates)?
            }
            Item::Node(sum, _) => !shrinks(sum.count, work),
            Item::Page(end) => {
                let fate = of_page(&pages.load(&end.handle)?, work);
                fates[index] = fate.unwrap_or_default();
                fate.is_some()
            }
        };
        if !keeps {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The fate of a page, or `None` when so many leaves come or go that it does not stay a page.
pub(super) fn of_page<V: PageValue>(page: &Page<V>, work: &[Changed<'_, '_, V>]) -> Option<Fate> {
    let (mut fate, mut len, mut rest) = (Fate::Nothing, page.len(), work);
    while !rest.is_empty() {
        let (run, tail) = rest.split_at(work::run(rest));
        let put = run[run.len() - 1].change().put.is_some();
        match (page.find(run[0].hash()).is_ok(), put) {
            (true, true) if fate == Fate::Nothing => fate = Fate::Values,
            (true, true) | (false, false) => {}
            (stood, _) => {
                fate = Fate::Keys;
                len = if stood { len - 1 } else { len + 1 };
            }
        }
        rest = tail;
    }
    (fate != Fate::Keys || (1..=PAGE_LEAVES_MAX).contains(&len)).then_some(fate)
}

/// Puts one key, which is not there, or removes one which is.
fn change_one<V: PageValue>(page: &mut Page<V>, run: Work<'_, '_, '_, V>) {
    let hash = *run[0].hash();
    let Change { key, put, .. } = *run[run.len() - 1].change();
    match (page.find(&hash), put) {
        (Ok(at), None) => {
            let leaf = page.leaf(at);
            note(run, Some((leaf.digest, leaf.value)));
            page.remove(at);
        }
        (Err(at), Some((digest, value))) => {
            note(run, None);
            page.insert(at, &Loose { hash, digest, value, key });
        }
        _ => unreachable!("the fate says that a key comes or goes"),
    }
}

/// Changes a page as its fate is, and notes what was there before. It is to be sealed afterwards.
pub(super) fn change<V: PageValue>(page: &mut Page<V>, fate: Fate, work: Work<'_, '_, '_, V>) {
    if fate == Fate::Keys {
        if work::run(work) == work.len() {
            return change_one(page, work);
        }
        let leaves: Vec<_> = loose(page).collect();
        let new = NewPage::of(page.bits(), &merged(&leaves, work).0);
        *page = new.finish();
        return;
    }
    let mut rest = work;
    while !rest.is_empty() {
        let (run, tail) = rest.split_at_mut(work::run(rest));
        let put = run[run.len() - 1].change().put;
        match (page.find(run[0].hash()), put) {
            (Ok(at), Some((digest, value))) => {
                let leaf = page.leaf(at);
                note(run, Some((leaf.digest, leaf.value)));
                page.set(at, &digest, &value);
            }
            (Err(_), None) => note(run, None),
            _ => unreachable!("the fate says that keys stay"),
        }
        rest = tail;
    }
}
