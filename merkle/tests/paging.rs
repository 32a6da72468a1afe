//! Tries whose pages are dropped, reloaded from their leaves, listed and put together again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use common::{Edit, Model, apply, apply_to_model, changes, mem, number_batches, reference_root};
use proptest::prelude::*;
use strongroom_merkle::{
    Digest, KeyHash, Leaf, MalformedPages, Page, Pages, PagesMut, Prefix, Trie, View,
};

/// What a page is on a disk: its prefix and its leaves.
type Image = (Prefix, Vec<(KeyHash, Vec<u8>, Digest, u64)>);

fn page((prefix, leaves): &Image) -> Page<u64> {
    let mut own = Vec::new();
    for (hash, key, digest, value) in leaves {
        own.push(Leaf { hash: *hash, key, digest: *digest, value: *value });
    }
    Page::build(*prefix, own).unwrap()
}

/// Keeps images alone: each load decodes one. The load that `fails_at` counts down to fails.
#[derive(Default)]
struct Disk {
    images: RefCell<BTreeMap<u64, Image>>,
    loads: Cell<usize>,
    edits: Cell<usize>,
    fails_at: Cell<usize>,
}

#[derive(Debug, PartialEq)]
struct Lost;

impl Pages for &Disk {
    type Handle = u64;
    type Value = u64;
    type Error = Lost;

    fn load(&self, handle: &u64) -> Result<Page<u64>, Lost> {
        self.loads.set(self.loads.get() + 1);
        if self.loads.get() == self.fails_at.get() {
            return Err(Lost);
        }
        Ok(page(&self.images.borrow()[handle]))
    }
}

impl PagesMut for &Disk {
    fn store(&self, page: Page<u64>) -> u64 {
        let own = |leaf: Leaf<'_, u64>| (leaf.hash, leaf.key.to_vec(), leaf.digest, leaf.value);
        let leaves = page.iter().map(own).collect();
        let mut images = self.images.borrow_mut();
        let handle = u64::try_from(images.len()).unwrap();
        images.insert(handle, (page.prefix(), leaves));
        handle
    }

    fn edit(&self, handle: &mut u64, edit: impl FnOnce(&mut Page<u64>)) -> Result<(), Lost> {
        self.edits.set(self.edits.get() + 1);
        let mut page = self.load(handle)?;
        edit(&mut page);
        *handle = self.store(page);
        Ok(())
    }

    // An image has leaves alone: a load finds their digest again.
    fn seal(&self, handle: &mut u64, digest: &Digest) {
        assert_eq!(page(&self.images.borrow()[handle]).digest(), *digest);
    }
}

type Listed = (Prefix, Digest, u32, u64);

fn list(trie: &Trie<u64>) -> Vec<Listed> {
    trie.pages().map(|page| (page.prefix, page.digest, page.len, *page.handle)).collect()
}

proptest! {
    #[test]
    fn pages_that_are_evicted_and_tries_that_are_restarted(batches in number_batches()) {
        let disk = Disk::default();
        let mut model = Model::new();
        let mut view = View::new(Trie::new(), &disk);
        for batch in batches {
            let before = apply(&mut view, &batch);
            for (edit, before) in batch.iter().zip(before) {
                prop_assert_eq!(before, model.get(&edit.hash).copied());
            }
            apply_to_model(&mut model, &batch);
            prop_assert_eq!(view.root(), reference_root(&model));
            let hashes: Vec<_> = view.iter().map(|held| held.unwrap().key_hash()).collect();
            prop_assert_eq!(hashes, model.keys().copied().collect::<Vec<_>>());

            let loads = disk.loads.get();
            let again = Trie::from_pages(list(&view.trie)).unwrap();
            prop_assert_eq!(disk.loads.get(), loads, "a restart loads no page");
            prop_assert_eq!((again.root(), again.len()), (view.root(), view.len()));
            prop_assert_eq!(list(&again), list(&view.trie));
            for page in again.pages() {
                let loaded = (&disk).load(page.handle).unwrap();
                prop_assert_eq!(loaded.digest(), page.digest);
            }
            view.trie = again;
        }
    }

    #[test]
    fn a_page_that_cannot_be_loaded_leaves_a_whole_trie(
        batches in number_batches(),
        fails_at in 1usize..12,
    ) {
        let disk = Disk::default();
        let mut view = View::new(Trie::new(), &disk);
        let mut model = Model::new();
        for batch in batches {
            let before = view.clone();
            let kept = (list(&before.trie), before.root());
            disk.loads.set(0);
            disk.fails_at.set(fails_at);
            let outcome = view.trie.apply(&view.pages, &mut changes(&batch));
            disk.fails_at.set(0);
            prop_assert_eq!((list(&before.trie), before.root()), kept, "a clone is left alone");
            let mut whole = model.clone();
            apply_to_model(&mut model, &batch);
            if outcome == Err(Lost) {
                let held: BTreeMap<_, _> = view.iter().map(Result::unwrap)
                    .map(|held| (held.key_hash(), (held.leaf().digest, held.value()))).collect();
                for (hash, entry) in &model {
                    if held.get(hash) == Some(entry) {
                        whole.insert(*hash, *entry);
                    }
                }
                whole.retain(|hash, _| model.contains_key(hash) || held.contains_key(hash));
                prop_assert_eq!(&held, &whole, "each change is made or is not");
                prop_assert_eq!(view.root(), reference_root(&held));
                apply(&mut view, &batch);
            }
            prop_assert_eq!(view.root(), reference_root(&model));
        }
    }

    // Any list is a trie's own, or is refused.
    #[test]
    fn spoilt_lists_of_pages_are_refused(
        keys in 1u64..600,
        at in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        spoil in 0..7,
        bits in 0usize..=Prefix::MAX_BITS,
    ) {
        let mut view = mem();
        apply(&mut view, &(0..keys).map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
        let mut pages: Vec<Listed> =
            view.trie.pages().map(|page| (page.prefix, page.digest, page.len, 0)).collect();
        let (at, other) = (at.index(pages.len()), other.index(pages.len()));
        let hash = common::spread_hash(keys);
        match spoil {
            0 => pages.swap(at, other),
            1 => drop(pages.remove(at)),
            2 => pages.push(pages[at]),
            3 => pages[at].0 = Prefix::of(&hash, bits),
            4 => pages.insert(at, (Prefix::of(&hash, bits), Digest([1; 32]), 1, 0)),
            5 => pages[at].2 = u32::try_from(bits).unwrap() % 20,
            _ => pages.truncate(at),
        }
        if let Ok(trie) = Trie::from_pages(pages.clone()) {
            prop_assert_eq!(list(&trie), pages);
        }
    }
}

#[test]
fn lists_that_are_no_trie_are_named() {
    let page = |path: &str, len: u32| {
        let prefix = path.bytes().fold(Prefix::ROOT, |up, bit| up.child(usize::from(bit - b'0')));
        (prefix, Digest([3; 32]), len, ())
    };
    let outcome = |pages: Vec<_>| Trie::from_pages(pages).map(|trie| trie.len());
    let at = |path: &str| page(path, 0).0;
    assert_eq!(outcome(vec![]), Ok(0));
    assert_eq!(outcome(vec![page("", 16)]), Ok(16));
    assert_eq!(outcome(vec![page("0", 16), page("1", 1)]), Ok(17));
    assert_eq!(outcome(vec![page("000", 9), page("001", 9), page("01", 5)]), Ok(23));
    let out_of_order = MalformedPages::OutOfOrder(at("0"));
    assert_eq!(outcome(vec![page("1", 16), page("0", 1)]), Err(out_of_order));
    assert_eq!(outcome(vec![page("0", 16), page("0", 16)]), Err(out_of_order));
    assert_eq!(outcome(vec![page("", 16), page("0", 16)]), Err(out_of_order));
    assert_eq!(outcome(vec![page("1", 17)]), Err(MalformedPages::Size(at("1"), 17)));
    assert_eq!(outcome(vec![page("1", 0)]), Err(MalformedPages::Size(at("1"), 0)));
    assert_eq!(outcome(vec![page("1", 9)]), Err(MalformedPages::NotMaximal(Prefix::ROOT)));
    assert_eq!(
        outcome(vec![page("0", 8), page("1", 8)]),
        Err(MalformedPages::NotMaximal(Prefix::ROOT))
    );
    assert_eq!(
        outcome(vec![page("00", 16), page("010", 1), page("011", 15)]),
        Err(MalformedPages::NotMaximal(at("01")))
    );
}

// A trie goes on behind a page that is lost, and says so in its place.
#[test]
fn iteration_names_a_lost_page_and_goes_on() {
    let disk = Disk::default();
    let mut view = View::new(Trie::new(), &disk);
    apply(&mut view, &(0..200).map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
    disk.loads.set(0);
    disk.fails_at.set(3);
    let outcome: Vec<_> = view.iter().collect();
    let lens: Vec<u32> = view.trie.pages().map(|page| page.len).collect();
    let first = usize::try_from(lens[0] + lens[1]).unwrap();
    assert!(outcome[first].is_err());
    assert_eq!(outcome.iter().filter(|leaf| leaf.is_err()).count(), 1);
    assert_eq!(outcome.len() - 1, 200 - usize::try_from(lens[2]).unwrap());
}

// A batch costs what it changes, not what stands around it.
#[test]
fn a_batch_reads_no_page_but_those_that_it_changes() {
    let disk = Disk::default();
    let mut view = View::new(Trie::new(), &disk);
    // All of them on one side of the first forks: there is room for more beside them.
    let under = |nibble: u8, number: u64, put| {
        let mut hash = common::spread_hash(number);
        hash.0[0] = nibble << 4 | hash.0[0] & 0x0f;
        Edit::at(hash, put)
    };
    apply(&mut view, &(0..500).map(|key| under(0, key, Some(key))).collect::<Vec<_>>());
    let mut counts = |batch: &[Edit]| {
        disk.loads.set(0);
        disk.edits.set(0);
        let stored = disk.images.borrow().len();
        apply(&mut view, batch);
        (disk.loads.get(), disk.edits.get(), disk.images.borrow().len() - stored)
    };
    // Looked at, then changed where it is.
    assert_eq!(counts(&[under(0, 7, Some(1))]), (2, 1, 1));
    // The same for a page that has room for another leaf.
    assert_eq!(counts(&[under(0, 1000, Some(1))]), (2, 1, 1));
    // Nothing there is to change.
    assert_eq!(counts(&[under(0, 1003, None)]), (1, 0, 0));
    // A new page, for which the node around it is drawn anew.
    assert_eq!(counts(&[under(15, 1001, Some(1))]), (0, 0, 1));
}
