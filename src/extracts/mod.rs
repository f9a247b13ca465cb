//! Reading a hospital's own databases: extracts of its systems, which are no part of the store. One query, read only, with a
//! limit on rows and time; every value as the text the database shows for it.

pub mod sqlite;

use std::time::Duration;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// One statement that only reads.
    pub sql: String,
    /// Most rows given out.
    pub max_rows: u64,
    /// The whole of it must be done within.
    pub within: Duration,
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There are no more rows.
    Whole,
    /// There are more rows than were asked for.
    AtLimit,
}

/// Takes the rows. An error ends the reading.
pub trait Rows<E> {
    /// The names of the columns, once, before any row.
    fn columns(&mut self, names: Vec<String>) -> Result<(), E>;
    /// A row; an absent value is an empty cell.
    fn row(&mut self, cells: Vec<String>) -> Result<(), E>;
}

/// The extract cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError<E> {
    /// The database refused or broke; without values of it.
    #[error("the extract cannot be read: {0}")]
    Database(String),
    /// The statement writes, or is more than one.
    #[error("the query must be one statement that only reads")]
    NotReading,
    /// The time is over.
    #[error("the query took longer than {0:?}; narrow it or allow more (source.seconds)")]
    TooSlow(Duration),
    /// Whoever takes the rows gave up.
    #[error(transparent)]
    Taker(E),
}
