//! One request as an engine sees it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ApiError, ApiResult, Params, Takes};
use crate::mount::LockoutConfig;

/// The verb, after `?list=true` and PUT have been folded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// GET.
    Read,
    /// LIST, or GET with `list=true`.
    List,
    /// SCAN, or GET with `scan=true`: a LIST that goes into folders.
    Scan,
    /// POST or PUT; create or update is for the policy to tell, by [`super::Route::exists`].
    Write,
    /// PATCH with a JSON merge patch.
    Patch,
    /// DELETE.
    Delete,
    /// HEAD: no route takes it; who may do anything is told whether there is one.
    Head,
}

/// Who calls. Tokens are local to a cluster, so a forwarded call carries this and never the token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Caller {
    /// Names of the policies in force.
    pub policies: Vec<String>,
    /// Accessor of the token, for audit.
    pub accessor: String,
    /// Display name of the token.
    pub display_name: String,
    /// Entity, or empty.
    pub entity_id: String,
    /// The token's storage id (a salted hash), empty when forwarded; the cubbyhole is keyed by it.
    pub token_id: String,
    /// Metadata of the token.
    pub metadata: BTreeMap<String, String>,
    /// A batch token: it has neither accessor nor cubbyhole.
    #[serde(default)]
    pub batch: bool,
}

impl Caller {
    /// Whether there is no token of this cluster behind the call.
    pub fn is_nobody(&self) -> bool {
        self.token_id.is_empty() && !self.batch
    }

    /// Who calls, for those who count clients: an entity, or all tokens of the same policies.
    pub fn client_id(&self) -> String {
        if !self.entity_id.is_empty() {
            return self.entity_id.clone();
        }
        let mut policies = self.policies.clone();
        policies.sort_unstable();
        let text = format!("{}\0root", policies.join("\x7f"));
        STANDARD.encode(digest(&SHA256, text.as_bytes()))
    }
}

/// The certificates that a client showed, its own first, in DER; `None` for none.
pub type Certificates = Option<Arc<Vec<Vec<u8>>>>;

/// Where a call comes from.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// Whoever sent them holds the key of the first.
    pub certificates: Certificates,
}

/// The mount that a call goes to.
#[derive(Debug, Clone, Default)]
pub struct MountInfo {
    /// With trailing slash: `secret/`.
    pub path: String,
    /// `kv_1a2b3c4d`.
    pub accessor: String,
    /// Mount options (`version` of KV).
    pub options: BTreeMap<String, String>,
    /// Seconds; the system default where the mount sets none.
    pub default_lease_ttl: u64,
    /// Seconds.
    pub max_lease_ttl: u64,
    /// Not replicated.
    pub local: bool,
    /// Of auth methods: which tokens logins get.
    pub token_type: String,
    /// Of auth methods: when failed logins lock a name.
    pub lockout: Option<LockoutConfig>,
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// The verb.
    pub op: Operation,
    /// Path below the mount, without leading slash.
    pub path: &'a str,
    /// What the route's pattern captured.
    pub params: Params<'a>,
    /// Raw JSON body, or empty.
    pub body: &'a Bytes,
    /// Decoded query parameters.
    pub query: &'a [(String, String)],
    /// Who calls.
    pub caller: &'a Caller,
    /// The mount.
    pub mount: &'a MountInfo,
    /// Wall clock of the request; handlers use no other clock.
    pub now: SystemTime,
}

impl<'a> Call<'a> {
    /// The body as a typed value, which may borrow from it; an empty body reads as `{}`. Unknown
    /// fields are ignored.
    ///
    /// # Errors
    /// 400 that names the field, never its value.
    pub fn parse<T: Deserialize<'a>>(&self) -> ApiResult<T> {
        parse_body(self.body)
    }

    /// A captured path parameter; empty if the pattern has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).unwrap_or("")
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Which names of a LIST are asked for, by `after` and `limit`: those that come after one, and
    /// how many, `most` at the most.
    ///
    /// # Errors
    /// 400 for a limit that is no integer.
    pub fn page(&self, most: usize) -> ApiResult<(Option<&str>, usize)> {
        let after = self.query("after").filter(|name| !name.is_empty());
        let Some(limit) = self.query("limit").filter(|n| !n.is_empty()) else {
            return Ok((after, most));
        };
        let limit: i64 = limit.parse().map_err(|_| {
            ApiError::bad_request(
                "Field validation failed: error converting input for field \"limit\": expected an \
                 integer",
            )
        })?;
        let limit = usize::try_from(limit).ok().filter(|n| *n > 0);
        Ok((after, limit.unwrap_or(most).min(most)))
    }
}

/// A JSON body as a typed value; an empty one reads as `{}`. Unknown fields are ignored.
///
/// # Errors
/// 400 that names the place, never the value.
pub fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> ApiResult<T> {
    let bytes: &'a [u8] = if body.is_empty() { b"{}" } else { body };
    // Looked at once as a whole, its texts need not be looked at one by one.
    let parsed = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    parsed.map_err(|e| match e.classify() {
        serde_json::error::Category::Data => field_error(bytes, &e),
        _ => ApiError::bad_request(format!(
            "failed to decode JSON input: line {} column {}",
            e.line(),
            e.column()
        )),
    })
}

/// The same object with the last value alone of a name that it gives twice, and with the empty value
/// of a field's own kind where it has that of the other: PHP writes `[]` for an empty object, Lua `{}`
/// for an empty list. `None` if it has neither. Only for calls that were refused: most bodies are
/// never looked at so.
pub(crate) fn mended(body: &[u8], takes: Takes) -> Option<Bytes> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let named = reader.deserialize_map(Named).ok()?;
    let mut last: BTreeMap<&str, Cow<'_, RawValue>> = BTreeMap::new();
    for (name, value) in &named {
        last.insert(name, Cow::Borrowed(*value));
    }
    let mut changed = last.len() < named.len();
    // Longer values are not empty, whatever white space is in them.
    for (name, value) in last.iter_mut().filter(|(_, value)| value.get().len() < 32) {
        let text: String = value.get().split_ascii_whitespace().collect();
        if let Some(own) = takes.empty_of(name).filter(|own| *own != text)
            && matches!(text.as_str(), "[]" | "{}")
        {
            *value = Cow::Owned(RawValue::from_string(own.to_owned()).ok()?);
            changed = true;
        }
    }
    changed.then(|| serde_json::to_vec(&last).ok().map(Bytes::from)).flatten()
}

/// Reads the names of an object with their values, in its order.
struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = Vec::new();
        while let Some(entry) = map.next_entry()? {
            named.push(entry);
        }
        Ok(named)
    }
}

/// Names the top-level field that the error is in, and what was expected, never the value.
fn field_error(body: &[u8], error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let expected = text
        .split_once(", expected ")
        .and_then(|(_, rest)| rest.rsplit_once(" at line "))
        .map_or("another type or form", |(what, _)| what);
    let expected = if expected.starts_with("struct ") { "an object" } else { expected };
    let place = match field_at(body, error) {
        Some(name) => format!("for field {name:?}"),
        None => format!("at line {} column {}", error.line(), error.column()),
    };
    ApiError::bad_request(format!(
        "Field validation failed: error converting input {place}: expected {expected}"
    ))
}

fn field_at(body: &[u8], error: &serde_json::Error) -> Option<String> {
    let line_start: usize =
        body.split_inclusive(|b| *b == b'\n').take(error.line() - 1).map(<[u8]>::len).sum();
    let at = line_start + error.column();
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let inside = fields.iter().filter(|(_, raw)| offset_in(body, raw.get()) < at);
    inside.max_by_key(|(_, raw)| offset_in(body, raw.get())).map(|(name, _)| name.clone())
}

/// Where `part`, which was borrowed from `whole`, begins in it.
fn offset_in(whole: &[u8], part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logical::Field;

    static FIELDS: &[Field] =
        &[Field::object("o", ""), Field::pairs("p", ""), Field::words("w", "")];

    #[test]
    fn errors_name_the_field_and_never_its_value() {
        #[derive(Debug, Deserialize)]
        struct Body {
            ttl: crate::logical::Seconds,
            #[serde(rename = "list")]
            _list: Vec<u8>,
        }
        for (body, field) in [
            (r#"{"ttl": "s3cret", "list": []}"#, "ttl"),
            ("{\"ttl\": 5,\n \"list\": \"s3cret\"}", "list"),
            (r#"{"other": "s3cret", "ttl": ["s3cret"], "list": []}"#, "ttl"),
        ] {
            let error = parse_body::<Body>(body.as_bytes()).unwrap_err().errors.join("");
            assert!(error.contains(&format!("{field:?}")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let twice = br#"{"ttl": 1, "list": [], "ttl": 2}"#;
        assert!(parse_body::<Body>(twice).is_err());
        let any = Takes::Anything;
        let once = mended(twice, any).unwrap();
        assert_eq!(parse_body::<Body>(&once).unwrap().ttl.0, 2);
        assert!(mended(b"{\"a\": 1}", any).is_none() && mended(b"[]", any).is_none());
        let takes = Takes::Only(FIELDS);
        let other = mended(br#"{"o": [ ], "p": [], "w": {}, "x": []}"#, takes).unwrap();
        assert_eq!(&other[..], br#"{"o":{},"p":{},"w":[],"x":[]}"#);
        assert!(mended(br#"{"o": [1], "p": {}, "w": []}"#, takes).is_none());
        let error = parse_body::<Body>(b"{\"a\": s3cret}").unwrap_err().errors.join("");
        assert!(error.starts_with("failed to decode JSON input") && !error.contains("s3cret"));
    }
}
