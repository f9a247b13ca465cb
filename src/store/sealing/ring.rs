//! The unwrapped data keys of a process, shared by its writer and readers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{DataKey, MasterKey, MasterSource, SealError};

/// Data keys by number. Another process may have made a key or put the master key anew: what is missing is fetched.
pub struct Ring {
    source: MasterSource,
    master: RwLock<Arc<MasterKey>>,
    keys: RwLock<HashMap<u32, Arc<DataKey>>>,
}

impl Ring {
    /// An empty ring over a master key and where it came from.
    pub fn new(source: MasterSource, master: MasterKey) -> Self {
        Self { source, master: RwLock::new(Arc::new(master)), keys: RwLock::default() }
    }

    /// Where the master key comes from.
    pub fn source(&self) -> &MasterSource {
        &self.source
    }

    /// The master key as it was last read.
    pub fn master(&self) -> Arc<MasterKey> {
        Arc::clone(&self.master.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The master key, read anew if its id is not `expected`: it was put anew while this process ran.
    pub fn master_known_as(&self, expected: &str) -> Result<Arc<MasterKey>, SealError> {
        let present = self.master();
        if present.id() == expected {
            return Ok(present);
        }
        let read = MasterKey::load(&self.source, false)?;
        if read.id() != expected {
            return Err(SealError::WrongMaster { found: read.id().to_owned(), expected: expected.to_owned() });
        }
        let read = Arc::new(read);
        *self.master.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }

    /// The key, if this process has it already.
    pub fn get(&self, number: u32) -> Option<Arc<DataKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&number).map(Arc::clone)
    }

    /// Unwraps a key as the database has it, and keeps it.
    pub fn unwrap(&self, number: u32, wrapped_by: &str, wrapped: &[u8]) -> Result<Arc<DataKey>, SealError> {
        let key = self.master_known_as(wrapped_by)?.unwrap(number, wrapped_by, wrapped)?;
        Ok(self.keep(key))
    }

    /// Keeps a key that was just made and committed.
    pub fn keep(&self, key: DataKey) -> Arc<DataKey> {
        let key = Arc::new(key);
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key.number(), Arc::clone(&key));
        key
    }
}
