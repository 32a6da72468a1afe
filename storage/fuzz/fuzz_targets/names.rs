//! A block of names is what it encodes to, or none: there is one way to write it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_storage::fuzzing;

fuzz_target!(|body: &[u8]| {
    if let Some(again) = fuzzing::names(body) {
        assert_eq!(again, body);
    }
});
