//! Blocks of addresses that tokens, roles and secret ids are bound to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::logical::{ApiError, ApiResult, Words};

/// A block of addresses; a lone address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Whether the address is in the block. An IPv4 address in IPv6's clothes counts as IPv4.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let lone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| lone()).map(Self).map_err(|_| ())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return write!(f, "{}", self.0.addr());
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|()| de::Error::custom("not a block of addresses"))
    }
}

/// The blocks of a request's field.
///
/// # Errors
/// 400 that names the block.
pub fn parse_all(given: &Words) -> ApiResult<Vec<Cidr>> {
    let parse = |text: &String| {
        text.parse().map_err(|()| {
            ApiError::listed(
                400,
                format!("failed to validate CIDR blocks: invalid CIDR address: {text}"),
            )
        })
    };
    given.0.iter().map(parse).collect()
}

/// Whether a client may come from there: everyone may when there are no blocks, nobody whose
/// address is not known otherwise.
pub fn admit(blocks: &[Cidr], address: Option<IpAddr>) -> bool {
    blocks.is_empty() || address.is_some_and(|a| blocks.iter().any(|b| b.holds(a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses() {
        let block = |text: &str| text.parse::<Cidr>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(block("10.0.0.0/8").holds(address("10.1.2.3")));
        assert!(!block("10.0.0.0/8").holds(address("11.1.2.3")));
        assert!(block("127.0.0.1").holds(address("::ffff:127.0.0.1")));
        assert!(block("fd00::/8").holds(address("fd01::1")));
        assert_eq!(block("127.0.0.1/32").to_string(), "127.0.0.1");
        assert_eq!(block("127.0.0.1/8").to_string(), "127.0.0.1/8");
        assert!("junk".parse::<Cidr>().is_err() && "10.0.0.0/33".parse::<Cidr>().is_err());
        assert!(admit(&[], None) && !admit(&[block("10.0.0.0/8")], None));
    }
}
