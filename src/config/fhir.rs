//! `[fhir]`: what clients of the FHIR API may do.

use serde::{Deserialize, Serialize};

/// Policies of the FHIR API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FhirConfig {
    /// An update of an id that is not there creates it. Otherwise only POST creates, and the node chooses every id.
    pub create_on_update: bool,
    /// What other resources refer to is not deleted. Otherwise their references lead nowhere afterwards.
    pub keep_referred: bool,
    /// Hours for which the files of an export stay; then they are taken away.
    pub export_hours: u64,
    /// Exports that one client may have under way at once.
    pub exports_at_once: u64,
}

impl Default for FhirConfig {
    fn default() -> Self {
        Self { create_on_update: true, keep_referred: true, export_hours: 24, exports_at_once: 4 }
    }
}
