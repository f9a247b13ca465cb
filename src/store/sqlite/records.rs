//! Resources, their history and their search rows.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use super::keys::{self, Key};
use super::numbers::Numbers;
use crate::fhir::search::Search;
use crate::store::StoreError;
use crate::store::records::{FactQuery, Found, RecordView, ResourceWrite, StoredResource};

/// What [`read`] reads, of `resource r JOIN address a`.
pub(super) const COLUMNS: &str = "a.id, r.version, r.last_updated, r.event_time, r.json";

pub(super) fn read(row: &Row<'_>, kind: &str) -> rusqlite::Result<StoredResource> {
    Ok(StoredResource {
        kind: kind.to_owned(),
        id: row.get(0)?,
        version: row.get(1)?,
        last_updated: row.get(2)?,
        event_time: row.get(3)?,
        json: row.get(4)?,
    })
}

pub(super) fn version_is(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    id: &str,
    expected: Option<u64>,
) -> rusqlite::Result<bool> {
    let found: Option<Option<u64>> = connection
        .prepare_cached(
            "SELECT COALESCE(r.version, (SELECT MAX(h.version) FROM resource_history h WHERE h.position = a.position))
             FROM address a LEFT JOIN resource r ON r.position = a.position WHERE a.kind = ?1 AND a.id = ?2",
        )?
        .query_row(params![numbers.word(connection, kind)?, id], |row| row.get(0))
        .optional()?;
    Ok(found.flatten() == expected)
}

pub(super) fn unreferred(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    id: &str,
    except: &[(String, String)],
) -> rusqlite::Result<bool> {
    let position = numbers.address_of(connection, kind, id)?;
    let referrers = super::history::referrers(connection, position, except.len() + 1)?;
    Ok(referrers.iter().all(|referrer| except.contains(referrer)))
}

pub(super) fn none_identified(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    system: &str,
    value: &str,
) -> rusqlite::Result<bool> {
    let (parameter, system) = (numbers.parameter(connection, kind, "identifier")?, numbers.word(connection, system)?);
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM search_token WHERE parameter = ?1 AND code = ?2 AND system = ?3)",
        )?
        .query_row(params![parameter, value, system], |row| row.get(0))
}

/// Writes a new version. The version before moves into the history; the current one is in `resource` alone.
pub(super) fn put(connection: &Connection, numbers: &mut Numbers, write: &ResourceWrite) -> rusqlite::Result<()> {
    let resource = &write.resource;
    let position = numbers.address_of(connection, &resource.kind, &resource.id)?;
    let patient = match &write.patient {
        Some(patient) => Some(numbers.address_of(connection, "Patient", patient)?),
        None => None,
    };
    let code = numbers.parameter(connection, &resource.kind, "code")?;
    let mut keys = Vec::with_capacity(write.index.len());
    for row in &write.index {
        keys.extend(keys::key(connection, numbers, &resource.kind, row)?);
    }
    let owner = Owner { position, patient, code };
    if resource.version > 1 {
        replace(connection, &owner, &keys)?;
    } else {
        owner.add(connection, &keys)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO resource (position, kind, version, patient, last_updated, event_time, message_id, keys, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (position) DO UPDATE SET version = ?3, patient = ?4, last_updated = ?5, event_time = ?6,
             message_id = ?7, keys = ?8, json = ?9",
        )?
        .execute(params![
            position,
            numbers.word(connection, &resource.kind)?,
            resource.version,
            patient,
            resource.last_updated,
            resource.event_time,
            write.message_id,
            keys::encode(&keys),
            resource.json,
        ])?;
    Ok(())
}

/// Ends a resource: the present version and then its deletion move into the history.
pub(super) fn delete(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    id: &str,
    version: u64,
    at: &str,
) -> rusqlite::Result<()> {
    let position = numbers.address_of(connection, kind, id)?;
    let code = numbers.parameter(connection, kind, "code")?;
    replace(connection, &Owner { position, patient: None, code }, &[])?;
    connection.prepare_cached("DELETE FROM resource WHERE position = ?1")?.execute([position])?;
    connection
        .prepare_cached(
            "INSERT INTO resource_history (position, version, last_updated, event_time, message_id, json)
             VALUES (?1, ?2, ?3, NULL, NULL, '')",
        )?
        .execute(params![position, version, at])?;
    Ok(())
}

/// Moves the present version into the history and brings the search rows from its keys to `keys`.
fn replace(connection: &Connection, owner: &Owner, keys: &[Key<'_>]) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO resource_history (position, version, last_updated, event_time, message_id, json)
             SELECT position, version, last_updated, event_time, message_id, json FROM resource WHERE position = ?1",
        )?
        .execute([owner.position])?;
    let present: Option<(Option<i64>, Vec<u8>)> = connection
        .prepare_cached("SELECT patient, keys FROM resource WHERE position = ?1")?
        .query_row([owner.position], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (patient, bytes) = present.unwrap_or_default();
    let before = keys::decode(&bytes).unwrap_or_default();
    // Rows of the parameter `code` name the patient: another patient changes them too.
    let same_patient = patient == owner.patient;
    let stays = |key: &Key<'_>| same_patient && keys.contains(key) && before.contains(key);
    let gone: Vec<Key<'_>> = before.iter().copied().filter(|key| !stays(key)).collect();
    owner.remove(connection, &gone)?;
    let new: Vec<Key<'_>> = keys.iter().copied().filter(|key| !stays(key)).collect();
    owner.add(connection, &new)
}

/// Whose search rows are written.
struct Owner {
    position: i64,
    patient: Option<i64>,
    /// The parameter `code` of its type.
    code: i64,
}

impl Owner {
    fn add(&self, connection: &Connection, keys: &[Key<'_>]) -> rusqlite::Result<()> {
        for key in keys {
            match *key {
                Key::Token { parameter, system, code } => connection
                    .prepare_cached("INSERT OR IGNORE INTO search_token VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![
                        parameter,
                        code,
                        self.position,
                        system,
                        self.patient.filter(|_| parameter == self.code)
                    ]),
                Key::Text { parameter, value } => connection
                    .prepare_cached("INSERT OR IGNORE INTO search_text VALUES (?1, ?2, ?3)")?
                    .execute(params![parameter, value, self.position]),
                Key::Reference { parameter, target } => connection
                    .prepare_cached("INSERT OR IGNORE INTO search_reference VALUES (?1, ?2, ?3)")?
                    .execute([target, parameter, self.position]),
                Key::Date { parameter, from, to } => connection
                    .prepare_cached("INSERT OR IGNORE INTO search_date VALUES (?1, ?2, ?3, ?4)")?
                    .execute([parameter, from, to, self.position]),
                Key::Quantity { parameter, unit, value } => connection
                    .prepare_cached("INSERT OR IGNORE INTO search_quantity VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![self.position, parameter, unit, value]),
            }?;
        }
        Ok(())
    }

    fn remove(&self, connection: &Connection, keys: &[Key<'_>]) -> rusqlite::Result<()> {
        for key in keys {
            match *key {
                Key::Token { parameter, system, code } => connection
                    .prepare_cached(
                        "DELETE FROM search_token WHERE parameter = ?1 AND code = ?2 AND owner = ?3 AND system = ?4",
                    )?
                    .execute(params![parameter, code, self.position, system]),
                Key::Text { parameter, value } => connection
                    .prepare_cached("DELETE FROM search_text WHERE parameter = ?1 AND value = ?2 AND owner = ?3")?
                    .execute(params![parameter, value, self.position]),
                Key::Reference { parameter, target } => connection
                    .prepare_cached(
                        "DELETE FROM search_reference WHERE target = ?1 AND parameter = ?2 AND owner = ?3",
                    )?
                    .execute([target, parameter, self.position]),
                Key::Date { parameter, from, to } => connection
                    .prepare_cached(
                        "DELETE FROM search_date WHERE parameter = ?1 AND date_from = ?2 AND date_to = ?3 AND owner = ?4",
                    )?
                    .execute([parameter, from, to, self.position]),
                Key::Quantity { parameter, unit, value } => connection
                    .prepare_cached(
                        "DELETE FROM search_quantity WHERE owner = ?1 AND parameter = ?2 AND unit = ?3 AND value = ?4",
                    )?
                    .execute(params![self.position, parameter, unit, value]),
            }?;
        }
        Ok(())
    }
}

/// Moves the time of the present version's event.
pub(super) fn confirm(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    id: &str,
    version: u64,
    event_time: Option<&str>,
) -> rusqlite::Result<()> {
    let position = numbers.address_of(connection, kind, id)?;
    for sql in [
        "UPDATE resource SET event_time = ?3 WHERE position = ?1 AND version = ?2",
        "UPDATE resource_history SET event_time = ?3 WHERE position = ?1 AND version = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(params![position, version, event_time])?;
    }
    Ok(())
}

impl RecordView for Snapshot<'_> {
    fn resource(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError> {
        let Some(number) = self.word(kind)? else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM address a JOIN resource r ON r.position = a.position WHERE a.kind = ?1 AND a.id = ?2"
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row(params![number, id], |row| read(row, kind)).optional()?)
    }

    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Result<Option<StoredResource>, StoreError> {
        let Some(position) = self.address(kind, id)? else { return Ok(None) };
        let of = "ON r.position = a.position WHERE a.position = ?1 AND r.version = ?2";
        let sql = format!(
            "SELECT {COLUMNS} FROM address a JOIN resource r {of}
             UNION ALL SELECT {COLUMNS} FROM address a JOIN resource_history r {of} LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params![position, version], |row| read(row, kind)).optional()?)
    }

    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Result<Vec<StoredResource>, StoreError> {
        let (Some(parameter), Some(system)) = (self.parameter(kind, "identifier")?, self.word(system)?) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM search_token t JOIN resource r ON r.position = t.owner
             JOIN address a ON a.position = t.owner
             WHERE t.parameter = ?1 AND t.code = ?2 AND t.system = ?3 ORDER BY r.last_updated, a.id LIMIT 10"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![parameter, value, system], |row| read(row, kind))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn search(&self, search: &Search) -> Result<Found, StoreError> {
        super::search::run(self, search)
    }

    fn compartment(&self, patient_id: &str) -> Result<Vec<StoredResource>, StoreError> {
        let Some(patient) = self.address("Patient", patient_id)? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS}, w.text FROM resource r JOIN address a ON a.position = r.position
             JOIN word w ON w.number = r.kind WHERE r.patient = ?1
             ORDER BY w.text = 'Patient' DESC, w.text, a.id"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([patient], |row| {
            let kind: String = row.get(5)?;
            read(row, &kind)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.text, c.found FROM (SELECT kind, COUNT(*) AS found FROM resource GROUP BY kind) c
             JOIN word w ON w.number = c.kind ORDER BY w.text",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn patients_with(&self, query: &FactQuery) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::patients_with(self, query)
    }

    fn patients_born(
        &self,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::patients_born(self, from, to)
    }

    fn all_patients(&self) -> Result<std::collections::BTreeSet<String>, StoreError> {
        super::facts::all_patients(self)
    }
}
