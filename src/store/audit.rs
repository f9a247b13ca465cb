//! The hash-chained audit trail.

use super::StoreError;

/// One act. Position and hashes are given by the store at commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// RFC 3339.
    pub at: String,
    /// `user:…`, `system`, `peer:…`, `node`.
    pub actor: String,
    /// Dotted verb: `referral.send`, `record.read`, `peer.pair`.
    pub action: String,
    /// `Type/id`, referral id, message id. No PHI.
    pub target: String,
    /// More, without PHI; JSON object or empty.
    pub detail: String,
}

/// One act at its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedEntry {
    /// Name of the chain: each replica of a shared store has one. A store of one node has only that named "".
    pub chain: String,
    /// 1, 2, 3 … in its chain.
    pub position: u64,
    /// The act.
    pub entry: AuditEntry,
    /// SHA-256 over the hash before and this entry, hexadecimal.
    pub hash: String,
}

/// Reading the trail.
pub trait AuditView {
    /// The chains that have entries, by name.
    fn audit_chains(&self) -> Result<Vec<String>, StoreError>;
    /// Of one chain, from `position` on, at most `limit`.
    fn audit_entries(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedEntry>, StoreError>;
    /// Position and hash of the last entry of a chain.
    fn audit_head(&self, chain: &str) -> Result<Option<(u64, String)>, StoreError>;
    /// The last `limit` of all chains, newest first.
    fn audit_tail(&self, limit: usize) -> Result<Vec<ChainedEntry>, StoreError>;
}

/// What stands in the place of a hash before the first entry of a chain: its name, so that the chains of two replicas cannot
/// be mistaken for each other.
pub fn chain_start(chain: &str) -> String {
    if chain.is_empty() { String::new() } else { crate::ids::sha256_hex(chain.as_bytes()) }
}

/// The hash of an entry at its place: SHA-256 over the hash before, the position and the fields, each length-prefixed
/// so that no two entries can be mistaken for each other.
pub fn chain_hash(before: &str, position: u64, entry: &AuditEntry) -> String {
    let position = position.to_string();
    let mut bytes = Vec::new();
    for part in [before, &position, &entry.at, &entry.actor, &entry.action, &entry.target, &entry.detail] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    crate::ids::sha256_hex(&bytes)
}
