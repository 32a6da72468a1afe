//! The messages, and their frames.

use strongroom_merkle::KeyHash;
use strongroom_storage::{Digest, KeyspaceId, Lsn};

use super::codec::{Input, Output};
use super::exchange::{Fetched, Forwarded};
use super::opening::{Bootstrap, Hello, RefusalCode};
use super::stream::{Change, Heartbeat, Reconcile, Start, position, put_position};
use super::{FRAME_MAX, WIRE_VERSION, WireError};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Hello(Hello),
    Welcome { cluster_id: String, log_id: [u8; 16], epoch: u64 },
    Refused { code: RefusalCode, text: String },
    Bootstrap(Bootstrap),
    Start(Start),
    Accepted,
    NeedReconcile(Reconcile),
    Change(Change),
    Level { lsn: Lsn, root: Digest },
    Heartbeat(Heartbeat),
    Snapshot { lsn: Lsn, root: Digest },
    Differ(Vec<u8>),
    DifferReply(Vec<u8>),
    Fetch { keyspace: KeyspaceId, hashes: Vec<KeyHash> },
    FetchAll { keyspace: KeyspaceId },
    Values { entries: Vec<Fetched>, last: bool },
    Call(Forwarded),
    Answer(Forwarded),
}

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const REFUSED: u8 = 3;
const BOOTSTRAP: u8 = 4;
const START: u8 = 16;
const ACCEPTED: u8 = 17;
const NEED_RECONCILE: u8 = 18;
const CHANGE: u8 = 19;
const LEVEL: u8 = 20;
const HEARTBEAT: u8 = 21;
const SNAPSHOT: u8 = 32;
const DIFFER: u8 = 33;
const DIFFER_REPLY: u8 = 34;
const FETCH: u8 = 35;
const VALUES: u8 = 36;
const FETCH_ALL: u8 = 37;
const CALL: u8 = 48;
const ANSWER: u8 = 49;

impl Message {
    /// Appends the whole frame, length first.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(WIRE_VERSION);
        out.push(self.kind());
        self.encode_body(out);
        let len = out.len() - start - 4;
        assert!(len <= FRAME_MAX, "senders keep messages below the bound of a frame");
        let len = u32::try_from(len).unwrap_or_default();
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }

    /// Reads a frame without its length.
    pub(crate) fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut input = Input::new(frame);
        let version = input.u8()?;
        if version != WIRE_VERSION {
            return Err(WireError::Version(version));
        }
        let kind = input.u8()?;
        let message = decode_body(kind, &mut input)?;
        input.finish()?;
        Ok(message)
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Welcome { .. } => WELCOME,
            Self::Refused { .. } => REFUSED,
            Self::Bootstrap(_) => BOOTSTRAP,
            Self::Start(_) => START,
            Self::Accepted => ACCEPTED,
            Self::NeedReconcile(_) => NEED_RECONCILE,
            Self::Change(_) => CHANGE,
            Self::Level { .. } => LEVEL,
            Self::Heartbeat(_) => HEARTBEAT,
            Self::Snapshot { .. } => SNAPSHOT,
            Self::Differ(_) => DIFFER,
            Self::DifferReply(_) => DIFFER_REPLY,
            Self::Fetch { .. } => FETCH,
            Self::FetchAll { .. } => FETCH_ALL,
            Self::Values { .. } => VALUES,
            Self::Call(_) => CALL,
            Self::Answer(_) => ANSWER,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(h) => h.encode(out),
            Self::Welcome { cluster_id, log_id, epoch } => {
                out.put_text(cluster_id);
                out.extend_from_slice(log_id);
                out.put_num64(*epoch);
            }
            Self::Refused { code, text } => {
                out.push(code.to_byte());
                out.put_text(text);
            }
            Self::Bootstrap(b) => b.encode(out),
            Self::Start(s) => {
                out.extend_from_slice(&s.log_id);
                put_position(out, s.lsn, &s.root);
            }
            Self::Accepted => {}
            Self::NeedReconcile(why) => out.push(why.to_byte()),
            Self::Change(c) => c.encode(out),
            Self::Level { lsn, root } | Self::Snapshot { lsn, root } => {
                put_position(out, *lsn, root);
            }
            Self::Heartbeat(h) => {
                put_position(out, h.lsn, &h.root);
                out.put_num64(h.clock_ms);
                out.put_num64(h.echo_ms);
                out.put_num64(h.held_ms);
            }
            Self::Differ(bytes) | Self::DifferReply(bytes) => out.put_bytes(bytes),
            Self::Fetch { keyspace, hashes } => {
                out.extend_from_slice(&keyspace.0);
                out.put_count(hashes.len());
                for hash in hashes {
                    out.extend_from_slice(&hash.0);
                }
            }
            Self::FetchAll { keyspace } => out.extend_from_slice(&keyspace.0),
            Self::Values { entries, last } => {
                out.put_flag(*last);
                out.put_count(entries.len());
                for entry in entries {
                    entry.encode(out);
                }
            }
            Self::Call(f) | Self::Answer(f) => {
                out.put_num64(f.id);
                out.put_bytes(&f.json);
                out.put_bytes(&f.body);
            }
        }
    }
}

fn decode_body(kind: u8, input: &mut Input<'_>) -> Result<Message, WireError> {
    Ok(match kind {
        HELLO => Message::Hello(Hello::decode(input)?),
        WELCOME => Message::Welcome {
            cluster_id: input.text()?,
            log_id: input.array()?,
            epoch: input.u64()?,
        },
        REFUSED => {
            Message::Refused { code: RefusalCode::from_byte(input.u8()?)?, text: input.text()? }
        }
        BOOTSTRAP => Message::Bootstrap(Bootstrap::decode(input)?),
        START => {
            let log_id = input.array()?;
            let (lsn, root) = position(input)?;
            Message::Start(Start { log_id, lsn, root })
        }
        ACCEPTED => Message::Accepted,
        NEED_RECONCILE => Message::NeedReconcile(Reconcile::from_byte(input.u8()?)?),
        CHANGE => Message::Change(Change::decode(input)?),
        LEVEL => {
            let (lsn, root) = position(input)?;
            Message::Level { lsn, root }
        }
        HEARTBEAT => {
            let (lsn, root) = position(input)?;
            let (clock_ms, echo_ms, held_ms) = (input.u64()?, input.u64()?, input.u64()?);
            Message::Heartbeat(Heartbeat { lsn, root, clock_ms, echo_ms, held_ms })
        }
        SNAPSHOT => {
            let (lsn, root) = position(input)?;
            Message::Snapshot { lsn, root }
        }
        DIFFER => Message::Differ(input.bytes()?.to_vec()),
        DIFFER_REPLY => Message::DifferReply(input.bytes()?.to_vec()),
        FETCH => {
            let keyspace = KeyspaceId(input.array()?);
            let n = input.count(KeyHash::BYTES)?;
            let hashes = (0..n).map(|_| input.array().map(KeyHash)).collect::<Result<_, _>>()?;
            Message::Fetch { keyspace, hashes }
        }
        FETCH_ALL => Message::FetchAll { keyspace: KeyspaceId(input.array()?) },
        VALUES => {
            let last = input.flag()?;
            let n = input.count(KeyHash::BYTES + 1)?;
            let entries = (0..n).map(|_| Fetched::decode(input)).collect::<Result<_, _>>()?;
            Message::Values { entries, last }
        }
        CALL => Message::Call(Forwarded::decode(input)?),
        ANSWER => Message::Answer(Forwarded::decode(input)?),
        other => return Err(WireError::Kind(other)),
    })
}
