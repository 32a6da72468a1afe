//! The models, one for each cell.
#![allow(clippy::unwrap_used, reason = "tests")]

mod desk;
mod durable;
mod opening;
mod published;
mod queue;
mod signal;

/// Tries all schedules with up to three switches that no wait asks for: of three threads with locks all
/// that there are would take hours.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}
