//! Key sets that clients publish at an address (RFC 7517), fetched for those who are registered with one: over TLS, without
//! redirects, within five seconds and 64 KiB, never from this machine or a private network unless the operator allows it,
//! and kept no longer than the answer says.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use jiff::{SignedDuration, Timestamp};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CACHE_CONTROL;

/// A fetch may take so long, the answer included.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest key set.
const LARGEST: usize = 64 * 1024;
/// Nothing is fetched again sooner, whatever the answer said or an assertion asks for.
const FLOOR: SignedDuration = SignedDuration::from_secs(5);
/// Kept so long, if the answer does not say.
const USUAL: SignedDuration = SignedDuration::from_mins(5);
/// Nothing is kept longer.
const CAP: SignedDuration = SignedDuration::from_hours(1);
/// Addresses remembered at most.
const MOST: usize = 1_000;

/// Whom to trust, and where to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySetSettings {
    /// PEM file of the authorities that made the servers' certificates; none: those that the system trusts.
    pub authority: Option<PathBuf>,
    /// Loopback and private addresses may be asked.
    pub private_addresses: bool,
}

/// Why there is no key set. For the log: it names no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFetchError {
    /// The connections cannot be set up.
    #[error("key sets cannot be fetched: {0}")]
    Setup(String),
    /// Not an address that may be asked.
    #[error("the address of keys is none, or leads to this machine or a private network")]
    Address,
    /// It does not answer, or not in time, or not with a certificate that is trusted.
    #[error("the address of keys cannot be reached: {0}")]
    Unreachable(&'static str),
    /// Another status than 200.
    #[error("the address of keys answers {0}")]
    Status(u16),
    /// Too large, or no text.
    #[error("the key set is larger than 64 KiB, or no text")]
    Size,
}

/// What was fetched last, and until when it holds.
#[derive(Default)]
struct Kept {
    fetched: Option<Timestamp>,
    until: Option<Timestamp>,
    found: Option<Result<String, KeySetFetchError>>,
}

/// Fetched key sets.
pub struct KeySets {
    client: Result<reqwest::Client, KeySetFetchError>,
    private_addresses: bool,
    kept: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Kept>>>>,
}

impl KeySets {
    /// Nothing fetched yet.
    pub fn new(settings: &KeySetSettings) -> Self {
        Self { client: client(settings), private_addresses: settings.private_addresses, kept: Mutex::default() }
    }

    /// The key set at an address, at `now`; anew if what is kept is not `enough`.
    pub async fn get(
        &self,
        url: &str,
        now: Timestamp,
        enough: impl Fn(&str) -> bool,
    ) -> Result<String, KeySetFetchError> {
        let place = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MOST && !kept.contains_key(url) {
                kept.clear();
            }
            Arc::clone(kept.entry(url.to_owned()).or_default())
        };
        // Who comes while another fetches waits for what that one finds.
        let mut kept = place.lock().await;
        let is_fresh = kept.fetched.is_some_and(|at| now.duration_since(at) < FLOOR);
        let holds = kept.until.is_some_and(|until| now < until);
        let serves = matches!(&kept.found, Some(Ok(set)) if enough(set));
        if let Some(found) = &kept.found
            && (is_fresh || (holds && serves))
        {
            return found.clone();
        }
        let (found, life) = match self.fetch(url).await {
            Ok((set, life)) => (Ok(set), life),
            Err(error) => (Err(error), FLOOR),
        };
        kept.fetched = Some(now);
        kept.until = now.checked_add(life.clamp(FLOOR, CAP)).ok();
        kept.found = Some(found.clone());
        found
    }

    async fn fetch(&self, url: &str) -> Result<(String, SignedDuration), KeySetFetchError> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let address = reqwest::Url::parse(url).map_err(|_| KeySetFetchError::Address)?;
        let literal = address.host_str().map(|host| host.trim_matches(['[', ']'])).and_then(|host| host.parse().ok());
        if literal.is_some_and(|address| !self.private_addresses && !is_public(address)) {
            return Err(KeySetFetchError::Address);
        }
        let mut response = client.get(address).send().await.map_err(|error| why(&error))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(KeySetFetchError::Status(response.status().as_u16()));
        }
        let cache = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).map(life);
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| why(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(KeySetFetchError::Size);
            }
            body.extend_from_slice(&chunk);
        }
        let set = String::from_utf8(body.to_vec()).map_err(|_| KeySetFetchError::Size)?;
        Ok((set, cache.unwrap_or(USUAL)))
    }
}

fn client(settings: &KeySetSettings) -> Result<reqwest::Client, KeySetFetchError> {
    let setup = |error: &dyn std::fmt::Display| KeySetFetchError::Setup(error.to_string());
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(Places { private: settings.private_addresses }));
    if let Some(file) = &settings.authority {
        let pem = std::fs::read(file).map_err(|error| setup(&format!("{}: {error}", file.display())))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| setup(&error.without_url()))?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| setup(&error.without_url()))
}

fn why(error: &reqwest::Error) -> KeySetFetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(at) = cause {
        if at.downcast_ref::<NotPublic>().is_some() {
            return KeySetFetchError::Address;
        }
        cause = at.source();
    }
    KeySetFetchError::Unreachable(match () {
        () if error.is_timeout() => "it does not answer in time",
        () if error.is_connect() => "no connection, or a certificate that is not trusted",
        () => "the answer broke off",
    })
}

/// How long an answer may be kept (RFC 9111 5.2.2).
fn life(cache_control: &str) -> SignedDuration {
    let mut life = USUAL;
    for directive in cache_control.split(',').map(|one| one.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if matches!(directive.as_str(), "no-store" | "no-cache") => return SignedDuration::ZERO,
            Some(("max-age", seconds)) => {
                // What cannot be read is stale.
                life = SignedDuration::from_secs(seconds.trim_matches('"').parse().unwrap_or(0));
            }
            _ => {}
        }
    }
    life
}

/// Finds the addresses of a name, and refuses it if one of them is not public: the connection goes to what was looked at.
struct Places {
    private: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to this machine or a private network")]
struct NotPublic;

impl Resolve for Places {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !private && found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is on the open network (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => {
            let parts = v6.segments();
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public_v4(v4);
            }
            // Global unicast alone, without documentation, 6to4 and Teredo.
            parts[0] & 0xe000 == 0x2000 && parts[0] != 0x2002 && !(parts[0] == 0x2001 && matches!(parts[1], 0 | 0xdb8))
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_open_network_is_not_asked() {
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn an_answer_is_kept_as_long_as_it_says() {
        let seconds = |text: &str| life(text).as_secs();
        assert_eq!(seconds("max-age=60, public"), 60);
        assert_eq!(seconds("Max-Age=\"90\""), 90);
        assert_eq!(seconds("no-store, max-age=60"), 0);
        assert_eq!(seconds("max-age=soon"), 0);
        assert_eq!(seconds("private"), USUAL.as_secs());
    }
}
