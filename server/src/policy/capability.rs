//! Sets of capabilities.

use crate::logical::Operation;

/// A set of capabilities; `deny` in it makes the rest void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Capabilities(u16);

/// Names and bits, in the order in which the API lists them.
const NAMES: [(&str, Capabilities); 11] = [
    ("create", Capabilities::CREATE),
    ("delete", Capabilities::DELETE),
    ("list", Capabilities::LIST),
    ("patch", Capabilities::PATCH),
    ("read", Capabilities::READ),
    ("recover", Capabilities::RECOVER),
    ("scan", Capabilities::SCAN),
    ("subscribe", Capabilities::SUBSCRIBE),
    ("sudo", Capabilities::SUDO),
    ("update", Capabilities::UPDATE),
    ("deny", Capabilities::DENY),
];

impl Capabilities {
    /// Nothing allowed.
    pub const NONE: Self = Self(0);
    /// Write what is not there yet.
    pub const CREATE: Self = Self(1);
    /// Read.
    pub const READ: Self = Self(1 << 1);
    /// Write what is there.
    pub const UPDATE: Self = Self(1 << 2);
    /// Change in part.
    pub const PATCH: Self = Self(1 << 3);
    /// Delete.
    pub const DELETE: Self = Self(1 << 4);
    /// List.
    pub const LIST: Self = Self(1 << 5);
    /// Call paths that need more than their verb.
    pub const SUDO: Self = Self(1 << 6);
    /// Nothing, whatever else is granted.
    pub const DENY: Self = Self(1 << 7);
    /// List, folders included.
    pub const SCAN: Self = Self(1 << 8);
    /// Take data back from a snapshot. Nothing needs this or the next one yet; policies that were
    /// written for other servers may name them.
    pub const RECOVER: Self = Self(1 << 9);
    /// Be told of changes.
    pub const SUBSCRIBE: Self = Self(1 << 10);
    /// Ask whether there is a path; no policy but the root policy grants it.
    pub const HEAD: Self = Self(1 << 11);
    /// All but `deny`.
    pub const ALL: Self = Self(0xf7f);

    /// By its name in a policy.
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, c)| *c)
    }

    /// What a verb needs; for a write that is `exists` to tell.
    pub fn needed(op: Operation, exists: bool) -> Self {
        match op {
            Operation::Read => Self::READ,
            Operation::List => Self::LIST,
            Operation::Scan => Self::SCAN,
            Operation::Write if exists => Self::UPDATE,
            Operation::Write => Self::CREATE,
            Operation::Patch => Self::PATCH,
            Operation::Delete => Self::DELETE,
            Operation::Head => Self::HEAD,
        }
    }

    /// Both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `needed` is granted and nothing denies it.
    pub fn allows(self, needed: Self) -> bool {
        self.0 & Self::DENY.0 == 0 && self.0 & needed.0 == needed.0
    }

    /// Whether anything at all is granted.
    pub fn any(self) -> bool {
        self.0 & Self::DENY.0 == 0 && self.0 != 0
    }

    /// As the API lists it: sorted names, `deny` alone when nothing is granted.
    pub fn names(self) -> Vec<&'static str> {
        if !self.any() {
            return vec!["deny"];
        }
        NAMES.iter().filter(|(_, c)| self.0 & c.0 != 0).map(|(n, _)| *n).collect()
    }
}
