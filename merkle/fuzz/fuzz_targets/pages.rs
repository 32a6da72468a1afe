//! A list of pages is a trie's own, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_merkle::{Digest, Prefix, Trie};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut list = Vec::new();
    while let Some((len, tail)) = rest.split_first() {
        let Ok((prefix, taken)) = Prefix::decode(tail) else { break };
        list.push((prefix, Digest([1; 32]), u32::from(*len), ()));
        rest = &tail[taken..];
    }
    if let Ok(trie) = Trie::from_pages(list.clone()) {
        let again: Vec<_> =
            trie.pages().map(|page| (page.prefix, page.digest, page.len, *page.handle)).collect();
        assert_eq!(again, list);
        assert_eq!(trie.len(), list.iter().map(|page| page.2 as usize).sum::<usize>());
    }
});
