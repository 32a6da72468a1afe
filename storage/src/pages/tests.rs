//! Bytes of images and maps, and the pool's bounds.

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_aries::{MapLocation, PageId};
use strongroom_merkle::{Change, Digest, KeyHash, Leaf, Page, Prefix, Trie, leaf_digest};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, LogOptions, Lsn};

use super::cell::{page_id, prefix_of};
use super::codec::{decode_names, decode_page, encode_names, encode_page};
use super::map::{Listed, ListedNames, MapKeyspace, PageMap};
use super::{PageError, PageFiles, Pool, Preload, TreeId, TreePages};
use crate::directory::{Directory, Leaf as Block};
use crate::id::{Class, KeyspaceId};
use crate::index::Slot;
use crate::master::Master;
use crate::sealed::{crc_of, seal};

const TREE: TreeId = TreeId { keyspace: 3, pending: false };

const PENDING: TreeId = TreeId { keyspace: 3, pending: true };

/// With keys only where they are kept.
fn sample_page(tree: TreeId) -> Page<Slot> {
    let mut keys: Vec<Vec<u8>> = (0..3u32).map(|i| format!("key-{i}").into_bytes()).collect();
    keys.sort_by_key(|key| KeyHash::of(key));
    let mut leaves = Vec::new();
    for (i, key) in (0u64..).zip(&keys) {
        let slot = Slot { at: Lsn(4096 + i), version: 4000 + i, len: 5, key_len: 5 };
        leaves.push(Leaf {
            hash: KeyHash::of(key),
            key: if tree.pending { key } else { &[] },
            digest: leaf_digest(key, b"value"),
            value: slot,
        });
    }
    Page::build(Prefix::ROOT, leaves).unwrap()
}

fn sample_map() -> PageMap {
    let listed = |pending, path, depth| Listed {
        page: PageId { keyspace: 3, pending, path, depth },
        segment: 1,
        offset: 2,
        len: 3,
        crc: [8; 4],
        entries: 4,
        page_lsn: Lsn(5),
        digest: Digest([6; 32]),
    };
    PageMap {
        keyspaces: vec![MapKeyspace {
            handle: 3,
            id: KeyspaceId([9; 16]),
            class: Class::Local,
            live: true,
        }],
        pages: vec![listed(false, 0, 1), listed(false, 1 << 63, 9), listed(true, 0, 0)],
        names: vec![ListedNames { keyspace: 3, segment: 1, offset: 9, len: 8, crc: [7; 4] }],
        live: vec![(4, 300), (7, 1)],
        streamed: vec![(Lsn(4100), Lsn(9000))],
    }
}

fn sample_names() -> Block {
    let keys = [&b"apps/a"[..], b"apps/b/c", b"apps/d"];
    Directory::from_sorted(keys).blocks()[0].clone()
}

fn sample_master() -> Master {
    Master {
        log_id: [5; 16],
        segment_size: 1 << 20,
        checkpoint: Lsn(77),
        durable: Lsn(99),
        map: MapLocation { segment: 1, offset: 2, len: 3 },
    }
}

#[test]
fn what_is_written_is_read_back() {
    for (tree, other) in [(TREE, PENDING), (PENDING, TREE)] {
        let page = sample_page(tree);
        let image = encode_page(tree, Lsn(9), &page);
        let read = decode_page(&image, tree, Prefix::ROOT).unwrap();
        assert!(read.iter().eq(page.iter()), "{read:?}");
        assert_eq!(read.digest(), page.digest());
        assert!(decode_page(&image, tree, Prefix::ROOT.child(0)).is_err());
        assert!(decode_page(&image, other, Prefix::ROOT).is_err());
    }
    let names = encode_names(3, &sample_names());
    assert_eq!(decode_names(&names, 3).unwrap().body(), sample_names().body());
    assert!(decode_names(&names, 4).is_err());
    assert_eq!(crc_of(&names), names[4..8]);
    assert_eq!(PageMap::decode(&sample_map().encode()), Ok(sample_map()));
    assert_eq!(Master::decode(&sample_master().encode()), Ok(sample_master()));
}

#[test]
fn a_map_finds_the_pages_of_a_tree() {
    let map = sample_map();
    assert_eq!(map.of_tree(TREE), &map.pages[..2]);
    assert_eq!(map.of_tree(PENDING), &map.pages[2..]);
    assert_eq!(map.of_tree(TreeId { keyspace: 4, pending: false }), &[]);
    assert_eq!(map.pages[1].prefix().len(), 9);
}

#[test]
fn a_page_is_called_by_its_prefix_at_every_depth() {
    let hash = KeyHash::of(b"any key");
    for depth in 0..=64 {
        let prefix = Prefix::of(&hash, depth);
        assert_eq!(prefix_of(page_id(TREE, &prefix)), prefix);
    }
}

#[test]
fn a_map_out_of_order_is_refused() {
    let mut map = sample_map();
    map.pages.swap(0, 1);
    assert!(PageMap::decode(&map.encode()).is_err());
    let mut map = sample_map();
    map.live.swap(0, 1);
    assert!(PageMap::decode(&map.encode()).is_err());
    let mut map = sample_map();
    map.names.push(ListedNames { keyspace: 2, ..map.names[0] });
    assert!(PageMap::decode(&map.encode()).is_err());
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Bytes of version 1, for good: a store that was written by it has to open.
#[test]
fn the_bytes_are_those_of_version_1() {
    let page = |tree| encode_page(tree, Lsn(9), &sample_page(tree));
    let images = [
        (page(TREE), include_str!("../../tests/golden/page-v1.hex")),
        (page(PENDING), include_str!("../../tests/golden/page-uncommitted-v1.hex")),
        (sample_map().encode(), include_str!("../../tests/golden/map-v1.hex")),
        (encode_names(3, &sample_names()), include_str!("../../tests/golden/names-v1.hex")),
        (sample_master().encode(), include_str!("../../tests/golden/master-v1.hex")),
    ];
    for (image, golden) in images {
        assert_eq!(hex(&image), golden.trim());
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_always_noticed(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let images = [
            encode_page(TREE, Lsn(9), &sample_page(TREE)),
            sample_map().encode(),
            encode_names(3, &sample_names()),
            sample_master().encode(),
        ];
        for (i, image) in images.into_iter().enumerate() {
            let mut bad = image;
            let at = at.index(bad.len());
            bad[at] ^= flip;
            let refused = match i {
                0 => decode_page(&bad, TREE, Prefix::ROOT).is_err(),
                1 => PageMap::decode(&bad).is_err(),
                2 => decode_names(&bad, 3).is_err(),
                _ => Master::decode(&bad).is_err(),
            };
            prop_assert!(refused);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for magic in [b"SRPG", b"SRPM", b"SRNB", b"SRMS"] {
            let bytes = seal(*magic, &body);
            let _ = decode_page(&bytes, TREE, Prefix::ROOT);
            let _ = decode_names(&bytes, 3);
            let _ = PageMap::decode(&bytes);
            let _ = Master::decode(&bytes);
        }
    }
}

fn pool(capacity: usize) -> (SimDisk, Log, Arc<Pool>) {
    let disk = SimDisk::new(1);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = Log::create(Arc::clone(&shared), LogOptions::default(), [1; 16]).unwrap();
    let pool = Pool::new(PageFiles::new(shared).unwrap(), capacity);
    pool.attach(log.reader());
    (disk, log, Arc::new(pool))
}

fn fill(pages: &TreePages<'_>, n: u32) -> Trie<super::Handle> {
    let mut trie = Trie::new();
    for i in 0..n {
        let key = format!("key-{i}").into_bytes();
        let slot = Slot::written(Lsn(u64::from(i)), 5, key.len());
        let mut change = [Change::new(&key, Some((leaf_digest(&key, b"value"), slot)))];
        trie.apply(pages, &mut change).unwrap();
    }
    trie
}

#[test]
fn a_pool_of_four_pages_holds_four_and_loses_nothing() {
    let (_disk, _log, pool) = pool(4);
    let pages = TreePages { pool: &pool, tree: TREE, lsn: Lsn::ZERO };
    let trie = fill(&pages, 500);
    assert!(trie.pages().count() > 20);
    assert!(pool.resident() <= 4, "{} pages in memory", pool.resident());
    for i in 0..500u32 {
        let key = format!("key-{i}").into_bytes();
        let found = trie.get(&pages, &KeyHash::of(&key)).unwrap();
        assert_eq!(found.map(|(_, slot)| slot.at), Some(Lsn(u64::from(i))));
    }
    let figures = pool.figures();
    for figure in [&figures.read, &figures.evicted, &figures.stolen] {
        assert!(figure.load(std::sync::atomic::Ordering::Relaxed) > 20, "{figures:?}");
    }
}

/// A write that went astray, or never arrived: what lies there is whole, and of the same page.
#[test]
fn an_older_image_of_the_same_page_is_not_taken_for_it() {
    let (_disk, _log, pool) = pool(usize::MAX);
    let pages = TreePages { pool: &pool, tree: TREE, lsn: Lsn::ZERO };
    let image = |value: &[u8]| {
        let slot = Slot::written(Lsn(9), 5, 3);
        let mut change = [Change::new(b"key", Some((leaf_digest(b"key", value), slot)))];
        let mut trie = Trie::new();
        trie.apply(&pages, &mut change).unwrap();
        let cell = trie.pages().next().unwrap().handle.clone();
        pool.write(std::slice::from_ref(&cell)).unwrap().remove(0)
    };
    let (old, new) = (image(b"old"), image(b"new"));
    let there = |crc| {
        let listed = pool.files.adopt(old.segment.no, old.offset, old.len, crc).unwrap();
        pool.load(&pool.adopt(TREE, Prefix::ROOT, Lsn(9), listed))
    };
    assert_eq!(old.len, new.len);
    assert_eq!(there(old.crc).unwrap().len(), 1);
    assert!(matches!(there(new.crc), Err(PageError::Damaged { .. })));
    assert!(old.same(&new.read().unwrap()).is_err());
}

/// The write-ahead rule: a page of which the log is not durable stays in memory, over the bound.
#[test]
fn a_page_does_not_go_out_before_its_log() {
    let (disk, log, pool) = pool(1);
    let ahead = Lsn(log.durable_lsn().0 + 1);
    let pages = TreePages { pool: &pool, tree: TREE, lsn: ahead };
    let trie = fill(&pages, 100);
    assert_eq!(pool.resident(), trie.pages().count());
    assert!(!disk.list().unwrap().iter().any(|name| super::files::segment_of(name).is_some()));
    let cell = trie.pages().next().unwrap().handle.clone();
    let forced = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.write(&[cell])));
    assert!(forced.is_err(), "a page was written before its log");
}

#[test]
fn segments_are_removed_when_nothing_refers_to_them() {
    let (disk, _log, pool) = pool(usize::MAX);
    let pages = TreePages { pool: &pool, tree: TREE, lsn: Lsn::ZERO };
    let count =
        || disk.list().unwrap().iter().filter(|n| super::files::segment_of(n).is_some()).count();
    let trie = fill(&pages, 100);
    let cells: Vec<_> = trie.pages().map(|page| page.handle.clone()).collect();
    pool.write(&cells).unwrap();
    // A sync that fails puts the segment in doubt: it is left, and its pages are written again.
    disk.fail_after(1, std::io::ErrorKind::Other, false);
    assert!(pool.files.sync().is_err());
    assert!(cells.iter().all(|cell| cell.image().is_some_and(|image| image.is_doubtful())));
    pool.write(&cells).unwrap();
    pool.files.sync().unwrap();
    assert!(cells.iter().all(|cell| cell.image().is_some_and(|image| !image.is_doubtful())));
    assert_eq!(count(), 2);
    pool.files.remove_dead().unwrap();
    assert_eq!(count(), 1);
    drop((trie, cells));
    assert_eq!(pool.files.bytes().1, 0);
}

#[test]
fn pages_are_loaded_ahead_by_all_threads_that_take_part() {
    let (disk, _log, pool) = pool(usize::MAX);
    let pages = TreePages { pool: &pool, tree: TREE, lsn: Lsn::ZERO };
    let trie = fill(&pages, 3_000);
    let cells: Vec<_> = trie.pages().map(|page| page.handle.clone()).collect();
    pool.write(&cells).unwrap();
    let drop_all = || assert!(cells.iter().all(|cell| cell.drop_body()));
    drop_all();
    assert_eq!(pool.resident(), 0);
    let preload = Preload::new(&pool, cells.iter());
    let (one, other) = rayon::join(|| preload.work(), || preload.work());
    one.and(other).unwrap();
    assert_eq!(pool.resident(), cells.len());
    let keys: usize = cells.iter().map(|cell| pool.load(cell).unwrap().len()).sum();
    assert_eq!(keys, 3_000);
    // What is in memory is not read again, and what would not all fit is left.
    Preload::new(&pool, cells.iter()).work().unwrap();
    let read = || pool.figures().read.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(read(), cells.len() as u64);
    drop_all();
    let small = Pool::new(PageFiles::new(Arc::new(disk.clone())).unwrap(), cells.len() - 1);
    Preload::new(&small, cells.iter()).work().unwrap();
    assert_eq!(pool.resident(), 0);
    // The device's failure is told.
    disk.fail_after(0, std::io::ErrorKind::Other, false);
    assert!(Preload::new(&pool, cells.iter()).work().is_err());
}
