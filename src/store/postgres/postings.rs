//! What an act adds to the search tables and takes away from them: gathered, and written with one statement a table. Every
//! row is of one resource and names its patient, so that rows could be kept apart by patients; what many resources have in
//! common the server's indexes keep once.

use std::borrow::Cow;

use super::connection::Batch;
use super::value::values;
use crate::store::keys::Key;

/// Rows to be added and taken away.
#[derive(Default)]
pub(super) struct Postings<'a> {
    add: Rows<'a>,
    remove: Rows<'a>,
}

/// Rows of all tables, by column. Rows that are taken away name no patient.
#[derive(Default)]
struct Rows<'a> {
    tokens: Tokens<'a>,
    texts: Texts<'a>,
    references: References,
    dates: Dates,
}

#[derive(Default)]
struct Owners {
    positions: Vec<i64>,
    patients: Vec<i64>,
    paths: Vec<i64>,
}

#[derive(Default)]
struct Tokens<'a> {
    owners: Owners,
    systems: Vec<i64>,
    codes: Vec<Cow<'a, str>>,
}

#[derive(Default)]
struct Texts<'a> {
    owners: Owners,
    values: Vec<Cow<'a, str>>,
}

#[derive(Default)]
struct References {
    owners: Owners,
    targets: Vec<i64>,
}

#[derive(Default)]
struct Dates {
    owners: Owners,
    from: Vec<i64>,
    to: Vec<i64>,
}

impl Owners {
    fn push(&mut self, position: i64, patient: i64, path: i64) {
        self.positions.push(position);
        self.patients.push(patient);
        self.paths.push(path);
    }
}

impl<'a> Postings<'a> {
    /// A resource has a value now. Whether that makes a row.
    pub(super) fn add(&mut self, key: &Key<'a>, position: i64, patient: i64) -> bool {
        self.add.push(key, position, patient, Cow::Borrowed)
    }

    /// A resource has a value no longer.
    pub(super) fn remove(&mut self, key: &Key<'_>, position: i64) {
        self.remove.push(key, position, 0, |text| Cow::Owned(text.to_owned()));
    }

    /// Writes all of it.
    pub(super) fn write(self, batch: &mut Batch<'a>) {
        let Rows { tokens, texts, references, dates } = self.remove;
        if !tokens.codes.is_empty() {
            batch.add(
                "DELETE FROM search_token s USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
                     g (owner, path, system, code)
                 WHERE s.owner = g.owner AND s.path = g.path AND s.system = g.system AND s.code = g.code",
                values![tokens.owners.positions, tokens.owners.paths, tokens.systems, tokens.codes],
            );
        }
        if !texts.values.is_empty() {
            batch.add(
                "DELETE FROM search_text s USING unnest($1::bigint[], $2::bigint[], $3::text[]) g (owner, path, value)
                 WHERE s.owner = g.owner AND s.path = g.path AND s.value = g.value",
                values![texts.owners.positions, texts.owners.paths, texts.values],
            );
        }
        if !references.targets.is_empty() {
            batch.add(
                "DELETE FROM search_reference s USING unnest($1::bigint[], $2::bigint[], $3::bigint[])
                     g (owner, path, target)
                 WHERE s.owner = g.owner AND s.path = g.path AND s.target = g.target",
                values![references.owners.positions, references.owners.paths, references.targets],
            );
        }
        if !dates.from.is_empty() {
            batch.add(
                "DELETE FROM search_date s USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                     g (owner, path, date_from, date_to)
                 WHERE s.owner = g.owner AND s.path = g.path AND s.date_from = g.date_from AND s.date_to = g.date_to",
                values![dates.owners.positions, dates.owners.paths, dates.from, dates.to],
            );
        }
        let Rows { tokens, texts, references, dates } = self.add;
        if !tokens.codes.is_empty() {
            let Owners { positions, patients, paths } = tokens.owners;
            batch.add(
                "INSERT INTO search_token (owner, patient, path, system, code)
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])",
                values![positions, patients, paths, tokens.systems, tokens.codes],
            );
        }
        if !texts.values.is_empty() {
            let Owners { positions, patients, paths } = texts.owners;
            batch.add(
                "INSERT INTO search_text (owner, patient, path, value)
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])",
                values![positions, patients, paths, texts.values],
            );
        }
        if !references.targets.is_empty() {
            let Owners { positions, patients, paths } = references.owners;
            batch.add(
                "INSERT INTO search_reference (owner, patient, path, target)
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])",
                values![positions, patients, paths, references.targets],
            );
        }
        if !dates.from.is_empty() {
            let Owners { positions, patients, paths } = dates.owners;
            batch.add(
                "INSERT INTO search_date (owner, patient, path, date_from, date_to)
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])",
                values![positions, patients, paths, dates.from, dates.to],
            );
        }
    }
}

impl<'a> Rows<'a> {
    fn push<'k>(&mut self, key: &Key<'k>, position: i64, patient: i64, text: impl Fn(&'k str) -> Cow<'a, str>) -> bool {
        match *key {
            Key::Token { path, system, code } => {
                self.tokens.owners.push(position, patient, path);
                self.tokens.systems.push(system);
                self.tokens.codes.push(text(code));
            }
            Key::Text { path, value } => {
                self.texts.owners.push(position, patient, path);
                self.texts.values.push(text(value));
            }
            Key::Reference { path, target, .. } => {
                self.references.owners.push(position, patient, path);
                self.references.targets.push(target);
            }
            Key::Date { path, from, to } => {
                self.dates.owners.push(position, patient, path);
                self.dates.from.push(from);
                self.dates.to.push(to);
            }
            // Only compared.
            Key::Exact { .. } | Key::Quantity { .. } => return false,
        }
        true
    }
}

/// Takes away all rows of a resource.
pub(super) fn forget_sql(table: &str) -> &'static str {
    match table {
        "search_token" => "DELETE FROM search_token WHERE owner = $1",
        "search_text" => "DELETE FROM search_text WHERE owner = $1",
        "search_reference" => "DELETE FROM search_reference WHERE owner = $1",
        _ => "DELETE FROM search_date WHERE owner = $1",
    }
}
