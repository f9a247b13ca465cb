//! `POST /peer/v1/fhir/$process-message`: hands over a FHIR message bundle
//! (<https://hl7.org/fhir/R4/messageheader-operation-process-message.html>).
//!
//! Who may call: active peers, with request token and message signature. Request: a message Bundle,
//! `application/fhir+json`, at most the outside door's body limit. Response: the signed receipt; a repeat gets the same
//! one again. What people decide about the content comes later, as a message of its own.

use serde::{Deserialize, Serialize};

/// Path.
pub const PATH: &str = "/peer/v1/fhir/$process-message";
/// Media type of the request.
pub const CONTENT_TYPE: &str = "application/fhir+json";

/// The bytes are durably stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The receipt, a compact JWS of type `watari-receipt+jwt`.
    pub receipt: String,
}
