//! What was written last, in memory, for those who read it back.
//!
//! Frames reach the medium past the page cache, so that to read one back is a read of the device,
//! however young it is. Promises: a position's bytes are those that were submitted there. Nothing has
//! to be invalidated, because no position is written twice; whether one may be read yet, or still, is
//! the reader's to ask first.

use std::sync::{Mutex, PoisonError};

use crate::lsn::Lsn;

/// A frame of more than this part of the whole is not kept: it would drive out all the others.
const FRAME_PART: usize = 16;

/// Largest read that is answered, in bytes: the writer waits for it.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The newest frames, up to so many bytes.
#[derive(Default)]
pub(crate) struct Recent {
    capacity: usize,
    ring: Mutex<Ring>,
}

/// Bytes of the log without a hole: position `p` stands at `p` modulo the length.
#[derive(Default)]
struct Ring {
    /// Nothing before the first frame.
    bytes: Vec<u8>,
    first: u64,
    end: u64,
}

impl Recent {
    /// Keeps so many bytes; with none it never knows anything.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, ring: Mutex::default() }
    }

    /// Takes note of a frame that is about to be written.
    pub(crate) fn put(&self, start: Lsn, frame: &[u8]) {
        if self.capacity == 0 {
            return;
        }
        let end = start.0 + to_u64(frame.len());
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if frame.len() > self.capacity / FRAME_PART {
            (ring.first, ring.end) = (end, end);
            return;
        }
        if ring.bytes.is_empty() {
            ring.bytes = vec![0; self.capacity];
        }
        if ring.end != start.0 {
            ring.first = start.0;
        }
        let (at, before_wrap) = ring.split(start.0, frame.len());
        ring.bytes[at..at + before_wrap].copy_from_slice(&frame[..before_wrap]);
        ring.bytes[..frame.len() - before_wrap].copy_from_slice(&frame[before_wrap..]);
        ring.end = end;
        ring.first = ring.first.max(end.saturating_sub(to_u64(self.capacity)));
    }

    /// Copies the bytes at a position, if all of them are known.
    pub(crate) fn read(&self, at: Lsn, buf: &mut [u8]) -> bool {
        if self.capacity == 0 || buf.len() > READ_BYTES_MAX {
            return false;
        }
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if at.0 < ring.first || at.0.saturating_add(to_u64(buf.len())) > ring.end {
            return false;
        }
        let (at, before_wrap) = ring.split(at.0, buf.len());
        let (left, right) = buf.split_at_mut(before_wrap);
        left.copy_from_slice(&ring.bytes[at..at + left.len()]);
        right.copy_from_slice(&ring.bytes[..right.len()]);
        true
    }
}

impl Ring {
    /// Where a position stands, and how many of `len` bytes follow it before the ring begins anew.
    fn split(&self, position: u64, len: usize) -> (usize, usize) {
        let capacity = to_u64(self.bytes.len()).max(1);
        let at = usize::try_from(position % capacity).unwrap_or(0);
        (at, len.min(self.bytes.len() - at))
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(start: u64, len: usize) -> Vec<u8> {
        (start..).take(len).map(|position| (position % 251).to_le_bytes()[0]).collect()
    }

    fn known(recent: &Recent, at: u64, len: usize) -> bool {
        let mut buf = vec![0; len];
        let known = recent.read(Lsn(at), &mut buf);
        assert!(!known || buf == frame(at, len), "{at} has bytes of another position");
        known
    }

    #[test]
    fn the_newest_bytes_are_known_and_older_ones_are_not() {
        let recent = Recent::new(1000);
        assert!(!known(&recent, 0, 1));
        for start in (7..5000).step_by(60) {
            recent.put(Lsn(start), &frame(start, 60));
            let end = start + 60;
            let first = end.saturating_sub(1000).max(7);
            for at in first.saturating_sub(2)..end {
                assert_eq!(known(&recent, at, 1), at >= first);
            }
            assert!(known(&recent, first, usize::try_from(end - first).unwrap()));
            assert!(!known(&recent, end - 1, 2));
        }
    }

    #[test]
    fn a_hole_and_a_large_frame_begin_anew() {
        let recent = Recent::new(1000);
        recent.put(Lsn(0), &frame(0, 50));
        recent.put(Lsn(100), &frame(100, 50));
        assert!(known(&recent, 100, 50) && !known(&recent, 0, 50) && !known(&recent, 60, 1));
        recent.put(Lsn(150), &frame(150, 500));
        assert!(!known(&recent, 100, 50) && !known(&recent, 150, 500));
        recent.put(Lsn(650), &frame(650, 50));
        assert!(known(&recent, 650, 50) && !known(&recent, 649, 2));
    }

    #[test]
    fn without_room_nothing_is_known() {
        let recent = Recent::new(0);
        recent.put(Lsn(0), &frame(0, 5));
        assert!(!known(&recent, 0, 1));
    }

    #[test]
    fn a_long_read_is_left_to_the_medium() {
        let recent = Recent::new(32 * READ_BYTES_MAX);
        recent.put(Lsn(0), &frame(0, READ_BYTES_MAX));
        recent.put(Lsn(to_u64(READ_BYTES_MAX)), &frame(to_u64(READ_BYTES_MAX), 10));
        assert!(known(&recent, 1, READ_BYTES_MAX) && !known(&recent, 1, READ_BYTES_MAX + 1));
    }
}
