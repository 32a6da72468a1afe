//! Loom's primitives under the names that the cells use; what loom has none of is made of them.

use std::ops::Deref;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::{PoisonError, TryLockError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Counted<T> {
    strong: AtomicUsize,
    value: T,
}

/// A counted reference that can be weak.
pub(crate) struct Arc<T>(loom::sync::Arc<Counted<T>>);

/// A reference that keeps nothing.
pub(crate) struct Weak<T>(loom::sync::Arc<Counted<T>>);

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Arc::new(Counted { strong: AtomicUsize::new(1), value }))
    }

    pub(crate) fn downgrade(this: &Self) -> Weak<T> {
        Weak(loom::sync::Arc::clone(&this.0))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.0.strong.fetch_add(1, Ordering::Relaxed);
        Self(loom::sync::Arc::clone(&self.0))
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        self.0.strong.fetch_sub(1, Ordering::Release);
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Weak<T> {
    pub(crate) fn strong_count(&self) -> usize {
        self.0.strong.load(Ordering::Relaxed)
    }

    pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
        let more = |strong| (strong > 0).then_some(strong + 1);
        let counted = self.0.strong.fetch_update(Ordering::Acquire, Ordering::Relaxed, more);
        counted.is_ok().then(|| Arc(loom::sync::Arc::clone(&self.0)))
    }
}

/// A short look at such a reference.
pub(crate) struct Guard<T>(T);

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A reference that is replaced whole, or missing.
pub(crate) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub(crate) fn new(value: Option<Arc<T>>) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        Guard(self.load_full())
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *lock(&self.0), value)
    }
}
