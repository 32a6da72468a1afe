//! The directory beside a plain ordered set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::worker::Worker;

/// Short keys that often share a beginning, and now and then a long one.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'/'), Just(b'a'), Just(b'b'), Just(b'0'), Just(0), Just(255)];
    prop_oneof![
        30 => proptest::collection::vec(byte, 0..7),
        2 => (0u8..4, 0usize..900).prop_map(|(last, len)| [vec![b'a'; len], vec![last]].concat()),
        1 => (0u8..4).prop_map(|last| [vec![b'b'; 32767], vec![last]].concat()),
    ]
}

fn model_list(
    keys: &BTreeSet<Vec<u8>>,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for rest in keys.iter().filter_map(|k| k.strip_prefix(prefix)) {
        let name = match rest.iter().position(|b| *b == b'/') {
            Some(slash) => &rest[..=slash],
            None => rest,
        };
        if !name.is_empty() && after.is_none_or(|a| name > a) {
            names.push(name.to_vec());
        }
    }
    names.sort();
    names.dedup();
    names.truncate(limit);
    names
}

fn assert_same(directory: &Directory, model: &BTreeSet<Vec<u8>>) {
    assert!(directory.iter().eq(model.iter().cloned()));
    assert_eq!(directory.len(), model.len());
}

fn bodies(directory: &Directory) -> Vec<Vec<u8>> {
    directory.blocks().into_iter().map(|block| block.body().to_vec()).collect()
}

fn from_bodies(bodies: &[Vec<u8>]) -> Option<Directory> {
    let blocks: Option<Vec<Leaf>> = bodies.iter().map(|body| Leaf::from_body(body)).collect();
    Directory::from_blocks(&blocks?)
}

fn edit(directory: &mut Directory, model: &mut BTreeSet<Vec<u8>>, batch: &[(Vec<u8>, bool)]) {
    let edits: Vec<Edit<'_>> = batch.iter().map(|(k, insert)| (k.as_slice(), *insert)).collect();
    directory.apply_with(&Worker, &edits);
    for (key, insert) in batch {
        if *insert {
            model.insert(key.clone());
        } else {
            model.remove(key);
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_an_ordered_set(
        batches in proptest::collection::vec(
            proptest::collection::btree_map(key(), any::<bool>(), 0..60), 0..20),
        prefix in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'a')], 0..3),
        after in proptest::option::of(key()),
        limit in 1usize..20,
    ) {
        let (mut directory, mut model) = (Directory::default(), BTreeSet::new());
        let mut states = Vec::new();
        for batch in &batches {
            let batch: Vec<_> = batch.iter().map(|(k, insert)| (k.clone(), *insert)).collect();
            edit(&mut directory, &mut model, &batch);
            states.push((directory.clone(), model.clone()));
        }
        let after = after.as_deref();
        for (directory, model) in &states {
            assert_same(directory, model);
            let scanned = directory.scan(&prefix, after, limit);
            let expected = model
                .iter()
                .filter(|k| k.starts_with(&prefix) && after.is_none_or(|a| k.as_slice() > a))
                .take(limit);
            prop_assert!(scanned.iter().eq(expected));
            prop_assert_eq!(
                directory.list(&prefix, after, limit),
                model_list(model, &prefix, after, limit)
            );
            if let Some(after) = after {
                prop_assert_eq!(directory.contains(after), model.contains(after));
            }
            assert_same(&Directory::from_sorted(model.iter().map(Vec::as_slice)), model);
            assert_same(&from_bodies(&bodies(directory)).unwrap(), model);
        }
    }
}

/// Numbers in an order that looks random, the same in each run.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |i| i.wrapping_mul(7919) % count)
}

/// Batches that come to both halves of the root, and to one alone.
#[test]
fn two_threads_make_the_same_directory() {
    let (mut directory, mut model) = (Directory::default(), BTreeSet::new());
    for round in 0..40 {
        let below = if round % 4 == 3 { 3_000 } else { 20_000 };
        let batch: BTreeSet<u32> =
            shuffled(20_000).skip(round * 500).take(700).filter(|i| *i < below).collect();
        let batch: Vec<_> = batch
            .into_iter()
            .map(|i| {
                (
                    format!("k{i:05}").into_bytes(),
                    !(i as usize + round).is_multiple_of(3) || round < 20,
                )
            })
            .collect();
        edit(&mut directory, &mut model, &batch);
        assert_same(&directory, &model);
    }
    let all: Vec<_> = model.iter().map(|key| (key.clone(), false)).collect();
    edit(&mut directory, &mut model, &all);
    assert_eq!((directory.len(), directory.heap_bytes()), (0, 0));
}

#[test]
fn large_sets_split_and_shrink() {
    let (mut directory, mut model) = (Directory::default(), BTreeSet::new());
    let keys: Vec<_> = shuffled(20_000).map(|i| format!("k{i:05}").into_bytes()).collect();
    for key in &keys {
        directory.insert(key);
        model.insert(key.clone());
    }
    assert_same(&directory, &model);
    assert_eq!(directory.scan(b"k1", None, usize::MAX).len(), 10_000);
    let full = directory.clone();
    for (i, key) in keys.iter().enumerate() {
        directory.remove(key);
        model.remove(key);
        if i % 5000 == 0 {
            assert_same(&directory, &model);
        }
    }
    assert_eq!((directory.len(), directory.heap_bytes()), (0, 0));
    assert_eq!(full.iter().count(), 20_000);
    directory.insert(&keys[0]);
    assert_eq!(directory.iter().count(), 1);
}

#[test]
fn a_set_that_thins_out_gives_its_memory_back() {
    let keys: Vec<_> = (0..50_000u32).map(|i| format!("k{i:08}").into_bytes()).collect();
    let mut directory = Directory::from_sorted(keys.iter().map(Vec::as_slice));
    let full = directory.heap_bytes();
    for i in shuffled(50_000).filter(|i| i % 50 != 0) {
        directory.remove(&keys[i as usize]);
    }
    assert_eq!(directory.len(), 1000);
    assert!(directory.heap_bytes() < full / 10, "{} of {full}", directory.heap_bytes());
}

#[test]
fn keys_of_64_bytes_take_less_than_85() {
    let random = |i: u32| blake3::hash(&i.to_le_bytes()).to_hex();
    let mut keys: Vec<_> = (0..40_000).map(|i| random(i).as_bytes().to_vec()).collect();
    keys.sort();
    let bound = |directory: &Directory| {
        assert_eq!(directory.len(), 40_000);
        assert!(directory.heap_bytes() < 85 * 40_000, "{}", directory.heap_bytes());
    };
    bound(&Directory::from_sorted(keys.iter().map(Vec::as_slice)));
    let mut one_by_one = Directory::default();
    shuffled(40_000).for_each(|i| one_by_one.insert(&keys[i as usize]));
    bound(&one_by_one);
    let mut in_order = Directory::default();
    for key in &keys {
        in_order.insert(key);
    }
    bound(&in_order);
}

#[test]
fn long_shared_beginnings_are_stored_once_a_block() {
    let keys: Vec<_> = (0..10_000u32)
        .map(|i| format!("tenants/production/applications/secrets/{i:08}").into_bytes())
        .collect();
    let mut directory = Directory::default();
    for batch in keys.chunks(100) {
        directory.apply(&batch.iter().map(|k| (k.as_slice(), true)).collect::<Vec<_>>());
    }
    assert!(directory.heap_bytes() < 16 * 10_000, "{}", directory.heap_bytes());
}

/// The last key or two went into a block of their own whenever a key came that does not begin as the
/// others of its block do: one insert in five packed anew, four fifths of the time in vain.
#[test]
fn a_block_is_not_split_before_it_is_full() {
    let names: Vec<String> = (0..20).map(|i| format!("secret/data/team-007/app-{i:06}")).collect();
    let mut directory = Directory::from_sorted(names.iter().map(String::as_bytes));
    directory.insert(b"secret/data/team-001/app-000000");
    assert_eq!(directory.blocks().len(), 1);
    let mut directory = Directory::default();
    for n in shuffled(20_000) {
        directory.insert(format!("secret/data/team-{:03}/app-{n:06}", n % 100).as_bytes());
    }
    let blocks = directory.blocks();
    let bytes: usize = blocks.iter().map(|block| block.body().len()).sum();
    assert!(bytes > blocks.len() * LEAF_MAX / 3, "{bytes} bytes in {} blocks", blocks.len());
}

#[test]
fn blocks_that_an_edit_leaves_alone_keep_their_number() {
    let keys: Vec<_> = (0..5_000u32).map(|i| format!("k{i:08}").into_bytes()).collect();
    let mut directory = Directory::from_sorted(keys.iter().map(Vec::as_slice));
    let numbers = |directory: &Directory| {
        directory.blocks().into_iter().map(Leaf::number).collect::<BTreeSet<u64>>()
    };
    let before = numbers(&directory);
    assert_eq!(before.len(), directory.blocks().len());
    directory.insert(b"k00002500x");
    let after = numbers(&directory);
    assert_eq!(before.difference(&after).count(), 1);
    assert!(after.len() > 10);
}

#[test]
fn what_is_no_block_is_refused() {
    let keys: Vec<_> = (0..1000u32).map(|i| format!("a long key {i:04}").into_bytes()).collect();
    let directory = Directory::from_sorted(keys.iter().map(Vec::as_slice));
    let body = directory.blocks()[0].body().to_vec();
    assert!(Leaf::from_body(&body).is_some());
    for cut in 0..body.len() {
        assert!(Leaf::from_body(&body[..cut]).is_none());
    }
    assert!(Leaf::from_body(&[&body[..], &[0]].concat()).is_none());
    // Two keys in the wrong order, and the same one twice.
    assert!(Leaf::from_body(b"\0\0\x02\0\x01\0\x02\0ab").is_some());
    assert!(Leaf::from_body(b"\0\0\x02\0\x01\0\x02\0ba").is_none());
    assert!(Leaf::from_body(b"\0\0\x02\0\x01\0\x02\0aa").is_none());
    assert!(Leaf::from_body(b"\0\0\0\0").is_none());
    let mut blocks = bodies(&directory);
    assert!(blocks.len() > 1 && from_bodies(&blocks).is_some());
    blocks.swap(0, 1);
    assert!(from_bodies(&blocks).is_none());
}
