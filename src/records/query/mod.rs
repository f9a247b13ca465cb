//! Reads a query (<https://hl7.org/fhir/R4/search.html>) into what it asks for: names of parameters become the elements that
//! resources are indexed by. A parameter or modifier that is not served is refused, never passed over: a filter that is
//! ignored would show the wrong patients. Only who asks for lenient handling gets the rest, with a word about what was left
//! out.

mod criterion;
mod result;
mod value;

use jiff::Timestamp;

use crate::fault::{Classified, Kind};
use crate::fhir::search::Search;

pub use criterion::{criterion, in_compartment};
pub use result::{Shape, Summary};
pub use value::decoded;

/// Results on a page, unless `_count` says otherwise.
const PAGE: usize = 50;
/// Largest page.
pub const LARGEST_PAGE: usize = 1000;

/// What a query is read with.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Now, for `ap`; without it, `ap` is not served.
    pub now: Option<Timestamp>,
    /// The node's own address (`https://hospital.example/fhir`): references that begin with it are its own.
    pub base: &'a str,
    /// Leave out what is not known instead of refusing it.
    pub is_lenient: bool,
}

/// A query as it was understood.
#[derive(Debug, Clone)]
pub struct Query {
    /// What to find.
    pub search: Search,
    /// How much of it to show.
    pub shape: Shape,
    /// The pairs of the query that count, in order.
    pub pairs: Vec<(String, String)>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Why a query is refused. Texts name parameters, never values: they may be a patient's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A value that is none of its type, or a form that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// No such parameter or modifier.
    #[error("{0}")]
    Unknown(String),
    /// In R4, but not served.
    #[error("{0}")]
    NotServed(String),
}

impl Classified for QueryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) | Self::Unknown(_) => Kind::Malformed,
            Self::NotServed(_) => Kind::NotSupported,
        }
    }
}

/// Reads the decoded pairs of a query of a resource type.
pub fn parse(setting: &Setting<'_>, kind: &str, pairs: &[(String, String)]) -> Result<Query, QueryError> {
    let mut query = Query {
        search: Search::new(kind, Vec::new(), PAGE),
        shape: Shape::default(),
        pairs: Vec::new(),
        left_out: Vec::new(),
    };
    for (name, value) in pairs {
        // An empty value asks for nothing.
        if value.is_empty() {
            continue;
        }
        let read = match name.as_str() {
            name if result::is_of_result(name) => result::read(&mut query, kind, name, value),
            name => criterion(setting, kind, name, value).map(|criterion| query.search.criteria.push(criterion)),
        };
        match read {
            Ok(()) => query.pairs.push((name.clone(), value.clone())),
            Err(refused @ (QueryError::Unknown(_) | QueryError::NotServed(_))) if setting.is_lenient => {
                query.left_out.push(refused.to_string());
            }
            Err(refused) => return Err(refused),
        }
    }
    if query.shape.summary == Summary::Count {
        query.search.count = 0;
    }
    Ok(query)
}
