//! The engines beside OpenBao's own: the same requests get answers of the same status and shape, and
//! what one server made with a key the other takes.

mod kv;
mod pair;
mod transit;
