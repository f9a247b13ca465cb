//! `[access]`: tokens of systems that come in by SMART Backend Services.

use serde::{Deserialize, Serialize};

/// How registered clients come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// An access token ends after, seconds; 300 at most.
    pub token_seconds: u64,
    /// Tolerated difference between a client's clock and ours, seconds; 60 at most.
    pub clock_skew_seconds: u64,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self { token_seconds: 300, clock_skew_seconds: 5 }
    }
}

impl AccessConfig {
    /// Refuses tokens that live long.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=300).contains(&self.token_seconds) {
            return Err("access.token_seconds must lie between 1 and 300".to_owned());
        }
        if self.clock_skew_seconds > 60 {
            return Err("access.clock_skew_seconds may be 60 at most".to_owned());
        }
        Ok(())
    }
}
