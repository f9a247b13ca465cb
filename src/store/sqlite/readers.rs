//! A pool of read connections, opened on demand and kept.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::Snapshot;
use super::numbers::Words;
use crate::store::StoreError;
use crate::store::sealing::Ring;

/// Connections kept for reuse; more may be open at once under load and are closed after use.
const KEPT: usize = 8;

/// The pool.
pub(super) struct Readers {
    path: PathBuf,
    ring: Arc<Ring>,
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    connection: Connection,
    words: Words,
}

impl Readers {
    pub(super) fn new(path: &Path, ring: Arc<Ring>) -> Self {
        Self { ring, path: path.to_path_buf(), idle: Mutex::new(Vec::new()) }
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
        let result = read(&Snapshot { connection, words, ring: &self.ring });
        connection.prepare_cached("COMMIT")?.execute([])?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(reader);
        }
        result
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::store::sealing::{MasterKey, MasterSource, Ring};

    /// A ring with a master key of its own, for a database in memory.
    pub(in crate::store::sqlite) fn ring() -> Ring {
        let folder = tempfile::tempdir().unwrap();
        let source = MasterSource::beside(&folder.path().join("watari.db"));
        let master = MasterKey::load(&source, true).unwrap();
        Ring::new(source, master)
    }
}
