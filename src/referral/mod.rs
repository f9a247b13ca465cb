//! Referrals: from the draft to the answer, enforced at both ends by one table.

pub mod consent;
pub mod message;
mod names;
pub mod package;
pub mod pages;
pub mod party;
pub mod reading;
pub mod state;

use crate::access::Staff;
use crate::exchange::Institution;
use crate::fault::{Classified, Kind};

/// What a clinician fills in to refer a patient abroad.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Logical id of the local Patient.
    pub patient: String,
    /// Receiving institution.
    pub peer: String,
    /// Directory code of the service asked for.
    pub service: String,
    /// `routine`, `urgent`, `asap`, `stat`.
    pub priority: String,
    /// Reason, free text in the sender's language.
    pub reason: String,
    /// Question to the specialist, free text.
    pub question: String,
    /// The patient consented to provision abroad, to this institution, for treatment.
    pub consent: bool,
    /// Language (`en`, `fr`, `ja`) of the consent text shown to the patient.
    pub consent_language: String,
    /// An interpreter is needed for this language, if any.
    pub interpreter: Option<String>,
    /// Travel needs, free text.
    pub travel: String,
}

/// What a person does to a referral after it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Receiver takes it on.
    Accept,
    /// Receiver refuses.
    Decline {
        /// Why.
        reason: String,
    },
    /// Either side asks; never changes the state.
    Ask {
        /// The question.
        text: String,
    },
    /// Either side answers; never changes the state.
    Answer {
        /// The answer.
        text: String,
    },
    /// Receiver gives an appointment.
    Schedule {
        /// RFC 3339 date or instant.
        at: String,
    },
    /// Receiver returns the outcome document.
    Complete {
        /// The report, free text.
        report: String,
    },
    /// Sender asks to cancel.
    RequestCancel {
        /// Why.
        reason: String,
    },
    /// Receiver confirms a cancellation.
    ConfirmCancel,
}

/// Why a referral act did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ReferralError {
    /// The state table does not allow it.
    #[error("a referral that is {status} cannot be moved by {event} of the {role}")]
    NotAllowed {
        /// Present status.
        status: String,
        /// What was tried.
        event: String,
        /// `sender` or `receiver`.
        role: String,
    },
    /// No such referral, patient, peer or service.
    #[error("{0} is not known here")]
    Unknown(String),
    /// The draft is incomplete.
    #[error("{field}: {problem}")]
    Draft {
        /// Field of the draft.
        field: &'static str,
        /// What is missing or wrong.
        problem: String,
    },
    /// This role may not.
    #[error("role {0} may not do this")]
    Forbidden(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] crate::store::CommitError),
}

impl Classified for ReferralError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAllowed { .. } => Kind::Conflict,
            Self::Unknown(_) => Kind::NotFound,
            Self::Draft { .. } => Kind::Unprocessable,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}

/// Sends a referral: packages, seals, commits {referral, audit, outbox}. Gives the referral id. Blocks.
pub fn send(_here: &Institution, _staff: &Staff, _draft: &Draft) -> Result<String, ReferralError> {
    Err(ReferralError::Unknown("referral (to be written)".to_owned()))
}

/// Acts on a referral and tells the other side. Blocks.
pub fn act(_here: &Institution, _staff: &Staff, _id: &str, _act: &Act) -> Result<(), ReferralError> {
    Err(ReferralError::Unknown("referral (to be written)".to_owned()))
}

/// The acts that the state table allows this side now, for the buttons of the page: names as in the timeline
/// (`accept`, `decline`, `ask`, `answer`, `schedule`, `complete`, `request-cancel`, `confirm-cancel`).
pub fn allowed_acts(_role: &str, _status: &str, _business_status: Option<&str>) -> Vec<&'static str> {
    Vec::new()
}
