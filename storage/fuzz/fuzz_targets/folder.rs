//! A sound store of which one part was replaced, with a checksum that holds: the master record, the
//! page map or an image of a page. What is read of it was written once, or is refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use strongroom_storage::{Class, KeyspaceId, Options, Store, look_at};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;

const KEYSPACE: KeyspaceId = KeyspaceId([7; 16]);
const PAGES: &str = "pages-0000000000000001";
const KEYS: u32 = 40;

fn value(key: &[u8], round: u8) -> Vec<u8> {
    [key, &[round; 20]].concat()
}

fn put_all(store: &Store, round: u8) {
    let mut txn = store.begin();
    if round == 0 {
        txn.create_keyspace(KEYSPACE, Class::Local);
    }
    for i in 0..KEYS {
        let key = i.to_le_bytes();
        txn.put(KEYSPACE, &key, value(&key, round));
    }
    txn.commit_blocking().unwrap();
}

/// A store that was checkpointed and written to again, and the bodies of what can be replaced.
struct Sound {
    disk: SimDisk,
    segment: Vec<u8>,
    images: Vec<std::ops::Range<usize>>,
    master: Vec<u8>,
}

static SOUND: LazyLock<Sound> = LazyLock::new(|| {
    let disk = SimDisk::new(1);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { segment_size: 1 << 16, compact_after: None, warm_pages: false, ..Options::default() };
    let store = Store::open_on(&shared, options).unwrap();
    put_all(&store, 0);
    store.checkpoint().unwrap();
    put_all(&store, 1);
    let disk = disk.clone_image();
    let segment = disk.contents(PAGES).unwrap();
    let starts: Vec<_> = (0..segment.len())
        .filter(|at| [&b"SRPG"[..], b"SRPM"].iter().any(|magic| segment[*at..].starts_with(magic)))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([segment.len()]);
    let images = starts.iter().zip(ends).map(|(start, end)| *start..end).collect();
    let master = disk.contents("MASTER").unwrap();
    Sound { disk, segment, images, master }
});

/// The image with the body that is made of its own and of changes: place (2 bytes), byte.
fn changed(image: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let body = &mut image[12..];
        let place = place % body.len();
        body[place] = change[2];
    }
    let crc = crc32fast::hash(&image[8..]).to_le_bytes();
    image[4..8].copy_from_slice(&crc);
    image
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, changes)) = bytes.split_first() else { return };
    let sound = &*SOUND;
    let disk = sound.disk.clone_image();
    let part = usize::from(*which) % (sound.images.len() + 1);
    let write = |name: &str, at: usize, image: &[u8]| {
        let file = disk.open(name).unwrap();
        file.write_at(at as u64, &changed(image, changes)).unwrap();
    };
    match sound.images.get(part) {
        Some(at) => write(PAGES, at.start, &sound.segment[at.clone()]),
        None => write("MASTER", 0, &sound.master),
    }
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let Ok(look) = look_at(&shared) else { return };
    for i in 0..KEYS {
        let key = i.to_le_bytes();
        if let Ok(Some(found)) = look.snapshot.get(KEYSPACE, &key) {
            assert!((0..2).any(|round| found == value(&key, round)), "made up: {found:?}");
        }
    }
});
