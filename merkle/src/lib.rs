//! Merkle index of Strongroom: a canonical persistent trie, its digests, proofs and reconciliation.
//!
//! Pure: no I/O, no clock, no threads, no randomness. The formats are in `docs/merkle.md`.
//!
//! - [`Trie`] holds one leaf per key. Its root depends on the set of (key hash, leaf digest) pairs
//!   alone: not on order, batching, history or page size. A clone is a snapshot and costs O(1).
//! - [`Proof`] shows that a key is in, or is not in, a trie to someone who knows the root only.
//! - [`reconcile`] finds the keys in which two stores differ, over any transport.
//! - [`Trie::changed_pages`] finds what a checkpointer must write, by structural sharing.
#![forbid(unsafe_code)]

mod digest;
mod hash;
mod prefix;
mod proof;
pub mod reconcile;
mod trie;

pub use digest::{Digest, KeyHash, Leaf, composite, leaf_digest};
pub use prefix::{Prefix, PrefixError};
pub use proof::{Proof, ProofError};
pub use trie::{ChangedPages, Iter, Page, Trie};
