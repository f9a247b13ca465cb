//! The step from search rows of text to rows of numbers (schema 6): every resource is written anew from the tables that
//! `0006_numbers.sql` put aside, in the order of its position, and those are dropped.

use rusqlite::{Connection, params};

use super::numbers::Numbers;
use crate::store::StoreError;
use crate::store::records::StoredResource;

/// Moves everything over.
pub(super) fn run(connection: &Connection) -> Result<(), StoreError> {
    let mut numbers = Numbers::default();
    let mut statement = connection.prepare(
        "SELECT position, kind, id, version, last_updated, event_time, json, patient, message_id FROM old_resource
         ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let resource = StoredResource {
            kind: row.get(1)?,
            id: row.get(2)?,
            version: row.get(3)?,
            last_updated: row.get(4)?,
            event_time: row.get(5)?,
            json: row.get(6)?,
        };
        put(connection, &mut numbers, &resource, row.get(7)?, row.get(8)?)?;
    }
    history(connection, &mut numbers)?;
    for table in ["resource", "resource_history"] {
        connection.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    for table in ["token", "text", "reference", "date", "quantity"] {
        connection.execute_batch(&format!("DROP TABLE old_search_{table}"))?;
    }
    Ok(())
}

/// Writes a current version. What it is found by is taken from it again (schema 8), not from the tables of the schema
/// before.
fn put(
    connection: &Connection,
    numbers: &mut Numbers,
    resource: &StoredResource,
    patient: Option<String>,
    message_id: Option<String>,
) -> rusqlite::Result<()> {
    let position = numbers.address_of(connection, &resource.kind, &resource.id)?;
    let patient = match patient {
        Some(patient) => Some(numbers.address_of(connection, "Patient", &patient)?),
        None => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO resource (position, kind, version, patient, last_updated, event_time, message_id, keys, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, x'', ?8)",
        )?
        .execute(params![
            position,
            numbers.word(connection, &resource.kind)?,
            resource.version,
            patient,
            resource.last_updated,
            resource.event_time,
            message_id,
            resource.json,
        ])?;
    Ok(())
}

/// The versions that were replaced, under the positions of their addresses.
fn history(connection: &Connection, numbers: &mut Numbers) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT DISTINCT kind, id FROM old_resource_history")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
        let position = numbers.address_of(connection, &kind, &id)?;
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO resource_history (position, version, last_updated, event_time, message_id, json)
                 SELECT ?1, version, last_updated, event_time, message_id, json FROM old_resource_history
                 WHERE kind = ?2 AND id = ?3 ORDER BY version",
            )?
            .execute(params![position, kind, id])?;
    }
    Ok(())
}
