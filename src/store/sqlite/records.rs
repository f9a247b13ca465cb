//! Resources, their history and their search rows.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use super::numbers::Numbers;
use super::postings::{self, Place, Postings};
use crate::fhir::dates;
use crate::store::StoreError;
use crate::store::keys::{Key, Keys, encode};
use crate::store::records::{
    IndexRow, IndexState, IndexValue, IndexView, PATIENT_PATH, Posting, RecordView, Reindexed, ResourceWrite,
    StoredResource, split_target,
};

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
    postings: &Postings<'_>,
    kind: &str,
    id: &str,
    except: &[(String, String)],
) -> rusqlite::Result<bool> {
    let position = numbers.address_of(connection, kind, id)?;
    let referrers = super::history::referrers(connection, position, &postings.referring(position), except.len() + 1)?;
    Ok(referrers.iter().all(|referrer| except.contains(referrer)))
}

/// Whether no current resource of a type has an identifier, those of this transaction included.
pub(super) fn none_identified(
    connection: &Connection,
    numbers: &mut Numbers,
    postings: &Postings<'_>,
    kind: &str,
    system: &str,
    value: &str,
) -> rusqlite::Result<bool> {
    let (path, system) = (numbers.path(connection, kind, "identifier")?, numbers.word(connection, system)?);
    let mut owners = super::index::owners_of_token(connection, path, value, system)?;
    owners.extend(postings.waiting(&Place::Token { path, code: value, system }));
    let wanted = Key::Token { path, system, code: value };
    for owner in owners {
        let entry = entry(connection, owner)?;
        if entry.is_some_and(|(_, keys)| Keys(&keys).any(|key| key == wanted)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a new version. The version before moves into the history; the current one is in `resource` alone.
pub(super) fn put<'a>(
    connection: &Connection,
    numbers: &mut Numbers,
    postings: &mut Postings<'a>,
    write: &'a ResourceWrite,
) -> rusqlite::Result<()> {
    let resource = &write.resource;
    let position = numbers.address_of(connection, &resource.kind, &resource.id)?;
    let patient = match &write.patient {
        Some(patient) => Some(numbers.address_of(connection, "Patient", patient)?),
        None => None,
    };
    if resource.version > 1 {
        to_history(connection, position)?;
    }
    let kind = numbers.word(connection, &resource.kind)?;
    connection
        .prepare_cached(
            "INSERT INTO resource (position, kind, version, patient, last_updated, event_time, message_id, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (position) DO UPDATE SET version = ?3, patient = ?4, last_updated = ?5, event_time = ?6,
             message_id = ?7, json = ?8",
        )?
        .execute(params![
            position,
            kind,
            resource.version,
            patient,
            resource.last_updated,
            resource.event_time,
            write.message_id,
            resource.json,
        ])?;
    let updated = dates::milliseconds(&resource.last_updated).unwrap_or_default();
    let owner = Owner { position, kind, patient, updated };
    index(connection, numbers, postings, &resource.kind, &owner, &write.index)
}

/// Whose keys are written.
struct Owner {
    position: i64,
    kind: i64,
    patient: Option<i64>,
    updated: i64,
}

/// Brings what a resource is found by to `rows`.
fn index<'a>(
    connection: &Connection,
    numbers: &mut Numbers,
    postings: &mut Postings<'a>,
    kind: &str,
    owner: &Owner,
    rows: &'a [IndexRow],
) -> rusqlite::Result<()> {
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        keys.push(key(connection, numbers, kind, row)?);
    }
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO search_entry VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![owner.position, owner.kind, owner.patient, owner.updated, encode(&keys)])?;
    let patient_path = numbers.word(connection, PATIENT_PATH)?;
    let about = |patient: Option<i64>| patient.map(|target| Place::Reference { target, path: patient_path });
    if added > 0 {
        postings.add(Place::Kind(owner.kind), owner.position);
        for place in keys.iter().filter_map(Place::of).chain(about(owner.patient)) {
            postings.add(place, owner.position);
        }
        return Ok(());
    }
    let (patient, bytes) = entry(connection, owner.position)?.unwrap_or_default();
    let before: Vec<Key<'_>> = Keys(&bytes).collect();
    for place in keys.iter().filter(|key| !before.contains(key)).filter_map(Place::of) {
        postings.add(place, owner.position);
    }
    for gone in before.iter().filter(|key| !keys.contains(key)) {
        if let Some(place) = Place::of(gone) {
            postings::remove(connection, &place, owner.position)?;
        }
    }
    if patient != owner.patient {
        if let Some(place) = about(patient) {
            postings::remove(connection, &place, owner.position)?;
        }
        if let Some(place) = about(owner.patient) {
            postings.add(place, owner.position);
        }
    }
    connection
        .prepare_cached("UPDATE search_entry SET patient = ?2, updated = ?3, keys = ?4 WHERE position = ?1")?
        .execute(params![owner.position, owner.patient, owner.updated, encode(&keys)])?;
    Ok(())
}

/// Ends a resource: the present version and then its deletion move into the history, and nothing finds it.
pub(super) fn delete(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    id: &str,
    version: u64,
    at: &str,
) -> rusqlite::Result<()> {
    let position = numbers.address_of(connection, kind, id)?;
    to_history(connection, position)?;
    if let Some((patient, bytes)) = entry(connection, position)? {
        let path = numbers.word(connection, PATIENT_PATH)?;
        let about = patient.map(|target| Place::Reference { target, path });
        let of_kind = Place::Kind(numbers.word(connection, kind)?);
        for place in Keys(&bytes).filter_map(|key| Place::of(&key)).chain(about).chain([of_kind]) {
            postings::remove(connection, &place, position)?;
        }
    }
    for table in ["search_entry", "resource"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE position = ?1"))?.execute([position])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO resource_history (position, version, last_updated, event_time, message_id, json)
             VALUES (?1, ?2, ?3, NULL, NULL, '')",
        )?
        .execute(params![position, version, at])?;
    Ok(())
}

/// Moves the present version into the history.
fn to_history(connection: &Connection, position: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO resource_history (position, version, last_updated, event_time, message_id, json)
             SELECT position, version, last_updated, event_time, message_id, json FROM resource WHERE position = ?1",
        )?
        .execute([position])?;
    Ok(())
}

/// Patient and keys of a resource that is indexed.
fn entry(connection: &Connection, position: i64) -> rusqlite::Result<Option<(Option<i64>, Vec<u8>)>> {
    connection
        .prepare_cached("SELECT patient, keys FROM search_entry WHERE position = ?1")?
        .query_row([position], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The key of a row.
fn key<'a>(connection: &Connection, numbers: &mut Numbers, kind: &str, row: &'a IndexRow) -> rusqlite::Result<Key<'a>> {
    let path = numbers.path(connection, kind, &row.path)?;
    Ok(match &row.value {
        IndexValue::Token { system, code } => Key::Token { path, system: numbers.word(connection, system)?, code },
        IndexValue::Text(value) => Key::Text { path, value },
        IndexValue::Exact(value) => Key::Exact { path, value },
        IndexValue::Reference(target) => Key::Reference {
            path,
            kind: numbers.word(connection, split_target(target).0)?,
            target: numbers.address(connection, target)?,
        },
        IndexValue::Date { from, to } => Key::Date { path, from: *from, to: *to },
        IndexValue::Quantity { low, high, unit } => {
            Key::Quantity { path, unit: numbers.word(connection, unit)?, low: *low, high: *high }
        }
    })
}

/// Indexes resources anew, as they are, and says how far that has come.
pub(super) fn index_anew<'a>(
    connection: &Connection,
    numbers: &mut Numbers,
    postings: &mut Postings<'a>,
    resources: &'a [Reindexed],
    state: &IndexState,
) -> rusqlite::Result<()> {
    for one in resources {
        let found: Option<(i64, String, Option<i64>, String)> = connection
            .prepare_cached(
                "SELECT r.kind, w.text, r.patient, r.last_updated FROM resource r JOIN word w ON w.number = r.kind
                 WHERE r.position = ?1 AND r.version = ?2",
            )?
            .query_row(params![one.position, one.version], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((kind, name, patient, last_updated)) = found else { continue };
        let updated = dates::milliseconds(&last_updated).unwrap_or_default();
        index(
            connection,
            numbers,
            postings,
            &name,
            &Owner { position: one.position, kind, patient, updated },
            &one.index,
        )?;
    }
    connection
        .prepare_cached("UPDATE search_state SET edition = ?1, reached = ?2")?
        .execute(params![state.edition, state.reached])?;
    Ok(())
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
        let path = self.number_of(&format!("{kind}?identifier"))?;
        let (Some(path), Some(system)) = (path, self.number_of(system)?) else { return Ok(Vec::new()) };
        let posting = Posting::Token { path, system: Some(system), code: Some(value) };
        let mut owners = self.owners(&posting, usize::MAX)?;
        owners.sort_unstable();
        owners.dedup();
        let wanted = Key::Token { path, system, code: value };
        let mut met = Vec::new();
        self.entries(&owners, &mut |mut entry| {
            if entry.keys.any(|key| key == wanted) {
                met.push((entry.updated, entry.position));
            }
            true
        })?;
        met.sort_unstable();
        let positions: Vec<i64> = met.into_iter().take(10).map(|(_, position)| position).collect();
        self.resources_at(&positions)
    }

    fn compartment(&self, patient_id: &str) -> Result<Vec<StoredResource>, StoreError> {
        let (Some(patient), Some(path)) = (self.address("Patient", patient_id)?, self.number_of(PATIENT_PATH)?) else {
            return Ok(Vec::new());
        };
        let mut owners = self.owners(&Posting::Reference { path, target: patient }, usize::MAX)?;
        owners.sort_unstable();
        owners.dedup();
        let mut about = Vec::new();
        self.entries(&owners, &mut |entry| {
            if entry.patient == Some(patient) {
                about.push(entry.position);
            }
            true
        })?;
        let mut found = self.resources_at(&about)?;
        let order = |one: &StoredResource| (one.kind != "Patient", one.kind.clone(), one.id.clone());
        found.sort_by_cached_key(order);
        Ok(found)
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.text, c.found FROM (SELECT kind, COUNT(*) AS found FROM search_entry GROUP BY kind) c
             JOIN word w ON w.number = c.kind ORDER BY w.text",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
