use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::commit::company::Company;
use crate::commit::queue::Queue;
use crate::tests::bounded;

/// Two transactions come while a frame with nobody else in it is in flight. However they meet the
/// committer, it takes both before it waits or is woken: neither lies there until the frame lands.
#[test]
fn whoever_comes_last_is_seen_or_wakes_the_committer() {
    bounded(|| {
        let company = Arc::new(Company::new());
        let queue = Arc::new(Queue::new());
        let woken = Arc::new(AtomicUsize::new(0));
        let rings = Arc::clone(&woken);
        company.wake_by(std::sync::Arc::new(move || {
            rings.fetch_add(1, Ordering::Relaxed);
        }));
        let clients: Vec<_> = (0..2)
            .map(|job| {
                let (company, queue) = (Arc::clone(&company), Arc::clone(&queue));
                thread::spawn(move || {
                    // Present until its answer is there, which this frame does not bring.
                    std::mem::forget(company.enter());
                    company.arrived(queue.send(job, 1));
                })
            })
            .collect();
        company.begin_wait(0);
        let taken = queue.take_if(|waiting, _| company.is_complete(waiting, 0));
        let taken = taken.map_or(0, |jobs| jobs.len());
        for client in clients {
            client.join().unwrap();
        }
        // Once it has taken one, that one is in flight, and another round begins.
        assert!(taken > 0 || woken.load(Ordering::Relaxed) == 1);
    });
}
