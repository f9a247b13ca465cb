//! What goes into the institution's own systems.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{get, values};
use crate::store::StoreError;
use crate::store::filings::{Filing, FilingView};

const COLUMNS: &str = "id, destination, referral, kind, control_id, path, status, created_at, next_attempt_at, attempts, \
                       last_error, answer, filed_at";

fn read(row: &Row, body: Vec<u8>) -> Result<Filing, Failure> {
    Ok(Filing {
        id: get(row, 0)?,
        destination: get(row, 1)?,
        referral: get(row, 2)?,
        kind: get(row, 3)?,
        control_id: get(row, 4)?,
        path: get(row, 5)?,
        body,
        status: get(row, 6)?,
        created_at: get(row, 7)?,
        next_attempt_at: get(row, 8)?,
        attempts: u32::try_from(get::<i64>(row, 9)?).unwrap_or(u32::MAX),
        last_error: get(row, 10)?,
        answer: get(row, 11)?,
        filed_at: get(row, 12)?,
    })
}

fn without_body(row: &Row) -> Result<Filing, Failure> {
    read(row, Vec::new())
}

fn with_body(row: &Row) -> Result<Filing, Failure> {
    read(row, get(row, 13)?)
}

/// The same news again changes nothing.
pub(super) fn queue<'a>(batch: &mut Batch<'a>, filing: &'a Filing) {
    batch.add(
        "INSERT INTO filing (id, destination, referral, kind, control_id, path, status, created_at, next_attempt_at,
         attempts, last_error, answer, filed_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING",
        values![
            &filing.id,
            &filing.destination,
            &filing.referral,
            &filing.kind,
            &filing.control_id,
            &filing.path,
            &filing.status,
            &filing.created_at,
            &filing.next_attempt_at,
            filing.attempts,
            &filing.last_error,
            &filing.answer,
            &filing.filed_at,
            &filing.body
        ],
    );
}

pub(super) fn is_free(connection: &mut Connection, id: &str, now: &str) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM filing WHERE id = $1 AND status = 'queued'
               AND (lease_until IS NULL OR lease_until <= $2))";
    connection.is(sql, &values![id, now])
}

pub(super) fn lease_held(connection: &mut Connection, id: &str, lease: &str) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM filing WHERE id = $1 AND lease = $2 AND status = 'queued')";
    connection.is(sql, &values![id, lease])
}

pub(super) fn lease<'a>(batch: &mut Batch<'a>, id: &'a str, lease: &'a str, until: &'a str) {
    batch.add(
        "UPDATE filing SET lease = $2, lease_until = $3, attempts = attempts + 1 WHERE id = $1",
        values![id, lease, until],
    );
}

pub(super) fn filed<'a>(batch: &mut Batch<'a>, id: &'a str, answer: &'a str, at: &'a str) {
    batch.add(
        "UPDATE filing SET status = 'filed', answer = $2, filed_at = $3, lease = NULL, lease_until = NULL WHERE id = $1",
        values![id, answer, at],
    );
}

pub(super) fn retry_at<'a>(batch: &mut Batch<'a>, id: &'a str, at: &'a str, error: &'a str) {
    batch.add(
        "UPDATE filing SET status = 'queued', next_attempt_at = $2, last_error = $3, lease = NULL, lease_until = NULL
         WHERE id = $1",
        values![id, at, error],
    );
}

pub(super) fn give_up<'a>(batch: &mut Batch<'a>, id: &'a str, error: &'a str, answer: &'a Option<String>) {
    batch.add(
        "UPDATE filing SET status = 'dead', last_error = $2, answer = $3, lease = NULL, lease_until = NULL WHERE id = $1",
        values![id, error, answer],
    );
}

pub(super) fn hold_waiting(batch: &mut Batch<'_>) {
    batch.add("UPDATE filing SET status = 'held', lease = NULL, lease_until = NULL WHERE status = 'queued'", values![]);
}

pub(super) fn release<'a>(batch: &mut Batch<'a>, id: &'a str, at: &'a str) {
    batch.add(
        "UPDATE filing SET status = 'queued', next_attempt_at = $2 WHERE id = $1 AND status = 'held'",
        values![id, at],
    );
}

impl FilingView for Snapshot<'_> {
    fn filing(&self, id: &str) -> Result<Option<Filing>, StoreError> {
        self.optional(&format!("SELECT {COLUMNS}, body FROM filing WHERE id = $1"), &values![id], with_body)
    }

    fn filings(&self, status: &str, limit: usize) -> Result<Vec<Filing>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM filing WHERE status = $1 ORDER BY position LIMIT $2");
        self.rows(&sql, &values![status, limit], without_body)
    }

    fn filings_of(&self, referral: &str) -> Result<Vec<Filing>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM filing WHERE referral = $1 ORDER BY position");
        self.rows(&sql, &values![referral], without_body)
    }

    fn filings_due(&self, now: &str) -> Result<Vec<Filing>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, body FROM filing WHERE position IN
                 (SELECT MIN(position) FROM filing f WHERE status = 'queued' AND NOT EXISTS
                     (SELECT 1 FROM filing held WHERE held.referral = f.referral AND held.destination = f.destination
                      AND held.status = 'held') GROUP BY destination)
             AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY position"
        );
        self.rows(&sql, &values![now], with_body)
    }
}
