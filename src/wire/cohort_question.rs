//! `POST /peer/v1/cohort-question`: how many patients of the receiver meet the criteria.
//!
//! Who may call: active peers, with request token and message signature, for the purpose below. The answer is signed; it
//! holds a protected count or a refusal, never a patient.

use serde::{Deserialize, Serialize};

/// Path.
pub const PATH: &str = "/peer/v1/cohort-question";
/// Purpose of use: healthcare research (HL7 v3 ActReason).
pub const PURPOSE: &str = "HRESCH";
/// Largest request and answer, bytes.
pub const MAX_BYTES: usize = 80 * 1024;

/// The question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// SHA-256 of the question's canonical form, hexadecimal: both ends must reckon the same.
    pub question_sha256: String,
    /// The question, `schemas/cohort-question.schema.json`.
    pub question: serde_json::Value,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The question answered.
    pub question_sha256: String,
    /// Answering institution.
    pub node: String,
    /// What became of it.
    pub status: Status,
    /// The rounded count, only with `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What `count` is a multiple of, only with `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded_to: Option<u64>,
    /// Why refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339.
    pub answered_at: String,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Counted.
    Ok,
    /// Fewer than the threshold; zero looks the same.
    TooFew,
    /// Not counted.
    Refused,
}

impl Status {
    /// The word used in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooFew => "too-few",
            Self::Refused => "refused",
        }
    }
}
