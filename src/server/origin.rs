//! The network address that a connection came from.

use std::net::IpAddr;

/// Rides on every request of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub IpAddr);
