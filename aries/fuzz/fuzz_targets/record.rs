//! A record is what it encodes to, or none: there is one way to write it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_aries::{After, Record};

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = Record::decode(bytes) else { return };
    let mut again = Vec::new();
    record.encode(&mut again);
    assert_eq!(again, bytes);
    match record {
        Record::Update(u) => {
            if let After::Value(value) = u.after {
                assert_eq!(&bytes[u.value_offset()..], value);
            }
        }
        Record::Relocation(r) => assert_eq!(&bytes[r.value_offset()..], r.value),
        _ => {}
    }
});
