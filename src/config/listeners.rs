//! `[inside]`, `[outside]`: the two doors for HTTPS and their limits.

use serde::{Deserialize, Serialize};

/// The door for people and local systems (HTTPS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InsideConfig {
    /// Address and port. Port 0 takes a free one and prints it.
    pub listen: String,
    /// Address local systems use to reach it, if it differs (`https://gateway.hospital.example:8443`); what they sign to come
    /// in names it.
    pub public_url: Option<String>,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// A request must be answered within, seconds.
    pub request_seconds: u64,
    /// At most this many connections at once; more wait in the kernel's queue.
    pub max_connections: usize,
}

impl Default for InsideConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".to_owned(),
            public_url: None,
            max_body_bytes: 16 * 1024 * 1024,
            request_seconds: 30,
            max_connections: 512,
        }
    }
}

impl InsideConfig {
    /// Refuses an address that clients could not name.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.public_url {
            Some(url) if !url.starts_with("https://") || url.ends_with('/') => {
                Err("inside.public_url must be https://… without a slash at its end".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The door for paired institutions (TLS 1.3, client certificate required).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutsideConfig {
    /// Address and port. Port 0 takes a free one and prints it.
    pub listen: String,
    /// Address partners use to reach it, if it differs (`https://gateway.hospital.example:9443`).
    pub public_url: Option<String>,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// The TLS handshake must be done within, seconds.
    pub handshake_seconds: u64,
    /// A request must be answered within, seconds.
    pub request_seconds: u64,
    /// At most this many connections at once.
    pub max_connections: usize,
}

impl Default for OutsideConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9443".to_owned(),
            public_url: None,
            max_body_bytes: 32 * 1024 * 1024,
            handshake_seconds: 10,
            request_seconds: 60,
            max_connections: 256,
        }
    }
}
