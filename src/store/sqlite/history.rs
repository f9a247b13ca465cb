//! Versions of resources, deletions, and who refers to what.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::Snapshot;
use super::records::{COLUMNS, read};
use crate::store::StoreError;
use crate::store::history::{HistoryPage, HistoryQuery, HistoryView, Passed, mark_in};
use crate::store::keys::{Key, Keys};
use crate::store::records::{RecordView as _, StoredResource};

/// Who refers to the resource at a position by a search row, or is about it; not those that only tell about records.
/// `waiting`: owners of postings that are not written yet.
pub(super) fn referrers(
    connection: &Connection,
    position: i64,
    waiting: &[i64],
    limit: usize,
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut owners = waiting.to_vec();
    let mut statement = connection.prepare_cached("SELECT first, owners FROM search_reference WHERE target = ?1")?;
    let mut rows = statement.query([position])?;
    while let Some(row) = rows.next()? {
        super::index::read_owners(row, &mut owners)?;
    }
    owners.sort_unstable();
    owners.dedup();
    let mut statement = connection.prepare_cached(
        "SELECT w.text, a.id, e.patient, e.keys FROM search_entry e JOIN address a ON a.position = e.position
         JOIN word w ON w.number = e.kind WHERE e.position = ?1 AND e.position <> ?2",
    )?;
    let mut found = Vec::new();
    for owner in owners {
        let mut rows = statement.query([owner, position])?;
        let Some(row) = rows.next()? else { continue };
        let (kind, patient): (String, Option<i64>) = (row.get(0)?, row.get(2)?);
        let mut keys = Keys(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?);
        let refers = |key| matches!(key, Key::Reference { target, .. } if target == position);
        if matches!(kind.as_str(), "AuditEvent" | "Provenance") || (patient != Some(position) && !keys.any(refers)) {
            continue;
        }
        found.push((kind, row.get(1)?));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

impl HistoryView for Snapshot<'_> {
    fn last_version(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError> {
        if let Some(current) = self.resource(kind, id)? {
            return Ok(Some(current));
        }
        let Some(position) = self.address(kind, id)? else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM resource_history r JOIN address a ON a.position = r.position
             WHERE r.position = ?1 ORDER BY r.version DESC LIMIT 1"
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row([position], |row| read(row, kind)).optional()?)
    }

    fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let mut page = HistoryPage::default();
        let Some((versions, mut values)) = versions_sql(self, query)? else { return Ok(page) };
        if query.id.is_some() && query.since.is_none() && query.at.is_none() {
            let sql = format!("SELECT COUNT(*) FROM ({versions})");
            let count = |row: &rusqlite::Row<'_>| row.get(0);
            page.total = Some(self.connection.query_row(&sql, params_from_iter(values.iter()), count)?);
        }
        let mut sql = format!("SELECT position, version, last_updated FROM ({versions})");
        if let Some((updated, position, version)) = query.after.as_deref().and_then(mark_in) {
            let behind: Vec<String> = [updated.into(), position.into(), version.into()]
                .into_iter()
                .map(|value: Value| bind(&mut values, value))
                .collect();
            sql.push_str(&format!(" WHERE (last_updated, position, version) < ({})", behind.join(", ")));
        }
        sql.push_str(&format!(
            " ORDER BY last_updated DESC, position DESC, version DESC LIMIT {}",
            query.count.saturating_add(1)
        ));
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement
            .query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
        let found: Vec<(i64, u64, String)> = rows.collect::<Result<_, _>>()?;
        let is_more = found.len() > query.count;
        for (position, version, updated) in found.into_iter().take(query.count) {
            page.versions.extend(self.version_at(position, version)?);
            page.next = is_more.then(|| format!("{updated}~{position}~{version}"));
        }
        Ok(page)
    }

    fn referrers(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let Some(position) = self.address(kind, id)? else { return Ok(Vec::new()) };
        Ok(referrers(self.connection, position, &[], limit)?)
    }

    fn each_resource(
        &self,
        kinds: &[String],
        visit: &mut dyn FnMut(Passed) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut sql = format!(
            "SELECT {COLUMNS}, w.text, p.id FROM resource r JOIN address a ON a.position = r.position
             JOIN word w ON w.number = r.kind LEFT JOIN address p ON p.position = r.patient"
        );
        let mut numbers = Vec::with_capacity(kinds.len());
        for kind in kinds {
            numbers.extend(self.number_of(kind)?);
        }
        if !kinds.is_empty() {
            let listed: Vec<String> = numbers.iter().map(i64::to_string).collect();
            // By the index of addresses: a type of which there is little costs little.
            sql.push_str(&format!(
                " WHERE r.position IN (SELECT position FROM address WHERE kind IN ({}))",
                listed.join(", ")
            ));
        }
        sql.push_str(" ORDER BY r.position");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(5)?;
            let passed = Passed { patient: row.get(6)?, resource: read(row, &kind)? };
            if visit(passed).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    fn version_at(&self, position: i64, version: u64) -> rusqlite::Result<Option<StoredResource>> {
        let of = "ON r.position = a.position JOIN word w ON w.number = a.kind
                  WHERE a.position = ?1 AND r.version = ?2";
        let sql = format!(
            "SELECT {COLUMNS}, w.text FROM address a JOIN resource r {of}
             UNION ALL SELECT {COLUMNS}, w.text FROM address a JOIN resource_history r {of} LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_row(params![position, version], |row| {
            let kind: String = row.get(5)?;
            read(row, &kind)
        });
        found.optional()
    }
}

/// SQL for position, version and time of the versions that are asked for, in no order, and its values; none, if there can be
/// none.
fn versions_sql(snapshot: &Snapshot<'_>, query: &HistoryQuery) -> Result<Option<(String, Vec<Value>)>, StoreError> {
    let mut values: Vec<Value> = Vec::new();
    let mut conditions = Vec::new();
    match (&query.kind, &query.id) {
        (Some(kind), Some(id)) => {
            let Some(position) = snapshot.address(kind, id)? else { return Ok(None) };
            conditions.push(format!("v.position = {}", bind(&mut values, position.into())));
        }
        (Some(kind), None) => {
            let Some(kind) = snapshot.number_of(kind)? else { return Ok(None) };
            conditions.push(format!(
                "(SELECT kind FROM address WHERE position = v.position) = {}",
                bind(&mut values, kind.into())
            ));
        }
        (None, _) => {}
    }
    if let Some(since) = &query.since {
        conditions.push(format!("v.last_updated >= {}", bind(&mut values, since.clone().into())));
    }
    if let Some((from, to)) = &query.at {
        let (from, to) = (bind(&mut values, from.clone().into()), bind(&mut values, to.clone().into()));
        let replaced = |table: &str| {
            format!(
                "NOT EXISTS (SELECT 1 FROM {table} n WHERE n.position = v.position AND n.version > v.version
                 AND n.last_updated <= {from})"
            )
        };
        conditions.push(format!(
            "v.last_updated < {to} AND {} AND {}",
            replaced("resource"),
            replaced("resource_history")
        ));
    }
    let conditions = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let of = |table: &str| format!("SELECT v.position, v.version, v.last_updated FROM {table} v WHERE {conditions}");
    Ok(Some((format!("{} UNION ALL {}", of("resource"), of("resource_history")), values)))
}

fn bind(values: &mut Vec<Value>, value: Value) -> String {
    values.push(value);
    format!("?{}", values.len())
}
