//! What kind of failure an error is, and so whose fault: every error type of the house answers [`Classified::kind`],
//! and `server::problem` alone turns kinds into HTTP statuses, OperationOutcomes and pages.

/// Who has to change something before the same act can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The local person or system that called us.
    Caller,
    /// The partner institution at the other end of a peer connection.
    Peer,
    /// Whoever runs this node: configuration, disk, certificates.
    Operator,
    /// This program.
    Ours,
}

/// The kinds of failure, in the order of their HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The bytes cannot be read as what they claim to be (400).
    Malformed,
    /// No, expired or unknown credentials (401).
    Unauthenticated,
    /// Known, but not allowed (403).
    Forbidden,
    /// No such thing here (404).
    NotFound,
    /// The thing is there, but not by this method (405).
    NotAllowed,
    /// No form of the answer that the caller takes (406).
    NotAcceptable,
    /// The act contradicts the present state, or a message id was used with other content (409).
    Conflict,
    /// It was there and was deleted (410).
    Gone,
    /// An `If-Match` or `If-None-Exist` condition does not hold (412).
    PreconditionFailed,
    /// More bytes than the limit for this door (413).
    TooLarge,
    /// A media type this address does not take (415).
    UnsupportedMediaType,
    /// Readable, but breaks a rule of FHIR or of the exchange (422).
    Unprocessable,
    /// As many of these as this caller may have at once are there already (429).
    TooMany,
    /// Not built, or not enabled here (501).
    NotSupported,
    /// The partner answered wrongly or not at all (502).
    PeerFailed,
    /// The node cannot do it now: store down, disk full, shutting down (503).
    Unavailable,
    /// The configuration does not allow the node to work (500).
    Configuration,
    /// A defect or an unforeseen condition here (500).
    Internal,
}

impl Kind {
    /// Whose fault a failure of this kind is.
    pub fn fault(self) -> Fault {
        match self {
            Self::PeerFailed => Fault::Peer,
            Self::Unavailable | Self::Configuration | Self::NotSupported => Fault::Operator,
            Self::Internal => Fault::Ours,
            _ => Fault::Caller,
        }
    }
}

/// An error that says what kind of failure it is.
pub trait Classified: std::error::Error {
    /// The kind, from which status, issue code and log level follow.
    fn kind(&self) -> Kind;
}
