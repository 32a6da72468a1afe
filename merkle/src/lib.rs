//! Merkle index of Strongroom: a canonical persistent trie, its digests, proofs and reconciliation.
//!
//! Pure: no I/O, no clock, no threads, no randomness. The formats are in `docs/merkle.md`.
//!
//! - [`Trie`] is a spine over [`Page`]s, which a [`Pages`] keeps: in memory ([`MemPages`]), or in a
//!   buffer pool that drops and reloads them. The root depends on the set of (key hash, leaf digest)
//!   pairs alone: not on order, batching, history or where pages are. A clone is a snapshot and
//!   costs O(1).
//! - [`View`] is a trie and its pages in one value.
//! - [`Proof`] shows that a key is in, or is not in, a trie to someone who knows the root only;
//!   [`StoreProof`] shows it to someone who knows the root over all keyspaces.
//! - [`reconcile`] finds the keys in which two stores differ, over any transport.
//! - [`Trie::pages`] and [`Trie::from_pages`] take the spine to pieces for a checkpoint and put it
//!   together again, without loading a page.

mod digest;
mod hash;
mod page;
mod pages;
pub mod prefetch;
mod prefix;
mod proof;
pub mod reconcile;
mod store_proof;
mod trie;
mod view;

pub use digest::{Digest, KeyHash, composite, leaf_digest};
pub use page::{Guess, Leaf, PAGE_LEAVES_MAX, Page, PageError, PageValue};
pub use pages::{Handle, MemPages, Pages, PagesMut};
pub use prefix::{Prefix, PrefixError};
pub use proof::{Proof, ProofError};
pub use store_proof::StoreProof;
pub use trie::{Change, Held, Join, Leaves, MalformedPages, PageRef, Sequential, Trie};
pub use view::View;
