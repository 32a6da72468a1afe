//! Both sides together: real stores, real sockets, real certificates; only the cluster around them
//! is made up.

mod cluster;
mod forwarding;
mod hostile;
mod ops;
mod reconcile;
mod stream;
mod trust;
