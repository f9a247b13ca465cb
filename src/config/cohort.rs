//! `[cohort]`: protection of counts.

use serde::{Deserialize, Serialize};

/// Protection of cohort counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CohortConfig {
    /// Counts below this, zero alike, are answered `too-few`. Not below 10.
    pub threshold: u64,
    /// Other counts are rounded to a multiple of this. Not below 10.
    pub rounding: u64,
}

impl Default for CohortConfig {
    fn default() -> Self {
        Self { threshold: 10, rounding: 10 }
    }
}

/// Below this a count can point at a person.
const LEAST: u64 = 10;

impl CohortConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.threshold < LEAST {
            return Err(format!("cohort.threshold must be at least {LEAST}"));
        }
        if self.rounding < LEAST {
            return Err(format!("cohort.rounding must be at least {LEAST}"));
        }
        Ok(())
    }
}
