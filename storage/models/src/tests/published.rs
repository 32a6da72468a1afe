use loom::sync::Arc;
use loom::thread;

use crate::published::Published;
use crate::sync;
use crate::tests::bounded;

/// Whoever gives back log asks for the oldest state that is read: a state that a reader holds, or
/// gets later, is never before it.
#[test]
fn no_reader_holds_an_older_state_than_the_oldest() {
    bounded(|| {
        let cell = Arc::new(Published::new(sync::Arc::new(1)));
        let reader = Arc::clone(&cell);
        let reads = thread::spawn(move || reader.get());
        let same = Arc::clone(&cell);
        let writes = thread::spawn(move || {
            drop(same.publish(sync::Arc::new(2)));
            drop(same.publish(sync::Arc::new(3)));
        });
        let oldest = cell.oldest(|state| *state);
        let held = reads.join().unwrap();
        assert!(oldest <= *held, "{oldest} for {}", *held);
        writes.join().unwrap();
        assert_eq!(cell.oldest(|state| *state), *held);
        drop(held);
        assert_eq!(cell.oldest(|state| *state), 3);
    });
}

/// The same for a look that is not counted.
#[test]
fn a_short_look_is_at_no_older_state_than_the_oldest() {
    loom::model(|| {
        let cell = Arc::new(Published::new(sync::Arc::new(1)));
        let same = Arc::clone(&cell);
        let writes = thread::spawn(move || drop(same.publish(sync::Arc::new(2))));
        let look = cell.glance();
        assert!(cell.oldest(|state| *state) <= *look);
        writes.join().unwrap();
        assert!(cell.oldest(|state| *state) <= *look);
        drop(look);
        assert_eq!(cell.oldest(|state| *state), 2);
    });
}

/// A state that is taken out to be changed: whoever comes meanwhile waits, and finds all of the
/// change; whoever came before keeps what he has.
#[test]
fn a_reader_finds_all_of_a_change_or_nothing_of_it() {
    loom::model(|| {
        let cell = Arc::new(Published::new(sync::Arc::new(1)));
        let same = Arc::clone(&cell);
        let changes = thread::spawn(move || {
            same.change(|state| sync::Arc::new(*state + 1));
        });
        let kept = cell.get();
        let look = cell.glance();
        assert!(*kept <= *look && *look <= 2);
        assert!(cell.oldest(|state| *state) <= *kept);
        changes.join().unwrap();
        assert!(cell.is_held());
        drop((kept, look));
        assert!(!cell.is_held());
        assert_eq!(cell.oldest(|state| *state), 2);
    });
}
