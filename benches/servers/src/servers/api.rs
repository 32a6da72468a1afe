//! Calls of the API that set a server up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::{Connection, Target, request};

/// A server that does not get ready within this time does not.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Calls a server with one token.
pub(super) struct Api {
    connection: Connection,
    token: String,
}

impl Api {
    pub(super) async fn open(target: &Target, token: &str) -> Result<Self> {
        Ok(Self { connection: listening(target).await?, token: token.to_owned() })
    }

    /// Status and body; null where there is none.
    pub(super) async fn answer(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let bytes = request(method, path, &self.token, &body);
        let answer = self.connection.exchange(&bytes).await?;
        let body = answer.body()?;
        let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        Ok((answer.status, value))
    }

    /// As [`Api::answer`]; anything but success is an error.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        match self.answer(method, path, body).await? {
            (200..300, value) => Ok(value),
            (status, value) => bail!("{method} {path}: {status} {value}"),
        }
    }

    pub(super) async fn post(&mut self, path: &str, body: Value) -> Result<Value> {
        self.call("POST", path, &body).await
    }

    /// Repeats a call until it succeeds.
    pub(super) async fn until(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let began = Instant::now();
        loop {
            match self.call(method, path, body).await {
                Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                done => return done,
            }
        }
    }
}

/// A text at a place in an answer.
pub(super) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("{pointer} is missing in {value}"))
}

/// A connection once the server takes them.
pub(super) async fn listening(target: &Target) -> Result<Connection> {
    let began = Instant::now();
    loop {
        match Connection::open(target).await {
            Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}
