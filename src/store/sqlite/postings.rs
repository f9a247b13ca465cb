//! What a transaction adds to the search tables: gathered by value, so that a value that many of its resources have is one
//! row, and written at the end in the order of the tables.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::store::keys::{Key, decode_owners, encode_owners};

/// A value in the order of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place<'a> {
    Kind(i64),
    Reference { target: i64, path: i64 },
    Token { path: i64, code: &'a str, system: i64 },
    Text { path: i64, value: &'a str },
    Date { path: i64, from: i64, to: i64 },
}

impl<'a> Place<'a> {
    /// Where a key stands; none for what is only compared.
    pub(super) fn of(key: &Key<'a>) -> Option<Self> {
        match *key {
            Key::Token { path, system, code } => Some(Self::Token { path, code, system }),
            Key::Text { path, value } => Some(Self::Text { path, value }),
            Key::Reference { path, target, .. } => Some(Self::Reference { target, path }),
            Key::Date { path, from, to } => Some(Self::Date { path, from, to }),
            Key::Exact { .. } | Key::Quantity { .. } => None,
        }
    }

    /// Table, its columns before `first`, and their values.
    fn row(&self) -> (&'static str, &'static [&'static str], [&dyn ToSql; 3]) {
        match self {
            Self::Kind(kind) => ("search_kind", &["kind"], [kind, &0, &0]),
            Self::Reference { target, path } => ("search_reference", &["target", "path"], [target, path, &0]),
            Self::Token { path, code, system } => ("search_token", &["path", "code", "system"], [path, code, system]),
            Self::Text { path, value } => ("search_text", &["path", "value"], [path, value, &0]),
            Self::Date { path, from, to } => ("search_date", &["path", "date_from", "date_to"], [path, from, to]),
        }
    }
}

/// Postings that are not written yet.
#[derive(Default)]
pub(super) struct Postings<'a> {
    owners: HashMap<Place<'a>, Vec<i64>>,
}

impl<'a> Postings<'a> {
    pub(super) fn add(&mut self, place: Place<'a>, owner: i64) {
        self.owners.entry(place).or_default().push(owner);
    }

    /// Owners of a value that are not written yet.
    pub(super) fn waiting(&self, place: &Place<'_>) -> Vec<i64> {
        self.owners.get(place).cloned().unwrap_or_default()
    }

    /// Owners of anything that refers to an address, not written yet.
    pub(super) fn referring(&self, position: i64) -> Vec<i64> {
        let to_it = self
            .owners
            .iter()
            .filter(|(place, _)| matches!(place, Place::Reference { target, .. } if *target == position));
        to_it.flat_map(|(_, owners)| owners).copied().collect()
    }

    /// Writes all of it.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut sorted: Vec<(Place<'a>, Vec<i64>)> = self.owners.into_iter().collect();
        sorted.sort_unstable_by_key(|(place, _)| *place);
        for (place, mut owners) in sorted {
            owners.sort_unstable();
            owners.dedup();
            let Some((first, others)) = owners.split_first() else { continue };
            let (table, columns, values) = place.row();
            let marks = &"?1, ?2, ?3, ?4, ?5"[..columns.len() * 4 + 6];
            let sql = format!("INSERT OR IGNORE INTO {table} VALUES ({marks})");
            let bytes = encode_owners(*first, others);
            let mut row = with(&values, columns.len(), first);
            row.push(&bytes);
            if connection.prepare_cached(&sql)?.execute(&row[..])? == 0 {
                join(connection, &place, &owners)?;
            }
        }
        Ok(())
    }
}

/// Takes an owner away where it stands by itself. A row of many keeps it, as does one that is not written yet; what the
/// resource is found by tells that it is no longer so.
pub(super) fn remove(connection: &Connection, place: &Place<'_>, owner: i64) -> rusqlite::Result<()> {
    let (table, columns, values) = place.row();
    let sql = format!("DELETE FROM {table} WHERE {} AND owners = x''", conditions(columns));
    connection.prepare_cached(&sql)?.execute(&with(&values, columns.len(), &owner)[..])?;
    Ok(())
}

/// Adds owners to the row of a value that begins with the same one.
fn join(connection: &Connection, place: &Place<'_>, owners: &[i64]) -> rusqlite::Result<()> {
    let Some(first) = owners.first() else { return Ok(()) };
    let (table, columns, values) = place.row();
    let row = with(&values, columns.len(), first);
    let wanted = conditions(columns);
    let there: Option<Vec<u8>> = connection
        .prepare_cached(&format!("SELECT owners FROM {table} WHERE {wanted}"))?
        .query_row(&row[..], |row| row.get(0))
        .optional()?;
    let mut all = owners.to_vec();
    decode_owners(*first, &there.unwrap_or_default(), &mut all);
    all.sort_unstable();
    all.dedup();
    let bytes = encode_owners(*first, all.get(1..).unwrap_or(&[]));
    let mut row = row;
    row.push(&bytes);
    let sql = format!("UPDATE {table} SET owners = ?{} WHERE {wanted}", columns.len() + 2);
    connection.prepare_cached(&sql)?.execute(&row[..])?;
    Ok(())
}

fn with<'v>(values: &[&'v dyn ToSql; 3], used: usize, first: &'v i64) -> Vec<&'v dyn ToSql> {
    values.iter().take(used).copied().chain(std::iter::once(first as &dyn ToSql)).collect()
}

/// `a = ?1 AND b = ?2 AND first = ?3`
fn conditions(columns: &[&str]) -> String {
    let all = columns.iter().chain(std::iter::once(&"first"));
    all.enumerate().map(|(at, column)| format!("{column} = ?{}", at + 1)).collect::<Vec<_>>().join(" AND ")
}
