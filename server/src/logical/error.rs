//! Errors in the API's form: a status and a list of messages for the client.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a handler answers.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error as the client sees it: `{"errors": [...]}` with `status`.
///
/// Messages never carry secrets: no values, tokens, keys or plaintext.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiError {
    /// HTTP status, 400 or above.
    pub status: u16,
    /// Messages for the client; may be empty (a 404 on an empty list).
    pub errors: Vec<String>,
    /// Rarely, data that goes with the error (a deleted KV version, a batch that failed in part).
    pub data: Option<Box<RawValue>>,
}

impl ApiError {
    /// An error of any status with one message.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, errors: vec![message.into()], data: None }
    }

    /// 400: the request is wrong; the message says what to change.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// An error in the list form that clients of the API know: `1 error occurred: ...`.
    pub fn listed(status: u16, message: impl std::fmt::Display) -> Self {
        Self::new(status, format!("1 error occurred:\n\t* {message}\n\n"))
    }

    /// 403: no token, or one that is not valid here.
    pub fn permission_denied() -> Self {
        Self::new(403, "permission denied")
    }

    /// 403: a valid token whose policies do not allow this.
    pub fn forbidden() -> Self {
        Self::listed(403, "permission denied")
    }

    /// 404 with an empty list of errors, as a missing entry or an empty LIST answers.
    pub fn not_found() -> Self {
        Self { status: 404, errors: Vec::new(), data: None }
    }

    /// 404 for a path no route matches.
    pub fn unsupported_path() -> Self {
        Self::listed(404, "unsupported path")
    }

    /// 405 for a known path with another verb.
    pub fn unsupported_operation() -> Self {
        Self::listed(405, "unsupported operation")
    }

    /// The same refusal in the list form; anything else stays as it is.
    #[must_use]
    pub fn in_list(self) -> Self {
        match self.errors.as_slice() {
            [text] if self.status == 400 && !text.contains('\n') => Self::listed(400, text),
            _ => self,
        }
    }

    /// 405 without a word, of paths that answer in every state.
    pub fn no_such_verb() -> Self {
        Self { status: 405, errors: Vec::new(), data: None }
    }

    /// 500; `context` is for the operator and must hold no secret.
    pub fn internal(context: impl std::fmt::Display) -> Self {
        Self::new(500, format!("internal error: {context}"))
    }

    /// 503: sealed, or not ready yet.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }

    /// The same error with data beside it.
    #[must_use]
    pub fn with_data(mut self, data: &impl serde::Serialize) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
        self
    }
}
