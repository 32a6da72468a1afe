use loom::sync::Arc;
use loom::thread;

use crate::commit::queue::Queue;
use crate::tests::bounded;

/// What two threads send is taken once and in each one's order, whoever is faster; the taker is woken.
#[test]
fn everything_sent_is_taken_once() {
    bounded(|| {
        let queue = Arc::new(Queue::new());
        let senders: Vec<_> = [vec![10, 11], vec![20]]
            .into_iter()
            .map(|jobs| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || jobs.into_iter().for_each(|job| queue.send(job, 1)))
            })
            .collect();
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(queue.take().unwrap());
            taken.extend(queue.take_ready(2).into_iter().flatten());
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(!queue.is_idle(), "what was taken may still have to be done");
        let (tens, twenties): (Vec<i32>, Vec<i32>) = taken.into_iter().partition(|job| *job < 20);
        assert_eq!((tens, twenties), (vec![10, 11], vec![20]));
    });
}

/// A job beside the closing is taken or refused; the taker comes to an end either way.
#[test]
fn closing_ends_the_taker_after_what_was_sent() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let sender = Arc::clone(&queue);
        let sends = thread::spawn(move || sender.send(1, 1));
        let one_more = Arc::clone(&queue);
        let closes = thread::spawn(move || {
            one_more.send(2, 1);
            one_more.close();
        });
        let mut taken = Vec::new();
        while let Some(jobs) = queue.take() {
            taken.extend(jobs);
        }
        sends.join().unwrap();
        closes.join().unwrap();
        assert!(queue.take().is_none() && taken.contains(&2));
    });
}
