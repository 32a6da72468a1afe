//! Requests, made before the clock runs.

mod dice;
mod requests;

use serde_json::{Value, json};

use crate::client::request;
use crate::servers::Server;

pub use dice::Dice;
pub use requests::Op;

/// 32 bytes in base64.
pub const MESSAGE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Transit keys; the mix uses all of them.
pub const KEYS: usize = 8;
/// Tokens that are renewed.
pub const RENEWED: usize = 64;
/// Items of a batch in the rows of batches.
pub const BATCH: usize = 400;
/// Items of a batch in the mix.
pub const SMALL_BATCH: usize = 25;

/// What the load is made of: of a thousand requests, so many of each.
pub const MIX: [(u64, Op); 9] = [
    (400, Op::Encrypt(1)),
    (250, Op::Decrypt(1)),
    (150, Op::Sign),
    (90, Op::Encrypt(SMALL_BATCH)),
    (60, Op::Decrypt(SMALL_BATCH)),
    (20, Op::Login),
    (20, Op::Renew),
    (1, Op::Rotate),
    (9, Op::KvWrite),
];

/// A secret of five fields.
pub fn secret() -> Value {
    json!({ "data": {
        "host": "db.example.com", "port": 5432, "user": "app", "password": "correct horse battery",
        "url": "postgres://db.example.com:5432/app",
    }})
}

/// What a slice sends.
pub struct Work {
    /// By weight; of each kind, several that differ.
    draws: Vec<(u64, Vec<Vec<u8>>)>,
    total: u64,
}

impl Work {
    /// One kind of request.
    pub fn only(op: Op, server: &Server, keys: usize) -> Self {
        Self { draws: vec![(1, requests::all(op, server, keys))], total: 1 }
    }

    /// The transit-heavy mix.
    pub fn mix(server: &Server) -> Self {
        let draws: Vec<_> =
            MIX.iter().map(|(weight, op)| (*weight, requests::all(*op, server, KEYS))).collect();
        let total = draws.iter().map(|(weight, _)| weight).sum();
        Self { draws, total }
    }

    /// What a bare server is sent: the bytes of an encryption.
    pub fn hello() -> Self {
        let body = json!({ "plaintext": MESSAGE }).to_string();
        let token = format!("s.{}", "x".repeat(26));
        Self {
            draws: vec![(1, vec![request("POST", "transit/encrypt/key-0", &token, &body)])],
            total: 1,
        }
    }

    /// The next request.
    pub fn pick(&self, dice: &mut Dice) -> &[u8] {
        let mut left = dice.below(self.total);
        for (weight, requests) in &self.draws {
            if left < *weight {
                let at = usize::try_from(dice.below(requests.len() as u64)).unwrap_or(0);
                return &requests[at];
            }
            left -= weight;
        }
        &[]
    }
}
