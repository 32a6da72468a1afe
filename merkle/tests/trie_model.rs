//! The trie against a sorted map and an independent root function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{
    Change, Model, TestLeaf, apply_to_model, batches, crowded_hash, leaf, reference_root,
    spread_hash, spread_leaf,
};
use proptest::prelude::*;
use strongroom_merkle::{Digest, KeyHash, Prefix, Trie};

fn content(trie: &Trie<TestLeaf>) -> Vec<(KeyHash, Digest)> {
    trie.iter().map(|leaf| (leaf.hash, leaf.digest)).collect()
}

fn model_content(model: &Model) -> Vec<(KeyHash, Digest)> {
    model.iter().map(|(hash, digest)| (*hash, *digest)).collect()
}

fn of_model(model: &Model) -> Trie<TestLeaf> {
    Trie::from_sorted(model.iter().map(|(hash, digest)| TestLeaf { hash: *hash, digest: *digest }))
}

fn pages(trie: &Trie<TestLeaf>, max: usize) -> BTreeMap<Prefix, Vec<TestLeaf>> {
    trie.pages(max).iter().map(|page| (page.prefix(), page.iter().copied().collect())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_model_after_every_batch(batches in batches()) {
        let mut model = Model::new();
        let mut trie = Trie::new();
        for batch in batches {
            apply_to_model(&mut model, &batch);
            trie.apply(batch.clone());
            prop_assert_eq!(trie.len(), model.len());
            prop_assert_eq!(trie.is_empty(), model.is_empty());
            prop_assert_eq!(content(&trie), model_content(&model));
            prop_assert_eq!(trie.root(), reference_root(&model));
            for (hash, _) in &batch {
                prop_assert_eq!(trie.get(hash).map(|leaf| leaf.digest), model.get(hash).copied());
            }
        }
    }

    #[test]
    fn root_is_of_the_set_not_of_its_history(
        batches in batches(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut model = Model::new();
        let mut trie = Trie::new();
        for batch in batches {
            apply_to_model(&mut model, &batch);
            trie.apply(batch);
        }
        prop_assert_eq!(of_model(&model).root(), trie.root());
        let mut one_by_one: Vec<Change> =
            of_model(&model).iter().map(|leaf| (leaf.hash, Some(*leaf))).collect();
        if !one_by_one.is_empty() {
            let turn = order.index(one_by_one.len());
            one_by_one.rotate_left(turn);
        }
        let mut slow = Trie::new();
        one_by_one.into_iter().for_each(|change| slow.apply(vec![change]));
        prop_assert_eq!(slow.root(), trie.root());
        prop_assert_eq!(content(&slow), content(&trie));
    }

    #[test]
    fn snapshots_do_not_see_later_changes(batches in batches()) {
        let mut model = Model::new();
        let mut trie = Trie::new();
        let mut snapshots = Vec::new();
        for batch in batches {
            snapshots.push((trie.clone(), model.clone()));
            apply_to_model(&mut model, &batch);
            trie.apply(batch);
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
        len in 0usize..=64,
    ) {
        let mut model = Model::new();
        let mut trie = Trie::new();
        for batch in batches {
            apply_to_model(&mut model, &batch);
            trie.apply(batch);
        }
        let prefix = Prefix::of(&hash, len);
        let want: Vec<_> = model.keys().copied().filter(|hash| prefix.contains(hash)).collect();
        prop_assert_eq!(trie.iter_prefix(&prefix).len(), want.len());
        let got: Vec<_> = trie.iter_prefix(&prefix).map(|leaf| leaf.hash).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn pages_cut_the_trie_without_gaps(batches in batches(), max in 1usize..12) {
        let mut trie = Trie::new();
        batches.into_iter().for_each(|batch| trie.apply(batch));
        let mut leaves = Vec::new();
        for page in trie.pages(max) {
            prop_assert!(page.len() <= max && page.len() == page.iter().count());
            prop_assert!(page.iter().all(|leaf| page.prefix().contains(&leaf.hash)));
            // Maximal: the subtree one level up is too large.
            if let Some(up) = page.prefix().len().checked_sub(1) {
                let parent = Prefix::of(&page.iter().next().unwrap().hash, up);
                prop_assert!(trie.iter_prefix(&parent).len() > max);
            }
            for leaf in &page {
                prop_assert_eq!(trie.page_of(&leaf.hash, max).unwrap().prefix(), page.prefix());
            }
            leaves.extend(page.iter().map(|leaf| (leaf.hash, leaf.digest)));
        }
        prop_assert_eq!(leaves, content(&trie));
    }

    #[test]
    fn changed_pages_bring_old_pages_up_to_date(batches in batches(), max in 1usize..12) {
        let mut trie = Trie::new();
        for batch in batches {
            let old = trie.clone();
            trie.apply(batch);
            let changed = trie.changed_pages(&old, max);
            let (old_pages, new_pages) = (pages(&old, max), pages(&trie, max));

            let mut updated = old_pages.clone();
            for gone in &changed.gone {
                prop_assert!(updated.remove(gone).is_some(), "{gone} was a page");
                prop_assert!(!new_pages.contains_key(gone), "{gone} is none any more");
            }
            for page in &changed.written {
                updated.insert(page.prefix(), page.iter().copied().collect());
            }
            prop_assert_eq!(updated, new_pages);
            prop_assert!(changed.gone.is_sorted());
            prop_assert!(changed.written.is_sorted_by_key(strongroom_merkle::Page::prefix));
        }
    }
}

#[test]
fn large_batches_agree_with_the_reference() {
    let mut model = Model::new();
    let mut trie = Trie::new();
    for round in 0..4u64 {
        let batch: Vec<Change> = (0..6_000u64)
            .map(|i| (i * 7 + round * 13_001) % 20_000)
            .map(|key| {
                let put = (key + round) % 5 != 0;
                (spread_hash(key), put.then(|| spread_leaf(key, key ^ round)))
            })
            .collect();
        let snapshot = (round % 2 == 0).then(|| trie.clone());
        apply_to_model(&mut model, &batch);
        trie.apply(batch);
        assert_eq!(trie.root(), reference_root(&model), "round {round}");
        assert_eq!(trie.root(), of_model(&model).root());
        drop(snapshot);
    }
    let all: Vec<Change> = model.keys().map(|hash| (*hash, None)).collect();
    trie.apply(all);
    assert_eq!(trie.root(), Trie::<TestLeaf>::new().root());
    assert_eq!(trie.pages(10).len(), 0);
}

// Only subtrees that a batch went through may be reported: a checkpointer pays for each.
#[test]
fn changed_pages_are_few_when_changes_are_few() {
    let mut leaves: Vec<_> = (0..20_000).map(|key| spread_leaf(key, 0)).collect();
    leaves.sort_by_key(|leaf| leaf.hash);
    let mut trie = Trie::from_sorted(leaves);
    let old = trie.clone();
    assert!(trie.changed_pages(&old, 64).written.is_empty());
    let batch: Vec<Change> =
        (0..20).map(|key| (spread_hash(key), Some(spread_leaf(key, 1)))).collect();
    let touched: BTreeSet<_> =
        batch.iter().map(|(hash, _)| trie.page_of(hash, 64).unwrap().prefix()).collect();
    trie.apply(batch);
    let changed = trie.changed_pages(&old, 64);
    let written: BTreeSet<_> =
        changed.written.iter().map(strongroom_merkle::Page::prefix).collect();
    assert_eq!(written, touched);
    assert!(changed.gone.is_empty());
}

#[test]
fn a_page_outlives_the_trie_and_carries_its_digest() {
    let mut trie = Trie::new();
    trie.apply((0..50).map(|key| (spread_hash(key), Some(spread_leaf(key, 0)))).collect());
    let whole = trie.pages(50).remove(0);
    let root = trie.root();
    drop(trie);
    assert_eq!((whole.len(), whole.digest(), whole.prefix()), (50, root, Prefix::ROOT));
}

#[test]
fn the_last_of_several_changes_of_a_key_counts() {
    let hash = spread_hash(1);
    let mut trie = Trie::new();
    trie.apply(vec![(hash, Some(leaf(hash, 1))), (hash, None), (hash, Some(leaf(hash, 3)))]);
    assert_eq!(trie.get(&hash), Some(&leaf(hash, 3)));
    trie.apply(vec![(hash, Some(leaf(hash, 4))), (hash, None)]);
    assert!(trie.is_empty());
}

#[test]
#[should_panic(expected = "leaves out of order")]
fn from_sorted_refuses_disorder() {
    let hash = spread_hash(1);
    Trie::from_sorted([leaf(hash, 1), leaf(hash, 2)]);
}
