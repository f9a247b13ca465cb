//! `[mllp]`: the doors for HL7 v2 feeds and their limits.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Country;

/// Name of the door that `mllp.listen` opens.
const FIRST: &str = "mllp";

/// The doors for HL7 v2 feeds. The limits hold for each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MllpConfig {
    /// Address and port; absent: no plain MLLP listener. MLLP is unencrypted: keep it on loopback or a closed network.
    pub listen: Option<String>,
    /// Largest message, bytes.
    pub max_message_bytes: usize,
    /// A started message must be complete within, seconds.
    pub message_seconds: u64,
    /// A silent connection is closed after, seconds.
    pub idle_seconds: u64,
    /// At most this many connections at once to one door; one more is closed at once.
    pub max_connections: usize,
    /// At most this many of them from one source address.
    pub connections_per_source: usize,
    /// Source addresses allowed (`10.1.2.3`, `10.1.0.0/16`); empty: any.
    pub allow: Vec<Network>,
    /// Senders allowed, as `facility` (MSH-4) or `application|facility` (MSH-3, MSH-4), first components; empty: any.
    /// A message of another sender is quarantined and answered AR.
    pub senders: Vec<String>,
    /// Further doors, each with its own sources.
    #[serde(rename = "feed")]
    pub feeds: Vec<MllpFeedConfig>,
}

impl Default for MllpConfig {
    fn default() -> Self {
        Self {
            listen: Some("127.0.0.1:2575".to_owned()),
            max_message_bytes: 8 * 1024 * 1024,
            message_seconds: 30,
            idle_seconds: 3600,
            max_connections: 64,
            connections_per_source: 32,
            allow: Vec::new(),
            senders: Vec::new(),
            feeds: Vec::new(),
        }
    }
}

/// One more door for HL7 v2, with its own sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MllpFeedConfig {
    /// Short name, shown as the source of its messages: lower-case letters, digits, hyphens.
    pub name: String,
    /// Address and port.
    pub listen: String,
    /// Source addresses allowed; empty: any.
    #[serde(default)]
    pub allow: Vec<Network>,
    /// Senders allowed; empty: any.
    #[serde(default)]
    pub senders: Vec<String>,
    /// Whose rules its records follow, if not the institution's.
    pub country: Option<Country>,
    /// Character set of messages whose MSH-18 is empty, by its name in table 0211; else told by the bytes.
    pub charset: Option<String>,
    /// TLS 1.3; absent: plain.
    pub tls: Option<MllpTlsConfig>,
}

/// TLS of an MLLP door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MllpTlsConfig {
    /// PEM certificate chain; absent: the node's own certificate.
    pub certificate: Option<PathBuf>,
    /// PEM private key of `certificate`.
    pub key: Option<PathBuf>,
    /// PEM certificates of the authorities that sign the senders' certificates; then a sender must show one. Absent: none
    /// is asked for.
    pub clients: Option<PathBuf>,
}

impl MllpConfig {
    /// Every door: the one of `listen` first, called `mllp`.
    pub fn doors(&self) -> Vec<MllpFeedConfig> {
        let first = self.listen.clone().map(|listen| MllpFeedConfig {
            name: FIRST.to_owned(),
            listen,
            allow: self.allow.clone(),
            senders: self.senders.clone(),
            country: None,
            charset: None,
            tls: None,
        });
        first.into_iter().chain(self.feeds.iter().cloned()).collect()
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let mut names = vec![FIRST];
        for feed in &self.feeds {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if feed.name.is_empty() || !feed.name.bytes().all(plain) {
                return Err("mllp.feed.name must be lower-case letters, digits or hyphens".to_owned());
            }
            if names.contains(&feed.name.as_str()) {
                return Err(format!("mllp.feed.name {:?} is used twice", feed.name));
            }
            names.push(&feed.name);
            let tls = feed.tls.as_ref();
            if tls.is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
                return Err(format!("mllp.feed {:?}: tls.certificate and tls.key go together", feed.name));
            }
        }
        Ok(())
    }
}

/// An address, or all that begin with the same bits (`10.1.0.0/16`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether it holds `address`, given as IPv4 where it is mapped into IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, width: u32| {
            let rest = width - self.bits;
            ours.checked_shr(rest).unwrap_or(0) == theirs.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same(ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address or a network such as 10.1.0.0/16");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if bits > width { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == width { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_first_bits() {
        let held = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse::<IpAddr>().unwrap())
        };
        for (network, address) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.0.0/16", "10.1.255.255"),
            ("0.0.0.0/0", "203.0.113.9"),
            ("10.1.0.0/16", "::ffff:10.1.0.9"),
            ("2001:db8::/32", "2001:db8:1::7"),
            ("::1", "::1"),
        ] {
            assert!(held(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.1.2.3", "10.1.2.4"),
            ("10.1.0.0/16", "10.2.0.0"),
            ("10.1.0.128/25", "10.1.0.127"),
            ("0.0.0.0/0", "::1"),
            ("2001:db8::/32", "2001:db9::1"),
        ] {
            assert!(!held(network, address), "{network} {address}");
        }
        for wrong in ["", "10.1", "10.1.2.3/33", "10.1.2.3/", "::/129", "host.example"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
