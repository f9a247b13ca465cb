//! Whether the file is whole: what SQLite checks of its pages and indexes, and the audit chain.

use rusqlite::Connection;

use super::Snapshot;
use crate::store::StoreError;
use crate::store::audit::{AuditView as _, chain_hash};

/// Audit entries read at a time.
const PAGE: usize = 1000;

/// Reads the whole file. `StoreError::Damaged` says what is wrong first.
pub(super) fn check(snapshot: &Snapshot<'_>) -> Result<(), StoreError> {
    pages(snapshot.connection)?;
    chain(snapshot)
}

fn pages(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        // SQLite names tables, pages and rows by number, never contents.
        wrong => Err(StoreError::Damaged(wrong.to_owned())),
    }
}

fn chain(snapshot: &Snapshot<'_>) -> Result<(), StoreError> {
    let (mut position, mut head) = (0, String::new());
    loop {
        let page = snapshot.audit_entries("", position + 1, PAGE)?;
        let is_last = page.len() < PAGE;
        for chained in page {
            position += 1;
            head = chain_hash(&head, position, &chained.entry);
            if chained.position != position || chained.hash != head {
                return Err(StoreError::Damaged(format!("the audit trail is broken at entry {position}")));
            }
        }
        if is_last {
            return Ok(());
        }
    }
}
