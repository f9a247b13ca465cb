//! `[inside]`, `[outside]`, `[mllp]`: the three doors and their limits.

use serde::{Deserialize, Serialize};

/// The door for people and local systems (HTTPS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InsideConfig {
    /// Address and port. Port 0 takes a free one and prints it.
    pub listen: String,
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
            max_body_bytes: 16 * 1024 * 1024,
            request_seconds: 30,
            max_connections: 512,
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

/// The door for HL7 v2 feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MllpConfig {
    /// Address and port; absent: no MLLP listener. MLLP is unencrypted: keep it on loopback or a closed network.
    pub listen: Option<String>,
    /// Largest message, bytes.
    pub max_message_bytes: usize,
    /// A started message must be complete within, seconds.
    pub message_seconds: u64,
    /// A silent connection is closed after, seconds.
    pub idle_seconds: u64,
    /// At most this many connections at once; one more is closed at once.
    pub max_connections: usize,
    /// Source addresses allowed (exact IPs); empty: any.
    pub allow: Vec<std::net::IpAddr>,
}

impl Default for MllpConfig {
    fn default() -> Self {
        Self {
            listen: Some("127.0.0.1:2575".to_owned()),
            max_message_bytes: 8 * 1024 * 1024,
            message_seconds: 30,
            idle_seconds: 3600,
            max_connections: 64,
            allow: Vec::new(),
        }
    }
}
