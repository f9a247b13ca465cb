//! Resources, their history and their search rows.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::fhir::search::Search;
use crate::store::StoreError;
use crate::store::records::{FactQuery, Found, IndexRow, IndexValue, RecordView, ResourceWrite, StoredResource};

pub(super) const COLUMNS: &str = "kind, id, version, last_updated, event_time, json";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<StoredResource> {
    Ok(StoredResource {
        kind: row.get(0)?,
        id: row.get(1)?,
        version: row.get(2)?,
        last_updated: row.get(3)?,
        event_time: row.get(4)?,
        json: row.get(5)?,
    })
}

pub(super) fn version_is(
    connection: &Connection,
    kind: &str,
    id: &str,
    expected: Option<u64>,
) -> rusqlite::Result<bool> {
    let found: Option<u64> = connection
        .prepare_cached("SELECT version FROM resource WHERE kind = ?1 AND id = ?2")?
        .query_row([kind, id], |row| row.get(0))
        .optional()?;
    Ok(found == expected)
}

pub(super) fn none_identified(
    connection: &Connection,
    kind: &str,
    system: &str,
    value: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM search_token WHERE kind = ?1 AND parameter = 'identifier' AND code = ?3
             AND system = ?2)",
        )?
        .query_row([kind, system, value], |row| row.get(0))
}

/// Writes a new version. The version before moves into the history; the current one is in `resource` alone.
pub(super) fn put(connection: &Connection, write: &ResourceWrite) -> rusqlite::Result<()> {
    let resource = &write.resource;
    if resource.version > 1 {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO resource_history (kind, id, version, last_updated, event_time, json, message_id)
                 SELECT kind, id, version, last_updated, event_time, json, message_id FROM resource
                 WHERE kind = ?1 AND id = ?2",
            )?
            .execute([&resource.kind, &resource.id])?;
    }
    let owner: i64 = connection
        .prepare_cached(
            "INSERT INTO resource (kind, id, version, patient, last_updated, event_time, json, message_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (kind, id) DO UPDATE SET version = ?3, patient = ?4, last_updated = ?5, event_time = ?6,
             json = ?7, message_id = ?8 RETURNING position",
        )?
        .query_row(
            params![
                resource.kind,
                resource.id,
                resource.version,
                write.patient,
                resource.last_updated,
                resource.event_time,
                resource.json,
                write.message_id
            ],
            |row| row.get(0),
        )?;
    if resource.version > 1 {
        forget_index(connection, owner)?;
    }
    for row in &write.index {
        put_index(connection, owner, write, row)?;
    }
    Ok(())
}

/// Moves the time of the present version's event.
pub(super) fn confirm(
    connection: &Connection,
    kind: &str,
    id: &str,
    version: u64,
    event_time: Option<&str>,
) -> rusqlite::Result<()> {
    for table in ["resource", "resource_history"] {
        let sql = format!("UPDATE {table} SET event_time = ?4 WHERE kind = ?1 AND id = ?2 AND version = ?3");
        connection.prepare_cached(&sql)?.execute(params![kind, id, version, event_time])?;
    }
    Ok(())
}

fn forget_index(connection: &Connection, owner: i64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM search_token WHERE owner = ?1",
        "DELETE FROM search_text WHERE owner = ?1",
        "DELETE FROM search_reference WHERE owner = ?1",
        "DELETE FROM search_date WHERE owner = ?1",
        "DELETE FROM search_quantity WHERE owner = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([owner])?;
    }
    Ok(())
}

fn put_index(connection: &Connection, owner: i64, write: &ResourceWrite, row: &IndexRow) -> rusqlite::Result<()> {
    let kind = &write.resource.kind;
    let (patient, parameter) = (&write.patient, &row.parameter);
    match &row.value {
        IndexValue::Token { system, code } => connection
            .prepare_cached("INSERT INTO search_token VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![owner, kind, patient, parameter, system, code]),
        IndexValue::Text(value) => connection
            .prepare_cached("INSERT INTO search_text VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![owner, kind, parameter, value]),
        IndexValue::Reference(target) => connection
            .prepare_cached("INSERT INTO search_reference VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![owner, kind, parameter, target]),
        IndexValue::Date { from, to } => connection
            .prepare_cached("INSERT INTO search_date VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![owner, kind, patient, parameter, from, to]),
        IndexValue::Quantity { value, unit } => connection
            .prepare_cached("INSERT INTO search_quantity VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![owner, kind, patient, parameter, unit, value]),
    }
    .map(|_| ())
}

impl RecordView for Snapshot<'_> {
    fn resource(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM resource WHERE kind = ?1 AND id = ?2");
        Ok(self.connection.prepare_cached(&sql)?.query_row([kind, id], read).optional()?)
    }

    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Result<Option<StoredResource>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM resource WHERE kind = ?1 AND id = ?2 AND version = ?3
             UNION ALL SELECT {COLUMNS} FROM resource_history WHERE kind = ?1 AND id = ?2 AND version = ?3 LIMIT 1"
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row(params![kind, id, version], read).optional()?)
    }

    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Result<Vec<StoredResource>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM resource WHERE position IN (SELECT owner FROM search_token
             WHERE kind = ?1 AND parameter = 'identifier' AND code = ?3 AND system = ?2)
             ORDER BY last_updated, id LIMIT 10"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([kind, system, value], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn search(&self, search: &Search) -> Result<Found, StoreError> {
        super::search::run(self.connection, search)
    }

    fn compartment(&self, patient_id: &str) -> Result<Vec<StoredResource>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM resource WHERE patient = ?1 ORDER BY kind = 'Patient' DESC, kind, id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([patient_id], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT kind, COUNT(*) FROM resource GROUP BY kind ORDER BY kind")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn patients_with(&self, query: &FactQuery) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::patients_with(self.connection, query)
    }

    fn patients_born(
        &self,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::patients_born(self.connection, from, to)
    }

    fn all_patients(&self) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::all_patients(self.connection)
    }
}
