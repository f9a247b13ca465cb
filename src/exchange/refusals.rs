//! Why a message is not sealed, or a request from outside not let in: one variant per check, so that both ends can tell
//! what to mend.

use super::jws::JwsError;
use super::token::TokenError;
use crate::fault::{Classified, Kind};
use crate::store::StoreError;

/// A message cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The message id is not a FHIR id.
    #[error("a message id has 1-64 letters, digits, '-' or '.'")]
    MessageId,
    /// The partner is no longer trusted.
    #[error("{0} is no longer a partner of this institution")]
    PeerRevoked(String),
    /// Our key would not sign.
    #[error(transparent)]
    Signing(#[from] JwsError),
}

impl Classified for EnvelopeError {
    fn kind(&self) -> Kind {
        match self {
            Self::MessageId => Kind::Internal,
            Self::PeerRevoked(_) => Kind::Conflict,
            Self::Signing(error) => error.kind(),
        }
    }
}

/// A request from outside that is not let in.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The body is not the one that was signed.
    #[error("the body differs from the one the message signature names")]
    BodyDiffers,
    /// The message is dated in the future.
    #[error("the message is dated in the future; check both clocks")]
    FromTheFuture,
    /// An id, time or media type that cannot be used.
    #[error("the message signature has an unusable {0}")]
    Malformed(&'static str),
    /// No message signature.
    #[error("the header Watari-Message-Signature is missing")]
    MissingSignature,
    /// No bearer token.
    #[error("the header Authorization carries no bearer token")]
    MissingToken,
    /// Addressed to another institution.
    #[error("the message is addressed to another institution")]
    NotForUs,
    /// Signed for another path or media type.
    #[error("the message was signed for another {0}")]
    OtherAddress(&'static str),
    /// The token was made for another purpose than the message.
    #[error("request token and message name different purposes")]
    PurposeDiffers,
    /// The peer was revoked.
    #[error("this institution no longer exchanges with the caller")]
    Revoked,
    /// The message signature is not the caller's.
    #[error("the message signature is not valid: {0}")]
    Signature(JwsError),
    /// Signed by an institution other than the one at the end of the connection.
    #[error("the message was signed in the name of another institution than the caller")]
    SignerIsNotCaller,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request token does not let it in.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate is not paired.
    #[error("the caller's certificate is not paired with this institution")]
    UnknownCertificate,
}

impl Classified for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) | Self::MissingSignature => Kind::Malformed,
            // A clock can be put right and the message sent again.
            Self::FromTheFuture | Self::MissingToken => Kind::Unauthenticated,
            Self::Store(error) => error.kind(),
            Self::Token(error) => error.kind(),
            Self::BodyDiffers
            | Self::NotForUs
            | Self::OtherAddress(_)
            | Self::PurposeDiffers
            | Self::Revoked
            | Self::Signature(_)
            | Self::SignerIsNotCaller
            | Self::UnknownCertificate => Kind::Forbidden,
        }
    }
}
