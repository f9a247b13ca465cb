//! Brings the schema up to date, one numbered file at a time, each in a transaction.

use rusqlite::Connection;

use crate::store::StoreError;

/// The migrations in order; position + 1 is the schema version they lead to.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../schemas/sqlite/0001_initial.sql"),
    include_str!("../../../schemas/sqlite/0002_filing.sql"),
];

/// The schema version of the file (`PRAGMA user_version`).
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Applies what is missing. A file written by a newer release is refused.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (step, sql) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step)?;
    }
    Ok(transaction.commit()?)
}
