//! Versions of resources, deletions, and who refers to what.

use std::ops::ControlFlow;

use super::Snapshot;
use super::connection::{Connection, Failure};
use super::records::{COLUMNS, CURRENT, REPLACED, read};
use super::value::{Value, count, get, values};
use crate::store::StoreError;
use crate::store::history::{HistoryPage, HistoryQuery, HistoryView, Passed, mark_in};
use crate::store::keys::{Key, Keys};
use crate::store::records::{RecordView as _, StoredResource};

/// Resources gone through in one journey.
const PAGE: usize = 500;

/// Who refers to the resource at a position by a search row, or is about it; not those that only tell about records.
pub(super) fn referrers(
    connection: &mut Connection,
    position: i64,
    limit: usize,
) -> Result<Vec<(String, String)>, Failure> {
    let sql = "SELECT w.text, a.id, e.patient, e.keys FROM search_entry e JOIN address a ON a.position = e.position
               JOIN word w ON w.number = e.kind
               WHERE e.position <> $1 AND w.text NOT IN ('AuditEvent', 'Provenance') AND e.position IN (
                   SELECT owner FROM search_reference WHERE target = $1
                   UNION SELECT position FROM search_entry WHERE patient = $1)
               ORDER BY e.position";
    let mut found = Vec::new();
    for row in &connection.query(sql, &values![position])? {
        let (patient, keys): (i64, &[u8]) = (get(row, 2)?, get(row, 3)?);
        let refers = |key| matches!(key, Key::Reference { target, .. } if target == position);
        if patient != position && !Keys(keys).any(refers) {
            continue;
        }
        found.push((get(row, 0)?, get(row, 1)?));
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
        let sql = format!("SELECT {COLUMNS} FROM {REPLACED} WHERE r.position = $1 ORDER BY r.version DESC LIMIT 1");
        self.optional(&sql, &values![position], read)
    }

    fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let mut page = HistoryPage::default();
        let Some((versions, mut values)) = versions_sql(self, query)? else { return Ok(page) };
        if query.id.is_some() && query.since.is_none() && query.at.is_none() {
            let sql = format!("SELECT COUNT(*) FROM ({versions}) v");
            page.total = self.optional(&sql, &values, |row| count(row, 0))?;
        }
        let mut sql = format!("SELECT position, version, last_updated FROM ({versions}) v");
        if let Some((updated, position, version)) = query.after.as_deref().and_then(mark_in) {
            let behind =
                [updated.into(), position.into(), version.into()].map(|value: Value<'_>| bind(&mut values, value));
            sql.push_str(&format!(" WHERE (last_updated, position, version) < ({})", behind.join(", ")));
        }
        let limit = bind(&mut values, query.count.saturating_add(1).into());
        sql.push_str(&format!(" ORDER BY last_updated DESC, position DESC, version DESC LIMIT {limit}"));
        let found: Vec<(i64, u64, String)> =
            self.rows(&sql, &values, |row| Ok((get(row, 0)?, count(row, 1)?, get(row, 2)?)))?;
        let is_more = found.len() > query.count;
        for (position, version, updated) in found.into_iter().take(query.count) {
            page.versions.extend(self.version_at(position, version)?);
            page.next = is_more.then(|| format!("{updated}~{position}~{version}"));
        }
        Ok(page)
    }

    fn referrers(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let Some(position) = self.address(kind, id)? else { return Ok(Vec::new()) };
        Ok(referrers(&mut self.connection.borrow_mut(), position, limit)?)
    }

    fn each_resource(
        &self,
        kinds: &[String],
        visit: &mut dyn FnMut(Passed) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut numbers = Vec::with_capacity(kinds.len());
        for kind in kinds {
            numbers.extend(self.number_of(kind)?);
        }
        let sql = format!(
            "SELECT {COLUMNS}, r.position, p.id FROM {CURRENT} LEFT JOIN address p ON p.position = r.patient
             WHERE r.position > $1 AND ($2 OR r.kind = ANY($3)) ORDER BY r.position LIMIT $4"
        );
        let mut last = 0;
        loop {
            let values = values![last, kinds.is_empty(), numbers.clone(), PAGE];
            let page: Vec<(i64, Passed)> = self.rows(&sql, &values, |row| {
                Ok((get(row, 6)?, Passed { patient: get(row, 7)?, resource: read(row)? }))
            })?;
            let is_last = page.len() < PAGE;
            for (position, passed) in page {
                last = position;
                if visit(passed).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// SQL for position, version and time of the versions that are asked for, in no order, and its values; none, if there can be
/// none.
fn versions_sql<'a>(
    snapshot: &Snapshot<'_>,
    query: &'a HistoryQuery,
) -> Result<Option<(String, Vec<Value<'a>>)>, StoreError> {
    let mut values: Vec<Value<'a>> = Vec::new();
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
        conditions.push(format!("v.last_updated >= {}", bind(&mut values, since.into())));
    }
    if let Some((from, to)) = &query.at {
        let (from, to) = (bind(&mut values, from.into()), bind(&mut values, to.into()));
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
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let of = |table: &str| format!("SELECT v.position, v.version, v.last_updated FROM {table} v WHERE {conditions}");
    Ok(Some((format!("{} UNION ALL {}", of("resource"), of("resource_history")), values)))
}

fn bind<'a>(values: &mut Vec<Value<'a>>, value: Value<'a>) -> String {
    values.push(value);
    format!("${}", values.len())
}
