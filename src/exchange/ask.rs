//! Asking a peer and reading its signed answer at once: the directory, a cohort question. Nothing is queued: an asker
//! waits, and asks again if it wants.

use serde::{Deserialize, Serialize};

use super::envelope::{self, EnvelopeError, VerifiedMessage};
use super::jws::{self, JwsError, PublicKey};
use super::transport::{Https, Outgoing, Transport, TransportError};
use super::{Institution, token};
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::deliveries::Delivery;
use crate::store::peers::Peer;

/// `typ` of the signature of an answer.
pub const TYPE: &str = "watari-answer+jwt";

/// What the answering institution signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerClaims {
    /// Message id of the question.
    pub in_reply_to: String,
    /// SHA-256 of the question's body, hexadecimal.
    pub question_sha256: String,
    /// SHA-256 of the answer's body, hexadecimal.
    pub body_sha256: String,
    /// Institution that answers, and signs.
    pub sender: String,
    /// Institution that asked.
    pub recipient: String,
    /// When, RFC 3339.
    pub time: String,
}

/// An answer whose signature has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAnswer {
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The answering institution's signature, a compact JWS; worth keeping.
    pub evidence: String,
}

/// Asks `peer` at `path` and gives its verified answer.
pub async fn exchange(
    here: &Institution,
    peer: &Peer,
    path: &str,
    purpose: &str,
    body: Vec<u8>,
) -> Result<SignedAnswer, PeerError> {
    exchange_over(&Https::new(), here, peer, path, purpose, body).await
}

/// As [`exchange`], over a given transport.
pub async fn exchange_over(
    transport: &dyn Transport,
    here: &Institution,
    peer: &Peer,
    path: &str,
    purpose: &str,
    body: Vec<u8>,
) -> Result<SignedAnswer, PeerError> {
    let question = envelope::seal(here, peer, path, "application/json", purpose, &ids::fresh(), body)?;
    let reply = transport.post(here, outgoing(here, peer, &question)?).await?;
    if !reply.is_success() {
        return Err(PeerError::Refused { status: reply.status, text: reply.refusal_text() });
    }
    let evidence = reply.answer_signature.ok_or(PeerError::Unsigned)?;
    verify_answer(here, peer, &question, &reply.body, &evidence)?;
    Ok(SignedAnswer { body: reply.body.to_vec(), evidence })
}

/// The signature that goes with `answer` to `question`, in the header `Watari-Answer-Signature`.
pub fn sign_answer(here: &Institution, question: &VerifiedMessage, answer: &[u8]) -> Result<String, JwsError> {
    let claims = AnswerClaims {
        in_reply_to: question.message_id().to_owned(),
        question_sha256: question.body_sha256().to_owned(),
        body_sha256: ids::sha256_hex(answer),
        sender: here.config.id.clone(),
        recipient: question.peer().id.clone(),
        time: here.now(),
    };
    here.identity.sign(TYPE, &claims)
}

/// The request that carries a sealed message, under a fresh token.
pub fn outgoing(here: &Institution, peer: &Peer, message: &Delivery) -> Result<Outgoing, JwsError> {
    let token = token::issue(here, peer, &message.path, &message.purpose, &message.body_sha256)?;
    Ok(Outgoing {
        url: peer.url.clone(),
        certificate_sha256: peer.certificate_sha256.clone(),
        path: message.path.clone(),
        content_type: message.content_type.clone(),
        token: Some(token),
        signature: Some(message.signature.clone()),
        body: message.body.clone().into(),
    })
}

/// A peer that was asked and did not answer well.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The question cannot be sealed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The signature is about something else.
    #[error("the partner's answer is signed for another question or other content")]
    OtherAnswer,
    /// The peer said no.
    #[error("the partner refused with status {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says about it, cleaned and cut short.
        text: String,
    },
    /// The signature is not the peer's.
    #[error("the partner's answer is not validly signed: {0}")]
    Signature(#[from] JwsError),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An answer without a signature.
    #[error("the partner's answer is not signed")]
    Unsigned,
}

impl Classified for PeerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Envelope(error) => error.kind(),
            Self::Transport(error) => error.kind(),
            Self::Signature(JwsError::Signing) => Kind::Configuration,
            Self::OtherAnswer | Self::Refused { .. } | Self::Signature(_) | Self::Unsigned => Kind::PeerFailed,
        }
    }
}

fn verify_answer(
    here: &Institution,
    peer: &Peer,
    question: &Delivery,
    body: &[u8],
    evidence: &str,
) -> Result<(), PeerError> {
    let key = PublicKey::parse(&peer.signing_key)?;
    let claims: AnswerClaims = jws::verify(&key, TYPE, evidence)?;
    let ours = claims.in_reply_to == question.message_id
        && claims.question_sha256 == question.body_sha256
        && claims.body_sha256 == ids::sha256_hex(body)
        && claims.sender == peer.id
        && claims.recipient == here.config.id;
    ours.then_some(()).ok_or(PeerError::OtherAnswer)
}
