//! Referrals: from the draft to the answer, enforced at both ends by one table.

mod act;
pub mod consent;
pub mod delivered;
pub mod enclosure;
pub mod endpoints;
pub mod incoming;
mod local;
pub mod message;
pub mod names;
pub mod package;
pub mod pages;
pub mod party;
pub mod reading;
pub mod receive;
mod send;
pub mod state;
pub mod timeline;
pub mod turn;
pub mod update;

pub use act::{act, act_once};
pub use receive::{ReceiveError, receive};
pub use send::send;

use crate::access::{Role, Staff};
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
    /// Drawn with the form: the same draft sent twice with the same nonce (a double click, a reload) is one referral.
    /// Empty: every sending is a referral of its own.
    pub nonce: String,
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
    /// The message cannot be sealed.
    #[error(transparent)]
    Envelope(#[from] crate::exchange::envelope::EnvelopeError),
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
            Self::Envelope(error) => error.kind(),
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}

/// The acts that the state table allows this side now, for the buttons of the page: names as in the timeline
/// (`accept`, `decline`, `ask`, `answer`, `schedule`, `complete`, `request-cancel`, `confirm-cancel`).
///
/// `role` is that of our copy (`sent`, `received`).
pub fn allowed_acts(role: &str, status: &str, business_status: Option<&str>) -> Vec<&'static str> {
    use state::Event;
    const ACTS: [Event; 8] = [
        Event::Accept,
        Event::Decline,
        Event::Ask,
        Event::Answer,
        Event::Schedule,
        Event::Complete,
        Event::RequestCancel,
        Event::ConfirmCancel,
    ];
    let (Some(role), Some(place)) = (state::Role::of_copy(role), state::Place::parse(status, business_status)) else {
        return Vec::new();
    };
    ACTS.into_iter().filter(|event| state::next(role, place, *event).is_ok()).map(Event::as_str).collect()
}

/// Only clinicians send and answer referrals.
fn require_clinician(staff: &Staff) -> Result<(), ReferralError> {
    if staff.role == Role::Clinician { Ok(()) } else { Err(ReferralError::Forbidden(staff.role.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buttons_follow_the_table() {
        assert_eq!(allowed_acts("received", "received", None), ["accept", "decline", "ask", "answer"]);
        assert_eq!(allowed_acts("sent", "received", None), ["ask", "answer", "request-cancel"]);
        assert_eq!(
            allowed_acts("received", "in-progress", Some("cancellation-requested")),
            ["ask", "answer", "complete", "confirm-cancel"]
        );
        assert!(allowed_acts("sent", "completed", None).is_empty());
        assert!(allowed_acts("sent", "on-hold", None).is_empty());
        assert!(allowed_acts("", "received", None).is_empty());
    }
}
