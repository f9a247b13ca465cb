//! The envelope: what is sealed when a message leaves and checked when one arrives.
//!
//! The *message* carries a signature of the sending institution over its id, both ends, purpose, time and the digest of
//! the exact body. It does not expire and is kept: it is the evidence. The *request* that carries it has a token of its
//! own ([`super::token`]). A retry repeats body and message signature under a fresh token.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Institution;
use super::jws::{self, PublicKey};
pub use super::refusals::{EnvelopeError, OpenError};
use super::tls::TlsPeer;
use super::token;
use crate::clock;
use crate::fhir;
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::deliveries::Delivery;
use crate::store::peers::Peer;
use crate::store::{Change, Changes, Expect};

/// `typ` of a message signature.
pub const TYPE: &str = "watari-message+jwt";
/// Header that carries the message signature.
pub const SIGNATURE_HEADER: &str = "watari-message-signature";

/// What the sending institution signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageClaims {
    /// Message id, chosen by the sender, the same in every retry.
    pub message_id: String,
    /// Sending institution.
    pub sender: String,
    /// Receiving institution.
    pub recipient: String,
    /// Purpose of use.
    pub purpose: String,
    /// Path it is meant for.
    pub path: String,
    /// Media type of the body.
    pub content_type: String,
    /// When it was sealed, RFC 3339.
    pub time: String,
    /// SHA-256 of the exact body, hexadecimal.
    pub body_sha256: String,
}

/// Seals `body` for `peer`: the frozen bytes and signature of the outbox. Nothing is stored or sent yet.
/// It is a stream of its own; who sends several messages that must arrive in order gives them one stream.
pub fn seal(
    here: &Institution,
    peer: &Peer,
    path: &str,
    content_type: &str,
    purpose: &str,
    message_id: &str,
    body: Vec<u8>,
) -> Result<Delivery, EnvelopeError> {
    if !peer.is_active() {
        return Err(EnvelopeError::PeerRevoked(peer.id.clone()));
    }
    if !fhir::is_valid_id(message_id) {
        return Err(EnvelopeError::MessageId);
    }
    let now = here.now();
    let body_sha256 = ids::sha256_hex(&body);
    let claims = MessageClaims {
        message_id: message_id.to_owned(),
        sender: here.config.id.clone(),
        recipient: peer.id.clone(),
        purpose: purpose.to_owned(),
        path: path.to_owned(),
        content_type: content_type.to_owned(),
        time: now.clone(),
        body_sha256: body_sha256.clone(),
    };
    let signature = here.identity.sign(TYPE, &claims)?;
    Ok(Delivery {
        stream: claims.message_id.clone(),
        message_id: claims.message_id,
        peer: claims.recipient,
        path: claims.path,
        content_type: claims.content_type,
        purpose: claims.purpose,
        body,
        body_sha256,
        signature,
        status: "queued".to_owned(),
        created_at: now.clone(),
        next_attempt_at: now,
        attempts: 0,
        last_error: None,
        receipt: None,
        delivered_at: None,
    })
}

/// The parts of a request that [`open`] looks at.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// Path asked for.
    pub path: &'a str,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Watari-Message-Signature`.
    pub signature: Option<&'a str>,
}

/// Opens a request from a peer: every check before a handler may see the body. Reads the store; blocks.
pub fn open(
    here: &Institution,
    tls: &TlsPeer,
    parts: RequestParts<'_>,
    body: Bytes,
) -> Result<VerifiedMessage, OpenError> {
    let peer = active_peer(here, tls)?;
    let token = bearer(parts.authorization)?;
    let signature = parts.signature.ok_or(OpenError::MissingSignature)?;
    let body_sha256 = ids::sha256_hex(&body);
    let request = token::check(here, &peer, tls, parts.path, &body_sha256, token)?;
    let key = PublicKey::parse(&peer.signing_key).map_err(OpenError::Signature)?;
    let message: MessageClaims = jws::verify(&key, TYPE, signature).map_err(OpenError::Signature)?;
    check_message(here, &peer, parts, &body_sha256, &message)?;
    if message.purpose != request.purpose {
        return Err(OpenError::PurposeDiffers);
    }
    let remember_until = token::remember_until(&request, here.exchange.clock_skew_seconds);
    Ok(VerifiedMessage {
        peer,
        claims: message,
        body,
        signature: signature.to_owned(),
        jti: request.jti,
        token_until: clock::instant(remember_until),
    })
}

/// A message whose sender, recipient, body and token have been checked. Only [`open`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedMessage {
    peer: Peer,
    claims: MessageClaims,
    body: Bytes,
    signature: String,
    jti: String,
    token_until: String,
}

impl VerifiedMessage {
    /// The institution that sent it, as known from its certificate.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Message id.
    pub fn message_id(&self) -> &str {
        &self.claims.message_id
    }

    /// Purpose of use.
    pub fn purpose(&self) -> &str {
        &self.claims.purpose
    }

    /// When the sender sealed it, RFC 3339.
    pub fn sent_at(&self) -> &str {
        &self.claims.time
    }

    /// Path it came in by.
    pub fn path(&self) -> &str {
        &self.claims.path
    }

    /// Media type of the body.
    pub fn content_type(&self) -> &str {
        &self.claims.content_type
    }

    /// The exact bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// SHA-256 of the body, hexadecimal.
    pub fn body_sha256(&self) -> &str {
        &self.claims.body_sha256
    }

    /// The sender's signature, a compact JWS.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Spends the request token: to be part of the commit that has the request's effect.
    pub fn changes(&self) -> Changes {
        let (peer, jti) = (self.peer.id.clone(), self.jti.clone());
        Changes::new().expecting(Expect::TokenUnused { peer: peer.clone(), jti: jti.clone() }).with(Change::UseToken {
            peer,
            jti,
            expires_at: self.token_until.clone(),
        })
    }
}

/// The active peer at the other end of the connection, by its certificate alone.
pub fn active_peer(here: &Institution, tls: &TlsPeer) -> Result<Peer, OpenError> {
    let peer = here
        .store
        .view(|view| view.peer_by_certificate(&tls.certificate_sha256))?
        .ok_or(OpenError::UnknownCertificate)?;
    if peer.is_active() { Ok(peer) } else { Err(OpenError::Revoked) }
}

/// Writes the refusal of a paired institution's request into the audit trail. Strangers are not written down: they
/// could fill the disk. Blocks.
pub fn note_refusal(here: &Institution, tls: &TlsPeer, error: &OpenError) {
    let Ok(peer) = active_peer(here, tls) else { return };
    let note = AuditEntry {
        at: here.now(),
        actor: format!("peer:{}", peer.id),
        action: "message.refuse".to_owned(),
        target: peer.id,
        detail: serde_json::json!({"reason": error.to_string()}).to_string(),
    };
    if let Err(error) = here.store.commit(Changes::new().with(Change::Audit(note))) {
        tracing::error!(%error, "a refusal could not be written into the audit trail");
    }
}

fn bearer(authorization: Option<&str>) -> Result<&str, OpenError> {
    let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(OpenError::MissingToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(OpenError::MissingToken) }
}

fn check_message(
    here: &Institution,
    peer: &Peer,
    parts: RequestParts<'_>,
    body_sha256: &str,
    message: &MessageClaims,
) -> Result<(), OpenError> {
    if message.sender != peer.id {
        return Err(OpenError::SignerIsNotCaller);
    }
    if message.recipient != here.config.id {
        return Err(OpenError::NotForUs);
    }
    if message.body_sha256 != body_sha256 {
        return Err(OpenError::BodyDiffers);
    }
    if message.path != parts.path {
        return Err(OpenError::OtherAddress("address"));
    }
    if parts.content_type != Some(message.content_type.as_str()) {
        return Err(OpenError::OtherAddress("media type"));
    }
    if !fhir::is_valid_id(&message.message_id) {
        return Err(OpenError::Malformed("message_id"));
    }
    let sent_at: Timestamp = message.time.parse().map_err(|_| OpenError::Malformed("time"))?;
    let skew = SignedDuration::from_secs(i64::try_from(here.exchange.clock_skew_seconds).unwrap_or(i64::MAX));
    if sent_at.duration_since(here.clock.now()) > skew {
        return Err(OpenError::FromTheFuture);
    }
    Ok(())
}
