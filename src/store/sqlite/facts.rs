//! Which patients carry a fact: what cohort questions are counted from.

use std::collections::BTreeSet;

use rusqlite::{Connection, params_from_iter, types::Value};

use super::{Snapshot, numbers};
use crate::store::StoreError;
use crate::store::records::{FactQuery, QuantityRange};

/// Patients with a current resource that carries one of the codes and, if asked, a quantity in one of the ranges.
pub(super) fn patients_with(snapshot: &Snapshot<'_>, query: &FactQuery) -> Result<BTreeSet<String>, StoreError> {
    let (Some(code), false) = (snapshot.parameter(&query.kind, "code")?, query.codes.is_empty()) else {
        return Ok(BTreeSet::new());
    };
    let mut values: Vec<Value> = vec![code.into()];
    let mut sql = "SELECT a.id FROM (SELECT DISTINCT t.patient FROM search_token t WHERE t.parameter = ?1 \
                   AND t.patient IS NOT NULL AND ("
        .to_owned();
    let exact = query.codes.iter().map(|(system, code)| {
        format!("(t.code = {} AND t.system = {})", bind(&mut values, code), bind_word(&mut values, system))
    });
    let any: Vec<String> = exact.collect();
    sql.push_str(&any.join(" OR "));
    sql.push(')');
    if !query.quantities.is_empty() {
        sql.push_str(" AND EXISTS (SELECT 1 FROM search_quantity q WHERE q.owner = t.owner AND (");
        for (position, range) in query.quantities.iter().enumerate() {
            sql.push_str(if position == 0 { "" } else { " OR " });
            push_range(&mut sql, &mut values, range);
        }
        sql.push_str("))");
    }
    let status = snapshot.parameter(&query.kind, "status")?;
    if let (Some(status), false) = (status, query.excluded_statuses.is_empty()) {
        values.push(status.into());
        sql.push_str(&format!(
            " AND NOT EXISTS (SELECT 1 FROM search_token s WHERE s.parameter = ?{} AND s.owner = t.owner AND s.code IN (",
            values.len()
        ));
        for (position, status) in query.excluded_statuses.iter().enumerate() {
            sql.push_str(if position == 0 { "" } else { ", " });
            sql.push_str(&bind(&mut values, status));
        }
        sql.push_str("))");
    }
    sql.push_str(") p JOIN address a ON a.position = p.patient");
    collect(snapshot.connection, &sql, values)
}

fn push_range(sql: &mut String, values: &mut Vec<Value>, range: &QuantityRange) {
    sql.push_str(&format!("(q.unit = {}", bind_word(values, &range.unit)));
    if let Some(low) = range.low {
        values.push(low.into());
        sql.push_str(&format!(" AND q.value {} ?{}", if range.low_exclusive { ">" } else { ">=" }, values.len()));
    }
    if let Some(high) = range.high {
        values.push(high.into());
        sql.push_str(&format!(" AND q.value {} ?{}", if range.high_exclusive { "<" } else { "<=" }, values.len()));
    }
    sql.push(')');
}

fn bind(values: &mut Vec<Value>, text: &str) -> String {
    values.push(text.to_owned().into());
    format!("?{}", values.len())
}

/// Binds a word by its number.
fn bind_word(values: &mut Vec<Value>, text: &str) -> String {
    format!("(SELECT number FROM word WHERE text = {})", bind(values, text))
}

/// Patients born in `[from, to)`.
pub(super) fn patients_born(
    snapshot: &Snapshot<'_>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<BTreeSet<String>, StoreError> {
    let Some(born) = snapshot.parameter("Patient", "birthdate")? else { return Ok(BTreeSet::new()) };
    let mut sql =
        "SELECT a.id FROM search_date d JOIN address a ON a.position = d.owner WHERE d.parameter = ?1".to_owned();
    let mut values: Vec<Value> = vec![born.into()];
    for (end, compare) in [(from, ">="), (to, "<")] {
        let Some(end) = end else { continue };
        // A day that is none bounds nothing that could be counted.
        let Some(end) = numbers::milliseconds(end) else { return Ok(BTreeSet::new()) };
        values.push(end.into());
        sql.push_str(&format!(" AND d.date_from {compare} ?{}", values.len()));
    }
    collect(snapshot.connection, &sql, values)
}

/// All patients.
pub(super) fn all_patients(snapshot: &Snapshot<'_>) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT a.id FROM address a JOIN resource r ON r.position = a.position
               WHERE a.kind = (SELECT number FROM word WHERE text = 'Patient')";
    collect(snapshot.connection, sql, Vec::new())
}

fn collect(connection: &Connection, sql: &str, values: Vec<Value>) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
