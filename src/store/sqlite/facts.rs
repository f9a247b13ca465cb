//! Which patients carry a fact: what cohort questions are counted from.

use std::collections::BTreeSet;

use rusqlite::{Connection, params_from_iter, types::Value};

use crate::store::StoreError;
use crate::store::records::{FactQuery, QuantityRange};

/// Patients with a current resource that carries one of the codes and, if asked, a quantity in one of the ranges.
pub(super) fn patients_with(connection: &Connection, query: &FactQuery) -> Result<BTreeSet<String>, StoreError> {
    if query.codes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut values: Vec<Value> = vec![query.kind.clone().into()];
    let mut sql = "SELECT DISTINCT t.patient FROM search_token t WHERE t.kind = ?1 AND t.parameter = 'code' \
                   AND t.patient IS NOT NULL AND ("
        .to_owned();
    let exact = query.codes.iter().map(|(system, code)| {
        format!("(t.code = {} AND t.system = {})", bind(&mut values, code), bind(&mut values, system))
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
    if !query.excluded_statuses.is_empty() {
        sql.push_str(
            " AND NOT EXISTS (SELECT 1 FROM search_token s WHERE s.owner = t.owner \
             AND s.parameter = 'status' AND s.code IN (",
        );
        for (position, status) in query.excluded_statuses.iter().enumerate() {
            sql.push_str(if position == 0 { "" } else { ", " });
            sql.push_str(&bind(&mut values, status));
        }
        sql.push_str("))");
    }
    collect(connection, &sql, values)
}

fn push_range(sql: &mut String, values: &mut Vec<Value>, range: &QuantityRange) {
    sql.push_str(&format!("(q.unit = {}", bind(values, &range.unit)));
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

/// Patients born in `[from, to)`.
pub(super) fn patients_born(
    connection: &Connection,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut sql =
        "SELECT patient FROM search_date WHERE patient IS NOT NULL AND kind = 'Patient' AND parameter = 'birthdate'"
            .to_owned();
    let mut values = Vec::new();
    if let Some(from) = from {
        sql.push_str(&format!(" AND date_from >= {}", bind(&mut values, from)));
    }
    if let Some(to) = to {
        sql.push_str(&format!(" AND date_from < {}", bind(&mut values, to)));
    }
    collect(connection, &sql, values)
}

/// All patients.
pub(super) fn all_patients(connection: &Connection) -> Result<BTreeSet<String>, StoreError> {
    collect(connection, "SELECT id FROM resource WHERE kind = 'Patient'", Vec::new())
}

fn collect(connection: &Connection, sql: &str, values: Vec<Value>) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
