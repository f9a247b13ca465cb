//! Accepting a message once: effect, bytes, signature, receipt, spent token and audit are one commit. The same id with
//! the same bytes gets the original receipt, however often and however late; with other bytes it is refused and noted.

use super::Institution;
use super::envelope::VerifiedMessage;
use super::jws::JwsError;
use super::receipt;
use crate::fault::{Classified, Kind};
use crate::store::audit::AuditEntry;
use crate::store::deliveries::SeenMessage;
use crate::store::{Change, Changes, CommitError, Expect, StoreError};

/// Accepts `message` with `effect` and gives the receipt to send back. Blocks.
///
/// If the message was accepted before, `effect` is not applied again. Who validates a message against the present state
/// asks [`repeated`] first: what was right the first time may contradict the state now.
pub fn accept_once(here: &Institution, message: &VerifiedMessage, effect: Changes) -> Result<String, AcceptError> {
    if let Some(receipt) = repeated(here, message)? {
        return Ok(receipt);
    }
    let now = here.now();
    let receipt = receipt::issue(here, message, &now)?;
    match here.store.commit(acceptance(message, effect, &receipt, &now)) {
        Ok(()) => Ok(receipt),
        // Another request with the same message was faster; its receipt is the one that counts.
        Err(CommitError::Unexpected(Expect::NotSeen { .. })) => {
            repeated(here, message)?.ok_or(AcceptError::Store(StoreError::Closed))
        }
        Err(error) => Err(refusal(here, message, error)),
    }
}

/// Spends the token of a question that is answered at once and has no other effect. Blocks.
pub fn spend(here: &Institution, question: &VerifiedMessage) -> Result<(), AcceptError> {
    here.store.commit(question.changes()).map_err(|error| refusal(here, question, error))
}

/// The original receipt, if this very message was accepted before. The request's token is spent by asking, when so.
/// Blocks.
pub fn repeated(here: &Institution, message: &VerifiedMessage) -> Result<Option<String>, AcceptError> {
    let seen = here.store.view(|view| view.seen(&message.peer().id, message.message_id()))?;
    let Some(seen) = seen else { return Ok(None) };
    if seen.body_sha256 == message.body_sha256() {
        spend(here, message)?;
        return Ok(Some(seen.receipt));
    }
    let note = audit(message, "message.conflict", &here.now());
    let noted = here.store.commit(message.changes().with(Change::Audit(note)));
    noted.map_err(|error| refusal(here, message, error))?;
    tracing::warn!(peer = %message.peer().id, message_id = message.message_id(), "message id used with other bytes");
    Err(AcceptError::OtherBody)
}

/// A message that is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The effect's own expectation did not hold; the state has moved meanwhile.
    #[error("the message no longer fits the state: {0:?}")]
    Moved(Expect),
    /// The message id was used before, with other bytes.
    #[error("this message id was used before with other content")]
    OtherBody,
    /// The request token was used before.
    #[error("the request token was used before")]
    Replayed,
    /// No receipt could be signed.
    #[error(transparent)]
    Signing(#[from] JwsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AcceptError {
    fn kind(&self) -> Kind {
        match self {
            // The state moves all the time: the same message may fit when it comes again.
            Self::Moved(_) => Kind::Unavailable,
            Self::OtherBody => Kind::Conflict,
            Self::Replayed => Kind::Unauthenticated,
            Self::Signing(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}

/// What a failed commit means to the caller. A replayed token is noted: it was stolen, or a partner's node errs.
fn refusal(here: &Institution, message: &VerifiedMessage, error: CommitError) -> AcceptError {
    match error {
        CommitError::Unexpected(Expect::TokenUnused { .. }) => {
            let note = audit(message, "message.replay", &here.now());
            match here.store.commit(Changes::new().with(Change::Audit(note))) {
                Err(CommitError::Store(error)) => AcceptError::Store(error),
                _ => AcceptError::Replayed,
            }
        }
        CommitError::Unexpected(expect) => AcceptError::Moved(expect),
        CommitError::Store(error) => AcceptError::Store(error),
    }
}

fn acceptance(message: &VerifiedMessage, effect: Changes, receipt: &str, now: &str) -> Changes {
    let peer = message.peer().id.clone();
    let mut all = message.changes();
    all.expect.push(Expect::NotSeen { peer: peer.clone(), message_id: message.message_id().to_owned() });
    all.expect.extend(effect.expect);
    all.changes.push(Change::Seen(SeenMessage {
        peer,
        message_id: message.message_id().to_owned(),
        body_sha256: message.body_sha256().to_owned(),
        body: message.body().to_vec(),
        signature: message.signature().to_owned(),
        receipt: receipt.to_owned(),
        received_at: now.to_owned(),
    }));
    all.changes.extend(effect.changes);
    all.changes.push(Change::Audit(audit(message, "message.accept", now)));
    all
}

fn audit(message: &VerifiedMessage, action: &str, now: &str) -> AuditEntry {
    let detail = serde_json::json!({"body_sha256": message.body_sha256(), "purpose": message.purpose()});
    AuditEntry {
        at: now.to_owned(),
        actor: format!("peer:{}", message.peer().id),
        action: action.to_owned(),
        target: message.message_id().to_owned(),
        detail: detail.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_moved_meanwhile_lets_the_sender_try_again() {
        let moved = AcceptError::Moved(Expect::ReferralEvents { id: "r-1".to_owned(), count: 2 });
        assert_eq!(moved.kind(), Kind::Unavailable);
        assert_eq!(AcceptError::OtherBody.kind(), Kind::Conflict);
    }
}
