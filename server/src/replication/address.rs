//! Addresses of cluster ports: `https://host:8201`, `host:8201` or `[::1]:8201`.

use std::fmt;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterAddr {
    host: String,
    port: u16,
}

/// Port when an address names none.
const DEFAULT_PORT: u16 = 8201;

impl ClusterAddr {
    /// Reads an address; `None` when it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.trim_end_matches('/');
        let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']')?;
            (host, after.strip_prefix(':'))
        } else {
            match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        let port = port.map_or(Ok(DEFAULT_PORT), str::parse).ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        let valid = !host.is_empty() && host.len() <= 255 && host.chars().all(plain);
        (valid && port != 0).then(|| Self { host: host.to_owned(), port })
    }

    /// For resolving and connecting.
    pub(crate) fn target(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for ClusterAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "https://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClusterAddr;

    #[test]
    fn addresses_with_and_without_scheme_and_port_are_read() {
        let shown = |s: &str| ClusterAddr::parse(s).map(|a| a.to_string());
        assert_eq!(shown("https://a.b:1/").as_deref(), Some("https://a.b:1"));
        assert_eq!(shown("a:8201").as_deref(), Some("https://a:8201"));
        assert_eq!(shown("a").as_deref(), Some("https://a:8201"));
        assert_eq!(shown("[::1]:7").as_deref(), Some("https://[::1]:7"));
        for bad in ["", "https://", "a:b", "a:0", "a:99999", "[::1", "a b:1", "https://a/x"] {
            assert_eq!(ClusterAddr::parse(bad), None, "{bad}");
        }
    }
}
