//! The trie against a sorted map and an independent root function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use common::{
    Edit, Entry, Mem, Model, apply, apply_to_model, batches, changes, crowded_hash, entry, mem,
    of_model, reference_root, spread_hash,
};
use proptest::prelude::*;
use strongroom_merkle::{Digest, Join, KeyHash, PAGE_LEAVES_MAX, Page, Prefix};

/// Keys are their own hashes here, where they are made up.
fn content(view: &Mem) -> Vec<(KeyHash, Entry)> {
    view.iter()
        .map(|held| held.unwrap())
        .map(|held| (KeyHash(held.leaf().key.try_into().unwrap()), (held.digest(), held.value())))
        .collect()
}

fn model_content(model: &Model) -> Vec<(KeyHash, Entry)> {
    model.iter().map(|(hash, entry)| (*hash, *entry)).collect()
}

/// Two real threads.
struct Threads;

impl Join for Threads {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        std::thread::scope(|scope| {
            let b = scope.spawn(b);
            (a(), b.join().unwrap())
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_model_after_every_batch(batches in batches()) {
        let mut model = Model::new();
        let mut view = mem();
        for batch in batches {
            let mut asked = changes(&batch);
            view.trie.look_up(&view.pages, &mut asked).unwrap();
            let before = apply(&mut view, &batch);
            for ((edit, before), asked) in batch.iter().zip(before).zip(asked) {
                prop_assert_eq!(before, model.get(&edit.hash).copied());
                prop_assert_eq!(asked.before, before);
            }
            apply_to_model(&mut model, &batch);
            prop_assert_eq!(view.len(), model.len());
            prop_assert_eq!(view.is_empty(), model.is_empty());
            prop_assert_eq!(content(&view), model_content(&model));
            prop_assert_eq!(view.root(), reference_root(&model));
            for edit in &batch {
                let there = model.get(&edit.hash).copied();
                prop_assert_eq!(view.get(&edit.hash).unwrap(), there);
                let held = view.leaf_of(&edit.hash).unwrap();
                prop_assert_eq!(held.map(|held| (held.digest(), held.value())), there);
            }
        }
    }

    #[test]
    fn root_is_of_the_set_not_of_its_history(
        batches in batches(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut model = Model::new();
        let mut view = mem();
        for batch in batches {
            apply_to_model(&mut model, &batch);
            apply(&mut view, &batch);
        }
        prop_assert_eq!(of_model(&model).root(), view.root());
        let mut one_by_one: Vec<Edit> =
            model.iter().map(|(hash, (_, value))| Edit::at(*hash, Some(*value))).collect();
        if !one_by_one.is_empty() {
            let turn = order.index(one_by_one.len());
            one_by_one.rotate_left(turn);
        }
        let mut slow = mem();
        one_by_one.into_iter().for_each(|edit| drop(apply(&mut slow, &[edit])));
        prop_assert_eq!(slow.root(), view.root());
        prop_assert_eq!(content(&slow), content(&view));
    }

    #[test]
    fn snapshots_do_not_see_later_changes(batches in batches()) {
        let mut model = Model::new();
        let mut view = mem();
        let mut snapshots = Vec::new();
        for batch in batches {
            snapshots.push((view.clone(), model.clone()));
            apply_to_model(&mut model, &batch);
            apply(&mut view, &batch);
        }
        for (snapshot, model) in snapshots {
            prop_assert_eq!(snapshot.len(), model.len());
            prop_assert_eq!(content(&snapshot), model_content(&model));
            prop_assert_eq!(snapshot.root(), reference_root(&model));
        }
    }

    #[test]
    fn prefixes_select_what_starts_with_them(
        batches in batches(),
        hash in crowded_hash(),
        len in 0usize..=191,
    ) {
        let mut model = Model::new();
        let mut view = mem();
        for batch in batches {
            apply_to_model(&mut model, &batch);
            apply(&mut view, &batch);
        }
        let prefix = Prefix::of(&hash, len);
        let want: Vec<_> = model.keys().copied().filter(|hash| prefix.contains(hash)).collect();
        let got: Vec<_> =
            view.iter_prefix(&prefix).map(|held| held.unwrap().key_hash()).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn pages_cut_the_trie_without_gaps(batches in batches()) {
        let mut view = mem();
        batches.into_iter().for_each(|batch| drop(apply(&mut view, &batch)));
        let mut leaves = Vec::new();
        for listed in view.trie.pages() {
            let page = listed.handle;
            prop_assert_eq!((page.prefix(), page.digest()), (listed.prefix, listed.digest));
            prop_assert_eq!(page.len(), usize::try_from(listed.len).unwrap());
            prop_assert!(page.len() <= PAGE_LEAVES_MAX && page.len() == page.iter().count());
            let hashes: Vec<KeyHash> = page.iter().map(|leaf| leaf.hash).collect();
            prop_assert!(page.iter().all(|leaf| leaf.key == leaf.hash.0));
            prop_assert!(hashes.iter().all(|hash| page.prefix().contains(hash)));
            // Maximal: the subtree one level up is too large.
            if let Some(up) = page.prefix().len().checked_sub(1) {
                let parent = Prefix::of(&hashes[0], up);
                prop_assert!(view.iter_prefix(&parent).count() > PAGE_LEAVES_MAX);
            }
            for hash in &hashes {
                prop_assert_eq!(view.trie.page_of(hash).unwrap().prefix(), page.prefix());
            }
            leaves.extend(page.iter().zip(hashes).map(|(leaf, hash)| (hash, (leaf.digest, leaf.value))));
        }
        prop_assert_eq!(leaves, content(&view));
    }
}

fn large_batch(round: u64) -> Vec<Edit> {
    let put = |key: u64| Edit::of(key, (!(key + round).is_multiple_of(5)).then_some(key ^ round));
    (0..6_000).map(|i| (i * 7 + round * 13_001) % 20_000).map(put).collect()
}

#[test]
fn large_batches_agree_with_the_reference() {
    let mut model = Model::new();
    let mut view = mem();
    for round in 0..4 {
        let batch = large_batch(round);
        apply_to_model(&mut model, &batch);
        apply(&mut view, &batch);
        assert_eq!(view.root(), reference_root(&model), "round {round}");
        assert_eq!(view.len(), model.len());
    }
    let all: Vec<Edit> = model.keys().map(|hash| Edit::at(*hash, None)).collect();
    apply(&mut view, &all);
    assert_eq!(view.root(), Digest::ZERO);
    assert_eq!(view.trie.pages().count(), 0);
}

#[test]
fn two_threads_make_the_same_trie() {
    let (mut one, mut two) = (mem(), mem());
    for round in 0..6 {
        let batch = if round == 4 {
            // Only one side of the trie, and what is left of it is a page.
            let left = one.iter_prefix(&Prefix::ROOT.child(0));
            let keys = left.map(|held| held.unwrap().leaf().key.to_vec()).skip(9);
            keys.map(|key| Edit { hash: KeyHash::of(&key), key, put: None }).collect()
        } else {
            large_batch(round)
        };
        let before = apply(&mut one, &batch);
        let mut changes = changes(&batch);
        two.trie.look_up(&two.pages, &mut changes).unwrap();
        assert_eq!(changes.iter().map(|change| change.before).collect::<Vec<_>>(), before);
        two.trie.apply_with(&two.pages, &Threads, &mut changes).unwrap();
        assert_eq!(changes.iter().map(|change| change.before).collect::<Vec<_>>(), before);
        let list = |view: &Mem| -> Vec<_> {
            view.trie.pages().map(|page| (page.prefix, page.digest, page.len)).collect()
        };
        assert_eq!((two.root(), two.len()), (one.root(), one.len()), "round {round}");
        assert_eq!(list(&two), list(&one));
    }
}

/// As `Sequential`, and counts how often it is asked.
#[derive(Default)]
struct Counted(std::sync::atomic::AtomicUsize);

impl Join for Counted {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (a(), b())
    }
}

// Handing work to another thread costs more than a small batch does.
#[test]
fn only_a_batch_that_is_worth_two_threads_is_halved() {
    for (count, joins) in [(1, 0), (255, 0), (256, 1), (300, 1)] {
        let mut view = mem();
        apply(&mut view, &(0..500).map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
        let edits: Vec<Edit> = (0..count).map(|key| Edit::of(key, Some(key + 1))).collect();
        let counted = Counted::default();
        view.trie.apply_with(&view.pages, &counted, &mut changes(&edits)).unwrap();
        assert_eq!(counted.0.into_inner(), joins, "{count}");
    }
}

#[test]
fn the_last_of_several_changes_of_a_key_counts() {
    let hash = spread_hash(1);
    let mut view = mem();
    let at = |put: Option<u64>| Edit::at(hash, put);
    apply(&mut view, &[at(Some(1)), at(None), at(Some(3))]);
    assert_eq!(view.get(&hash).unwrap(), Some(entry(3)));
    assert_eq!(apply(&mut view, &[at(Some(4)), at(None)]), [Some(entry(3)); 2]);
    assert!(view.is_empty());
}

// Real hashes hardly ever are the first or the last one under a prefix.
#[test]
fn both_ends_of_a_prefix_are_under_it() {
    let hash = |fill: u8, last: u8| {
        let mut hash = [fill; KeyHash::BYTES];
        hash[KeyHash::BYTES - 1] = last;
        KeyHash(hash)
    };
    let hashes: Vec<KeyHash> = [0, 5, 0xff]
        .into_iter()
        .flat_map(|fill| (0..=255).map(move |last| hash(fill, last)))
        .collect();
    let mut view = mem();
    apply(&mut view, &hashes.iter().map(|hash| Edit::at(*hash, Some(1))).collect::<Vec<_>>());
    for prefix in hashes
        .iter()
        .step_by(5)
        .flat_map(|hash| [0, 8, 184, 187, 190, 191].map(|len| Prefix::of(hash, len)))
    {
        let found = view.iter_prefix(&prefix).map(|held| held.unwrap().key_hash());
        assert!(found.eq(hashes.iter().copied().filter(|hash| prefix.contains(hash))), "{prefix}");
    }
}

// A batch that only removes what is not there must not make a page anew: a checkpoint would write it.
#[test]
fn what_changes_nothing_keeps_its_pages() {
    let mut view = mem();
    apply(&mut view, &(0..500).map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
    let before = view.clone();
    apply(&mut view, &(1_000..1_020).map(|key| Edit::of(key, None)).collect::<Vec<_>>());
    let pairs = before.trie.pages().zip(view.trie.pages());
    assert!(pairs.into_iter().all(|(a, b)| Page::ptr_eq(a.handle, b.handle)));
    let changed = Edit::of(3, Some(0));
    apply(&mut view, std::slice::from_ref(&changed));
    let kept = before.trie.pages().zip(view.trie.pages());
    let new: Vec<Prefix> =
        kept.filter(|(a, b)| !Page::ptr_eq(a.handle, b.handle)).map(|(_, b)| b.prefix).collect();
    assert_eq!(new, [view.trie.page_of(&changed.hash).unwrap().prefix()]);
}

// A subtree with many changes is finished while the one around it is still drafted.
#[test]
fn a_large_part_of_a_subtree_that_is_drawn_anew_is_finished_first() {
    let under = |nibble: u8, number: u64, put| {
        let mut hash = spread_hash(number);
        hash.0[0] = nibble << 4 | hash.0[0] & 0x0f;
        Edit::at(hash, put)
    };
    let (mut view, mut model) = (mem(), Model::new());
    let first: Vec<Edit> = (0..200).map(|number| under(0, number, Some(number))).collect();
    // Something comes where nothing was in the first node, which changes its shape.
    let other = (200..400).map(|number| under(0, number, Some(number)));
    let second: Vec<Edit> = other.chain([under(15, 400, Some(400))]).collect();
    for batch in [first, second] {
        apply_to_model(&mut model, &batch);
        apply(&mut view, &batch);
        assert_eq!(view.root(), reference_root(&model));
        assert_eq!(content(&view), model.clone().into_iter().collect::<Vec<_>>());
    }
}
