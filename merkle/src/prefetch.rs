//! Memory asked for ahead of its use.
//!
//! Whoever is about to go through many places that are in no cache asks for all of them first: the
//! processor then fetches many at a time, where one after the other each would be waited for. These
//! are hints: they change nothing, and where the processor has no such instruction they do nothing.

/// Bytes that a cache fetches at once.
const LINE_BYTES: usize = 64;
/// The counts that stand before what an `Arc` holds.
const COUNTS_BYTES: usize = 2 * size_of::<usize>();

/// Asks for `len` bytes from `address` on, which need not be there.
#[inline]
pub fn prefetch(address: usize, len: usize) {
    let first = address & !(LINE_BYTES - 1);
    for line in (first..address.saturating_add(len)).step_by(LINE_BYTES) {
        prefetch_line(line);
    }
}

/// Asks for what an `Arc` holds, of `len` bytes, and for its counts.
#[inline]
pub fn prefetch_arc<T: ?Sized>(of: &T, len: usize) {
    prefetch((&raw const *of).addr().wrapping_sub(COUNTS_BYTES), len + COUNTS_BYTES);
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "the intrinsic takes a raw pointer")]
fn prefetch_line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing that the program sees and faults on no address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn prefetch_line(_: usize) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn any_address_may_be_asked_for() {
        for (address, len) in [(0, 1), (usize::MAX, 1), (usize::MAX - 5, 1000), (7, 0)] {
            prefetch(address, len);
        }
        let shared: Arc<[u8]> = Arc::from([1, 2, 3]);
        prefetch_arc(&*shared, shared.len());
        assert_eq!(*shared, [1, 2, 3]);
    }
}
