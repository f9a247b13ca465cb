//! A FHIR search as SQL: each criterion is an `EXISTS` over the search rows of its type; values of one are OR-ed.

use rusqlite::{Connection, params_from_iter, types::Value};

use crate::fhir::search::{Criterion, Match, Prefix, Search};
use crate::store::StoreError;
use crate::store::records::Found;

/// Runs a search: total and one page, ordered by last update (newest first), then id.
pub(super) fn run(connection: &Connection, search: &Search) -> Result<Found, StoreError> {
    let mut values: Vec<Value> = vec![search.kind.clone().into()];
    let mut condition = "r.kind = ?1".to_owned();
    for criterion in &search.criteria {
        condition.push_str(&format!(" AND ({})", criterion_sql(criterion, &mut values)));
    }
    let total: u64 = connection
        .prepare_cached(&format!("SELECT COUNT(*) FROM resource r WHERE {condition}"))?
        .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
    let sql = format!(
        "SELECT {} FROM resource r WHERE {condition} ORDER BY r.last_updated DESC, r.id LIMIT {} OFFSET {}",
        super::records::COLUMNS,
        search.count,
        search.offset
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values.iter()), super::records::read)?;
    Ok(Found { total, resources: rows.collect::<Result<_, _>>()? })
}

fn criterion_sql(criterion: &Criterion, values: &mut Vec<Value>) -> String {
    let any: Vec<String> = criterion.any.iter().map(|wanted| match_sql(&criterion.parameter, wanted, values)).collect();
    if any.is_empty() { "0".to_owned() } else { any.join(" OR ") }
}

fn match_sql(parameter: &str, wanted: &Match, values: &mut Vec<Value>) -> String {
    let mut bind = |text: &str| {
        values.push(text.to_owned().into());
        format!("?{}", values.len())
    };
    match wanted {
        Match::Id(id) => format!("r.id = {}", bind(id)),
        Match::Token { system, code } => {
            let mut sql = exists("search_token", &bind(parameter));
            if let Some(system) = system {
                sql.push_str(&format!(" AND x.system = {}", bind(system)));
            }
            if !code.is_empty() {
                sql.push_str(&format!(" AND x.code = {}", bind(code)));
            }
            sql + ")"
        }
        Match::Text(start) => {
            let table = exists("search_text", &bind(parameter));
            // A range instead of LIKE: it uses the index and has no wildcard to escape.
            format!("{table} AND x.value >= {} AND x.value < {})", bind(start), bind(&format!("{start}\u{10FFFF}")))
        }
        Match::Reference(target) => {
            format!("{} AND x.target = {})", exists("search_reference", &bind(parameter)), bind(target))
        }
        Match::Date { prefix, from, to } => {
            let table = exists("search_date", &bind(parameter));
            let compare = match prefix {
                // The stored range lies within the range asked for (R4 search, "eq").
                Prefix::Eq => format!("x.date_from >= {} AND x.date_to <= {}", bind(from), bind(to)),
                Prefix::Lt => format!("x.date_from < {}", bind(from)),
                Prefix::Le => format!("x.date_from < {}", bind(to)),
                Prefix::Gt => format!("x.date_to > {}", bind(to)),
                Prefix::Ge => format!("x.date_to > {}", bind(from)),
            };
            format!("{table} AND {compare})")
        }
    }
}

fn exists(table: &str, parameter: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM {table} x WHERE x.owner = r.position AND x.kind = r.kind AND x.parameter = {parameter}"
    )
}
