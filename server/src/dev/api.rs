//! The few calls that the launcher makes to its own clusters, over plain HTTP on loopback.

use std::time::Duration;

use serde_json::Value;

/// Longest wait for an ordinary answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for a secondary to join, which copies the primary's keys and wipes its store.
const JOIN_TIMEOUT: Duration = Duration::from_mins(1);

/// Calls one cluster.
pub(super) struct Api {
    agent: ureq::Agent,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// Nothing answers there.
    NoAnswer(String),
    /// An error of the API: status and messages.
    Refused(u16, String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer(detail) => write!(f, "no answer: {detail}"),
            Self::Refused(status, errors) => write!(f, "status {status}: {errors}"),
        }
    }
}

impl Api {
    pub(super) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            // A connection kept from before a restart would fail the next call.
            .max_idle_connections(0)
            .build()
            .new_agent();
        Self { agent }
    }

    /// GET without a token.
    pub(super) fn get(&self, url: &str, path: &str) -> Result<Value, CallError> {
        let answer = self
            .agent
            .get(format!("{url}/v1/{path}"))
            .config()
            .timeout_global(Some(TIMEOUT))
            .build()
            .call();
        body(answer)
    }

    /// Whether the cluster is initialised, unsealed and serving.
    pub(super) fn healthy(&self, url: &str) -> bool {
        self.get(url, "sys/health").is_ok()
    }

    /// POST with the root token.
    pub(super) fn post(
        &self,
        url: &str,
        path: &str,
        token: &str,
        data: &Value,
    ) -> Result<Value, CallError> {
        let answer = self
            .agent
            .post(format!("{url}/v1/{path}"))
            .header("x-vault-token", token)
            .config()
            .timeout_global(Some(JOIN_TIMEOUT))
            .build()
            .send_json(data);
        body(answer)
    }
}

fn body(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, CallError> {
    let no_answer = |e: ureq::Error| CallError::NoAnswer(e.to_string());
    let mut answer = answer.map_err(no_answer)?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().map_err(no_answer)?;
    let json = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
    if status < 300 {
        return Ok(json);
    }
    let errors: Vec<&str> =
        json["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Err(CallError::Refused(status, errors.join("; ")))
}
