//! Where in a node what stands: places, and a bit for each of them.

/// Levels of the binary trie in one node.
pub(super) const LEVELS: u8 = 4;
/// Places below a node's own fork.
pub(crate) const PLACES: usize = (2 << LEVELS) - 2;

/// Where in a node something stands.
///
/// Places are numbered from a fork first down its side 0, then down its side 1, so what is below a
/// fork lies together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct At {
    number: u8,
    level: u8,
}

impl At {
    /// The node's own fork. It is not stored in the node.
    pub(crate) const TOP: Self = Self { number: 0, level: 0 };

    #[inline]
    pub(crate) fn side(self, bit: usize) -> Self {
        // No branch: nobody could predict it.
        let side_0 = (1 << (LEVELS - self.level)) - 1;
        let skip = if bit == 0 { 0 } else { u8::MAX } & side_0;
        Self { number: self.number + 1 + skip, level: self.level + 1 }
    }

    /// Whether the sides of a fork that stands here are in the same node.
    #[inline]
    pub(crate) fn is_inner(self) -> bool {
        self.level < LEVELS
    }

    /// Of the bits of a [`Map`], the one that stands for this place.
    #[inline]
    pub(super) fn bit(self) -> u32 {
        1 << self.number
    }

    /// The bits of all places below this one.
    #[inline]
    pub(super) fn below(self) -> u32 {
        let places = (2 << (LEVELS - self.level)) - 2;
        ((1 << places) - 1) << (self.number + 1)
    }
}

/// What is where in a node: a bit for each place.
#[derive(Clone, Copy, Default)]
pub(crate) struct Map {
    /// Places that are not empty.
    pub(super) full: u32,
    /// Places of forks whose sides are in the node.
    inner: u32,
}

impl Map {
    /// Something stands at a place.
    pub(crate) fn put(&mut self, at: At) {
        self.full |= at.bit();
    }

    /// A fork stands at a place, its sides in this node.
    pub(crate) fn put_inner(&mut self, at: At) {
        self.put(at);
        self.inner |= at.bit();
    }

    /// As it is in `other` below a place.
    pub(crate) fn put_below(&mut self, at: At, other: Self) {
        self.full |= other.full & at.below();
        self.inner |= other.inner & at.below();
    }

    /// What stands at a place and below it.
    pub(crate) fn only(self, at: At) -> Self {
        let places = at.bit() | at.below();
        Self { full: self.full & places, inner: self.inner & places }
    }

    /// Whether nothing stands at a place.
    pub(crate) fn is_empty(self, at: At) -> bool {
        self.full & at.bit() == 0
    }

    #[inline]
    pub(super) fn is_inner(self, at: At) -> bool {
        self.inner & at.bit() != 0
    }

    /// How many places in front of this one are not empty.
    #[inline]
    pub(crate) fn index(self, at: At) -> usize {
        count(self.full & (at.bit() - 1))
    }
}

#[inline]
pub(super) fn count(bits: u32) -> usize {
    usize::try_from(bits.count_ones()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All places at and below one, from it on.
    fn below(at: At) -> Vec<At> {
        let sides = if at.level < LEVELS { vec![at.side(0), at.side(1)] } else { Vec::new() };
        std::iter::once(at).chain(sides.into_iter().flat_map(below)).collect()
    }

    #[test]
    fn a_node_has_four_levels_of_forks_and_a_bit_for_each_place() {
        let all = below(At::TOP);
        assert_eq!(all.len(), PLACES + 1);
        for (number, at) in all.into_iter().enumerate() {
            let own = below(at);
            assert_eq!((at.bit(), at.is_inner()), (1 << number, own.len() > 1), "{at:?}");
            assert_eq!(own[1..].iter().fold(0, |bits, at| bits | at.bit()), at.below(), "{at:?}");
        }
    }

    #[test]
    fn a_part_of_a_map_says_nothing_of_the_rest() {
        let [left, right] = [0, 1].map(|bit| At::TOP.side(bit));
        let mut map = Map::default();
        for (fork, end) in [(left, left.side(1)), (right, right.side(0))] {
            map.put_inner(fork);
            map.put(end);
        }
        let part = map.only(right);
        for at in below(At::TOP) {
            let within = below(right).contains(&at);
            assert_eq!(!part.is_empty(at), within && !map.is_empty(at), "{at:?}");
            assert_eq!(part.is_inner(at), within && map.is_inner(at), "{at:?}");
        }
    }
}
