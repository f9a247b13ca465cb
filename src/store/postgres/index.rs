//! The questions that searches are made from, on the search tables.

use super::Snapshot;
use super::records::{self, COLUMNS, CURRENT};
use super::value::{Value, get, values};
use crate::store::StoreError;
use crate::store::keys::Keys;
use crate::store::records::{Entry, IndexState, IndexView, PATIENT_PATH, Posting, StoredResource};

/// Resources asked for in one journey.
const PAGE: usize = 500;

impl IndexView for Snapshot<'_> {
    fn word(&self, text: &str) -> Result<Option<i64>, StoreError> {
        self.number_of(text)
    }

    fn text_of(&self, number: i64) -> Result<Option<String>, StoreError> {
        self.optional("SELECT text FROM word WHERE number = $1", &values![number], |row| get(row, 0))
    }

    fn position(&self, kind: &str, id: &str) -> Result<Option<i64>, StoreError> {
        self.address(kind, id)
    }

    fn address_at(&self, position: i64) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT w.text, a.id FROM address a JOIN word w ON w.number = a.kind WHERE a.position = $1";
        self.optional(sql, &values![position], |row| Ok((get(row, 0)?, get(row, 1)?)))
    }

    fn owners(&self, posting: &Posting<'_>, at_most: usize) -> Result<Vec<i64>, StoreError> {
        // The patients that resources are about have no rows of their own: they stand in every row.
        let about = match *posting {
            Posting::Reference { path, .. } => self.number_of(PATIENT_PATH)? == Some(path),
            _ => false,
        };
        let (mut sql, mut values) = if about { about_patient(posting) } else { asked(posting) };
        values.push(Value::from(at_most.saturating_add(1)));
        // One value instead of a row each.
        sql = format!("SELECT COALESCE(array_agg(owner), '{{}}') FROM ({sql} LIMIT ${}) found", values.len());
        Ok(self.optional(&sql, &values, |row| get(row, 0))?.unwrap_or_default())
    }

    fn entries(&self, positions: &[i64], visit: &mut dyn FnMut(Entry<'_>) -> bool) -> Result<(), StoreError> {
        let sql = "SELECT e.position, e.kind, e.patient, e.updated, e.keys
                   FROM unnest($1::bigint[]) WITH ORDINALITY t (position, place)
                   JOIN search_entry e ON e.position = t.position ORDER BY t.place";
        for page in positions.chunks(PAGE) {
            let rows = self.connection.borrow_mut().query(sql, &values![page.to_vec()])?;
            for row in &rows {
                let patient: i64 = get(row, 2)?;
                let entry = Entry {
                    position: get(row, 0)?,
                    kind: get(row, 1)?,
                    patient: (patient != 0).then_some(patient),
                    updated: get(row, 3)?,
                    keys: Keys(get(row, 4)?),
                };
                if !visit(entry) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn resources_at(&self, positions: &[i64]) -> Result<Vec<StoredResource>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM unnest($1::bigint[]) WITH ORDINALITY t (position, place)
             JOIN resource r ON r.position = t.position JOIN address a ON a.position = r.position
             JOIN word w ON w.number = a.kind ORDER BY t.place"
        );
        let mut found = Vec::with_capacity(positions.len());
        for page in positions.chunks(PAGE) {
            found.extend(self.rows(&sql, &values![page.to_vec()], records::read)?);
        }
        Ok(found)
    }

    fn index_state(&self) -> Result<IndexState, StoreError> {
        let state = self.optional("SELECT edition, reached FROM search_state", &[], |row| {
            Ok(IndexState { edition: u32::try_from(get::<i64>(row, 0)?).unwrap_or(0), reached: get(row, 1)? })
        })?;
        Ok(state.unwrap_or(IndexState { edition: 0, reached: 0 }))
    }

    fn resources_behind(&self, position: i64, at_most: usize) -> Result<Vec<(i64, StoredResource)>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS}, r.position FROM {CURRENT} WHERE r.position > $1 ORDER BY r.position LIMIT $2");
        self.rows(&sql, &values![position, at_most], |row| Ok((get(row, 6)?, records::read(row)?)))
    }
}

/// The resources that are about a patient.
fn about_patient<'a>(posting: &Posting<'a>) -> (String, Vec<Value<'a>>) {
    let target = if let Posting::Reference { target, .. } = *posting { target } else { 0 };
    ("SELECT position AS owner FROM search_entry WHERE patient = $1".to_owned(), values![target].into())
}

/// SQL for the owners of a posting, and its values. Texts are found by their beginning, which the index has, and compared.
fn asked<'a>(posting: &Posting<'a>) -> (String, Vec<Value<'a>>) {
    let select = |table: &str, conditions: &str| format!("SELECT owner FROM search_{table} WHERE {conditions}");
    match *posting {
        Posting::Kind(kind) => {
            ("SELECT position AS owner FROM search_entry WHERE kind = $1".to_owned(), values![kind].into())
        }
        Posting::Token { path, system, code } => {
            let mut conditions = "path = $1".to_owned();
            let mut values: Vec<Value<'a>> = values![path].into();
            if let Some(code) = code {
                values.push(code.into());
                conditions.push_str(" AND left(code, 200) = left($2, 200) AND code = $2");
            }
            if let Some(system) = system {
                values.push(system.into());
                conditions.push_str(&format!(" AND system = ${}", values.len()));
            }
            (select("token", &conditions), values)
        }
        // Ranges instead of LIKE: they use the order and have no wildcard to escape.
        Posting::TokenStart { path, start } => (
            select(
                "token",
                "path = $1 AND left(code, 200) BETWEEN left($2, 200) AND left($3, 200) AND code >= $2 AND code < $3",
            ),
            values![path, start, behind(start)].into(),
        ),
        Posting::TextStart { path, start } => (
            select(
                "text",
                "path = $1 AND left(value, 200) BETWEEN left($2, 200) AND left($3, 200) AND value >= $2 AND value < $3",
            ),
            values![path, start, behind(start)].into(),
        ),
        Posting::TextPart { path, part } => {
            (select("text", "path = $1 AND strpos(value, $2) > 0"), values![path, part].into())
        }
        Posting::Reference { path, target } => {
            (select("reference", "target = $1 AND path = $2"), values![target, path].into())
        }
        Posting::Dates { path, from, to } => (
            select("date", "path = $1 AND date_from BETWEEN $2 AND $3 AND date_to BETWEEN $4 AND $5"),
            values![path, from.0, from.1, to.0, to.1].into(),
        ),
    }
}

/// What sorts behind every text that begins so.
fn behind(start: &str) -> String {
    format!("{start}\u{10FFFF}")
}
