//! Who may connect, and how many at once: one source never takes all the places.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Network;

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Address,
    Places(usize),
    OfSource(usize),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("the address is not in mllp.allow"),
            Self::Places(limit) => write!(f, "{limit} connections are open (mllp.max_connections)"),
            Self::OfSource(limit) => {
                write!(f, "{limit} connections of this address are open (mllp.connections_per_source)")
            }
        }
    }
}

/// The places of a door.
pub(super) struct Admission {
    allow: Vec<Network>,
    places: usize,
    per_source: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of one connection; given back when dropped.
pub(super) struct Place {
    of: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(allow: Vec<Network>, places: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self { allow, places, per_source, taken: Mutex::default() })
    }

    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Result<Place, Refusal> {
        let source = from.to_canonical();
        if !self.allow.is_empty() && !self.allow.iter().any(|network| network.contains(source)) {
            return Err(Refusal::Address);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.places {
            return Err(Refusal::Places(self.places));
        }
        let count = taken.entry(source).or_default();
        if *count >= self.per_source {
            return Err(Refusal::OfSource(self.per_source));
        }
        *count += 1;
        Ok(Place { of: Arc::clone(self), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_counted_in_all_and_by_source_and_given_back() {
        let door = Admission::new(vec!["10.0.0.0/8".parse().unwrap()], 3, 2);
        assert_eq!(door.admit(ip("192.0.2.1")).err(), Some(Refusal::Address));
        let first = door.admit(ip("10.0.0.1")).unwrap();
        let _second = door.admit(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(door.admit(ip("10.0.0.1")).err(), Some(Refusal::OfSource(2)));
        let _other = door.admit(ip("10.0.0.2")).unwrap();
        assert_eq!(door.admit(ip("10.0.0.3")).err(), Some(Refusal::Places(3)));
        drop(first);
        assert!(door.admit(ip("10.0.0.1")).is_ok());
    }
}
