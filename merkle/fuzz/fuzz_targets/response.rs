//! An initiator takes any bytes for answers: it ends, in a result or a typed error.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use strongroom_merkle::reconcile::{Initiator, Responder};
use strongroom_merkle::{Change, Digest, MemPages, Trie, View};

fn side(keys: std::ops::Range<u16>) -> View<MemPages<()>> {
    let keys: Vec<[u8; 2]> = keys.map(u16::to_le_bytes).collect();
    let put = |key| Change::new(key, Some((Digest([1; 32]), ())));
    let mut changes: Vec<_> = keys.iter().map(|key| put(&key[..])).collect();
    let mut view = View::new(Trie::new(), MemPages::new());
    let _ = view.trie.apply(&view.pages, &mut changes);
    view
}

static SIDES: LazyLock<[View<MemPages<()>>; 2]> = LazyLock::new(|| [side(0..300), side(40..400)]);

// The first byte says how many honest messages come before the made-up one.
fuzz_target!(|bytes: &[u8]| {
    let Some((honest, bytes)) = bytes.split_first() else { return };
    let [here, there] = &*SIDES;
    let mut initiator = Initiator::new(BTreeMap::from([([5; 16], here.clone())]));
    let responder = Responder::new(BTreeMap::from([([5; 16], there.clone())]));
    let mut messages = 0u8;
    while let Some(request) = initiator.next_request() {
        for message in responder.answer(&request).into_iter().flatten().flatten() {
            assert!(messages < 32, "no end");
            let message = if messages == honest % 3 { bytes } else { &message[..] };
            messages += 1;
            if initiator.on_response(message).and_then(|()| initiator.drain()).is_err() {
                return;
            }
        }
    }
    let _ = initiator.finish();
});
