//! Brings the schema up to date, one numbered file at a time, all of them in one transaction. Replicas that start at once
//! wait for each other.

use super::connection::{Connection, Failure};
use super::stripes::{LOCK, SCHEMA, SPACE};
use super::value::{Value, count, get};
use crate::store::StoreError;

/// The migrations in order; position + 1 is the schema version they lead to.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../schemas/postgres/0001_initial.sql"),
    include_str!("../../../schemas/postgres/0002_clients.sql"),
    include_str!("../../../schemas/postgres/0003_requests.sql"),
    include_str!("../../../schemas/postgres/0004_exports.sql"),
];

/// The schema version this release writes.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Applies what is missing. A database written by a newer release, or that cannot hold every text, is refused.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let encoding = connection.optional("SELECT current_setting('server_encoding')", &[])?;
    let encoding: String = encoding.as_ref().map(|row| get(row, 0)).transpose()?.unwrap_or_default();
    if encoding != "UTF8" {
        return Err(StoreError::Settings(format!(
            "store.postgres.url: the database has the encoding {encoding}; make it with ENCODING 'UTF8'"
        )));
    }
    // Several statements at once: none of them may be prepared before the tables are there.
    connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
    let done = apply(connection);
    connection.run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn apply(connection: &mut Connection) -> Result<(), StoreError> {
    connection.query(LOCK, &[Value::Number(SPACE), Value::Numbers(vec![SCHEMA])])?;
    connection.run("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")?;
    let found = version(connection)?;
    if found > known() {
        return Err(StoreError::NewerSchema { found, known: known() });
    }
    for (step, sql) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        connection.run(sql)?;
        connection.run("DELETE FROM schema_version")?;
        connection.query("INSERT INTO schema_version (version) VALUES ($1)", &[step.into()])?;
    }
    Ok(())
}

/// The schema version of the database.
pub(super) fn version(connection: &mut Connection) -> Result<u32, Failure> {
    let row = connection.optional("SELECT version FROM schema_version", &[])?;
    let found = row.as_ref().map(|row| count(row, 0)).transpose()?.unwrap_or(0);
    Ok(u32::try_from(found).unwrap_or(u32::MAX))
}
