//! The log's tests from the outside, by subject.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crash;
mod disks;
mod faults;
mod golden;
mod hostile;
mod inspect;
mod killed;
mod log;
mod look_again;
mod moments;
mod pipeline;
mod pipeline_crash;
mod recent;
mod reserve;
mod rot;
mod support;
mod tailing;
mod uring;
