//! The receipt: the receiving institution's signature over what it has stored. Delivered is not accepted: a receipt says
//! that the exact bytes are kept, nothing about what people will decide.

use serde::{Deserialize, Serialize};

use super::Institution;
use super::envelope::VerifiedMessage;
use super::jws::{self, JwsError, PublicKey};
use crate::fault::{Classified, Kind};
use crate::store::deliveries::Delivery;
use crate::store::peers::Peer;

/// `typ` of a receipt.
pub const TYPE: &str = "watari-receipt+jwt";

/// What the receiving institution signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptClaims {
    /// The message received.
    pub message_id: String,
    /// Institution that sent it.
    pub sender: String,
    /// Institution that received it, and signs.
    pub recipient: String,
    /// SHA-256 of the body as stored, hexadecimal.
    pub body_sha256: String,
    /// When it was received, RFC 3339.
    pub received_at: String,
    /// What was done.
    pub disposition: Disposition,
}

/// What a receipt says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// The bytes are durably stored.
    Stored,
}

/// A receipt for `message`, received at `received_at`. It must be stored with the message, in one commit, before it is
/// given away.
pub fn issue(here: &Institution, message: &VerifiedMessage, received_at: &str) -> Result<String, JwsError> {
    let claims = ReceiptClaims {
        message_id: message.message_id().to_owned(),
        sender: message.peer().id.clone(),
        recipient: here.config.id.clone(),
        body_sha256: message.body_sha256().to_owned(),
        received_at: received_at.to_owned(),
        disposition: Disposition::Stored,
    };
    here.identity.sign(TYPE, &claims)
}

/// Checks that `receipt` was signed by `peer` and is about exactly what `delivery` sent.
pub fn verify(
    here: &Institution,
    peer: &Peer,
    delivery: &Delivery,
    receipt: &str,
) -> Result<ReceiptClaims, ReceiptError> {
    let key = PublicKey::parse(&peer.signing_key)?;
    let claims: ReceiptClaims = jws::verify(&key, TYPE, receipt)?;
    let same = claims.message_id == delivery.message_id
        && claims.sender == here.config.id
        && claims.recipient == delivery.peer
        && claims.recipient == peer.id;
    if !same {
        return Err(ReceiptError::OtherMessage);
    }
    if claims.body_sha256 != delivery.body_sha256 {
        return Err(ReceiptError::OtherBody);
    }
    if claims.received_at.parse::<jiff::Timestamp>().is_err() {
        return Err(ReceiptError::Invalid(JwsError::Malformed));
    }
    Ok(claims)
}

/// A receipt that proves nothing; the message stays in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Unreadable, or not signed by the peer's pinned key.
    #[error("the receipt is not valid: {0}")]
    Invalid(#[from] JwsError),
    /// It names another digest.
    #[error("the receipt is for other bytes than those sent")]
    OtherBody,
    /// It names another message or other institutions.
    #[error("the receipt is for another message")]
    OtherMessage,
}

impl Classified for ReceiptError {
    fn kind(&self) -> Kind {
        Kind::PeerFailed
    }
}
