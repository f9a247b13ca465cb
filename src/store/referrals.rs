//! Referrals, sent and received, with their timelines.

use super::StoreError;

/// The present state of a referral at this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Referral id, the same at both ends.
    pub id: String,
    /// `sent` or `received`.
    pub role: String,
    /// The other institution.
    pub peer: String,
    /// Local logical id of the patient; for a received referral only once a person has matched it.
    pub patient: Option<String>,
    /// Name to show in lists, as the sender wrote it.
    pub patient_name: String,
    /// Task.status (`draft`, `requested`, `received`, `accepted`, …).
    pub status: String,
    /// Business status code, if any.
    pub business_status: Option<String>,
    /// Service asked for, code of the directory entry.
    pub service: String,
    /// `routine`, `urgent`, `asap`, `stat`.
    pub priority: String,
    /// Message id of the original package.
    pub message_id: String,
    /// The package as sent or received: the message bundle's bytes.
    pub package: Vec<u8>,
    /// The document returned at completion (a FHIR document bundle's bytes).
    pub outcome: Option<Vec<u8>>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// One line of a referral's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralEvent {
    /// Referral id.
    pub referral: String,
    /// `send`, `receive`, `accept`, `decline`, `ask`, `answer`, `schedule`, `complete`, `cancel`, …
    pub event: String,
    /// Institution that acted.
    pub institution: String,
    /// Person that acted, as known locally; empty for the node itself.
    pub actor: String,
    /// Status before.
    pub from: String,
    /// Status after.
    pub to: String,
    /// Reason, question, answer.
    pub note: Option<String>,
    /// The peer message that carried it, if any.
    pub message_id: Option<String>,
    /// RFC 3339.
    pub at: String,
}

/// Reading referrals.
pub trait ReferralView {
    /// One referral in full.
    fn referral(&self, id: &str) -> Result<Option<Referral>, StoreError>;
    /// Referrals of a role (`sent`, `received`), last updated first, without package and outcome; at most `limit`.
    fn referrals(&self, role: &str, limit: usize) -> Result<Vec<Referral>, StoreError>;
    /// The timeline in order.
    fn referral_events(&self, id: &str) -> Result<Vec<ReferralEvent>, StoreError>;
    /// The referral whose timeline carries this message id.
    fn referral_by_message(&self, message_id: &str) -> Result<Option<Referral>, StoreError>;
}
