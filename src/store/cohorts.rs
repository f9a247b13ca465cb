//! Cohort questions asked here, and the answers of each node.

use super::StoreError;

/// A question asked by a researcher of this institution, or answered for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// SHA-256 of its canonical JSON, hexadecimal.
    pub sha256: String,
    /// The canonical JSON.
    pub json: String,
    /// Who asked.
    pub asked_by: String,
    /// RFC 3339.
    pub asked_at: String,
}

/// One node's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question.
    pub question_sha256: String,
    /// Answering institution.
    pub node: String,
    /// `ok`, `too-few`, `refused`, `no-answer`.
    pub status: String,
    /// The protected count, only when `ok`.
    pub count: Option<u64>,
    /// The signed answer, a compact JWS; for the own node empty.
    pub evidence: String,
    /// Why refused or unanswered.
    pub reason: Option<String>,
    /// RFC 3339.
    pub answered_at: String,
}

/// Reading cohort questions.
pub trait CohortView {
    /// One question.
    fn question(&self, sha256: &str) -> Result<Option<Question>, StoreError>;
    /// Last asked first, at most `limit`.
    fn questions(&self, limit: usize) -> Result<Vec<Question>, StoreError>;
    /// Answers of a question, by node.
    fn answers(&self, question_sha256: &str) -> Result<Vec<Answer>, StoreError>;
}
