//! A responder answers any bytes, or says what is wrong with them; its answer ends, in messages that
//! are bounded.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use strongroom_merkle::reconcile::{MAX_MESSAGE_BYTES, Responder};
use strongroom_merkle::{Change, Digest, MemPages, Trie, View};

static RESPONDER: LazyLock<Responder<MemPages<()>>> = LazyLock::new(|| {
    let keys: Vec<[u8; 2]> = (0..300u16).map(u16::to_le_bytes).collect();
    let put = |key| Change::new(key, Some((Digest([1; 32]), ())));
    let mut changes: Vec<_> = keys.iter().map(|key| put(&key[..])).collect();
    let mut view = View::new(Trie::new(), MemPages::new());
    let _ = view.trie.apply(&view.pages, &mut changes);
    Responder::new(BTreeMap::from([([1; 16], view.clone()), ([5; 16], view)]))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(answers) = RESPONDER.answer(bytes) else { return };
    let mut total = 0;
    for message in answers.flatten() {
        assert!(message.len() <= MAX_MESSAGE_BYTES);
        total += message.len();
    }
    // Nothing is told twice: 600 keys, and 128 bytes at most for the digests of each bucket.
    assert!(total <= 600 * 24 + 200 * bytes.len() + 100);
});
