//! Resources and their history, and what they are found by.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::numbers::{Named, Numbers, path_word};
use super::postings::Postings;
use super::value::{Value, count, get, values};
use crate::fhir::dates;
use crate::store::keys::{Key, Keys, encode};
use crate::store::records::{
    IndexRow, IndexState, IndexValue, IndexView, Posting, RecordView, Reindexed, ResourceWrite, StoredResource,
    split_target,
};
use crate::store::{Change, Expect, StoreError};

/// What [`read`] reads, of `resource r JOIN address a JOIN word w`.
pub(super) const COLUMNS: &str = "w.text, a.id, r.version, r.last_updated, r.event_time, r.json";
/// A current resource with its address.
pub(super) const CURRENT: &str =
    "resource r JOIN address a ON a.position = r.position JOIN word w ON w.number = a.kind";
/// A replaced version with its address.
pub(super) const REPLACED: &str =
    "resource_history r JOIN address a ON a.position = r.position JOIN word w ON w.number = a.kind";

pub(super) fn read(row: &Row) -> Result<StoredResource, Failure> {
    Ok(StoredResource {
        kind: get(row, 0)?,
        id: get(row, 1)?,
        version: count(row, 2)?,
        last_updated: get(row, 3)?,
        event_time: get(row, 4)?,
        json: get(row, 5)?,
    })
}

/// Which of the expectations about versions hold, all asked for at once; none for another expectation.
pub(super) fn versions_are(connection: &mut Connection, expect: &[Expect]) -> Result<Vec<Option<bool>>, Failure> {
    let mut asked = Vec::new();
    let (mut kinds, mut ids): (Vec<Cow<'_, str>>, Vec<Cow<'_, str>>) = (Vec::new(), Vec::new());
    for expect in expect {
        if let Expect::ResourceVersion { kind, id, version } = expect {
            asked.push(*version);
            kinds.push(kind.into());
            ids.push(super::numbers::fitting(id));
        }
    }
    if asked.is_empty() {
        return Ok(vec![None; expect.len()]);
    }
    let sql = "SELECT COALESCE(
                   (SELECT r.version FROM resource r WHERE r.position = a.position),
                   (SELECT MAX(h.version) FROM resource_history h WHERE h.position = a.position))
               FROM unnest($1::text[], $2::text[]) WITH ORDINALITY t (kind, id, place)
               LEFT JOIN word w ON w.text = t.kind LEFT JOIN address a ON a.kind = w.number AND a.id = t.id
               ORDER BY t.place";
    let rows = connection.query(sql, &values![kinds, ids])?;
    let mut holds = Vec::with_capacity(rows.len());
    for (row, version) in rows.iter().zip(asked) {
        let found: Option<i64> = get(row, 0)?;
        holds.push(found.and_then(|found| u64::try_from(found).ok()) == version);
    }
    let mut holds = holds.into_iter();
    let is_version = |expect: &Expect| matches!(expect, Expect::ResourceVersion { .. });
    Ok(expect.iter().map(|expect| if is_version(expect) { holds.next() } else { None }).collect())
}

/// Whether nobody but `except` refers to a resource.
pub(super) fn unreferred(
    connection: &mut Connection,
    kind: &str,
    id: &str,
    except: &[(String, String)],
) -> Result<bool, Failure> {
    let sql = "SELECT a.position FROM address a JOIN word w ON w.number = a.kind WHERE w.text = $1 AND a.id = $2";
    let Some(row) = connection.optional(sql, &values![kind, &*super::numbers::fitting(id)])? else { return Ok(true) };
    let referrers = super::history::referrers(connection, get(&row, 0)?, except.len() + 1)?;
    Ok(referrers.iter().all(|referrer| except.contains(referrer)))
}

/// Whether no current resource of a type has an identifier.
pub(super) fn none_identified(
    connection: &mut Connection,
    kind: &str,
    system: &str,
    value: &str,
) -> Result<bool, Failure> {
    let sql = "SELECT e.keys, p.number, s.number FROM word p, word s, search_token t
               JOIN search_entry e ON e.position = t.owner
               WHERE p.text = $1 AND s.text = $2 AND t.path = p.number AND t.system = s.number
               AND left(t.code, 200) = left($3, 200) AND t.code = $3";
    let rows =
        connection.query(sql, &values![path_word(kind, "identifier"), &*super::numbers::fitting(system), value])?;
    for row in &rows {
        let wanted = Key::Token { path: get(row, 1)?, system: get(row, 2)?, code: value };
        let keys: &[u8] = get(row, 0)?;
        if Keys(keys).any(|key| key == wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All that the changes name by number.
pub(super) fn named<'a>(changes: impl Iterator<Item = &'a Change>) -> Named {
    let mut named = Named::default();
    for change in changes {
        match change {
            Change::PutResource(write) => {
                named.address(&write.resource.kind, &write.resource.id);
                if let Some(patient) = &write.patient {
                    named.address("Patient", patient);
                }
                write.index.iter().for_each(|row| name(&mut named, &write.resource.kind, row));
            }
            Change::DeleteResource { kind, id, .. } => named.address(kind, id),
            _ => {}
        }
    }
    named
}

fn name(named: &mut Named, kind: &str, row: &IndexRow) {
    named.words.insert(path_word(kind, &row.path));
    match &row.value {
        IndexValue::Token { system, .. } => drop(named.words.insert(system.clone())),
        IndexValue::Quantity { unit, .. } => drop(named.words.insert(unit.clone())),
        IndexValue::Reference(target) => named.target(target.clone()),
        IndexValue::Text(_) | IndexValue::Exact(_) | IndexValue::Date { .. } => {}
    }
}

/// What a resource was found by before an act. Patient 0: it was about none.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    patient: i64,
    keys: Vec<u8>,
}

/// What the resources that an act replaces were found by, by position.
pub(super) fn before(
    connection: &mut Connection,
    numbers: &Numbers,
    changes: &[Change],
) -> Result<HashMap<i64, Before>, Failure> {
    let mut positions = Vec::new();
    for change in changes {
        match change {
            Change::PutResource(write) if write.resource.version > 1 => {
                positions.push(numbers.address_of(&write.resource.kind, &write.resource.id)?);
            }
            Change::DeleteResource { kind, id, .. } => positions.push(numbers.address_of(kind, id)?),
            _ => {}
        }
    }
    if positions.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT position, patient, keys FROM search_entry WHERE position = ANY($1)";
    let rows = connection.query(sql, &values![positions])?;
    rows.iter().map(|row| Ok((get(row, 0)?, Before { patient: get(row, 1)?, keys: get(row, 2)? }))).collect()
}

/// Gathers what an act writes of the record.
pub(super) struct Writes<'a> {
    before: &'a HashMap<i64, Before>,
    /// Written by this act already.
    written: HashSet<i64>,
    postings: Postings<'a>,
}

impl<'a> Writes<'a> {
    pub(super) fn of(before: &'a HashMap<i64, Before>) -> Self {
        Self { before, written: HashSet::new(), postings: Postings::default() }
    }

    /// Writes a new version. The version before moves into the history; the current one is in `resource` alone.
    pub(super) fn put(
        &mut self,
        connection: &mut Connection,
        numbers: &Numbers,
        batch: &mut Batch<'a>,
        write: &'a ResourceWrite,
    ) -> Result<(), Failure> {
        let resource = &write.resource;
        let position = numbers.address_of(&resource.kind, &resource.id)?;
        let patient = match &write.patient {
            Some(patient) => numbers.address_of("Patient", patient)?,
            None => 0,
        };
        let kind = numbers.word(&resource.kind)?;
        let before = self.begin(connection, batch, position)?;
        if resource.version > 1 {
            to_history(batch, position);
            if before.as_ref().is_some_and(|before| before.patient != patient) {
                // The row belongs to another patient now.
                batch.add("DELETE FROM resource WHERE position = $1", values![position]);
            }
        }
        batch.add(
            "INSERT INTO resource (position, patient, kind, version, last_updated, event_time, message_id, json)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (position, patient) DO UPDATE SET version = $4, last_updated = $5, event_time = $6,
             message_id = $7, json = $8",
            values![
                position,
                patient,
                kind,
                resource.version,
                &resource.last_updated,
                &resource.event_time,
                &write.message_id,
                &resource.json
            ],
        );
        let updated = dates::milliseconds(&resource.last_updated).unwrap_or_default();
        let owner = Owner { position, kind, patient, updated };
        self.index(numbers, batch, &resource.kind, &owner, &write.index, before)
    }

    /// Ends a resource: the present version and then its deletion move into the history, and nothing finds it.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn delete(
        &mut self,
        connection: &mut Connection,
        numbers: &Numbers,
        batch: &mut Batch<'a>,
        kind: &str,
        id: &str,
        version: u64,
        at: &'a str,
    ) -> Result<(), Failure> {
        let position = numbers.address_of(kind, id)?;
        let before = self.begin(connection, batch, position)?.unwrap_or_default();
        to_history(batch, position);
        for table in ["search_token", "search_text", "search_reference", "search_date"] {
            batch.add(super::postings::forget_sql(table), values![position]);
        }
        batch.add("DELETE FROM search_entry WHERE position = $1", values![position]);
        batch.add("DELETE FROM resource WHERE position = $1", values![position]);
        batch.add(
            "INSERT INTO resource_history (position, patient, version, last_updated, event_time, message_id, json)
             VALUES ($1, $2, $3, $4, NULL, NULL, '')",
            values![position, before.patient, version, at],
        );
        Ok(())
    }

    /// What is left to write.
    pub(super) fn finish(self, batch: &mut Batch<'a>) {
        self.postings.write(batch);
    }

    /// What the resource at a position was found by. An act that writes it twice is written up to here first.
    fn begin(
        &mut self,
        connection: &mut Connection,
        batch: &mut Batch<'a>,
        position: i64,
    ) -> Result<Option<Before>, Failure> {
        if self.written.insert(position) {
            return Ok(self.before.get(&position).cloned());
        }
        std::mem::take(&mut self.postings).write(batch);
        connection.all(batch)?;
        *batch = Batch::default();
        let row =
            connection.optional("SELECT patient, keys FROM search_entry WHERE position = $1", &values![position])?;
        row.map(|row| Ok(Before { patient: get(&row, 0)?, keys: get(&row, 1)? })).transpose()
    }

    /// Brings what a resource is found by to `rows`.
    fn index(
        &mut self,
        numbers: &Numbers,
        batch: &mut Batch<'a>,
        kind: &str,
        owner: &Owner,
        rows: &'a [IndexRow],
        before: Option<Before>,
    ) -> Result<(), Failure> {
        let keys = rows.iter().map(|row| key(numbers, kind, row)).collect::<Result<Vec<_>, _>>()?;
        match before {
            Some(before) if before.patient == owner.patient => {
                let old: Vec<Key<'_>> = Keys(&before.keys).collect();
                old.iter()
                    .filter(|key| !keys.contains(key))
                    .for_each(|gone| self.postings.remove(gone, owner.position));
                let new = keys.iter().filter(|key| !old.contains(key));
                new.for_each(|key| {
                    let _ = self.postings.add(key, owner.position, owner.patient);
                });
            }
            Some(_) => {
                // Every row names the patient.
                for table in ["search_token", "search_text", "search_reference", "search_date"] {
                    batch.add(super::postings::forget_sql(table), values![owner.position]);
                }
                batch.add("DELETE FROM search_entry WHERE position = $1", values![owner.position]);
                keys.iter().for_each(|key| {
                    let _ = self.postings.add(key, owner.position, owner.patient);
                });
            }
            None => keys.iter().for_each(|key| {
                let _ = self.postings.add(key, owner.position, owner.patient);
            }),
        }
        batch.add(
            "INSERT INTO search_entry (position, patient, kind, updated, keys) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (position, patient) DO UPDATE SET updated = $4, keys = $5",
            values![owner.position, owner.patient, owner.kind, owner.updated, encode(&keys)],
        );
        Ok(())
    }
}

/// Whose keys are written.
struct Owner {
    position: i64,
    kind: i64,
    patient: i64,
    updated: i64,
}

/// Moves the present version into the history.
fn to_history(batch: &mut Batch<'_>, position: i64) {
    batch.add(
        "INSERT INTO resource_history (position, patient, version, last_updated, event_time, message_id, json)
         SELECT position, patient, version, last_updated, event_time, message_id, json FROM resource WHERE position = $1
         ON CONFLICT DO NOTHING",
        values![position],
    );
}

/// The key of a row.
fn key<'a>(numbers: &Numbers, kind: &str, row: &'a IndexRow) -> Result<Key<'a>, Failure> {
    let path = numbers.path(kind, &row.path)?;
    Ok(match &row.value {
        IndexValue::Token { system, code } => Key::Token { path, system: numbers.word(system)?, code },
        IndexValue::Text(value) => Key::Text { path, value },
        IndexValue::Exact(value) => Key::Exact { path, value },
        IndexValue::Reference(target) => {
            Key::Reference { path, kind: numbers.word(split_target(target).0)?, target: numbers.address(target)? }
        }
        IndexValue::Date { from, to } => Key::Date { path, from: *from, to: *to },
        IndexValue::Quantity { low, high, unit } => {
            Key::Quantity { path, unit: numbers.word(unit)?, low: *low, high: *high }
        }
    })
}

/// Indexes resources anew, as they are, and says how far that has come. No resource is written meanwhile (`stripes`).
pub(super) fn index_anew(
    connection: &mut Connection,
    numbers: &mut Numbers,
    resources: &[Reindexed],
    state: &IndexState,
) -> Result<(), Failure> {
    let (positions, versions): (Vec<i64>, Vec<i64>) =
        resources.iter().map(|one| (one.position, i64::try_from(one.version).unwrap_or(i64::MAX))).unzip();
    let sql = "SELECT r.position, w.text, r.kind, r.patient, r.last_updated, e.patient, e.keys
               FROM unnest($1::bigint[], $2::bigint[]) t (position, version)
               JOIN resource r ON r.position = t.position AND r.version = t.version
               JOIN word w ON w.number = r.kind LEFT JOIN search_entry e ON e.position = r.position";
    let mut found = HashMap::new();
    let mut named = Named::default();
    for row in connection.query(sql, &values![positions, versions])? {
        found.insert(get::<i64>(&row, 0)?, row);
    }
    for one in resources {
        if let Some(row) = found.get(&one.position) {
            let kind: String = get(row, 1)?;
            one.index.iter().for_each(|row| name(&mut named, &kind, row));
        }
    }
    numbers.learn(connection, &named)?;
    let nothing = HashMap::new();
    let mut writes = Writes::of(&nothing);
    let mut batch = Batch::default();
    for one in resources {
        let Some(row) = found.get(&one.position) else { continue };
        let (kind, last_updated): (String, String) = (get(row, 1)?, get(row, 4)?);
        let updated = dates::milliseconds(&last_updated).unwrap_or_default();
        let owner = Owner { position: one.position, kind: get(row, 2)?, patient: get(row, 3)?, updated };
        let before = match get::<Option<i64>>(row, 5)? {
            Some(patient) => Some(Before { patient, keys: get(row, 6)? }),
            None => None,
        };
        writes.index(numbers, &mut batch, &kind, &owner, &one.index, before)?;
    }
    writes.finish(&mut batch);
    batch.add("UPDATE search_state SET edition = $1, reached = $2", values![state.edition, state.reached]);
    connection.all(&batch).map(drop)
}

/// Moves the time of the present version's event.
pub(super) fn confirm<'a>(
    batch: &mut Batch<'a>,
    kind: &'a str,
    id: &'a str,
    version: u64,
    event_time: &'a Option<String>,
) -> Result<(), Failure> {
    for sql in [
        "UPDATE resource SET event_time = $4 WHERE version = $3 AND position =
         (SELECT a.position FROM address a JOIN word w ON w.number = a.kind WHERE w.text = $1 AND a.id = $2)",
        "UPDATE resource_history SET event_time = $4 WHERE version = $3 AND position =
         (SELECT a.position FROM address a JOIN word w ON w.number = a.kind WHERE w.text = $1 AND a.id = $2)",
    ] {
        batch.add(sql, values![kind, super::numbers::fitting(id).into_owned(), version, event_time]);
    }
    Ok(())
}

impl RecordView for Snapshot<'_> {
    fn resource(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {CURRENT} WHERE w.text = $1 AND a.id = $2");
        self.optional(&sql, &values![kind, &*super::numbers::fitting(id)], read)
    }

    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Result<Option<StoredResource>, StoreError> {
        let Some(position) = self.address(kind, id)? else { return Ok(None) };
        self.version_at(position, version)
    }

    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Result<Vec<StoredResource>, StoreError> {
        let path = self.number_of(&path_word(kind, "identifier"))?;
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
        let Some(patient) = self.address("Patient", patient_id)? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS} FROM {CURRENT} WHERE r.patient = $1 ORDER BY w.text = 'Patient' DESC, w.text, a.id"
        );
        self.rows(&sql, &values![patient], read)
    }

    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT w.text, c.found FROM (SELECT kind, COUNT(*) AS found FROM search_entry GROUP BY kind) c
                   JOIN word w ON w.number = c.kind ORDER BY w.text";
        self.rows(sql, &[], |row| Ok((get(row, 0)?, count(row, 1)?)))
    }
}

impl Snapshot<'_> {
    /// One version at a position, current or replaced.
    pub(super) fn version_at(&self, position: i64, version: u64) -> Result<Option<StoredResource>, StoreError> {
        let of = "WHERE r.position = $1 AND r.version = $2";
        let sql =
            format!("SELECT {COLUMNS} FROM {CURRENT} {of} UNION ALL SELECT {COLUMNS} FROM {REPLACED} {of} LIMIT 1");
        self.optional(&sql, &[Value::Number(position), version.into()], read)
    }
}
