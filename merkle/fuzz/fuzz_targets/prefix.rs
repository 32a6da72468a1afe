//! A prefix is what it encodes to, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_merkle::Prefix;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((prefix, taken)) = Prefix::decode(bytes) {
        let mut again = Vec::new();
        prefix.encode(&mut again);
        assert_eq!(again, bytes[..taken]);
    }
});
