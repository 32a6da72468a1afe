//! Benches of the parts, under `benches/`: the log, the Merkle index, point reads, transit. Nothing is
//! exported here.
