//! Who may do what: roles, staff signed in by a session or a token, and what each role may do.

pub mod assertion;
pub mod client;
pub mod consent;
pub mod endpoints;
pub mod labels;
pub mod limits;
pub mod permit;
pub mod purpose;
pub mod scope;
pub mod session;
pub mod token;

use std::fmt;

use crate::fault::{Classified, Kind};
use crate::store::{CommitError, StoreError};

/// What a person or system may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends and answers referrals, sees patients.
    Clinician,
    /// Asks cohort questions; sees no patient.
    Researcher,
    /// Sees messages, losses, peers; releases quarantined messages.
    It,
    /// A local system: reads and writes the record by the FHIR API.
    System,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Clinician, Self::Researcher, Self::It, Self::System];

    /// The word used in the store and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
            Self::Researcher => "researcher",
            Self::It => "it",
            Self::System => "system",
        }
    }

    /// Reads [`Role::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody whose credentials were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Person or system, as audited.
    pub user: String,
    /// What it may do.
    pub role: Role,
}

/// Why somebody was not let in, or not allowed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No session cookie or bearer token came with the request.
    #[error("sign in first")]
    NoCredentials,
    /// A session that is unknown, ended or expired. One answer for all three: a stranger learns nothing.
    #[error("the session has ended; sign in again")]
    NoSession,
    /// A token that is unknown or expired.
    #[error("the bearer token is unknown or has expired")]
    NoToken,
    /// A sign-in link that is unknown, used or expired.
    #[error("the sign-in link was used before, has expired, or never existed; ask for a new one")]
    SpentLink,
    /// The form did not come from a page of this session.
    #[error("the form did not come from a page of this node; open the page again and repeat")]
    ForeignForm,
    /// The role may not do this.
    #[error("role {role} may not {permission}")]
    Forbidden {
        /// Role of the person.
        role: Role,
        /// What was tried.
        permission: permit::Permission,
    },
    /// The token's scopes do not reach so far.
    #[error("role {role} may not {act} {what} with the scopes of this token")]
    OutOfScope {
        /// Role of the token.
        role: Role,
        /// What was tried.
        act: &'static str,
        /// On what.
        what: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for AccessError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoCredentials | Self::NoSession | Self::NoToken | Self::SpentLink => Kind::Unauthenticated,
            Self::ForeignForm | Self::Forbidden { .. } | Self::OutOfScope { .. } => Kind::Forbidden,
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}
