//! The server under load, beside OpenBao and a bare HTTP server, in one run.
//!
//! All take part with the same requests from the same load generator, in slices that take turns.
//! CPU is what the system counts for the server's process; the load generator's is not in it. See
//! the section "Benchmarks" of the README.

pub mod client;
pub mod hello;
pub mod load;
pub mod report;
pub mod run;
pub mod servers;
pub mod stat;
pub mod work;
