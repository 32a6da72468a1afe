//! The second thread of large batches.

use strongroom_merkle::Join;

/// Runs two halves of a piece of work at a time, on the process's pool of compute threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worker;

impl Join for Worker {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(a, b)
    }
}
