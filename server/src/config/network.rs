//! Networks in CIDR notation, and what a listener believes of proxies.

use std::net::IpAddr;

/// `10.0.0.0/8`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `None` for what is no network.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(max), |bits| bits.parse().ok().filter(|b| *b <= max))?;
        Some(Self { address, bits })
    }

    /// Whether an address is in it; an IPv4 address in IPv6 form is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// `X-Forwarded-For`: off while nobody is authorised.
#[derive(Debug, Clone)]
pub struct ForwardedFor {
    /// Who may say for whom they speak.
    pub authorized: Vec<Network>,
    /// Hops from the end of the list that are proxies of ours.
    pub hop_skips: usize,
    /// A request without the header is refused.
    pub reject_not_present: bool,
    /// A header from anyone else is refused, not ignored.
    pub reject_not_authorized: bool,
}

impl Default for ForwardedFor {
    fn default() -> Self {
        Self {
            authorized: Vec::new(),
            hop_skips: 0,
            reject_not_present: true,
            reject_not_authorized: true,
        }
    }
}

/// The PROXY protocol in front of connections.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    /// Whom to believe.
    pub behavior: ProxyBehavior,
    /// The proxies.
    pub authorized: Vec<Network>,
}

/// Whom a listener believes who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyBehavior {
    /// Everyone.
    UseAlways,
    /// The authorised; others speak for themselves.
    AllowAuthorized,
    /// The authorised; others may not connect.
    DenyUnauthorized,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let within = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(within("10.0.0.0/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("10.0.0.1", "10.0.0.1") && !within("10.0.0.1", "10.0.0.2"));
        assert!(within("0.0.0.0/0", "192.0.2.1") && !within("0.0.0.0/0", "::1"));
        assert!(within("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(within("2001:db8::/32", "2001:db8::5") && !within("2001:db8::/32", "2001:db9::"));
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
