//! The questions that searches are made from, on the search tables.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{Snapshot, records};
use crate::store::StoreError;
use crate::store::keys::{Keys, decode_owners};
use crate::store::records::{Entry, IndexState, IndexView, Posting, StoredResource};

impl IndexView for Snapshot<'_> {
    fn word(&self, text: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.number_of(text)?)
    }

    fn text_of(&self, number: i64) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT text FROM word WHERE number = ?1")?;
        Ok(statement.query_row([number], |row| row.get(0)).optional()?)
    }

    fn position(&self, kind: &str, id: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.address(kind, id)?)
    }

    fn address_at(&self, position: i64) -> Result<Option<(String, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.text, a.id FROM address a JOIN word w ON w.number = a.kind WHERE a.position = ?1",
        )?;
        Ok(statement.query_row([position], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn owners(&self, posting: &Posting<'_>, at_most: usize) -> Result<Vec<i64>, StoreError> {
        let (sql, values) = asked(posting);
        let mut found = Vec::new();
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            read_owners(row, &mut found)?;
            if found.len() > at_most {
                break;
            }
        }
        Ok(found)
    }

    fn entries(&self, positions: &[i64], visit: &mut dyn FnMut(Entry<'_>) -> bool) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT position, kind, patient, updated, keys FROM search_entry WHERE position = ?1")?;
        for position in positions {
            let mut rows = statement.query([position])?;
            let Some(row) = rows.next()? else { continue };
            let entry = Entry {
                position: row.get(0)?,
                kind: row.get(1)?,
                patient: row.get(2)?,
                updated: row.get(3)?,
                keys: Keys(row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?),
            };
            if !visit(entry) {
                break;
            }
        }
        Ok(())
    }

    fn resources_at(&self, positions: &[i64]) -> Result<Vec<StoredResource>, StoreError> {
        let sql = format!(
            "SELECT {}, w.text FROM resource r JOIN address a ON a.position = r.position JOIN word w ON w.number = r.kind
             WHERE r.position = ?1",
            records::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = Vec::with_capacity(positions.len());
        for position in positions {
            let read = statement.query_row([position], |row| {
                let kind: String = row.get(5)?;
                records::read(row, &kind)
            });
            found.extend(read.optional()?);
        }
        Ok(found)
    }

    fn index_state(&self) -> Result<IndexState, StoreError> {
        Ok(self.connection.query_row("SELECT edition, reached FROM search_state", [], |row| {
            Ok(IndexState { edition: row.get(0)?, reached: row.get(1)? })
        })?)
    }

    fn resources_behind(&self, position: i64, at_most: usize) -> Result<Vec<(i64, StoredResource)>, StoreError> {
        let sql = format!(
            "SELECT {}, w.text, r.position FROM resource r JOIN address a ON a.position = r.position
             JOIN word w ON w.number = r.kind WHERE r.position > ?1 ORDER BY r.position LIMIT ?2",
            records::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![position, at_most], |row| {
            let kind: String = row.get(5)?;
            Ok((row.get(6)?, records::read(row, &kind)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Owners of a token, written or not, as the writer sees them.
pub(super) fn owners_of_token(
    connection: &Connection,
    path: i64,
    code: &str,
    system: i64,
) -> rusqlite::Result<Vec<i64>> {
    let (sql, values) = asked(&Posting::Token { path, system: Some(system), code: Some(code) });
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        read_owners(row, &mut found)?;
    }
    Ok(found)
}

pub(super) fn read_owners(row: &rusqlite::Row<'_>, found: &mut Vec<i64>) -> rusqlite::Result<()> {
    let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    decode_owners(row.get(0)?, bytes, found);
    Ok(())
}

/// The rows of a posting, newest first where its table says so cheaply.
fn asked(posting: &Posting<'_>) -> (String, Vec<Value>) {
    let select = |table: &str, conditions: &str| format!("SELECT first, owners FROM search_{table} WHERE {conditions}");
    match *posting {
        Posting::Kind(kind) => (select("kind", "kind = ?1"), vec![kind.into()]),
        Posting::Token { path, system, code } => match (system, code) {
            (Some(system), Some(code)) => (
                select("token", "path = ?1 AND code = ?2 AND system = ?3"),
                vec![path.into(), code.to_owned().into(), system.into()],
            ),
            (None, Some(code)) => {
                (select("token", "path = ?1 AND code = ?2"), vec![path.into(), code.to_owned().into()])
            }
            (Some(system), None) => (select("token", "path = ?1 AND system = ?2"), vec![path.into(), system.into()]),
            (None, None) => (select("token", "path = ?1"), vec![path.into()]),
        },
        // Ranges instead of LIKE: they use the order and have no wildcard to escape.
        Posting::TokenStart { path, start } => (
            select("token", "path = ?1 AND code >= ?2 AND code < ?3"),
            vec![path.into(), start.to_owned().into(), behind(start).into()],
        ),
        Posting::TextStart { path, start } => (
            select("text", "path = ?1 AND value >= ?2 AND value < ?3"),
            vec![path.into(), start.to_owned().into(), behind(start).into()],
        ),
        Posting::TextPart { path, part } => {
            (select("text", "path = ?1 AND instr(value, ?2) > 0"), vec![path.into(), part.to_owned().into()])
        }
        Posting::Reference { path, target } => {
            (select("reference", "target = ?1 AND path = ?2"), vec![target.into(), path.into()])
        }
        Posting::Dates { path, from, to } => (
            select("date", "path = ?1 AND date_from BETWEEN ?2 AND ?3 AND date_to BETWEEN ?4 AND ?5"),
            vec![path.into(), from.0.into(), from.1.into(), to.0.into(), to.1.into()],
        ),
    }
}

/// What sorts behind every text that begins so.
fn behind(start: &str) -> String {
    format!("{start}\u{10FFFF}")
}
