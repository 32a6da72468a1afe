//! Stands for the storage's committer, around its own queue and desk.

#[path = "../../src/commit/desk.rs"]
pub(crate) mod desk;
pub(crate) mod job;
#[path = "../../src/commit/queue.rs"]
pub(crate) mod queue;

use std::collections::VecDeque;
use std::sync::Arc;

use self::job::Job;
use self::queue::Queue;

/// Answers jobs as they come, and counts them.
#[derive(Default)]
pub(crate) struct Committer {
    answered: usize,
    settled: usize,
}

impl Committer {
    pub(crate) fn run(self, desk: &Arc<desk::Desk>) {
        desk.run(self);
    }

    fn work(&mut self, jobs: VecDeque<Job>) {
        for job in jobs {
            job.answer();
            self.answered += 1;
        }
    }

    fn work_off(&mut self, jobs: VecDeque<Job>, queue: &Queue<Job>) {
        let mut next = Some(jobs);
        while let Some(jobs) = next {
            self.work(jobs);
            next = queue.take_ready(1);
        }
    }

    fn settle(&mut self) {
        self.settled = self.answered;
    }

    fn close(mut self) {
        self.settle();
        assert_eq!(self.settled, self.answered);
    }
}
