//! A FHIR search. The criterion that fewest resources meet is asked first; of a few, the others are told by the keys that
//! stand with each resource; of many, by SQL over the search rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, params_from_iter, types::Value};

use super::keys::{self, Key};
use super::{Snapshot, numbers};
use crate::fhir::search::{Criterion, Match, Prefix, Search};
use crate::store::StoreError;
use crate::store::records::{Found, StoredResource};

/// Resources looked at one by one at most.
const FEW: usize = 2_000;

/// Runs a search: total and one page, ordered by last update (newest first), then id.
pub(super) fn run(snapshot: &Snapshot<'_>, search: &Search) -> Result<Found, StoreError> {
    let connection = snapshot.connection;
    let mut criteria = Vec::with_capacity(search.criteria.len());
    for criterion in &search.criteria {
        criteria.push(wanted(snapshot, &search.kind, criterion)?);
    }
    let Some((rarest, met)) = rarest(connection, &criteria)? else { return among_all(connection, search, &criteria) };
    if met > FEW {
        return among_all(connection, search, &criteria);
    }
    let driver = criteria.swap_remove(rarest);
    among_few(connection, search, &driver, &criteria)
}

/// One acceptable value of a criterion, in numbers.
enum Wanted<'a> {
    Position(i64),
    /// An empty code is any of the system.
    Token {
        parameter: i64,
        system: Option<i64>,
        code: &'a str,
    },
    Text {
        parameter: i64,
        start: &'a str,
    },
    Reference {
        parameter: i64,
        target: i64,
    },
    Date {
        parameter: i64,
        prefix: Prefix,
        from: i64,
        to: i64,
    },
}

/// The values of a criterion that anything can have: a word without a number is in no resource.
fn wanted<'a>(snapshot: &Snapshot<'_>, kind: &str, criterion: &'a Criterion) -> Result<Vec<Wanted<'a>>, StoreError> {
    let mut any = Vec::with_capacity(criterion.any.len());
    let parameter = snapshot.parameter(kind, &criterion.parameter)?;
    for value in &criterion.any {
        if let Match::Id(id) = value {
            any.extend(snapshot.address(kind, id)?.map(Wanted::Position));
            continue;
        }
        let Some(parameter) = parameter else { continue };
        any.extend(match value {
            Match::Id(_) => None,
            Match::Token { system: None, code } => Some(Wanted::Token { parameter, system: None, code }),
            Match::Token { system: Some(system), code } => {
                snapshot.word(system)?.map(|system| Wanted::Token { parameter, system: Some(system), code })
            }
            Match::Text(start) => Some(Wanted::Text { parameter, start }),
            Match::Reference(target) => match target.split_once('/') {
                Some((kind, id)) => snapshot.address(kind, id)?.map(|target| Wanted::Reference { parameter, target }),
                None => None,
            },
            Match::Date { prefix, from, to } => {
                let ends = numbers::milliseconds(from).zip(numbers::milliseconds(to));
                ends.map(|(from, to)| Wanted::Date { parameter, prefix: *prefix, from, to })
            }
        });
    }
    Ok(any)
}

/// The criterion that fewest rows meet, and how many, counted to a few.
fn rarest(connection: &Connection, criteria: &[Vec<Wanted<'_>>]) -> Result<Option<(usize, usize)>, StoreError> {
    let mut rarest: Option<(usize, usize)> = None;
    for (at, any) in criteria.iter().enumerate() {
        let mut met = 0;
        for wanted in any {
            let mut values = Vec::new();
            let sql = format!("SELECT COUNT(*) FROM ({} LIMIT {})", owners_sql(wanted, &mut values), FEW + 1);
            met +=
                connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get::<_, usize>(0))?;
        }
        if rarest.is_none_or(|(_, fewest)| met < fewest) {
            rarest = Some((at, met));
        }
    }
    Ok(rarest)
}

/// Looks at each resource that meets `driver`.
fn among_few(
    connection: &Connection,
    search: &Search,
    driver: &[Wanted<'_>],
    others: &[Vec<Wanted<'_>>],
) -> Result<Found, StoreError> {
    let mut owners = BTreeSet::new();
    for wanted in driver {
        let mut values = Vec::new();
        let mut statement = connection.prepare_cached(&owners_sql(wanted, &mut values))?;
        for owner in statement.query_map(params_from_iter(values), |row| row.get::<_, i64>(0))? {
            owners.insert(owner?);
        }
    }
    let mut met = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT r.last_updated, a.id, r.keys FROM resource r JOIN address a ON a.position = r.position
         WHERE r.position = ?1",
    )?;
    for owner in owners {
        let mut rows = statement.query([owner])?;
        // An address alone is referred to, not held.
        let Some(row) = rows.next()? else { continue };
        let bytes: &[u8] = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        let keys = if others.is_empty() { Vec::new() } else { keys::decode(bytes).unwrap_or_default() };
        if others.iter().all(|any| any.iter().any(|wanted| wanted.is_met(owner, &keys))) {
            met.push((row.get::<_, String>(0)?, row.get::<_, String>(1)?, owner));
        }
    }
    met.sort_unstable_by(|(updated, id, _), (other, other_id, _)| other.cmp(updated).then_with(|| id.cmp(other_id)));
    let total = met.len() as u64;
    let page = met.into_iter().skip(search.offset).take(search.count);
    let resources = page.map(|(_, _, owner)| by_position(connection, &search.kind, owner)).collect::<Result<_, _>>()?;
    Ok(Found { total, resources })
}

fn by_position(connection: &Connection, kind: &str, position: i64) -> rusqlite::Result<StoredResource> {
    let sql = format!(
        "SELECT {} FROM resource r JOIN address a ON a.position = r.position WHERE r.position = ?1",
        super::records::COLUMNS
    );
    connection.prepare_cached(&sql)?.query_row([position], |row| super::records::read(row, kind))
}

impl Wanted<'_> {
    /// Whether the resource at `position` with `keys` has the value.
    fn is_met(&self, position: i64, keys: &[Key<'_>]) -> bool {
        match *self {
            Self::Position(wanted) => wanted == position,
            Self::Token { parameter: p, system: s, code: c } => keys.iter().any(|key| {
                matches!(*key, Key::Token { parameter, system, code }
                    if parameter == p && s.is_none_or(|s| s == system) && (c.is_empty() || c == code))
            }),
            Self::Text { parameter: p, start } => keys.iter().any(
                |key| matches!(*key, Key::Text { parameter, value } if parameter == p && value.starts_with(start)),
            ),
            Self::Reference { parameter: p, target: t } => keys.contains(&Key::Reference { parameter: p, target: t }),
            Self::Date { parameter: p, prefix, from, to } => keys.iter().any(|key| {
                matches!(*key, Key::Date { parameter, from: f, to: t } if parameter == p && match prefix {
                    // The stored range lies within the range asked for (R4 search, "eq").
                    Prefix::Eq => f >= from && t <= to,
                    Prefix::Lt => f < from,
                    Prefix::Le => f < to,
                    Prefix::Gt => t > to,
                    Prefix::Ge => t > from,
                })
            }),
        }
    }
}

/// All of it in SQL: where every criterion is met by many, or there is none.
fn among_all(connection: &Connection, search: &Search, criteria: &[Vec<Wanted<'_>>]) -> Result<Found, StoreError> {
    let mut values: Vec<Value> = vec![search.kind.clone().into()];
    let mut from = "FROM address a JOIN resource r ON r.position = a.position
        WHERE a.kind = (SELECT number FROM word WHERE text = ?1)"
        .to_owned();
    for any in criteria {
        let rows: Vec<String> = any.iter().map(|wanted| owners_sql(wanted, &mut values)).collect();
        let rows = if rows.is_empty() { "SELECT NULL WHERE 0".to_owned() } else { rows.join(" UNION ALL ") };
        from.push_str(&format!(" AND r.position IN ({rows})"));
    }
    let total: u64 = connection
        .prepare_cached(&format!("SELECT COUNT(*) {from}"))?
        .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
    let sql = format!(
        "SELECT {} {from} ORDER BY r.last_updated DESC, a.id LIMIT {} OFFSET {}",
        super::records::COLUMNS,
        search.count,
        search.offset
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values.iter()), |row| super::records::read(row, &search.kind))?;
    Ok(Found { total, resources: rows.collect::<Result<_, _>>()? })
}

/// The positions of the resources that have the value, as SQL; its values are added to `values`.
fn owners_sql(wanted: &Wanted<'_>, values: &mut Vec<Value>) -> String {
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    match *wanted {
        Wanted::Position(position) => format!("SELECT {} AS owner", bind(position.into())),
        Wanted::Token { parameter, system, code } => {
            let mut sql = format!("SELECT owner FROM search_token WHERE parameter = {}", bind(parameter.into()));
            if !code.is_empty() {
                sql.push_str(&format!(" AND code = {}", bind(code.to_owned().into())));
            }
            if let Some(system) = system {
                sql.push_str(&format!(" AND system = {}", bind(system.into())));
            }
            sql
        }
        // A range instead of LIKE: it uses the index and has no wildcard to escape.
        Wanted::Text { parameter, start } => format!(
            "SELECT owner FROM search_text WHERE parameter = {} AND value >= {} AND value < {}",
            bind(parameter.into()),
            bind(start.to_owned().into()),
            bind(format!("{start}\u{10FFFF}").into())
        ),
        Wanted::Reference { parameter, target } => format!(
            "SELECT owner FROM search_reference WHERE target = {} AND parameter = {}",
            bind(target.into()),
            bind(parameter.into())
        ),
        Wanted::Date { parameter, prefix, from, to } => {
            let rows = format!("SELECT owner FROM search_date WHERE parameter = {}", bind(parameter.into()));
            match prefix {
                Prefix::Eq => {
                    format!("{rows} AND date_from >= {} AND date_to <= {}", bind(from.into()), bind(to.into()))
                }
                Prefix::Lt => format!("{rows} AND date_from < {}", bind(from.into())),
                Prefix::Le => format!("{rows} AND date_from < {}", bind(to.into())),
                Prefix::Gt => format!("{rows} AND date_to > {}", bind(to.into())),
                Prefix::Ge => format!("{rows} AND date_to > {}", bind(from.into())),
            }
        }
    }
}
