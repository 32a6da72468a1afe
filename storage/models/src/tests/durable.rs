use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::durable::Durable;
use crate::lsn::Lsn;

/// The table of segments stands for everything that is done before publishing; relaxed, so that only
/// the cell orders it.
#[test]
fn a_reader_that_is_told_finds_what_it_is_told_of() {
    loom::model(|| {
        let cell = Arc::new((Durable::new(Lsn(1)), AtomicBool::new(false)));
        let writer = Arc::clone(&cell);
        let handle = thread::spawn(move || {
            writer.1.store(true, Ordering::Relaxed);
            writer.0.publish(Lsn(2));
            writer.0.publish(Lsn(3));
        });
        let first = cell.0.get();
        if first > Lsn(1) {
            assert!(cell.1.load(Ordering::Relaxed));
        }
        assert!(cell.0.get() >= first);
        handle.join().unwrap();
        assert_eq!(cell.0.get(), Lsn(3));
    });
}
