//! The step from search rows of text to rows of numbers (schema 6): every resource is written anew from the tables that
//! `0006_numbers.sql` put aside, in the order of its position, and those are dropped.

use rusqlite::{Connection, Row, params};

use super::numbers::Numbers;
use super::records;
use crate::store::StoreError;
use crate::store::records::{IndexRow, IndexValue, ResourceWrite, StoredResource};

/// Moves everything over.
pub(super) fn run(connection: &Connection) -> Result<(), StoreError> {
    let mut numbers = Numbers::default();
    let mut statement = connection.prepare(
        "SELECT position, kind, id, version, last_updated, event_time, json, patient, message_id FROM old_resource
         ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let owner: i64 = row.get(0)?;
        let resource = StoredResource {
            kind: row.get(1)?,
            id: row.get(2)?,
            version: row.get(3)?,
            last_updated: row.get(4)?,
            event_time: row.get(5)?,
            json: row.get(6)?,
        };
        let index = index(connection, owner)?;
        let write = ResourceWrite { resource, patient: row.get(7)?, index, message_id: row.get(8)? };
        records::put(connection, &mut numbers, &write)?;
    }
    history(connection, &mut numbers)?;
    for table in ["resource", "resource_history"] {
        connection.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    for (table, _, _) in TABLES {
        connection.execute_batch(&format!("DROP TABLE old_search_{table}"))?;
    }
    Ok(())
}

type Reading = fn(&Row<'_>) -> rusqlite::Result<IndexValue>;

/// The old search tables: name, columns of the value, how it is read. Column 0 is the parameter.
const TABLES: [(&str, &str, Reading); 5] = [
    ("token", "system, code", |row| Ok(IndexValue::Token { system: row.get(1)?, code: row.get(2)? })),
    ("text", "value", |row| Ok(IndexValue::Text(row.get(1)?))),
    ("reference", "target", |row| Ok(IndexValue::Reference(row.get(1)?))),
    ("date", "date_from, date_to", |row| Ok(IndexValue::Date { from: row.get(1)?, to: row.get(2)? })),
    ("quantity", "unit, value", |row| Ok(IndexValue::Quantity { unit: row.get(1)?, value: row.get(2)? })),
];

/// The search rows of a resource, as they were written.
fn index(connection: &Connection, owner: i64) -> Result<Vec<IndexRow>, StoreError> {
    let mut index = Vec::new();
    for (table, columns, read) in TABLES {
        let sql = format!("SELECT parameter, {columns} FROM old_search_{table} WHERE owner = ?1 ORDER BY rowid");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([owner], |row| Ok(IndexRow { parameter: row.get(0)?, value: read(row)? }))?;
        for row in rows {
            index.push(row?);
        }
    }
    Ok(index)
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
