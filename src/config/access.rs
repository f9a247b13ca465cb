//! `[access]`: tokens of systems that come in by SMART Backend Services, and what is withheld from whom.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How registered clients come in, and who sees what of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// An access token ends after, seconds; 300 at most.
    pub token_seconds: u64,
    /// Tolerated difference between a client's clock and ours, seconds; 60 at most.
    pub clock_skew_seconds: u64,
    /// Purposes of use (v3-PurposeOfUse, with their narrower ones) for which a patient without a Consent that permits them has
    /// refused.
    pub consent_required: Vec<String>,
    /// PEM file of the authorities that made the certificates of the servers that clients publish their keys on
    /// (`client add --jwks-url`); without it those that the system trusts.
    pub keys_authority: Option<PathBuf>,
    /// Such servers may be on this machine or in a private network.
    pub keys_from_private_addresses: bool,
    /// Security labels that each role is cleared for.
    pub clearance: ClearanceConfig,
}

/// Security labels by role: `R`, `V`, kinds of sensitive information such as `PSY`; `*`: all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClearanceConfig {
    /// Clinicians at the FHIR API.
    pub clinician: Vec<String>,
    /// Local systems with a token of `watari token`.
    pub system: Vec<String>,
    /// What may be counted in cohort questions.
    pub researcher: Vec<String>,
    /// IT.
    pub it: Vec<String>,
}

impl Default for ClearanceConfig {
    fn default() -> Self {
        Self { clinician: vec!["R".to_owned()], system: vec!["*".to_owned()], researcher: Vec::new(), it: Vec::new() }
    }
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            token_seconds: 300,
            clock_skew_seconds: 5,
            consent_required: Vec::new(),
            keys_authority: None,
            keys_from_private_addresses: false,
            clearance: ClearanceConfig::default(),
        }
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
