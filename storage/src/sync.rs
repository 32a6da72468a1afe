//! What the hand-made cells between threads stand on: the standard library's primitives. The crate
//! `storage/models` compiles the cells with loom's in their place.

pub(crate) use arc_swap::{ArcSwapOption, Guard};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

/// A lock whose holder panicked is taken all the same: what these locks guard is replaced whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
