//! The requests of each kind, as bytes.

use serde_json::{Value, json};

use super::{MESSAGE, secret};
use crate::client::request;
use crate::servers::Server;

/// Keys that are written in turns.
const WRITTEN: usize = 256;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Transit encryption of 32 bytes, so many items at once.
    Encrypt(usize),
    /// Transit decryption of the same.
    Decrypt(usize),
    /// Ed25519.
    Sign,
    /// A secret of KV version 2.
    KvRead,
    /// A new version of one of some secrets.
    KvWrite,
    /// A login with `AppRole`.
    Login,
    /// A token renews itself.
    Renew,
    /// A new version of a transit key.
    Rotate,
}

impl Op {
    /// Items of one request.
    pub fn items(self) -> usize {
        match self {
            Self::Encrypt(n) | Self::Decrypt(n) => n,
            _ => 1,
        }
    }
}

/// Requests of one kind, about so many keys.
pub(super) fn all(op: Op, server: &Server, keys: usize) -> Vec<Vec<u8>> {
    let known = &server.prepared;
    let post = |path: &str, body: &Value| request("POST", path, &known.token, &body.to_string());
    match op {
        Op::Encrypt(n) => {
            let body = items(n, &json!({ "plaintext": MESSAGE }));
            (0..keys).map(|key| post(&format!("transit/encrypt/key-{key}"), &body)).collect()
        }
        Op::Decrypt(n) => (0..keys)
            .map(|key| {
                let body = items(n, &json!({ "ciphertext": known.sealed[key] }));
                post(&format!("transit/decrypt/key-{key}"), &body)
            })
            .collect(),
        Op::Sign => vec![post("transit/sign/sign", &json!({ "input": MESSAGE }))],
        Op::KvRead => vec![request("GET", "secret/data/read", &known.token, "")],
        Op::KvWrite => {
            let body = secret();
            (0..WRITTEN).map(|n| post(&format!("secret/data/written/{n}"), &body)).collect()
        }
        Op::Login => vec![request("POST", "auth/approle/login", "", &known.login)],
        Op::Renew => {
            let renew = |token: &String| request("POST", "auth/token/renew-self", token, "{}");
            known.renewed.iter().map(renew).collect()
        }
        Op::Rotate => (0..keys)
            .map(|key| post(&format!("transit/keys/key-{key}/rotate"), &json!({})))
            .collect(),
    }
}

fn items(n: usize, item: &Value) -> Value {
    if n == 1 { item.clone() } else { json!({ "batch_input": vec![item; n] }) }
}
