//! Cohort questions: closed data, counted at each node from its own store in harmonised units, answered protected.

mod age;
pub mod answer;
pub mod ask;
mod canonical;
pub mod catalog;
pub mod count;
pub mod disclosure;
pub mod endpoints;
pub mod pages;
mod quantity;
pub mod question;
pub mod result;

pub use ask::ask;
pub use result::result_json;

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
    /// No such question here.
    #[error("this question was not asked here")]
    Unknown,
    /// The tables of codes cannot be read.
    #[error("the tables of codes cannot be used: {0}")]
    Tables(String),
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
            Self::Unknown => Kind::NotFound,
            Self::Tables(_) => Kind::Configuration,
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}
