//! What a leaf keeps beside key and digest, as bytes.

/// What is kept with a leaf, in a fixed number of bytes.
pub trait PageValue: Copy + 'static {
    /// How many.
    const BYTES: usize;

    /// Writes it to `out`, which has that many bytes.
    fn put(&self, out: &mut [u8]);

    /// Reads what [`put`](Self::put) wrote.
    fn get(bytes: &[u8]) -> Self;
}

impl PageValue for () {
    const BYTES: usize = 0;

    fn put(&self, _: &mut [u8]) {}

    fn get(_: &[u8]) -> Self {}
}

impl<const N: usize> PageValue for [u8; N] {
    const BYTES: usize = N;

    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(self);
    }

    fn get(bytes: &[u8]) -> Self {
        bytes.first_chunk().map_or([0; N], |bytes| *bytes)
    }
}

impl PageValue for u64 {
    const BYTES: usize = 8;

    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        bytes.first_chunk().map_or(0, |bytes| Self::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back<V: PageValue + PartialEq + std::fmt::Debug>(value: V) {
        let mut bytes = vec![0xee; V::BYTES];
        value.put(&mut bytes);
        assert_eq!(V::get(&bytes), value);
    }

    #[test]
    fn what_is_kept_with_a_leaf_comes_back() {
        comes_back(());
        comes_back([1, 2, 3]);
        comes_back(0x0102_0304_0506_0708u64);
    }
}
