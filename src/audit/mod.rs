//! The audit trail, read back: whether the chain still holds. Entries are appended by the store, in the commit of the act
//! they tell of (`store::audit`).

use crate::fault::{Classified, Kind};
use crate::store::audit::chain_hash;
use crate::store::{StoreError, View};

/// Entries read at a time.
const PAGE: usize = 1000;

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Number of entries.
    pub entries: u64,
    /// Hash of the last one; empty for an empty trail. Write it down elsewhere: a trail cut short still holds in itself.
    pub head: String,
}

/// Why the chain could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry was changed, removed or put in between.
    #[error("the audit trail is broken at entry {0}: it or the one before was changed, removed or inserted")]
    Broken(u64),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AuditError {
    fn kind(&self) -> Kind {
        match self {
            Self::Broken(_) => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Walks the whole chain.
pub fn verify(view: &dyn View) -> Result<Verified, AuditError> {
    let mut verified = Verified { entries: 0, head: String::new() };
    loop {
        let page = view.audit_entries(verified.entries + 1, PAGE)?;
        let last_page = page.len() < PAGE;
        for chained in page {
            let position = verified.entries + 1;
            let expected = chain_hash(&verified.head, position, &chained.entry);
            if chained.position != position || chained.hash != expected {
                return Err(AuditError::Broken(position));
            }
            verified = Verified { entries: position, head: expected };
        }
        if last_page {
            return Ok(verified);
        }
    }
}
