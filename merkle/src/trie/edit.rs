//! A group of changes, made in place.
//!
//! Nodes and pages that nobody else holds are changed where they are, the others are copied first.
//! That takes two walks: the first one changes pages and takes down what is to be hashed, and after
//! all of it was hashed together, so that many share vector registers, the second one writes the
//! digests where they belong.

use std::ops::Range;

use super::fate::{self, Fate};
use super::hasher::{Hasher, Unhashed};
use super::inside::Inside;
use super::map::At;
use super::node::{Item, PageEnd, Place, Sum};
use super::redraw::redraw;
use super::warm::warm;
use super::work::{self, Work, note};
use crate::digest::Digest;
use crate::pages::PagesMut;

/// Changes that are made together: so many that a core's own cache holds the pages and nodes of
/// all.
pub(super) const GROUP_MAX: usize = 128;

/// Where a digest comes from.
#[derive(Clone, Copy)]
enum Source {
    Known(Digest),
    Page(usize),
    Fork(usize),
}

/// A fork to be hashed.
struct ForkWork {
    depth: usize,
    sides: [Source; 2],
    digest: Digest,
}

impl Unhashed for ForkWork {
    fn depth(&self) -> usize {
        self.depth
    }

    fn set(&mut self, digest: Digest) {
        self.digest = digest;
    }
}

/// What the second walk finds, in the order of the first.
#[derive(Clone, Copy)]
enum Step {
    /// Nothing is to be written.
    Same,
    Page,
    /// Sides that were entered.
    Fork([bool; 2]),
}

/// See the module's text. Its memory serves one group after the other.
pub(super) struct Group<E> {
    steps: Vec<Step>,
    /// What pages are hashed from, and where for each of them.
    bytes: Vec<u8>,
    inputs: Vec<Range<usize>>,
    digests: Vec<Digest>,
    forks: Vec<ForkWork>,
    hasher: Hasher,
    /// Why some changes were not made, if so: the first reason.
    pub(super) error: Option<E>,
}

/// Where the second walk is.
#[derive(Default)]
struct Cursor {
    step: usize,
    page: usize,
    fork: usize,
}

impl<E> Group<E> {
    pub(super) fn new() -> Self {
        Self {
            steps: Vec::new(),
            bytes: Vec::new(),
            inputs: Vec::new(),
            digests: Vec::new(),
            forks: Vec::new(),
            hasher: Hasher::default(),
            error: None,
        }
    }

    /// Makes changes below a place that is not empty. What cannot be made is left out, and the
    /// reason kept: what stands afterwards is whole.
    pub(super) fn run<P: PagesMut<Error = E>>(
        &mut self,
        pages: &P,
        mut inside: Inside<'_, P::Handle>,
        at: At,
        depth: usize,
        work: Work<'_, '_, '_, P::Value>,
    ) {
        warm(pages, (inside.map, inside.items), at, depth, work);
        self.steps.clear();
        self.bytes.clear();
        self.inputs.clear();
        self.forks.clear();
        self.enter(pages, inside.again(), at, depth, work);
        self.hash();
        self.write(pages, &mut Cursor::default(), inside, at);
    }

    pub(super) fn fail(&mut self, e: E) {
        self.error.get_or_insert(e);
    }

    fn enter<P: PagesMut<Error = E>>(
        &mut self,
        pages: &P,
        mut inside: Inside<'_, P::Handle>,
        at: At,
        depth: usize,
        work: Work<'_, '_, '_, P::Value>,
    ) -> Source {
        let fate = inside.fates[inside.map.index(at)];
        match inside.item(at) {
            Item::Page(end) => self.page(pages, end, fate, work),
            Item::Inner(_) => self.fork(pages, inside, at, depth, work),
            item => self.node(pages, item, depth, work),
        }
    }

    fn fork<P: PagesMut<Error = E>>(
        &mut self,
        pages: &P,
        mut inside: Inside<'_, P::Handle>,
        at: At,
        depth: usize,
        work: Work<'_, '_, '_, P::Value>,
    ) -> Source {
        let step = self.steps.len();
        self.steps.push(Step::Same);
        let (left, right) = work.split_at_mut(work::split(work, depth));
        let (mut sides, mut entered) = ([Source::Known(Digest::ZERO); 2], [false; 2]);
        for (bit, work) in [left, right].into_iter().enumerate() {
            let at = at.side(bit);
            if inside.map.is_empty(at) {
                note(work, None);
            } else if work.is_empty() {
                sides[bit] = Source::Known(inside.item(at).digest());
            } else {
                entered[bit] = true;
                sides[bit] = self.enter(pages, inside.again(), at, depth + 1, work);
            }
        }
        self.steps[step] = Step::Fork(entered);
        self.forks.push(ForkWork { depth, sides, digest: Digest::ZERO });
        Source::Fork(self.forks.len() - 1)
    }

    fn node<P: PagesMut<Error = E>>(
        &mut self,
        pages: &P,
        item: &mut Item<P::Handle>,
        depth: usize,
        work: Work<'_, '_, '_, P::Value>,
    ) -> Source {
        match opened(pages, item, depth, work) {
            Ok(Some(fates)) => {
                if let Item::Node(_, node) = item {
                    let (map, items) = node.parts_mut();
                    let inside = Inside { map, items, fates: &fates };
                    return self.fork(pages, inside, At::TOP, depth, work);
                }
            }
            Ok(None) => {}
            Err(e) => self.fail(e),
        }
        self.steps.push(Step::Same);
        Source::Known(item.digest())
    }

    fn page<P: PagesMut<Error = E>>(
        &mut self,
        pages: &P,
        end: &mut PageEnd<P::Handle>,
        fate: Fate,
        work: Work<'_, '_, '_, P::Value>,
    ) -> Source {
        let known = Source::Known(end.digest);
        if fate == Fate::Nothing {
            note(work, None);
            self.steps.push(Step::Same);
            return known;
        }
        let (bytes, inputs, len) = (&mut self.bytes, &mut self.inputs, &mut end.len);
        let edited = pages.edit(&mut end.handle, |page| {
            fate::change(page, fate, work);
            let start = bytes.len();
            bytes.extend_from_slice(page.hash_input());
            inputs.push(start..bytes.len());
            *len = u32::try_from(page.len()).unwrap_or(u32::MAX);
        });
        if let Err(e) = edited {
            self.fail(e);
            self.steps.push(Step::Same);
            return known;
        }
        self.steps.push(Step::Page);
        Source::Page(self.inputs.len() - 1)
    }

    fn hash(&mut self) {
        let Self { bytes, inputs, digests, forks, hasher, .. } = self;
        hasher.pages(inputs.len(), |at| &bytes[inputs[at].clone()], digests);
        hasher.forks(forks, 0, |forks, at| {
            forks[at].sides.map(|side| match side {
                Source::Known(digest) => digest,
                Source::Page(at) => digests[at],
                Source::Fork(at) => forks[at].digest,
            })
        });
    }

    /// The second walk.
    fn write<P: PagesMut<Error = E>>(
        &self,
        pages: &P,
        cursor: &mut Cursor,
        mut inside: Inside<'_, P::Handle>,
        at: At,
    ) {
        let step = self.steps[cursor.step];
        cursor.step += 1;
        match (step, inside.item(at)) {
            (Step::Page, Item::Page(end)) => {
                end.digest = self.digests[cursor.page];
                cursor.page += 1;
                pages.seal(&mut end.handle, &end.digest);
            }
            (Step::Fork(entered), Item::Inner(_)) => {
                let sum = self.write_fork(pages, cursor, inside.again(), at, entered);
                *inside.item(at) = Item::Inner(sum);
            }
            (Step::Fork(entered), Item::Node(sum, node)) => {
                let (map, items) = node.parts_mut();
                let below = Inside { map, items, fates: &[] };
                *sum = self.write_fork(pages, cursor, below, At::TOP, entered);
            }
            _ => {}
        }
    }

    fn write_fork<P: PagesMut<Error = E>>(
        &self,
        pages: &P,
        cursor: &mut Cursor,
        mut inside: Inside<'_, P::Handle>,
        at: At,
        entered: [bool; 2],
    ) -> Sum {
        let mut count = 0;
        for (bit, entered) in entered.into_iter().enumerate() {
            let at = at.side(bit);
            if entered {
                self.write(pages, cursor, inside.again(), at);
            }
            if !inside.map.is_empty(at) {
                count += inside.item(at).count();
            }
        }
        let digest = self.forks[cursor.fork].digest;
        cursor.fork += 1;
        Sum { digest, count }
    }
}

/// Whether a node can be changed in place, and then the fates of its pages; if not it is drawn
/// anew. On an error it is as it was.
pub(super) fn opened<P: PagesMut>(
    pages: &P,
    item: &mut Item<P::Handle>,
    depth: usize,
    work: Work<'_, '_, '_, P::Value>,
) -> Result<Option<fate::Fates>, P::Error> {
    if let Item::Node(sum, node) = item
        && let Some(fates) = fate::of_node(pages, *sum, node, depth, work)?
    {
        return Ok(Some(fates));
    }
    *item = redraw(pages, Place::top(item), depth, work)?;
    Ok(None)
}
