//! The engine through its routes, and its versions against a plain model.

mod data;
mod metadata;
mod model;

use crate::engine::testing::Harness;

fn mount() -> Harness {
    Harness::new("kv", &[("version", "2")])
}
