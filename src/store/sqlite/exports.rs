//! Exports, their pieces, and the record as it was at a moment.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::Snapshot;
use super::seals::{self, Seals};
use crate::store::StoreError;
use crate::store::exports::{
    AsOf, Deleted, Export, ExportFile, ExportStatus, ExportView, Held, Piece, PieceSize, patient_of,
};
use crate::store::records::IndexView as _;
use crate::store::sealing::Place;

const COLUMNS: &str = "id, owner, moment, status, reached, resources, error, created_at, expires_at, asked, asked_key";

fn asked<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "export", row, column: "asked" }
}

fn bytes<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "export_piece", row, column: "bytes" }
}

fn piece_name(file: &str, number: u64) -> String {
    format!("{file}.{number}")
}

/// The greatest moment of an export: what is written from now on is later.
pub(super) fn fence(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT MAX(moment) FROM export")?.query_row([], |row| row.get(0))
}

pub(super) fn start(connection: &Connection, seals: &Seals<'_>, export: &Export) -> rusqlite::Result<()> {
    let sealed = seals.seal(asked(&[&export.id]), &export.asked)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO export ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ))?
        .execute(params![
            export.id,
            export.owner,
            export.moment,
            export.status.as_str(),
            export.reached,
            export.resources,
            export.error,
            export.created_at,
            export.expires_at,
            sealed.bytes,
            sealed.key
        ])?;
    Ok(())
}

pub(super) fn is_below(connection: &Connection, owner: &str, most: u64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT COUNT(*) < ?2 FROM export WHERE owner = ?1 AND status = 'open'")?
        .query_row(params![owner, most], |row| row.get(0))
}

pub(super) fn is_free(connection: &Connection, id: &str, now: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM export WHERE id = ?1 AND status = 'open'
             AND (lease_until IS NULL OR lease_until <= ?2))",
        )?
        .query_row([id, now], |row| row.get(0))
}

pub(super) fn lease_held(connection: &Connection, id: &str, lease: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM export WHERE id = ?1 AND lease = ?2 AND status = 'open')")?
        .query_row([id, lease], |row| row.get(0))
}

pub(super) fn lease(connection: &Connection, id: &str, lease: &str, until: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE export SET lease = ?2, lease_until = ?3 WHERE id = ?1")?
        .execute([id, lease, until])?;
    Ok(())
}

pub(super) fn add_pieces(
    connection: &Connection,
    seals: &Seals<'_>,
    id: &str,
    pieces: &[Piece],
    reached: i64,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO export_piece (export, piece, file, number, resources, length, crc, stored, bytes, bytes_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut resources = 0;
    for piece in pieces {
        let name = piece_name(&piece.file, piece.number);
        let sealed = seals.seal(bytes(&[id, &name]), &piece.bytes)?;
        resources += piece.resources;
        insert.execute(params![
            id,
            name,
            piece.file,
            piece.number,
            piece.resources,
            piece.length,
            piece.crc,
            piece.bytes.len(),
            sealed.bytes,
            sealed.key
        ])?;
    }
    connection
        .prepare_cached("UPDATE export SET reached = ?2, resources = resources + ?3 WHERE id = ?1")?
        .execute(params![id, reached, resources])?;
    Ok(())
}

pub(super) fn end(
    connection: &Connection,
    id: &str,
    status: ExportStatus,
    error: Option<&str>,
    expires_at: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE export SET status = ?2, error = ?3, expires_at = COALESCE(?4, expires_at), lease = NULL,
             lease_until = NULL WHERE id = ?1",
        )?
        .execute(params![id, status.as_str(), error, expires_at])?;
    Ok(())
}

/// Takes away some of the pieces of an export that is over, and the export with the last of them.
pub(super) fn take_away(connection: &Connection, id: &str, pieces: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM export_piece WHERE export = ?1 AND piece IN
             (SELECT piece FROM export_piece WHERE export = ?1 LIMIT ?2)",
        )?
        .execute(params![id, pieces])?;
    connection
        .prepare_cached(
            "DELETE FROM export WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM export_piece WHERE export = ?1)",
        )?
        .execute([id])?;
    Ok(())
}

impl Snapshot<'_> {
    fn read_export(&self, row: &Row<'_>) -> rusqlite::Result<Export> {
        let id: String = row.get(0)?;
        let opened = seals::open(self.connection, self.ring, asked(&[&id]), row.get(10)?, row.get(9)?)?;
        Ok(Export {
            owner: row.get(1)?,
            moment: row.get(2)?,
            status: ExportStatus::parse(&row.get::<_, String>(3)?),
            reached: row.get(4)?,
            resources: row.get(5)?,
            error: row.get(6)?,
            created_at: row.get(7)?,
            expires_at: row.get(8)?,
            asked: opened,
            id,
        })
    }

    /// The version of a moment, of what has changed since: type, patient and JSON.
    fn replaced_since(
        &self,
        position: i64,
        asked: &AsOf<'_>,
    ) -> Result<Option<(String, Option<i64>, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.text, h.last_updated, h.json FROM resource_history h JOIN address a ON a.position = h.position
             JOIN word w ON w.number = a.kind WHERE h.position = ?1 AND h.last_updated <= ?2
             ORDER BY h.version DESC LIMIT 1",
        )?;
        let found: Option<(String, String, String)> = statement
            .query_row(params![position, asked.moment], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((kind, updated, json)) = found else { return Ok(None) };
        if !asked.includes(&kind, &updated, &json) {
            return Ok(None);
        }
        let patient = match patient_of(&json) {
            Some(patient) => self.address("Patient", &patient)?,
            None => None,
        };
        Ok(Some((kind, patient, json)))
    }
}

impl ExportView for Snapshot<'_> {
    fn export(&self, id: &str) -> Result<Option<Export>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM export WHERE id = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([id], |row| self.read_export(row)).optional()?)
    }

    fn exports_due(&self, now: &str, limit: usize) -> Result<Vec<Export>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM export WHERE status = 'open' AND (lease_until IS NULL OR lease_until <= ?1)
             AND expires_at > ?1 ORDER BY created_at, id LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![now, limit], |row| self.read_export(row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn exports_over(&self, now: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM export WHERE status = 'ended' OR expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(statement.query_map(params![now, limit], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn export_files(&self, id: &str) -> Result<Vec<ExportFile>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT file, number, resources, length, crc, stored FROM export_piece WHERE export = ?1
             ORDER BY file, number",
        )?;
        let mut rows = statement.query([id])?;
        let mut files: Vec<ExportFile> = Vec::new();
        while let Some(row) = rows.next()? {
            let file: String = row.get(0)?;
            let piece = PieceSize {
                number: row.get(1)?,
                resources: row.get(2)?,
                length: row.get(3)?,
                crc: row.get(4)?,
                stored: row.get(5)?,
            };
            ExportFile::gather(&mut files, file, piece);
        }
        Ok(files)
    }

    fn export_piece(&self, id: &str, file: &str, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let name = piece_name(file, number);
        let mut statement = self
            .connection
            .prepare_cached("SELECT bytes, bytes_key FROM export_piece WHERE export = ?1 AND piece = ?2")?;
        let opened = statement.query_row([id, &name], |row| {
            seals::open(self.connection, self.ring, bytes(&[id, &name]), row.get(1)?, row.get(0)?)
        });
        Ok(opened.optional()?)
    }

    fn each_as_of(
        &self,
        asked: &AsOf<'_>,
        visit: &mut dyn FnMut(Held<'_>) -> ControlFlow<()>,
    ) -> Result<i64, StoreError> {
        let mut kinds: HashMap<i64, String> = HashMap::new();
        let mut sql = "SELECT position, kind, patient, last_updated, json FROM resource WHERE position > ?1".to_owned();
        let mut values: Vec<Value> = vec![asked.behind.into()];
        if !asked.kinds.is_empty() {
            let mut numbers = Vec::with_capacity(asked.kinds.len());
            for kind in asked.kinds {
                numbers.extend(self.number_of(kind)?.map(|number| number.to_string()));
            }
            sql.push_str(&format!(" AND kind IN ({})", numbers.join(", ")));
        }
        values.push(i64::try_from(asked.at_most.max(1)).unwrap_or(i64::MAX).into());
        sql.push_str(" ORDER BY position LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut last, mut looked_at, mut broke_off, mut changed) = (asked.behind, 0, false, Vec::new());
        while let Some(row) = rows.next()? {
            let position: i64 = row.get(0)?;
            (last, looked_at) = (position, looked_at + 1);
            let updated = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
            if updated > asked.moment {
                changed.push(position);
                continue;
            }
            if asked.since.is_some_and(|since| updated <= since) {
                continue;
            }
            let number: i64 = row.get(1)?;
            let kind: &str = match kinds.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.text_of(number)?.unwrap_or_default()),
            };
            let json = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
            if visit(Held { position, kind, patient: row.get(2)?, json }).is_break() {
                broke_off = true;
                break;
            }
        }
        let reached = if broke_off || looked_at >= asked.at_most.max(1) { last } else { i64::MAX };
        // What was deleted since stands in the history alone.
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT position FROM resource_history WHERE last_updated > ?1 AND json = ''
             AND position > ?2 AND position <= ?3",
        )?;
        let deleted = statement.query_map(params![asked.moment, asked.behind, reached], |row| row.get(0))?;
        changed.extend(deleted.collect::<Result<Vec<i64>, _>>()?);
        changed.sort_unstable();
        changed.dedup();
        for position in changed {
            if let Some((kind, patient, json)) = self.replaced_since(position, asked)? {
                // All up to the position reached must be shown: what says enough here gets a little more.
                let _ = visit(Held { position, kind: &kind, patient, json: &json });
            }
        }
        Ok(reached)
    }

    fn each_deleted(&self, since: &str, moment: &str, visit: &mut dyn FnMut(Deleted)) -> Result<(), StoreError> {
        let later = |table: &str| {
            format!(
                "NOT EXISTS (SELECT 1 FROM {table} n WHERE n.position = h.position AND n.version > h.version
                 AND n.last_updated <= ?2)"
            )
        };
        let sql = format!(
            "SELECT w.text, a.id, COALESCE((SELECT b.json FROM resource_history b WHERE b.position = h.position
                 AND b.version < h.version ORDER BY b.version DESC LIMIT 1), '')
             FROM resource_history h JOIN address a ON a.position = h.position JOIN word w ON w.number = a.kind
             WHERE h.last_updated > ?1 AND h.last_updated <= ?2 AND h.json = '' AND {} AND {}",
            later("resource"),
            later("resource_history")
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([since, moment])?;
        while let Some(row) = rows.next()? {
            visit(Deleted { kind: row.get(0)?, id: row.get(1)?, before: row.get(2)? });
        }
        Ok(())
    }
}
