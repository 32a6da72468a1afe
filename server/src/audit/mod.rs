//! Audit devices: what was asked and what was answered, on record before the answer leaves.
//!
//! A [`Trail`] accompanies one request. The request's record is on a device before anything is
//! changed, forwarded or waited for; the answer's record before anything leaves. Where nothing is
//! changed (reads, encryption) both go out together, in one write.
//!
//! Every [`Device`] has a thread and a queue of its own: a write takes all that gathered while the
//! last one was in flight. A request needs one device that has its record, and waits for every
//! device that works. One that hangs is given up after a bounded time and asked again only once it
//! moves; until then it holds up nobody. Without a single working device requests fail.
//!
//! | entry | is |
//! |---|---|
//! | CORE/`audit` | replicated devices |
//! | CORE/`audit-headers` | request headers that go on record |
//! | LOCAL/`audit` | this cluster's own devices |
//!
//! Strings of a body go on record as HMAC-SHA256 under a key of each device, so that a value can be
//! looked for without being shown; `log_raw` switches that off.

mod broker;
mod caller;
mod counts;
mod device;
mod durable;
mod entry;
mod facts;
mod file;
mod follow;
mod hash;
mod headers;
mod hmac;
mod journal;
mod object;
mod open;
mod probe;
mod record;
mod redact;
mod routes;
mod sink;
mod socket;
mod syslog;
mod trail;

pub use broker::Broker;
pub(crate) use broker::spawn;
pub use counts::Counted;
pub use device::{BACKLOG_MAX, Device, STUCK_AFTER};
pub use entry::DeviceEntry;
pub use facts::{Facts, Policies, Who};
pub use routes::ROUTES;
pub use trail::Trail;

/// Key of the devices, in CORE and in LOCAL.
const TABLE_KEY: &str = "audit";
/// Key of the recorded headers, in CORE.
const HEADERS_KEY: &str = "audit-headers";
