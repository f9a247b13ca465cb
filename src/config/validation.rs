//! `[validation]`: profiles that resources must meet beyond FHIR R4.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Profiles that resources must meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// By resource type: the address of the profile that each must meet that is written over the FHIR API, whether it declares it
    /// or not. The profile's package must have been added.
    pub require: BTreeMap<String, String>,
}
