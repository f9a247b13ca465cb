//! The outbox, seen messages and used request tokens.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use super::seals::{self, Seals};
use crate::store::StoreError;
use crate::store::deliveries::{Claim, Delivery, DeliveryView, SeenMessage};
use crate::store::sealing::{OVERHEAD, Place, Ring};

const COLUMNS: &str = "message_id, peer, stream, path, content_type, purpose, body, body_sha256, signature, status, created_at, \
                       next_attempt_at, attempts, last_error, receipt, delivered_at, body_key";

fn body<'a>(table: &'static str, row: &'a [&'a str]) -> Place<'a> {
    Place { table, row, column: "body" }
}

fn read(connection: &Connection, ring: &Ring, row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let message_id: String = row.get(0)?;
    let bytes = seals::open(connection, ring, body("delivery", &[&message_id]), row.get(16)?, row.get(6)?)?;
    Ok(Delivery {
        message_id,
        peer: row.get(1)?,
        stream: row.get(2)?,
        path: row.get(3)?,
        content_type: row.get(4)?,
        purpose: row.get(5)?,
        body: bytes,
        body_sha256: row.get(7)?,
        signature: row.get(8)?,
        status: row.get(9)?,
        created_at: row.get(10)?,
        next_attempt_at: row.get(11)?,
        attempts: row.get(12)?,
        last_error: row.get(13)?,
        receipt: row.get(14)?,
        delivered_at: row.get(15)?,
    })
}

const SEEN: &str = "peer, message_id, body_sha256, body, signature, receipt, received_at, body_key";

fn read_seen(snapshot: &Snapshot<'_>, row: &Row<'_>) -> rusqlite::Result<SeenMessage> {
    let (peer, message_id): (String, String) = (row.get(0)?, row.get(1)?);
    let row_key = [peer.as_str(), message_id.as_str()];
    let place = body("seen_message", &row_key);
    let bytes = seals::open(snapshot.connection, snapshot.ring, place, row.get(7)?, row.get(3)?)?;
    Ok(SeenMessage {
        body: bytes,
        body_sha256: row.get(2)?,
        signature: row.get(4)?,
        receipt: row.get(5)?,
        received_at: row.get(6)?,
        peer,
        message_id,
    })
}

pub(super) fn queue(connection: &Connection, seals: &Seals<'_>, delivery: &Delivery) -> rusqlite::Result<()> {
    let sealed = seals.seal(body("delivery", &[&delivery.message_id]), &delivery.body)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO delivery ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        ))?
        .execute(params![
            delivery.message_id,
            delivery.peer,
            delivery.stream,
            delivery.path,
            delivery.content_type,
            delivery.purpose,
            sealed.bytes,
            delivery.body_sha256,
            delivery.signature,
            delivery.status,
            delivery.created_at,
            delivery.next_attempt_at,
            delivery.attempts,
            delivery.last_error,
            delivery.receipt,
            delivery.delivered_at,
            sealed.key
        ])?;
    Ok(())
}

/// Leases due deliveries. Messages of one stream leave in the order they were committed: a message is not claimed while
/// an older one of its stream is still waiting, so that an update never overtakes the referral it belongs to. Those due
/// longest come first, and one peer has at most a few under lease.
pub(super) fn claim(connection: &Connection, seals: &Seals<'_>, claim: &Claim) -> rusqlite::Result<Vec<Delivery>> {
    let sql = format!(
        "WITH busy AS (
             SELECT peer, COUNT(*) AS leased FROM delivery WHERE status = 'queued' AND lease_until > ?3 GROUP BY peer),
         due AS (
             SELECT d.message_id, d.next_attempt_at, d.rowid AS place, COALESCE(busy.leased, 0)
                    + ROW_NUMBER() OVER (PARTITION BY d.peer ORDER BY d.next_attempt_at, d.rowid) AS turn
             FROM delivery d LEFT JOIN busy ON busy.peer = d.peer
             WHERE d.status = 'queued' AND d.next_attempt_at <= ?3 AND (d.lease_until IS NULL OR d.lease_until <= ?3)
             AND NOT EXISTS (SELECT 1 FROM delivery older WHERE older.peer = d.peer AND older.stream = d.stream
                             AND older.status = 'queued' AND older.rowid < d.rowid)
             AND NOT EXISTS (SELECT 1 FROM delivery held WHERE held.status = 'held' AND held.peer = d.peer
                             AND held.stream = d.stream))
         UPDATE delivery SET lease = ?1, attempts = attempts + 1,
                lease_until = strftime('%Y-%m-%dT%H:%M:%fZ', ?2, '+' || ((length(body) - CASE WHEN body_key > 0 THEN ?7 ELSE 0 END) / ?6) || ' seconds')
         WHERE message_id IN (SELECT message_id FROM due WHERE turn <= ?5 ORDER BY next_attempt_at, place LIMIT ?4)
         RETURNING {COLUMNS}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let [limit, per_peer] = [claim.limit, claim.per_peer].map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    let bytes_per_second = i64::try_from(claim.bytes_per_second.max(1)).unwrap_or(i64::MAX);
    let values = params![claim.lease, claim.lease_until, claim.now, limit, per_peer, bytes_per_second, OVERHEAD];
    statement.query_map(values, |row| read(connection, seals.ring(), row))?.collect()
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

pub(super) fn hold_waiting(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE delivery SET status = 'held', lease = NULL, lease_until = NULL WHERE status = 'queued'", [])?;
    Ok(())
}

pub(super) fn release(connection: &Connection, message_id: &str, at: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE delivery SET status = 'queued', next_attempt_at = ?2 WHERE message_id = ?1 AND status = 'held'",
        )?
        .execute([message_id, at])?;
    Ok(())
}

pub(super) fn not_seen(connection: &Connection, peer: &str, message_id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM seen_message WHERE peer = ?1 AND message_id = ?2)")?
        .query_row([peer, message_id], |row| row.get(0))
}

pub(super) fn put_seen(connection: &Connection, seals: &Seals<'_>, seen: &SeenMessage) -> rusqlite::Result<()> {
    let sealed = seals.seal(body("seen_message", &[&seen.peer, &seen.message_id]), &seen.body)?;
    connection
        .prepare_cached(
            "INSERT INTO seen_message (peer, message_id, body_sha256, body, signature, receipt, received_at, body_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            seen.peer,
            seen.message_id,
            seen.body_sha256,
            sealed.bytes,
            seen.signature,
            seen.receipt,
            seen.received_at,
            sealed.key
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
        Ok(self
            .connection
            .prepare_cached(&sql)?
            .query_row([message_id], |row| read(self.connection, self.ring, row))
            .optional()?)
    }

    fn deliveries(&self, status: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let columns = COLUMNS.replace(" body,", " x'' AS body,").replace("body_key", "0");
        let sql = format!("SELECT {columns} FROM delivery WHERE status = ?1 ORDER BY rowid LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![status, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            read(self.connection, self.ring, row)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn seen_after(&self, peer: &str, message_id: &str, limit: usize) -> Result<Vec<SeenMessage>, StoreError> {
        let sql = format!(
            "SELECT {SEEN} FROM seen_message WHERE (peer, message_id) > (?1, ?2) ORDER BY peer, message_id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![peer, message_id, limit], |row| read_seen(self, row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn seen(&self, peer: &str, message_id: &str) -> Result<Option<SeenMessage>, StoreError> {
        let sql = format!("SELECT {SEEN} FROM seen_message WHERE peer = ?1 AND message_id = ?2");
        Ok(self
            .connection
            .prepare_cached(&sql)?
            .query_row([peer, message_id], |row| read_seen(self, row))
            .optional()?)
    }
}
