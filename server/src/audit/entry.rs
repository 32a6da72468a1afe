//! Stored devices and their options.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::logical::{ApiError, ApiResult};

/// Bytes of a device's HMAC key.
const KEY_LEN: usize = 32;
/// Longest text of options, bytes each.
const OPTION_MAX: usize = 4096;
/// How long a socket may take for one write when `write_timeout` does not say.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Kinds of sockets.
const SOCKETS: [&str; 3] = ["tcp", "udp", "unix"];

/// One device as it is stored.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct DeviceEntry {
    /// With trailing slash.
    pub path: String,
    /// `file`, `syslog` or `socket`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For humans.
    pub description: String,
    /// As given.
    pub options: BTreeMap<String, String>,
    /// Not replicated.
    pub local: bool,
    /// HMAC key, base64; a secret, lost with the device.
    key: Zeroizing<String>,
}

/// CORE/`audit` or LOCAL/`audit`.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) entries: Vec<DeviceEntry>,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file; `None` is standard output.
    File { path: Option<PathBuf>, mode: Option<u32>, durable: bool },
    /// Nowhere: records are made and dropped.
    Discard,
    /// The system's log.
    Syslog { facility: u8, tag: String },
    /// A stream or datagram socket.
    Socket { kind: SocketKind, address: String, timeout: Duration },
}

impl Place {
    /// Whether what is written there is on a disk.
    pub(super) fn is_durable(&self) -> bool {
        matches!(self, Self::File { durable: true, .. })
    }
}

/// Kinds of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketKind {
    /// A stream over the network.
    Tcp,
    /// Datagrams.
    Udp,
    /// A stream on this machine; the address is a path.
    Unix,
}

/// A device's options, checked and typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) place: Place,
    pub(super) log_raw: bool,
    pub(super) hmac_accessor: bool,
    pub(super) elide_list_responses: bool,
    /// In front of every line.
    pub(super) prefix: String,
}

impl DeviceEntry {
    /// A device with a key of its own.
    ///
    /// # Errors
    /// 400 for an unknown type or a wrong option, 500 without random bytes.
    pub(super) fn new(
        path: String,
        kind: String,
        description: String,
        options: BTreeMap<String, String>,
        local: bool,
    ) -> ApiResult<Self> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(&mut *key).map_err(ApiError::internal)?;
        let key = Zeroizing::new(STANDARD.encode(*key));
        let entry = Self { path, kind, description, options, local, key };
        entry.settings()?;
        Ok(entry)
    }

    /// The HMAC key.
    pub(super) fn key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(STANDARD.decode(&*self.key).unwrap_or_default())
    }

    /// Its options.
    ///
    /// # Errors
    /// 400 that names the option.
    pub(super) fn settings(&self) -> ApiResult<Settings> {
        if self.options.values().any(|v| v.len() > OPTION_MAX) {
            return wrong("an option is too long");
        }
        let format = self.option("format");
        if !matches!(format, "" | "json") {
            return wrong(&format!("unknown format type {format:?}"));
        }
        Ok(Settings {
            place: self.place()?,
            log_raw: self.flag("log_raw", false)?,
            hmac_accessor: self.flag("hmac_accessor", true)?,
            elide_list_responses: self.flag("elide_list_responses", false)?,
            prefix: self.option("prefix").to_owned(),
        })
    }

    fn place(&self) -> ApiResult<Place> {
        match self.kind.as_str() {
            "file" => self.file(),
            "syslog" => {
                let facility = or(self.option("facility"), "AUTH");
                let facility = super::syslog::facility(facility)
                    .ok_or_else(|| ApiError::bad_request("unknown syslog facility"))?;
                Ok(Place::Syslog { facility, tag: or(self.option("tag"), "vault").to_owned() })
            }
            "socket" => self.socket(),
            other => wrong(&format!("unknown backend type: {other:?}")),
        }
    }

    fn file(&self) -> ApiResult<Place> {
        let path = or(self.option("file_path"), self.option("path"));
        let durable = self.flag("durable", false)?;
        let mode = match self.option("mode") {
            "" => Some(0o600),
            text => match u32::from_str_radix(text, 8) {
                // What is there keeps its mode.
                Ok(0) => None,
                Ok(mode) if mode <= 0o777 => Some(mode),
                _ => return wrong("mode must be an octal file mode such as 0600"),
            },
        };
        match path {
            "" => wrong("file_path is required"),
            "discard" => Ok(Place::Discard),
            "stdout" => Ok(Place::File { path: None, mode: None, durable: false }),
            path if path.contains('\0') => wrong("file_path is not a path"),
            path => Ok(Place::File { path: Some(path.into()), mode, durable }),
        }
    }

    fn socket(&self) -> ApiResult<Place> {
        let address = self.option("address").to_owned();
        if address.is_empty() {
            return wrong("address is required");
        }
        let kind = match or(self.option("socket_type"), "tcp") {
            "tcp" => SocketKind::Tcp,
            "udp" => SocketKind::Udp,
            "unix" => SocketKind::Unix,
            _ => return wrong(&format!("socket_type must be one of {}", SOCKETS.join(", "))),
        };
        let timeout = match self.option("write_timeout") {
            "" => WRITE_TIMEOUT,
            text => match crate::engine::duration::parse_seconds(text).map(u64::try_from) {
                Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds),
                _ => return wrong("write_timeout must be a duration such as 2s"),
            },
        };
        Ok(Place::Socket { kind, address, timeout })
    }

    fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    fn flag(&self, name: &str, default: bool) -> ApiResult<bool> {
        match self.option(name).to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" | "1" | "t" => Ok(true),
            "false" | "0" | "f" => Ok(false),
            _ => wrong(&format!("{name} must be true or false")),
        }
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn wrong<T>(message: &str) -> ApiResult<T> {
    Err(ApiError::bad_request(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kind: &str, options: &[(&str, &str)]) -> ApiResult<Settings> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        DeviceEntry::new("a/".to_owned(), kind.to_owned(), String::new(), options, false)?
            .settings()
    }

    #[test]
    fn options_are_checked_by_name() {
        let error = |kind, options: &[_]| settings(kind, options).unwrap_err().errors.join("");
        assert!(error("nope", &[]).contains("unknown backend type: \"nope\""));
        assert_eq!(error("file", &[]), "file_path is required");
        assert!(error("file", &[("file_path", "/a"), ("mode", "9")]).contains("mode"));
        assert!(error("file", &[("file_path", "/a"), ("log_raw", "zz")]).contains("log_raw"));
        assert!(error("file", &[("file_path", "/a"), ("format", "zz")]).contains("format"));
        assert_eq!(error("socket", &[]), "address is required");
        assert!(
            error("socket", &[("address", "a:1"), ("socket_type", "x")]).contains("socket_type")
        );
        assert!(error("socket", &[("address", "a:1"), ("write_timeout", "x")]).contains("timeout"));
        assert!(error("syslog", &[("facility", "x")]).contains("facility"));
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let file = settings("file", &[("file_path", "/a")]).unwrap();
        let path = Some(PathBuf::from("/a"));
        assert_eq!(file.place, Place::File { path, mode: Some(0o600), durable: false });
        assert!(!file.log_raw && file.hmac_accessor && !file.elide_list_responses);
        let socket = settings("socket", &[("address", "a:1")]).unwrap();
        let Place::Socket { kind, timeout, .. } = socket.place else { panic!("{socket:?}") };
        assert_eq!((kind, timeout), (SocketKind::Tcp, Duration::from_secs(2)));
        let syslog = settings("syslog", &[]).unwrap();
        assert_eq!(syslog.place, Place::Syslog { facility: 4, tag: "vault".to_owned() });
    }
}
