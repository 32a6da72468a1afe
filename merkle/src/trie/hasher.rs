//! Many digests at once: inputs that are alike share vector registers.

use crate::digest::Digest;
use crate::hash;

/// Inputs hashed together.
const LANES: usize = 16;

/// A fork that waits for its digest.
pub(super) trait Unhashed {
    /// Bits above it.
    fn depth(&self) -> usize;

    /// Takes its digest.
    fn set(&mut self, digest: Digest);
}

/// Its memory serves one batch after the other.
#[derive(Default)]
pub(super) struct Hasher {
    /// What is hashed, each with what it is sorted by.
    order: Vec<(usize, usize)>,
}

impl Hasher {
    /// Digests of so many pages, in order, each from its input.
    pub(super) fn pages<'i>(
        &mut self,
        count: usize,
        input: impl Fn(usize) -> &'i [u8],
        digests: &mut Vec<Digest>,
    ) {
        digests.clear();
        digests.resize(count, Digest::ZERO);
        // Inputs of one length share a call.
        self.order.clear();
        self.order.extend((0..count).map(|at| (input(at).len(), at)));
        self.order.sort_unstable();
        let mut out = [Digest::ZERO; LANES];
        for same in self.order.chunk_by(|a, b| a.0 == b.0) {
            for group in same.chunks(LANES) {
                let mut inputs: [&[u8]; LANES] = [&[]; LANES];
                for ((_, at), lane) in group.iter().zip(&mut inputs) {
                    *lane = input(*at);
                }
                hash::groups(&inputs[..group.len()], &mut out[..group.len()]);
                for ((_, at), digest) in group.iter().zip(out) {
                    digests[*at] = digest;
                }
            }
        }
    }

    /// Hashes the forks from number `first` on, the deepest ones first: a fork needs the digests of
    /// its `sides`, which are given all forks and the number of one.
    pub(super) fn forks<F: Unhashed>(
        &mut self,
        forks: &mut [F],
        first: usize,
        sides: impl Fn(&[F], usize) -> [Digest; 2],
    ) {
        self.order.clear();
        self.order.extend(forks[first..].iter().map(Unhashed::depth).zip(first..));
        self.order.sort_unstable_by(|a, b| b.cmp(a));
        let mut inputs = [[0; 64]; LANES];
        let mut out = [Digest::ZERO; LANES];
        for level in self.order.chunk_by(|a, b| a.0 == b.0) {
            for group in level.chunks(LANES) {
                for ((_, at), input) in group.iter().zip(&mut inputs) {
                    let [left, right] = sides(forks, *at);
                    *input = hash::node_input([&left, &right]);
                }
                hash::nodes(&inputs[..group.len()], &mut out[..group.len()]);
                for ((_, at), digest) in group.iter().zip(out) {
                    forks[*at].set(digest);
                }
            }
        }
    }
}
