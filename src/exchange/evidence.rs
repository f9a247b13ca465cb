//! Evidence of one delivered message: the exact bytes, the sender's signature, the recipient's receipt, and the keys as
//! they were. Both ends hold the same; it is checked offline, without a node, years later.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Institution;
use super::envelope::{self, MessageClaims};
use super::jws::{self, JwsError, PublicKey};
use super::receipt::{self, ReceiptClaims};
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::deliveries::SeenMessage;
use crate::store::{StoreError, View};

/// One message and all that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The exact bytes, base64.
    pub body: String,
    /// The sending institution's signature, a compact JWS.
    pub message_signature: String,
    /// The receiving institution's receipt, a compact JWS.
    pub receipt: String,
    /// Key of the sending institution when it signed.
    pub sender_key: PublicKey,
    /// Key of the receiving institution when it signed.
    pub recipient_key: PublicKey,
}

impl Evidence {
    /// Of a message this institution sent; none before its receipt has come. Blocks.
    pub fn of_sent(here: &Institution, message_id: &str) -> Result<Option<Self>, EvidenceError> {
        here.store.view(|view| {
            let Some(delivery) = view.delivery(message_id)? else { return Ok(None) };
            let Some(receipt) = delivery.receipt else { return Ok(None) };
            Ok(Some(Self {
                body: BASE64.encode(&delivery.body),
                sender_key: own_key(here, view, &delivery.signature)?,
                recipient_key: kept_key(view, &delivery.peer, &receipt)?,
                message_signature: delivery.signature,
                receipt,
            }))
        })
    }

    /// Of a message this institution received. Blocks.
    pub fn of_received(here: &Institution, peer_id: &str, message_id: &str) -> Result<Option<Self>, EvidenceError> {
        here.store.view(|view| {
            let Some(seen) = view.seen(peer_id, message_id)? else { return Ok(None) };
            Ok(Some(Self {
                body: BASE64.encode(&seen.body),
                sender_key: kept_key(view, peer_id, &seen.signature)?,
                recipient_key: own_key(here, view, &seen.receipt)?,
                message_signature: seen.signature,
                receipt: seen.receipt,
            }))
        })
    }
}

/// Checks what is kept of a message that `institution` received: signature, receipt and bytes are of one message, and each
/// was signed by a key of its institution. `present` is the institution's own key, if it is at hand; earlier ones are kept.
/// Bytes that a rule of retention has removed are not compared: their digest is what was signed.
pub fn check_received(
    view: &dyn View,
    institution: &str,
    present: Option<&PublicKey>,
    seen: &SeenMessage,
) -> Result<(), EvidenceError> {
    let sender_key = kept_key(view, &seen.peer, &seen.signature)?;
    let own = present.filter(|key| jws::key_id(&seen.receipt).is_ok_and(|id| id == key.thumbprint()));
    let recipient_key = own.map_or_else(|| kept_key(view, institution, &seen.receipt), |key| Ok(key.clone()))?;
    let verified = same_message(&sender_key, &seen.signature, &recipient_key, &seen.receipt)?;
    let named = (verified.message.message_id.as_str(), verified.message.sender.as_str());
    if named != (&seen.message_id, &seen.peer) || verified.message.recipient != institution {
        return Err(EvidenceError::OtherMessage);
    }
    let is_kept = seen.body.is_empty() || ids::sha256_hex(&seen.body) == seen.body_sha256;
    let is_signed = verified.message.body_sha256 == seen.body_sha256;
    if is_kept && is_signed { Ok(()) } else { Err(EvidenceError::OtherBody) }
}

/// The key of this institution that signed `token`: the present one, or one it paired with earlier.
fn own_key(here: &Institution, view: &dyn View, token: &str) -> Result<PublicKey, EvidenceError> {
    let present = here.identity.public_key();
    if present.thumbprint() == jws::key_id(token)? {
        return Ok(present.clone());
    }
    kept_key(view, &here.config.id, token)
}

/// The key that signed `token`, among all that were ever pinned for the institution.
fn kept_key(view: &dyn View, institution: &str, token: &str) -> Result<PublicKey, EvidenceError> {
    let key_id = jws::key_id(token)?;
    for kept in view.signing_keys(institution)? {
        let key = PublicKey::parse(&kept.jwk)?;
        if key.thumbprint() == key_id {
            return Ok(key);
        }
    }
    Err(JwsError::UnknownKey.into())
}

/// What verified evidence says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEvidence {
    /// What the sender signed.
    pub message: MessageClaims,
    /// What the recipient signed.
    pub receipt: ReceiptClaims,
}

/// Checks an evidence file. That the keys in it are those of the two institutions is for the reader to compare, by
/// their thumbprints.
pub fn verify(file: &[u8]) -> Result<VerifiedEvidence, EvidenceError> {
    let evidence: Evidence = serde_json::from_slice(file).map_err(|_| EvidenceError::Unreadable)?;
    let body = BASE64.decode(&evidence.body).map_err(|_| EvidenceError::Unreadable)?;
    let verified =
        same_message(&evidence.sender_key, &evidence.message_signature, &evidence.recipient_key, &evidence.receipt)?;
    if verified.message.body_sha256 != ids::sha256_hex(&body) {
        return Err(EvidenceError::OtherBody);
    }
    Ok(verified)
}

/// Signature and receipt hold, and are about one message.
fn same_message(
    sender_key: &PublicKey,
    signature: &str,
    recipient_key: &PublicKey,
    receipt: &str,
) -> Result<VerifiedEvidence, EvidenceError> {
    let message: MessageClaims = jws::verify(sender_key, envelope::TYPE, signature)?;
    let receipt: ReceiptClaims = jws::verify(recipient_key, receipt::TYPE, receipt)?;
    let one_message = (&message.message_id, &message.sender, &message.recipient, &message.body_sha256)
        == (&receipt.message_id, &receipt.sender, &receipt.recipient, &receipt.body_sha256);
    if one_message { Ok(VerifiedEvidence { message, receipt }) } else { Err(EvidenceError::OtherMessage) }
}

/// Evidence that proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The bytes are not those that were signed.
    #[error("the body is not the one that was signed")]
    OtherBody,
    /// Signature and receipt are about different messages.
    #[error("the receipt is for another message than the signature")]
    OtherMessage,
    /// A signature does not hold.
    #[error(transparent)]
    Signature(#[from] JwsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not an evidence file.
    #[error("this is not an evidence file")]
    Unreadable,
}

impl Classified for EvidenceError {
    fn kind(&self) -> Kind {
        match self {
            Self::OtherBody | Self::OtherMessage => Kind::Unprocessable,
            Self::Signature(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Unreadable => Kind::Malformed,
        }
    }
}
