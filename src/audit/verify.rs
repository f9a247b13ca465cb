//! Whether the chains still hold, of acts and of requests.

use std::fmt;

use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::audit::{chain_hash, chain_start};
use crate::store::requests::{self, SEGMENT};
use crate::store::{StoreError, View};

/// Entries read at a time.
const PAGE: usize = 1000;

/// Which trail a chain belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trail {
    /// What was done.
    Acts,
    /// What was asked, and whose data was shown.
    Requests,
}

impl Trail {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acts => "acts",
            Self::Requests => "requests",
        }
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its trail.
    pub trail: Trail,
    /// Name of the chain, the replica's; empty for a node on its own.
    pub chain: String,
    /// Number of entries.
    pub entries: u64,
    /// Hash of the last one; empty for an empty trail. Write it down elsewhere: a trail cut short still holds in itself.
    pub head: String,
}

/// Why the trails could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry was changed, removed or put in between.
    #[error("the audit trail of {trail}{} is broken at entry {position}: it or the one before was changed, removed or inserted", named(.chain))]
    Broken {
        /// The trail.
        trail: Trail,
        /// Name of the chain.
        chain: String,
        /// The entry.
        position: u64,
    },
    /// What rows are found by is not what they say: searches would pass some over.
    #[error("the audit trail of requests{} holds, but what its rows up to {position} are found by was changed", named(.chain))]
    Hidden {
        /// Name of the chain.
        chain: String,
        /// The last row of the stretch.
        position: u64,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AuditError {
    fn kind(&self) -> Kind {
        match self {
            Self::Broken { .. } | Self::Hidden { .. } => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

fn named(chain: &str) -> String {
    if chain.is_empty() { String::new() } else { format!(" of replica {chain}") }
}

/// Walks every chain of both trails; the one of acts without a name stands for an empty trail.
pub fn verify(view: &dyn View) -> Result<Vec<Verified>, AuditError> {
    let mut chains = view.audit_chains()?;
    if chains.is_empty() {
        chains.push(String::new());
    }
    let mut verified = chains.into_iter().map(|chain| acts(view, chain)).collect::<Result<Vec<_>, _>>()?;
    for chain in view.request_chains()? {
        verified.push(of_requests(view, chain)?);
    }
    Ok(verified)
}

fn acts(view: &dyn View, chain: String) -> Result<Verified, AuditError> {
    let mut verified = Verified { trail: Trail::Acts, entries: 0, head: chain_start(&chain), chain };
    loop {
        let page = view.audit_entries(&verified.chain, verified.entries + 1, PAGE)?;
        let last_page = page.len() < PAGE;
        for chained in page {
            let position = verified.entries + 1;
            let expected = chain_hash(&verified.head, position, &chained.entry);
            if chained.position != position || chained.hash != expected {
                return Err(AuditError::Broken { trail: Trail::Acts, chain: verified.chain, position });
            }
            verified = Verified { entries: position, head: expected, ..verified };
        }
        if last_page {
            return Ok(verified);
        }
    }
}

fn of_requests(view: &dyn View, chain: String) -> Result<Verified, AuditError> {
    let mut hash = requests::chain_start(&chain);
    let mut position = 0;
    loop {
        // A page is a stretch that is found by one segment.
        let page = view.requests(&chain, position + 1, SEGMENT as usize)?;
        for chained in &page {
            position += 1;
            hash = requests::chain_hash(&hash, position, &chained.row);
            if chained.position != position || chained.hash != hash {
                return Err(AuditError::Broken { trail: Trail::Requests, chain, position });
            }
        }
        if (page.len() as u64) < SEGMENT {
            break;
        }
        let kept = view.request_segments(&chain, position - SEGMENT, 1)?.into_iter().next();
        if kept != requests::segment(&page) {
            return Err(AuditError::Hidden { chain, position });
        }
    }
    Ok(Verified { trail: Trail::Requests, entries: position, head: ids::hex(&hash), chain })
}
