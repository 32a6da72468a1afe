//! The work of every row: records of a 64-byte key and a 256-byte value, and a sequence of numbers
//! without visible order.
//!
//! Values do not compress, as ciphertext does not. They carry the record's number and a stamp, so
//! that what is read can be checked.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};

/// Bytes of a key.
pub const KEY_BYTES: usize = 64;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 256;
/// Bytes of user data in a record.
pub const RECORD_BYTES: u64 = (KEY_BYTES + VALUE_BYTES) as u64;
/// Folders that the keys are spread over.
const TEAMS: u64 = 1_000;

/// A key and its value.
#[derive(Clone)]
pub struct Record {
    /// See [`key`].
    pub key: [u8; KEY_BYTES],
    /// Number, stamp, and bytes that look random.
    pub value: [u8; VALUE_BYTES],
}

impl Record {
    /// The record with this number; the stamp makes its value another one.
    pub fn new(number: u64, stamp: u64) -> Self {
        let mut value = [0; VALUE_BYTES];
        let mut random = Random(number ^ stamp.rotate_left(32));
        for word in value.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        value[..8].copy_from_slice(&number.to_le_bytes());
        value[8..16].copy_from_slice(&stamp.to_le_bytes());
        Self { key: key(number), value }
    }
}

/// The key of the record with this number: a path of a secret, below one of a thousand folders.
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"secret/data/team-000/application-000000000000/kkkkkkkkkkkkkkkkkk";
    digits(&mut key[17..20], number % TEAMS);
    digits(&mut key[33..45], number);
    key
}

/// The folder that holds the record's key.
pub fn folder(number: u64) -> Vec<u8> {
    key(number)[..21].to_vec()
}

fn digits(slot: &mut [u8], mut number: u64) {
    for digit in slot.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// The stamp of a value that was read, if it is a value of this record.
pub fn stamp_of(value: &[u8], number: u64) -> Result<u64> {
    ensure!(value.len() == VALUE_BYTES, "a value of {} bytes was read", value.len());
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&value[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    ensure!(word(0) == number, "the value of record {} was read for record {number}", word(0));
    Ok(word(8))
}

/// Records to write: keys uniform among so many, every value a new one.
pub struct Source {
    keys: u64,
    stamp: AtomicU64,
}

impl Source {
    /// Stamps count from one after this.
    pub fn new(keys: u64, stamp: u64) -> Self {
        Self { keys, stamp: AtomicU64::new(stamp) }
    }

    /// The next record.
    pub fn one(&self) -> Record {
        let stamp = self.stamp.fetch_add(1, Ordering::Relaxed) + 1;
        Record::new(Random(stamp).below(self.keys), stamp)
    }

    /// Fills a batch with the next records.
    pub fn fill(&self, batch: &mut Vec<Record>, records: usize) {
        batch.clear();
        batch.extend((0..records).map(|_| self.one()));
    }
}

/// Numbers without visible order (`SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// All numbers below `count`, once each, in an order that looks random.
pub fn shuffled(count: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).collect();
    let mut random = Random(count);
    for at in (1..count).rev() {
        let other = random.below(at + 1);
        if let (Ok(at), Ok(other)) = (usize::try_from(at), usize::try_from(other)) {
            numbers.swap(at, other);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_value() {
        let record = Record::new(123_456, 7);
        assert_eq!(stamp_of(&record.value, 123_456).unwrap(), 7);
        assert!(stamp_of(&record.value, 123_457).is_err());
        assert!(stamp_of(&record.value[1..], 123_456).is_err());
        assert!(record.key.starts_with(b"secret/data/team-456/application-000000123456/"));
        assert!(record.key.starts_with(&folder(123_456)));
    }

    #[test]
    fn shuffled_numbers_are_all_there() {
        let mut numbers = shuffled(1_000);
        assert_ne!(numbers, (0..1_000).collect::<Vec<_>>());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }
}
