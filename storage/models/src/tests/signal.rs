use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use crate::signal::{Signal, Woken};
use crate::tests::bounded;

/// What is due is told, however the two meet.
#[test]
fn the_waiter_hears_of_what_is_due() {
    for idle_after in [None, Some(Duration::from_secs(1))] {
        bounded(move || {
            let signal = Arc::new(Signal::new(idle_after));
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let signal = Arc::clone(&signal);
                    thread::spawn(move || signal.due())
                })
                .collect();
            assert_eq!(signal.wait(), Woken::Due);
            for other in others {
                other.join().unwrap();
            }
        });
    }
}

/// A stop is heard beside what is due, and is the last that is heard.
#[test]
fn the_waiter_hears_of_the_stop() {
    bounded(|| {
        let signal = Arc::new(Signal::new(None));
        let due = Arc::clone(&signal);
        let tells = thread::spawn(move || due.due());
        let stop = Arc::clone(&signal);
        let stops = thread::spawn(move || stop.stop());
        let mut heard = signal.wait();
        while heard != Woken::Stop {
            assert_eq!(heard, Woken::Due);
            heard = signal.wait();
        }
        tells.join().unwrap();
        stops.join().unwrap();
        assert_eq!(signal.wait(), Woken::Stop);
    });
}

/// What is due presses until it is taken up, told from wherever it was; a stop presses for ever.
#[test]
fn what_is_due_presses_until_it_is_taken_up() {
    bounded(|| {
        let signal = Arc::new(Signal::new(None));
        assert!(!signal.is_pressing());
        let due = Arc::clone(&signal);
        let tells = thread::spawn(move || due.due());
        assert_eq!(signal.wait(), Woken::Due);
        assert!(!signal.is_pressing());
        tells.join().unwrap();
        assert!(!signal.is_pressing());
        signal.due();
        assert!(signal.is_pressing());
        signal.stop();
        assert_eq!(signal.wait(), Woken::Stop);
        assert!(signal.is_pressing());
    });
}
