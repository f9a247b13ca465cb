//! Whether the chains still hold, of acts and of requests.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::audit::{chain_hash, chain_start};
use crate::store::requests::{self, SEGMENT};
use crate::store::{StoreError, View};

/// Entries read at a time.
const PAGE: usize = 1000;

/// Which trail a chain belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// The act of signing heads; its detail has the signature as `checkpoint`.
pub const CHECKPOINT: &str = "audit.checkpoint";

/// The last entry of a chain at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its trail.
    pub trail: Trail,
    /// Its chain.
    pub chain: String,
    /// Its position.
    pub position: u64,
    /// Its hash, hexadecimal.
    pub hash: String,
}

impl Head {
    /// Reads `TRAIL:POSITION:HASH` or `TRAIL:CHAIN:POSITION:HASH`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (trail, chain, position, hash) = match parts.as_slice() {
            [trail, position, hash] => (*trail, "", *position, *hash),
            [trail, chain, position, hash] => (*trail, *chain, *position, *hash),
            _ => return None,
        };
        let trail = [Trail::Acts, Trail::Requests].into_iter().find(|one| one.as_str() == trail)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let position = position.parse().ok().filter(|position| *position > 0 && is_hash)?;
        Some(Self { trail, chain: chain.to_owned(), position, hash: hash.to_ascii_lowercase() })
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
    /// A chain ends before an entry that it had.
    #[error("the audit trail of {trail}{} was cut short: entry {position} was there, and {first} is missing", named(.chain))]
    CutShort {
        /// The trail.
        trail: Trail,
        /// Name of the chain.
        chain: String,
        /// The first entry that is missing.
        first: u64,
        /// The entry that was signed, or written down.
        position: u64,
    },
    /// Another entry was in this place when it was signed or written down.
    #[error("the audit trail of {trail}{} was written anew: entry {position} is not the one that was signed or written down", named(.chain))]
    Rewritten {
        /// The trail.
        trail: Trail,
        /// Name of the chain.
        chain: String,
        /// The entry.
        position: u64,
    },
    /// A checkpoint that no key of this node has signed.
    #[error("entry {position} of the audit trail of acts{} is a checkpoint that no key of this node has signed", named(.chain))]
    Unsigned {
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
            Self::Broken { .. }
            | Self::Hidden { .. }
            | Self::CutShort { .. }
            | Self::Rewritten { .. }
            | Self::Unsigned { .. } => Kind::Conflict,
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

/// The heads that a checkpoint's signature is over; none, if it is no good.
pub type Signed<'a> = dyn Fn(&str) -> Result<Option<Vec<Head>>, StoreError> + 'a;

/// As [`verify`], and compares the chains with every head that a checkpoint among the acts has signed (`signed` gives what a
/// signature is over, if it is good), and with heads that were written down elsewhere. Gives the number of checkpoints, too.
pub fn verify_against(
    view: &dyn View,
    signed: &Signed<'_>,
    written_down: &[Head],
) -> Result<(Vec<Verified>, u64), AuditError> {
    let verified = verify(view)?;
    let mut checkpoints = 0;
    for one in verified.iter().filter(|one| one.trail == Trail::Acts) {
        let mut position = 0;
        while position < one.entries {
            for chained in view.audit_entries(&one.chain, position + 1, PAGE)? {
                position = chained.position;
                if chained.entry.action != CHECKPOINT {
                    continue;
                }
                let detail: Value = serde_json::from_str(&chained.entry.detail).unwrap_or_default();
                let heads = signed(detail.get("checkpoint").and_then(Value::as_str).unwrap_or(""))?;
                let heads = heads.ok_or_else(|| AuditError::Unsigned { chain: one.chain.clone(), position })?;
                heads.iter().try_for_each(|head| holds(view, &verified, head))?;
                checkpoints += 1;
            }
        }
    }
    written_down.iter().try_for_each(|head| holds(view, &verified, head))?;
    Ok((verified, checkpoints))
}

/// Whether the entry of a head is still in its place.
fn holds(view: &dyn View, verified: &[Verified], head: &Head) -> Result<(), AuditError> {
    let Head { trail, chain, position, hash } = head.clone();
    let entries = verified.iter().find(|one| one.trail == trail && one.chain == chain).map_or(0, |one| one.entries);
    if entries < position {
        return Err(AuditError::CutShort { trail, chain, first: entries + 1, position });
    }
    let found = match trail {
        Trail::Acts => view.audit_entries(&chain, position, 1)?.into_iter().next().map(|one| one.hash),
        Trail::Requests => view.requests(&chain, position, 1)?.into_iter().next().map(|one| ids::hex(&one.hash)),
    };
    if found.as_ref() == Some(&hash) { Ok(()) } else { Err(AuditError::Rewritten { trail, chain, position }) }
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
        let kept = view.request_segments(&chain, position + 1, 1)?.into_iter().next();
        if kept != requests::segment(&page) {
            return Err(AuditError::Hidden { chain, position });
        }
    }
    Ok(Verified { trail: Trail::Requests, entries: position, head: ids::hex(&hash), chain })
}
