//! Numbers that look random, the same for each seed (G. Marsaglia, "Xorshift RNGs", 2003).

/// See the module's text.
pub struct Random(u64);

impl Random {
    pub fn of(seed: u64) -> Self {
        Self(seed | 1 << 63)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
