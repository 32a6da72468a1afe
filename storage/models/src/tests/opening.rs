use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::error::OpenError;
use crate::opening::Opening;
use crate::recovery::RecoveryReport;

/// The flag stands for the recovered state; relaxed, so that only the cell orders it.
#[test]
fn who_waited_sees_what_was_recovered() {
    loom::model(|| {
        let cell = Arc::new((Opening::default(), AtomicBool::new(false)));
        let ends: Vec<_> = (0..2)
            .map(|_| {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    assert!(cell.0.wait());
                    assert!(cell.1.load(Ordering::Relaxed));
                })
            })
            .collect();
        cell.1.store(true, Ordering::Relaxed);
        cell.0.recovered(RecoveryReport { frames: 7 });
        for end in ends {
            end.join().unwrap();
        }
        assert_eq!(cell.0.report().frames, 7);
        assert_eq!(cell.0.result(), Ok(()));
    });
}

/// Everyone who asks is told; one of them gets the cause whole.
#[test]
fn a_failure_reaches_everyone_and_its_cause_one() {
    loom::model(|| {
        let cell = Arc::new(Opening::default());
        let other = Arc::clone(&cell);
        let asks = thread::spawn(move || other.result());
        cell.failed(OpenError::Cause);
        assert!(!cell.wait());
        let mut told = [cell.result(), asks.join().unwrap()];
        told.sort_by_key(|result| *result != Err(OpenError::Cause));
        assert_eq!(told, [Err(OpenError::Cause), Err(OpenError::Failed("cause".to_owned()))]);
        assert_eq!(cell.report(), RecoveryReport::default());
    });
}
