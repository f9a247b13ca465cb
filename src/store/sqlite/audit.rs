//! The audit trail: appended in the same commit as the act, each hash over the one before.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::audit::{AuditEntry, AuditView, ChainedEntry, chain_hash};

fn read(row: &Row<'_>) -> rusqlite::Result<ChainedEntry> {
    Ok(ChainedEntry {
        chain: String::new(),
        position: row.get(0)?,
        entry: AuditEntry {
            at: row.get(1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            target: row.get(4)?,
            detail: row.get(5)?,
        },
        hash: row.get(6)?,
    })
}

fn head(connection: &Connection) -> rusqlite::Result<Option<(u64, String)>> {
    connection
        .prepare_cached("SELECT position, hash FROM audit ORDER BY position DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

pub(super) fn append(connection: &Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    let (position, before) = head(connection)?.map_or((1, String::new()), |(position, hash)| (position + 1, hash));
    let hash = chain_hash(&before, position, entry);
    connection
        .prepare_cached(
            "INSERT INTO audit (position, at, actor, action, target, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![position, entry.at, entry.actor, entry.action, entry.target, entry.detail, hash])?;
    Ok(())
}

impl AuditView for Snapshot<'_> {
    fn audit_chains(&self) -> Result<Vec<String>, StoreError> {
        let any = "SELECT EXISTS (SELECT 1 FROM audit)";
        let any: bool = self.connection.prepare_cached(any)?.query_row([], |row| row.get(0))?;
        Ok(if any { vec![String::new()] } else { Vec::new() })
    }

    fn audit_entries(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedEntry>, StoreError> {
        if !chain.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT position, at, actor, action, target, detail, hash FROM audit WHERE position >= ?1
             ORDER BY position LIMIT ?2",
        )?;
        let rows = statement.query_map(params![from_position, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn audit_head(&self, chain: &str) -> Result<Option<(u64, String)>, StoreError> {
        if !chain.is_empty() {
            return Ok(None);
        }
        Ok(head(self.connection)?)
    }

    fn audit_tail(&self, limit: usize) -> Result<Vec<ChainedEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, at, actor, action, target, detail, hash FROM audit ORDER BY position DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
