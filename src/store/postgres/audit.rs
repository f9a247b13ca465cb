//! The audit trail: appended in the same commit as the act, each hash over the one before. Every replica has a chain of
//! its own, so that replicas do not wait for each other at every act; replicas of one name share one chain, in turn.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{count, get, values};
use crate::store::StoreError;
use crate::store::audit::{AuditEntry, AuditView, ChainedEntry, chain_hash, chain_start};

const COLUMNS: &str = "chain, position, at, actor, action, target, detail, hash";

fn read(row: &Row) -> Result<ChainedEntry, Failure> {
    Ok(ChainedEntry {
        chain: get(row, 0)?,
        position: count(row, 1)?,
        entry: AuditEntry {
            at: get(row, 2)?,
            actor: get(row, 3)?,
            action: get(row, 4)?,
            target: get(row, 5)?,
            detail: get(row, 6)?,
        },
        hash: get(row, 7)?,
    })
}

const HEAD: &str = "SELECT position, hash FROM audit WHERE chain = $1 ORDER BY position DESC LIMIT 1";

/// The end of a chain, to which entries are appended; read once in a transaction, under the chain's lock.
pub(super) struct End {
    chain: String,
    position: u64,
    hash: String,
}

impl End {
    pub(super) fn read(connection: &mut Connection, chain: &str) -> Result<Self, Failure> {
        let (position, hash) = match connection.optional(HEAD, &values![chain])? {
            Some(row) => (count(&row, 0)?, get(&row, 1)?),
            None => (0, chain_start(chain)),
        };
        Ok(Self { chain: chain.to_owned(), position, hash })
    }

    pub(super) fn append<'a>(&mut self, batch: &mut Batch<'a>, entry: &'a AuditEntry) {
        self.position += 1;
        self.hash = chain_hash(&self.hash, self.position, entry);
        batch.add(
            "INSERT INTO audit (chain, position, at, actor, action, target, detail, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            values![
                self.chain.clone(),
                self.position,
                &entry.at,
                &entry.actor,
                &entry.action,
                &entry.target,
                &entry.detail,
                self.hash.clone()
            ],
        );
    }
}

impl Snapshot<'_> {
    /// Names of the chains of a trail's table, in order: one step of the index for each.
    pub(super) fn chains_of(&self, table: &'static str) -> Result<Vec<String>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE found AS (
                 (SELECT chain FROM {table} ORDER BY chain LIMIT 1)
                 UNION ALL
                 SELECT (SELECT n.chain FROM {table} n WHERE n.chain > f.chain ORDER BY n.chain LIMIT 1)
                 FROM found f WHERE f.chain IS NOT NULL)
             SELECT chain FROM found WHERE chain IS NOT NULL ORDER BY chain"
        );
        self.rows(&sql, &[], |row| get(row, 0))
    }
}

impl AuditView for Snapshot<'_> {
    fn audit_chains(&self) -> Result<Vec<String>, StoreError> {
        self.chains_of("audit")
    }

    fn audit_entries(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedEntry>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE chain = $1 AND position >= $2 ORDER BY position LIMIT $3");
        self.rows(&sql, &values![chain, from_position, limit], read)
    }

    fn audit_head(&self, chain: &str) -> Result<Option<(u64, String)>, StoreError> {
        self.optional(HEAD, &values![chain], |row| Ok((count(row, 0)?, get(row, 1)?)))
    }

    fn audit_tail(&self, limit: usize) -> Result<Vec<ChainedEntry>, StoreError> {
        self.rows(&format!("SELECT {COLUMNS} FROM audit ORDER BY place DESC LIMIT $1"), &values![limit], read)
    }
}
