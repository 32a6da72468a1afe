//! The HTTP client of the command line.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;
use zeroize::Zeroizing;

use super::error::CliError;
use super::trust::Trust;

/// Longest wait for an answer, as in other clients of this API.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Largest answer that is read, bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Speaks to one server with one token.
pub(super) struct Client {
    agent: ureq::Agent,
    /// `https://host:port`, no slash at the end.
    address: String,
    token: Option<Zeroizing<String>>,
}

/// A successful answer; a 404 with data counts as one (a deleted version of a secret).
#[derive(Debug)]
pub(super) struct Answer {
    /// The JSON body; null for 204.
    pub(super) body: Value,
}

/// The verbs of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// GET
    Read,
    /// LIST
    List,
    /// PUT
    Write,
    /// PATCH with a merge patch
    Patch,
    /// DELETE
    Delete,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "GET",
            Self::List => "LIST",
            Self::Write => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Client {
    /// Checks the address and reads the certificates that it needs.
    pub(super) fn new(
        address: &str,
        token: Option<Zeroizing<String>>,
        trust: &Trust,
    ) -> Result<Self, CliError> {
        let address = address.trim_end_matches('/').to_owned();
        let https = address.starts_with("https://");
        if !https && !address.starts_with("http://") {
            return Err(CliError::Usage(format!(
                "the address {address:?} must begin with http:// or https://; \
                 set VAULT_ADDR or -address"
            )));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("strongroom/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .tls_config(trust.tls_config(https)?)
            .build()
            .new_agent();
        Ok(Self { agent, address, token })
    }

    /// Uses another token from now on.
    pub(super) fn set_token(&mut self, token: Zeroizing<String>) {
        self.token = Some(token);
    }

    /// Reads a path.
    pub(super) fn read(&self, path: &str) -> Result<Answer, CliError> {
        self.call(Verb::Read, path, &[], None)
    }

    /// Writes a body to a path.
    pub(super) fn write(&self, path: &str, body: &Value) -> Result<Answer, CliError> {
        self.call(Verb::Write, path, &[], Some(body))
    }

    /// Reads a path whose answer is a stream of bytes, for as long as it takes.
    pub(super) fn download(&self, path: &str, out: &mut dyn Write) -> Result<(), CliError> {
        let url = format!("{}/v1/{}", self.address, encoded(path, true));
        let mut request = Request::builder().uri(&url).header("x-vault-request", "true");
        if let Some(token) = &self.token {
            request = request.header("x-vault-token", token.as_str());
        }
        let request = request.body(()).map_err(|_| bad_request())?;
        let request = self.agent.configure_request(request).timeout_global(None).build();
        let answer = self.agent.run(request).map_err(|e| unreachable(&url, &e))?;
        if answer.status().as_u16() >= 300 {
            read_answer(Verb::Read, &url, answer)?;
            return Err(CliError::NoValue(path.to_owned()));
        }
        let mut bytes = answer.into_body().into_reader();
        std::io::copy(&mut bytes, out).map_err(|e| unreachable(&url, &ureq::Error::Io(e)))?;
        Ok(())
    }

    /// One call; `path` is without `/v1/`.
    pub(super) fn call(
        &self,
        verb: Verb,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<Answer, CliError> {
        let url = format!("{}/v1/{}{}", self.address, encoded(path, true), query_text(query));
        let mut request =
            Request::builder().method(verb.name()).uri(&url).header("x-vault-request", "true");
        if let Some(token) = &self.token {
            request = request.header("x-vault-token", token.as_str());
        }
        if verb == Verb::Patch {
            request = request.header("content-type", "application/merge-patch+json");
        }
        let bytes = match body {
            Some(body) => Zeroizing::new(body.to_string().into_bytes()),
            None => Zeroizing::default(),
        };
        let sent = if body.is_some() {
            self.agent.run(request.body(bytes.as_slice()).map_err(|_| bad_request())?)
        } else {
            self.agent.run(request.body(()).map_err(|_| bad_request())?)
        };
        let answer = sent.map_err(|e| unreachable(&url, &e))?;
        read_answer(verb, &url, answer)
    }
}

fn bad_request() -> CliError {
    CliError::Usage("the address or the token has characters that HTTP does not allow".into())
}

fn read_answer(
    verb: Verb,
    url: &str,
    answer: ureq::http::Response<ureq::Body>,
) -> Result<Answer, CliError> {
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let text = body
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_vec()
        .map(Zeroizing::new)
        .map_err(|e| unreachable(url, &e))?;
    let parsed = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&text)
            .map_err(|_| CliError::NotOurs { url: url.to_owned(), status })?
    };
    let found = status < 300 || (status == 404 && parsed.get("data").is_some_and(Value::is_object));
    if found {
        return Ok(Answer { body: parsed });
    }
    let errors = parsed["errors"].as_array().map_or_else(Vec::new, |errors| {
        errors.iter().filter_map(|e| e.as_str().map(str::to_owned)).collect()
    });
    let (method, url) = (verb.name().to_owned(), url.to_owned());
    Err(CliError::Server { method, url, status, errors })
}

fn unreachable(url: &str, error: &ureq::Error) -> CliError {
    let hint = match error {
        error if is_tls(error) => {
            "If the server speaks plain HTTP, use an address with http://. \
             If its certificate comes from your own CA, name that with VAULT_CACERT."
        }
        ureq::Error::Timeout(_) => "The server did not answer in time; look at its log.",
        _ => "Is the server running? Its address is set with VAULT_ADDR or -address.",
    };
    CliError::Unreachable { url: url.to_owned(), detail: error.to_string(), hint }
}

/// The handshake failed; the transport hides that in an I/O error.
fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => true,
        ureq::Error::Io(error) => match error.get_ref() {
            Some(inner) => inner.is::<rustls::Error>(),
            None => false,
        },
        _ => false,
    }
}

fn query_text(query: &[(String, String)]) -> String {
    let mut text = String::new();
    for (key, value) in query {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&encoded(key, false));
        text.push('=');
        text.push_str(&encoded(value, false));
    }
    text
}

/// Percent-encodes what a URL does not carry as it is.
fn encoded(text: &str, keep_slash: bool) -> String {
    let text = if keep_slash { text.trim_start_matches('/') } else { text };
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (keep_slash && byte == b'/');
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{encoded, query_text};

    #[test]
    fn paths_and_queries_are_encoded() {
        assert_eq!(encoded("/secret/data/a b%c", true), "secret/data/a%20b%25c");
        assert_eq!(encoded("a/b", false), "a%2Fb");
        let query = [("list".to_owned(), "true".to_owned()), ("a&".to_owned(), "=".to_owned())];
        assert_eq!(query_text(&query), "?list=true&a%26=%3D");
    }
}
