use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::commit::Committer;
use crate::commit::desk::Desk;
use crate::commit::job::Job;
use crate::tests::bounded;

fn job() -> (Job, loom::sync::Arc<AtomicUsize>) {
    let answered = loom::sync::Arc::new(AtomicUsize::new(0));
    (Job(loom::sync::Arc::clone(&answered)), answered)
}

/// Two transactions, each done by its own thread or by the committer's, whichever way they meet, also
/// before the committer is there: each job is done once.
#[test]
fn every_job_is_done_once_by_whoever_does_it() {
    bounded(|| {
        let desk = Desk::new();
        let runs = Arc::clone(&desk);
        let committer = thread::spawn(move || Committer::default().run(&runs));
        let (first, answered_first) = job();
        let other = Arc::clone(&desk);
        let client = thread::spawn(move || {
            let _present = other.enter();
            other.send_or_do(first);
        });
        let (second, answered_second) = job();
        {
            let _present = desk.enter();
            desk.send_or_do(second);
        }
        client.join().unwrap();
        assert!(desk.is_empty(), "both have left");
        desk.close();
        committer.join().unwrap();
        let times = |answered: loom::sync::Arc<AtomicUsize>| answered.load(Ordering::Relaxed);
        assert_eq!((times(answered_first), times(answered_second)), (1, 1));
    });
}

/// A transaction that is dropped leaves a job that nobody waits for. The next commit of the same thread
/// came before it once, where the committer had taken that job and not begun: a conflict with nobody.
#[test]
fn what_was_handed_in_before_comes_first() {
    bounded(|| {
        let desk = Desk::new();
        let runs = Arc::clone(&desk);
        let committer = thread::spawn(move || Committer::default().run(&runs));
        let (first, answered_first) = job();
        let (second, answered_second) = job();
        {
            let _present = desk.enter();
            desk.send(first);
            desk.send_or_do(second);
            if answered_second.load(Ordering::Acquire) == 1 {
                assert_eq!(answered_first.load(Ordering::Acquire), 1);
            }
        }
        desk.close();
        committer.join().unwrap();
    });
}

/// A job that meets the closing is done once or dropped, which its waiter notices: never kept.
#[test]
fn a_job_beside_the_closing_is_done_or_dropped() {
    bounded(|| {
        let desk = Desk::new();
        let runs = Arc::clone(&desk);
        let committer = thread::spawn(move || Committer::default().run(&runs));
        let (late, answered) = job();
        let one_more = Arc::clone(&desk);
        let closes = thread::spawn(move || one_more.close());
        {
            let _present = desk.enter();
            desk.send_or_do(late);
        }
        closes.join().unwrap();
        committer.join().unwrap();
        assert!(answered.load(Ordering::Relaxed) <= 1);
        assert_eq!(loom::sync::Arc::strong_count(&answered), 1, "the job is gone");
    });
}

/// Where recovery failed there is no committer: nobody waits for an answer for ever.
#[test]
fn without_a_committer_jobs_are_dropped() {
    bounded(|| {
        let desk = Desk::new();
        let same = Arc::clone(&desk);
        let refuser = thread::spawn(move || same.refuse());
        let (lost, answered) = job();
        {
            let _present = desk.enter();
            desk.send_or_do(lost);
        }
        desk.close();
        refuser.join().unwrap();
        assert_eq!(answered.load(Ordering::Relaxed), 0);
        assert_eq!(loom::sync::Arc::strong_count(&answered), 1, "the job is gone");
    });
}
