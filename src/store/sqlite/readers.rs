//! A pool of read connections, opened on demand and kept.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::Snapshot;
use super::numbers::Words;
use crate::store::StoreError;

/// Connections kept for reuse; more may be open at once under load and are closed after use.
const KEPT: usize = 4;

/// The pool.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    connection: Connection,
    words: Words,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` inside one read transaction, so that all it sees is one snapshot.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match taken {
            Some(reader) => reader,
            None => {
                let connection = super::connect(&self.path)?;
                connection.pragma_update(None, "query_only", "ON")?;
                Reader { connection, words: Words::default() }
            }
        };
        let Reader { connection, words } = &reader;
        connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        let result = read(&Snapshot { connection, words });
        connection.prepare_cached("COMMIT")?.execute([])?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(reader);
        }
        result
    }
}
