//! What goes into the institution's own systems.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use super::seals::{self, Seals};
use crate::store::StoreError;
use crate::store::filings::{Filing, FilingView};
use crate::store::sealing::Place;

const COLUMNS: &str = "id, destination, referral, kind, control_id, path, status, created_at, next_attempt_at, attempts, \
                       last_error, answer, filed_at";

fn read(row: &Row<'_>, body: Vec<u8>) -> rusqlite::Result<Filing> {
    Ok(Filing {
        id: row.get(0)?,
        destination: row.get(1)?,
        referral: row.get(2)?,
        kind: row.get(3)?,
        control_id: row.get(4)?,
        path: row.get(5)?,
        body,
        status: row.get(6)?,
        created_at: row.get(7)?,
        next_attempt_at: row.get(8)?,
        attempts: row.get(9)?,
        last_error: row.get(10)?,
        answer: row.get(11)?,
        filed_at: row.get(12)?,
    })
}

fn body<'a>(id: &'a [&'a str]) -> Place<'a> {
    Place { table: "filing", row: id, column: "body" }
}

/// A row with its body and the number of its key behind the columns.
fn read_whole(snapshot: &Snapshot<'_>, row: &Row<'_>) -> rusqlite::Result<Filing> {
    let id: String = row.get(0)?;
    let opened = seals::open(snapshot.connection, snapshot.ring, body(&[&id]), row.get(14)?, row.get(13)?)?;
    read(row, opened)
}

/// The same news again changes nothing.
pub(super) fn queue(connection: &Connection, seals: &Seals<'_>, filing: &Filing) -> rusqlite::Result<()> {
    let sealed = seals.seal(body(&[&filing.id]), &filing.body)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO filing ({COLUMNS}, body, body_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (id) DO NOTHING"
        ))?
        .execute(params![
            filing.id,
            filing.destination,
            filing.referral,
            filing.kind,
            filing.control_id,
            filing.path,
            filing.status,
            filing.created_at,
            filing.next_attempt_at,
            filing.attempts,
            filing.last_error,
            filing.answer,
            filing.filed_at,
            sealed.bytes,
            sealed.key
        ])?;
    Ok(())
}

pub(super) fn is_free(connection: &Connection, id: &str, now: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM filing WHERE id = ?1 AND status = 'queued'
             AND (lease_until IS NULL OR lease_until <= ?2))",
        )?
        .query_row([id, now], |row| row.get(0))
}

pub(super) fn lease_held(connection: &Connection, id: &str, lease: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM filing WHERE id = ?1 AND lease = ?2 AND status = 'queued')")?
        .query_row([id, lease], |row| row.get(0))
}

pub(super) fn lease(connection: &Connection, id: &str, lease: &str, until: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE filing SET lease = ?2, lease_until = ?3, attempts = attempts + 1 WHERE id = ?1")?
        .execute([id, lease, until])?;
    Ok(())
}

pub(super) fn filed(connection: &Connection, id: &str, answer: &str, at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE filing SET status = 'filed', answer = ?2, filed_at = ?3, lease = NULL, lease_until = NULL WHERE id = ?1",
        )?
        .execute([id, answer, at])?;
    Ok(())
}

pub(super) fn retry_at(connection: &Connection, id: &str, at: &str, error: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE filing SET status = 'queued', next_attempt_at = ?2, last_error = ?3, lease = NULL, lease_until = NULL
             WHERE id = ?1",
        )?
        .execute([id, at, error])?;
    Ok(())
}

pub(super) fn give_up(connection: &Connection, id: &str, error: &str, answer: Option<&str>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE filing SET status = 'dead', last_error = ?2, answer = ?3, lease = NULL, lease_until = NULL
             WHERE id = ?1",
        )?
        .execute(params![id, error, answer])?;
    Ok(())
}

pub(super) fn hold_waiting(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE filing SET status = 'held', lease = NULL, lease_until = NULL WHERE status = 'queued'", [])?;
    Ok(())
}

pub(super) fn release(connection: &Connection, id: &str, at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE filing SET status = 'queued', next_attempt_at = ?2 WHERE id = ?1 AND status = 'held'")?
        .execute([id, at])?;
    Ok(())
}

impl FilingView for Snapshot<'_> {
    fn filing(&self, id: &str) -> Result<Option<Filing>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, body, body_key FROM filing WHERE id = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([id], |row| read_whole(self, row)).optional()?)
    }

    fn filings(&self, status: &str, limit: usize) -> Result<Vec<Filing>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM filing WHERE status = ?1 ORDER BY position LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![status, limit], |row| read(row, Vec::new()))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn filings_of(&self, referral: &str) -> Result<Vec<Filing>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM filing WHERE referral = ?1 ORDER BY position");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([referral], |row| read(row, Vec::new()))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn filings_due(&self, now: &str) -> Result<Vec<Filing>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, body, body_key FROM filing WHERE position IN
                 (SELECT MIN(position) FROM filing f WHERE status = 'queued' AND NOT EXISTS
                     (SELECT 1 FROM filing held WHERE held.referral = f.referral AND held.destination = f.destination
                      AND held.status = 'held') GROUP BY destination)
             AND next_attempt_at <= ?1 AND (lease_until IS NULL OR lease_until <= ?1) ORDER BY position"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([now], |row| read_whole(self, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
