//! The node's own keys.

/// The node's own keys and certificate.
pub struct Identity {}
