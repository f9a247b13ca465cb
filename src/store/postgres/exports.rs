//! Exports, their pieces, and the record as it was at a moment.

use std::ops::ControlFlow;

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{count, get, values};
use crate::store::StoreError;
use crate::store::exports::{
    AsOf, Deleted, Export, ExportFile, ExportStatus, ExportView, Held, Piece, PieceSize, patient_of,
};

/// Resources gone through in one journey.
const PAGE: usize = 2_000;
/// Deleted resources told in one journey.
const DELETED: usize = 500;

/// The greatest moment of an export: what is written from now on is later. Asked for when the locks are held.
pub(super) const FENCE: &str = "SELECT MAX(moment) FROM export";

const COLUMNS: &str = "id, owner, moment, status, reached, resources, error, created_at, expires_at, asked";

fn read(row: &Row) -> Result<Export, Failure> {
    Ok(Export {
        id: get(row, 0)?,
        owner: get(row, 1)?,
        moment: get(row, 2)?,
        status: ExportStatus::parse(get(row, 3)?),
        reached: get(row, 4)?,
        resources: count(row, 5)?,
        error: get(row, 6)?,
        created_at: get(row, 7)?,
        expires_at: get(row, 8)?,
        asked: get(row, 9)?,
    })
}

fn piece_name(file: &str, number: u64) -> String {
    format!("{file}.{number}")
}

pub(super) fn start<'a>(batch: &mut Batch<'a>, export: &'a Export) {
    batch.add(
        "INSERT INTO export (id, owner, moment, status, reached, resources, error, created_at, expires_at, asked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        values![
            &export.id,
            &export.owner,
            &export.moment,
            export.status.as_str(),
            export.reached,
            export.resources,
            &export.error,
            &export.created_at,
            &export.expires_at,
            &export.asked
        ],
    );
}

pub(super) fn is_below(connection: &mut Connection, owner: &str, most: u64) -> Result<bool, Failure> {
    connection
        .is("SELECT COUNT(*) < $2::bigint FROM export WHERE owner = $1 AND status = 'open'", &values![owner, most])
}

/// Locks the row, so that no other replica leases it before the commit.
pub(super) fn is_free(connection: &mut Connection, id: &str, now: &str) -> Result<bool, Failure> {
    let sql = "SELECT true FROM export WHERE id = $1 AND status = 'open' AND (lease_until IS NULL OR lease_until <= $2)
               FOR UPDATE";
    connection.is(sql, &values![id, now])
}

pub(super) fn lease_held(connection: &mut Connection, id: &str, lease: &str) -> Result<bool, Failure> {
    let sql = "SELECT true FROM export WHERE id = $1 AND lease = $2 AND status = 'open' FOR UPDATE";
    connection.is(sql, &values![id, lease])
}

pub(super) fn lease<'a>(batch: &mut Batch<'a>, id: &'a str, lease: &'a str, until: &'a str) {
    batch.add("UPDATE export SET lease = $2, lease_until = $3 WHERE id = $1", values![id, lease, until]);
}

pub(super) fn add_pieces<'a>(batch: &mut Batch<'a>, id: &'a str, pieces: &'a [Piece], reached: i64) {
    let mut resources = 0;
    for piece in pieces {
        resources += piece.resources;
        batch.add(
            "INSERT INTO export_piece (export, piece, file, number, resources, length, crc, stored, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            values![
                id,
                piece_name(&piece.file, piece.number),
                &piece.file,
                piece.number,
                piece.resources,
                piece.length,
                piece.crc,
                piece.bytes.len(),
                &piece.bytes
            ],
        );
    }
    batch.add(
        "UPDATE export SET reached = $2, resources = resources + $3 WHERE id = $1",
        values![id, reached, resources],
    );
}

pub(super) fn end<'a>(
    batch: &mut Batch<'a>,
    id: &'a str,
    status: ExportStatus,
    error: &'a Option<String>,
    expires_at: &'a Option<String>,
) {
    batch.add(
        "UPDATE export SET status = $2, error = $3, expires_at = COALESCE($4::text, expires_at), lease = NULL,
         lease_until = NULL WHERE id = $1",
        values![id, status.as_str(), error, expires_at],
    );
}

/// Takes away some of the pieces of an export that is over, and the export with the last of them.
pub(super) fn take_away<'a>(batch: &mut Batch<'a>, id: &'a str, pieces: u64) {
    batch.add(
        "DELETE FROM export_piece WHERE export = $1 AND piece IN
         (SELECT piece FROM export_piece WHERE export = $1 LIMIT $2)",
        values![id, pieces],
    );
    batch.add(
        "DELETE FROM export WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM export_piece WHERE export = $1)",
        values![id],
    );
}

impl Snapshot<'_> {
    /// The version of a moment, of what has changed since: type, patient and JSON.
    fn replaced_since(
        &self,
        position: i64,
        asked: &AsOf<'_>,
    ) -> Result<Option<(String, Option<i64>, String)>, StoreError> {
        let sql =
            "SELECT w.text, h.last_updated, h.json FROM resource_history h JOIN address a ON a.position = h.position
                   JOIN word w ON w.number = a.kind WHERE h.position = $1 AND h.last_updated <= $2
                   ORDER BY h.version DESC LIMIT 1";
        let read = |row: &Row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?));
        let found: Option<(String, String, String)> = self.optional(sql, &values![position, asked.moment], read)?;
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
        self.optional(&format!("SELECT {COLUMNS} FROM export WHERE id = $1"), &values![id], read)
    }

    fn exports_due(&self, now: &str, limit: usize) -> Result<Vec<Export>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM export WHERE status = 'open' AND (lease_until IS NULL OR lease_until <= $1)
             AND expires_at > $1 ORDER BY created_at, id LIMIT $2"
        );
        self.rows(&sql, &values![now, limit], read)
    }

    fn exports_over(&self, now: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM export WHERE status = 'ended' OR expires_at <= $1 ORDER BY expires_at, id LIMIT $2";
        self.rows(sql, &values![now, limit], |row| get(row, 0))
    }

    fn export_files(&self, id: &str) -> Result<Vec<ExportFile>, StoreError> {
        let sql = "SELECT file, number, resources, length, crc, stored FROM export_piece WHERE export = $1
                   ORDER BY file, number";
        let rows: Vec<(String, PieceSize)> = self.rows(sql, &values![id], |row| {
            let piece = PieceSize {
                number: count(row, 1)?,
                resources: count(row, 2)?,
                length: count(row, 3)?,
                crc: u32::try_from(count(row, 4)?).unwrap_or_default(),
                stored: count(row, 5)?,
            };
            Ok((get(row, 0)?, piece))
        })?;
        let mut files: Vec<ExportFile> = Vec::new();
        for (file, piece) in rows {
            ExportFile::gather(&mut files, file, piece);
        }
        Ok(files)
    }

    fn export_piece(&self, id: &str, file: &str, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM export_piece WHERE export = $1 AND piece = $2";
        self.optional(sql, &values![id, piece_name(file, number)], |row| get(row, 0))
    }

    fn each_as_of(
        &self,
        asked: &AsOf<'_>,
        visit: &mut dyn FnMut(Held<'_>) -> ControlFlow<()>,
    ) -> Result<i64, StoreError> {
        let mut numbers = Vec::with_capacity(asked.kinds.len());
        for kind in asked.kinds {
            numbers.extend(self.number_of(kind)?);
        }
        let sql = "SELECT r.position, w.text, r.patient, r.last_updated, r.json
             FROM resource r JOIN word w ON w.number = r.kind
             WHERE r.position > $1 AND ($2 OR r.kind = ANY($3)) ORDER BY r.position LIMIT $4";
        let most = asked.at_most.max(1);
        let (mut last, mut looked_at, mut reached, mut changed) = (asked.behind, 0, None, Vec::new());
        while reached.is_none() {
            let page = PAGE.min(most - looked_at);
            let values = values![last, asked.kinds.is_empty(), numbers.clone(), page];
            let rows = self.connection.borrow_mut().query(sql, &values)?;
            if rows.len() < page {
                reached = Some(i64::MAX);
            }
            for row in &rows {
                let position: i64 = get(row, 0)?;
                (last, looked_at) = (position, looked_at + 1);
                let updated: &str = get(row, 3)?;
                if updated > asked.moment {
                    changed.push(position);
                } else if asked.since.is_none_or(|since| updated > since) {
                    let patient: i64 = get(row, 2)?;
                    let patient = (patient != 0).then_some(patient);
                    if visit(Held { position, kind: get(row, 1)?, patient, json: get(row, 4)? }).is_break() {
                        reached = Some(last);
                        break;
                    }
                }
            }
            if reached.is_none() && looked_at >= most {
                reached = Some(last);
            }
        }
        let reached = reached.unwrap_or(i64::MAX);
        // What was deleted since stands in the history alone.
        let sql = "SELECT DISTINCT position FROM resource_history WHERE last_updated > $1 AND json = ''
                   AND position > $2 AND position <= $3";
        changed.extend(self.rows(sql, &values![asked.moment, asked.behind, reached], |row| get::<i64>(row, 0))?);
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
                 AND n.last_updated <= $2)"
            )
        };
        let sql = format!(
            "SELECT w.text, a.id, COALESCE((SELECT b.json FROM resource_history b WHERE b.position = h.position
                 AND b.version < h.version ORDER BY b.version DESC LIMIT 1), ''), h.position
             FROM resource_history h JOIN address a ON a.position = h.position JOIN word w ON w.number = a.kind
             WHERE h.last_updated > $1 AND h.last_updated <= $2 AND h.json = '' AND {} AND {}
             AND h.position > $3 ORDER BY h.position LIMIT $4",
            later("resource"),
            later("resource_history")
        );
        let mut last = 0i64;
        loop {
            let page: Vec<(i64, Deleted)> = self.rows(&sql, &values![since, moment, last, DELETED], |row| {
                Ok((get(row, 3)?, Deleted { kind: get(row, 0)?, id: get(row, 1)?, before: get(row, 2)? }))
            })?;
            let is_last = page.len() < DELETED;
            for (position, deleted) in page {
                last = position;
                visit(deleted);
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
