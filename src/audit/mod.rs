//! The audit trail, read back: whether the chain still holds. Entries are appended by the store, in the commit of the act
//! they tell of (`store::audit`).

use crate::fault::{Classified, Kind};
use crate::store::audit::{chain_hash, chain_start};
use crate::store::{StoreError, View};

/// Entries read at a time.
const PAGE: usize = 1000;

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Name of the chain, the replica's; empty for a node on its own.
    pub chain: String,
    /// Number of entries.
    pub entries: u64,
    /// Hash of the last one; empty for an empty trail. Write it down elsewhere: a trail cut short still holds in itself.
    pub head: String,
}

/// Why the chain could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry was changed, removed or put in between.
    #[error("the audit trail{} is broken at entry {position}: it or the one before was changed, removed or inserted", named(.chain))]
    Broken {
        /// Name of the chain.
        chain: String,
        /// The entry.
        position: u64,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AuditError {
    fn kind(&self) -> Kind {
        match self {
            Self::Broken { .. } => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

fn named(chain: &str) -> String {
    if chain.is_empty() { String::new() } else { format!(" of replica {chain}") }
}

/// Walks every chain; the one without a name stands for an empty trail.
pub fn verify(view: &dyn View) -> Result<Vec<Verified>, AuditError> {
    let mut chains = view.audit_chains()?;
    if chains.is_empty() {
        chains.push(String::new());
    }
    chains.into_iter().map(|chain| verify_chain(view, chain)).collect()
}

fn verify_chain(view: &dyn View, chain: String) -> Result<Verified, AuditError> {
    let mut verified = Verified { entries: 0, head: chain_start(&chain), chain };
    loop {
        let page = view.audit_entries(&verified.chain, verified.entries + 1, PAGE)?;
        let last_page = page.len() < PAGE;
        for chained in page {
            let position = verified.entries + 1;
            let expected = chain_hash(&verified.head, position, &chained.entry);
            if chained.position != position || chained.hash != expected {
                return Err(AuditError::Broken { chain: verified.chain, position });
            }
            verified = Verified { entries: position, head: expected, ..verified };
        }
        if last_page {
            return Ok(verified);
        }
    }
}
