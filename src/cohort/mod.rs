//! Cohort questions: closed data, counted at each node from its own store in harmonised units, answered protected.

pub mod pages;

use crate::access::Staff;
use crate::exchange::Institution;
use crate::fault::{Classified, Kind};

/// Why a question was not asked.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// The question does not parse or uses something unknown.
    #[error("the question cannot be used: {0}")]
    Question(String),
    /// This role may not ask.
    #[error("role {0} may not ask cohort questions")]
    Forbidden(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] crate::store::CommitError),
}

impl Classified for CohortError {
    fn kind(&self) -> Kind {
        match self {
            Self::Question(_) => Kind::Unprocessable,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}

/// Asks the own node and every active peer; keeps question and answers. Gives the question's SHA-256.
pub async fn ask(_here: &Institution, _staff: &Staff, _question: &[u8]) -> Result<String, CohortError> {
    Err(CohortError::Question("to be written".to_owned()))
}
