//! `POST /peer/v1/directory`: the services an institution offers to its partners.
//!
//! Who may call: active peers, with request token and message signature. The answer is signed.

use serde::{Deserialize, Serialize};

/// Path.
pub const PATH: &str = "/peer/v1/directory";
/// Purpose of use: healthcare operations (HL7 v3 ActReason).
pub const PURPOSE: &str = "HOPERAT";
/// Most services one institution may list.
pub const MOST_SERVICES: usize = 500;

/// Asks for everything; there is nothing to choose yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {}

/// The directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// HealthcareService resources (R4).
    pub services: Vec<serde_json::Value>,
}
