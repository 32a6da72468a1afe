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
