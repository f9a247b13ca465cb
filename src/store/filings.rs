//! What goes into the institution's own systems: messages waiting to be filed, filed, or given up.

use super::StoreError;

/// A message for a local system. Its bytes never change: a repeat is the same message under the same control id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// Our id, derived from what it tells of, so that the same news is filed once.
    pub id: String,
    /// Name of the destination (`[[filing.destination]]`).
    pub destination: String,
    /// The referral it tells of.
    pub referral: String,
    /// `REF^I12`, `RRI^I12`, `MDM^T02`, `ORU^R01`.
    pub kind: String,
    /// MSH-10.
    pub control_id: String,
    /// Where it stands below the destination's folder; empty for a destination reached over MLLP.
    pub path: String,
    /// The message.
    pub body: Vec<u8>,
    /// `queued`, `filed`, `dead`, or `held` until an operator lets it go.
    pub status: String,
    /// RFC 3339.
    pub created_at: String,
    /// Not before, RFC 3339.
    pub next_attempt_at: String,
    /// Attempts begun. More than one: the local system may have seen it before, and tells by the control id.
    pub attempts: u32,
    /// Of the last attempt, or what the message could not carry; without PHI.
    pub last_error: Option<String>,
    /// What the local system answered (`AA`), or `stored`.
    pub answer: Option<String>,
    /// RFC 3339.
    pub filed_at: Option<String>,
}

/// Reading what is filed.
pub trait FilingView {
    /// One, with its bytes.
    fn filing(&self, id: &str) -> Result<Option<Filing>, StoreError>;
    /// Those of a status, oldest first, without bytes; at most `limit`.
    fn filings(&self, status: &str, limit: usize) -> Result<Vec<Filing>, StoreError>;
    /// Those of a referral, oldest first, without bytes.
    fn filings_of(&self, referral: &str) -> Result<Vec<Filing>, StoreError>;
    /// The oldest queued one of each destination, if it is due and nobody holds it: what goes to one system goes in order.
    fn filings_due(&self, now: &str) -> Result<Vec<Filing>, StoreError>;
}
