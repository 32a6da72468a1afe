//! Buffers that direct I/O can write from: whole blocks at block-aligned addresses.
//!
//! Promises: the bytes start at a multiple of [`BUFFER_ALIGN`]; taking a buffer over costs nothing,
//! and growing is the only copy.

/// Alignment of a buffer's first byte, in bytes.
pub const BUFFER_ALIGN: usize = 4096;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Block([u8; BUFFER_ALIGN]);

const _: () = assert!(size_of::<Block>() == BUFFER_ALIGN && align_of::<Block>() == BUFFER_ALIGN);

/// Whether direct I/O takes a write of this place and length.
pub(super) fn is_aligned(offset: u64, len: usize) -> bool {
    len > 0 && len.is_multiple_of(BUFFER_ALIGN) && offset.is_multiple_of(BUFFER_ALIGN as u64)
}

/// Growing bytes at an aligned address.
#[derive(Default)]
pub struct BlockBuf {
    blocks: Vec<Block>,
    len: usize,
    /// As what the kernel knows this memory, if it does. Gone when the memory moves.
    pub(super) registration: Option<Registration>,
}

/// A place in a table of registered buffers, and whose turn there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) index: u16,
    pub(super) generation: u64,
}

impl BlockBuf {
    /// An empty buffer without memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without growing.
    pub fn capacity(&self) -> usize {
        self.blocks.len() * BUFFER_ALIGN
    }

    /// Forgets the bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `bytes` bytes in all.
    #[inline]
    pub fn grow_to(&mut self, bytes: usize) {
        if bytes > self.capacity() {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        // Even if the memory could grow in place, the kernel knows only the old part.
        self.registration = None;
        let blocks = bytes.div_ceil(BUFFER_ALIGN).max(self.blocks.len() * 2);
        self.blocks.resize(blocks, Block([0; BUFFER_ALIGN]));
    }

    /// Adds bytes at the end.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let (from, to) = (self.len, self.len + bytes.len());
        self.grow_to(to);
        self.memory_mut()[from..to].copy_from_slice(bytes);
        self.len = to;
    }

    /// Adds one byte at the end.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Adds zeros up to `len` bytes, or forgets what is beyond.
    pub fn resize(&mut self, len: usize) {
        let from = self.len;
        self.grow_to(len);
        if len > from {
            self.memory_mut()[from..len].fill(0);
        }
        self.len = len;
    }

    /// All the memory, the part beyond the length included.
    #[expect(unsafe_code, reason = "blocks are seen as the bytes that they are made of")]
    pub(super) fn memory_mut(&mut self) -> &mut [u8] {
        let bytes = self.capacity();
        // SAFETY: `blocks` owns that many initialised bytes in one piece, a block is a plain array
        // of bytes without padding, and the result borrows `self` mutably.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), bytes) }
    }
}

impl std::ops::Deref for BlockBuf {
    type Target = [u8];

    #[expect(unsafe_code, reason = "blocks are seen as the bytes that they are made of")]
    fn deref(&self) -> &[u8] {
        // SAFETY: `blocks` owns at least `len` initialised bytes in one piece, a block is a plain
        // array of bytes without padding, and the result borrows `self`.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }
}

impl std::ops::DerefMut for BlockBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.memory_mut()[..len]
    }
}

impl std::io::Write for BlockBuf {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for BlockBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockBuf").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_plain_bytes(steps in proptest::collection::vec((0..4u8, 0..9000usize), 0..12)) {
            let (mut buf, mut model) = (BlockBuf::new(), Vec::new());
            for (step, n) in steps {
                let fill = u8::try_from(n % 250).unwrap() + 1;
                match step {
                    0 => (buf.extend_from_slice(&vec![fill; n]), model.extend(vec![fill; n])).0,
                    1 => (buf.resize(n), model.resize(n, 0)).0,
                    2 => (buf.push(fill), model.push(fill)).0,
                    _ => buf.grow_to(n),
                }
                prop_assert_eq!(&buf[..], &model[..]);
                prop_assert!(buf.capacity() >= buf.len());
                prop_assert_eq!(buf.is_empty(), model.is_empty());
                prop_assert_eq!(buf.as_ptr().addr() % BUFFER_ALIGN, 0);
            }
        }
    }

    // What is not aligned is written by plain calls: the kernel would refuse it.
    #[test]
    fn whole_blocks_at_whole_blocks_are_aligned() {
        assert!(is_aligned(0, 4096) && is_aligned(8192, 12_288));
        for (offset, len) in [(0, 0), (0, 1), (0, 4097), (1, 4096), (512, 4096), (4096, 100)] {
            assert!(!is_aligned(offset, len), "{len} bytes at {offset}");
        }
    }

    // Whoever encodes through `Write` gets the same bytes as whoever adds them himself.
    #[test]
    fn what_is_written_stands_at_the_end() {
        use std::io::Write as _;
        let mut buf = BlockBuf::new();
        buf.push(1);
        buf.write_all(&[2, 3]).unwrap();
        assert_eq!(&buf[..], [1, 2, 3]);
    }

    #[test]
    fn a_registration_ends_when_the_memory_moves() {
        let mut buf = BlockBuf::new();
        buf.grow_to(1);
        buf.registration = Some(Registration { index: 3, generation: 1 });
        buf.resize(BUFFER_ALIGN);
        assert!(buf.registration.is_some());
        buf.push(1);
        assert!(buf.registration.is_none());
    }

    // Or a frame that grows record by record would be copied at every block.
    #[test]
    fn memory_is_doubled_when_it_grows() {
        let mut buf = BlockBuf::new();
        let mut blocks = Vec::new();
        for len in 1..=9 {
            buf.resize(len * BUFFER_ALIGN);
            blocks.push(buf.capacity() / BUFFER_ALIGN);
        }
        assert_eq!(blocks, [1, 2, 4, 4, 8, 8, 8, 8, 16]);
    }
}
