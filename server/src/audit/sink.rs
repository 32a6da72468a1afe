//! What a device writes to.

use std::io;

/// Takes batches of records on a thread of its own; every call may block.
pub(super) trait Sink: Send {
    /// Writes whole records, `ends` being where each ends in `batch`. When it answers, all of them
    /// are where the device promises.
    ///
    /// # Errors
    /// Some may not have been written; the next batch must start on a line of its own.
    fn write(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()>;

    /// The next write opens what it writes to anew.
    fn reopen(&mut self);
}
