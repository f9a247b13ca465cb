//! `[exchange]`: delivery to paired institutions.

use serde::{Deserialize, Serialize};

/// How messages are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeConfig {
    /// One attempt must be done within, seconds; a large message gets a second more for each 64 KiB.
    pub attempt_seconds: u64,
    /// Wait after the first failure, seconds; doubles each time, with jitter.
    pub first_retry_seconds: u64,
    /// Longest wait between attempts, seconds.
    pub longest_retry_seconds: u64,
    /// After this long, and at least ten attempts, without a receipt a message is given up and shown to staff, hours.
    pub give_up_hours: u64,
    /// Largest answer read from a peer, bytes.
    pub max_answer_bytes: usize,
    /// Tolerated difference between the two clocks, seconds.
    pub clock_skew_seconds: u64,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            attempt_seconds: 30,
            first_retry_seconds: 2,
            longest_retry_seconds: 900,
            give_up_hours: 72,
            max_answer_bytes: 8 * 1024 * 1024,
            clock_skew_seconds: 30,
        }
    }
}
