//! The outbox, seen messages and used request tokens.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::deliveries::{Claim, Delivery, DeliveryView, SeenMessage};

const COLUMNS: &str = "message_id, peer, path, content_type, purpose, body, body_sha256, signature, status, created_at, \
                       next_attempt_at, attempts, last_error, receipt, delivered_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        message_id: row.get(0)?,
        peer: row.get(1)?,
        path: row.get(2)?,
        content_type: row.get(3)?,
        purpose: row.get(4)?,
        body: row.get(5)?,
        body_sha256: row.get(6)?,
        signature: row.get(7)?,
        status: row.get(8)?,
        created_at: row.get(9)?,
        next_attempt_at: row.get(10)?,
        attempts: row.get(11)?,
        last_error: row.get(12)?,
        receipt: row.get(13)?,
        delivered_at: row.get(14)?,
    })
}

pub(super) fn queue(connection: &Connection, delivery: &Delivery) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO delivery ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        ))?
        .execute(params![
            delivery.message_id,
            delivery.peer,
            delivery.path,
            delivery.content_type,
            delivery.purpose,
            delivery.body,
            delivery.body_sha256,
            delivery.signature,
            delivery.status,
            delivery.created_at,
            delivery.next_attempt_at,
            delivery.attempts,
            delivery.last_error,
            delivery.receipt,
            delivery.delivered_at
        ])?;
    Ok(())
}

/// Leases due deliveries. Messages of one peer leave in the order they were committed: a message is not claimed while
/// an older one to the same peer is still waiting, so that an update never overtakes the referral it belongs to.
pub(super) fn claim(connection: &Connection, claim: &Claim) -> rusqlite::Result<Vec<Delivery>> {
    let sql = format!(
        "UPDATE delivery SET lease = ?1, lease_until = ?2, attempts = attempts + 1 WHERE message_id IN (
             SELECT d.message_id FROM delivery d WHERE d.status = 'queued' AND d.next_attempt_at <= ?3
             AND (d.lease_until IS NULL OR d.lease_until <= ?3)
             AND NOT EXISTS (SELECT 1 FROM delivery older WHERE older.peer = d.peer AND older.status = 'queued'
                             AND older.rowid < d.rowid)
             ORDER BY d.rowid LIMIT ?4)
         RETURNING {COLUMNS}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(claim.limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![claim.lease, claim.lease_until, claim.now, limit], read)?;
    rows.collect()
}

pub(super) fn lease_held(connection: &Connection, message_id: &str, lease: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1 AND lease = ?2 AND status = 'queued')",
        )?
        .query_row([message_id, lease], |row| row.get(0))
}

pub(super) fn delivered(connection: &Connection, message_id: &str, receipt: &str, at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE delivery SET status = 'delivered', receipt = ?2, delivered_at = ?3, last_error = NULL, lease = NULL,
             lease_until = NULL WHERE message_id = ?1",
        )?
        .execute([message_id, receipt, at])?;
    Ok(())
}

pub(super) fn retry_at(connection: &Connection, message_id: &str, at: &str, error: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE delivery SET next_attempt_at = ?2, last_error = ?3, lease = NULL, lease_until = NULL
             WHERE message_id = ?1",
        )?
        .execute([message_id, at, error])?;
    Ok(())
}

pub(super) fn give_up(connection: &Connection, message_id: &str, error: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE delivery SET status = 'dead', last_error = ?2, lease = NULL, lease_until = NULL
             WHERE message_id = ?1",
        )?
        .execute([message_id, error])?;
    Ok(())
}

pub(super) fn not_seen(connection: &Connection, peer: &str, message_id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM seen_message WHERE peer = ?1 AND message_id = ?2)")?
        .query_row([peer, message_id], |row| row.get(0))
}

pub(super) fn put_seen(connection: &Connection, seen: &SeenMessage) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO seen_message (peer, message_id, body_sha256, body, signature, receipt, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            seen.peer,
            seen.message_id,
            seen.body_sha256,
            seen.body,
            seen.signature,
            seen.receipt,
            seen.received_at
        ])?;
    Ok(())
}

pub(super) fn token_unused(connection: &Connection, peer: &str, jti: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM used_token WHERE peer = ?1 AND jti = ?2)")?
        .query_row([peer, jti], |row| row.get(0))
}

/// Remembers a token id; those that expired long before this one are forgotten on the way, so the table stays small.
pub(super) fn use_token(connection: &Connection, peer: &str, jti: &str, expires_at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM used_token WHERE expires_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?1, '-1 hour')")?
        .execute([expires_at])?;
    connection
        .prepare_cached("INSERT INTO used_token (peer, jti, expires_at) VALUES (?1, ?2, ?3)")?
        .execute([peer, jti, expires_at])?;
    Ok(())
}

impl DeliveryView for Snapshot<'_> {
    fn delivery(&self, message_id: &str) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM delivery WHERE message_id = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([message_id], read).optional()?)
    }

    fn deliveries(&self, status: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let columns = COLUMNS.replace(" body,", " x'' AS body,");
        let sql = format!("SELECT {columns} FROM delivery WHERE status = ?1 ORDER BY rowid LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![status, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn seen(&self, peer: &str, message_id: &str) -> Result<Option<SeenMessage>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT peer, message_id, body_sha256, body, signature, receipt, received_at FROM seen_message
                 WHERE peer = ?1 AND message_id = ?2",
            )?
            .query_row([peer, message_id], |row| {
                Ok(SeenMessage {
                    peer: row.get(0)?,
                    message_id: row.get(1)?,
                    body_sha256: row.get(2)?,
                    body: row.get(3)?,
                    signature: row.get(4)?,
                    receipt: row.get(5)?,
                    received_at: row.get(6)?,
                })
            })
            .optional()?)
    }
}
