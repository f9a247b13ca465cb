//! The outbox, seen messages and used request tokens.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{get, values};
use crate::store::StoreError;
use crate::store::deliveries::{Claim, Delivery, DeliveryView, SeenMessage};

const COLUMNS: &str = "message_id, peer, stream, path, content_type, purpose, body, body_sha256, signature, status, created_at, \
                       next_attempt_at, attempts, last_error, receipt, delivered_at";

fn read(row: &Row) -> Result<Delivery, Failure> {
    Ok(Delivery {
        message_id: get(row, 0)?,
        peer: get(row, 1)?,
        stream: get(row, 2)?,
        path: get(row, 3)?,
        content_type: get(row, 4)?,
        purpose: get(row, 5)?,
        body: get(row, 6)?,
        body_sha256: get(row, 7)?,
        signature: get(row, 8)?,
        status: get(row, 9)?,
        created_at: get(row, 10)?,
        next_attempt_at: get(row, 11)?,
        attempts: u32::try_from(get::<i64>(row, 12)?).unwrap_or(u32::MAX),
        last_error: get(row, 13)?,
        receipt: get(row, 14)?,
        delivered_at: get(row, 15)?,
    })
}

const SEEN: &str = "peer, message_id, body_sha256, body, signature, receipt, received_at";

fn read_seen(row: &Row) -> Result<SeenMessage, Failure> {
    Ok(SeenMessage {
        peer: get(row, 0)?,
        message_id: get(row, 1)?,
        body_sha256: get(row, 2)?,
        body: get(row, 3)?,
        signature: get(row, 4)?,
        receipt: get(row, 5)?,
        received_at: get(row, 6)?,
    })
}

pub(super) fn queue<'a>(batch: &mut Batch<'a>, delivery: &'a Delivery) {
    batch.add(
        "INSERT INTO delivery (message_id, peer, stream, path, content_type, purpose, body, body_sha256, signature, status,
         created_at, next_attempt_at, attempts, last_error, receipt, delivered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        values![
            &delivery.message_id,
            &delivery.peer,
            &delivery.stream,
            &delivery.path,
            &delivery.content_type,
            &delivery.purpose,
            &delivery.body,
            &delivery.body_sha256,
            &delivery.signature,
            &delivery.status,
            &delivery.created_at,
            &delivery.next_attempt_at,
            delivery.attempts,
            &delivery.last_error,
            &delivery.receipt,
            &delivery.delivered_at
        ],
    );
}

/// Leases due deliveries, inside a transaction that holds the lock of claims. Messages of one stream leave in the order
/// they were committed: a message is not claimed while an older one of its stream is still waiting, so that an update
/// never overtakes the referral it belongs to. Those due longest come first, and one peer has at most a few under lease.
/// A row that a commit is just about to change is passed over.
pub(super) fn claim(connection: &mut Connection, claim: &Claim) -> Result<Vec<Delivery>, Failure> {
    let due = "WITH busy AS (
             SELECT peer, COUNT(*) AS leased FROM delivery WHERE status = 'queued' AND lease_until > $1 GROUP BY peer),
         due AS (
             SELECT d.message_id, d.next_attempt_at, d.place, COALESCE(busy.leased, 0)
                    + ROW_NUMBER() OVER (PARTITION BY d.peer ORDER BY d.next_attempt_at, d.place) AS turn
             FROM delivery d LEFT JOIN busy ON busy.peer = d.peer
             WHERE d.status = 'queued' AND d.next_attempt_at <= $1 AND (d.lease_until IS NULL OR d.lease_until <= $1)
             AND NOT EXISTS (SELECT 1 FROM delivery older WHERE older.peer = d.peer AND older.stream = d.stream
                             AND older.status = 'queued' AND older.place < d.place)
             AND NOT EXISTS (SELECT 1 FROM delivery held WHERE held.status = 'held' AND held.peer = d.peer
                             AND held.stream = d.stream)),
         chosen AS (SELECT message_id FROM due WHERE turn <= $3 ORDER BY next_attempt_at, place LIMIT $2)
         SELECT message_id FROM delivery WHERE message_id IN (SELECT message_id FROM chosen)
         AND status = 'queued' AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
         FOR UPDATE SKIP LOCKED";
    let ids: Vec<String> = connection
        .query(due, &values![&claim.now, claim.limit, claim.per_peer])?
        .iter()
        .map(|row| get(row, 0))
        .collect::<Result<_, _>>()?;
    let ids: Vec<Cow<'_, str>> = ids.into_iter().map(Cow::Owned).collect();
    let sql = format!(
        "UPDATE delivery SET lease = $1, attempts = attempts + 1,
                lease_until = to_char(($2::text::timestamptz + (octet_length(body) / $3) * interval '1 second')
                    AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
         WHERE message_id = ANY($4) RETURNING {COLUMNS}"
    );
    let bytes_per_second = claim.bytes_per_second.max(1);
    let values = values![&claim.lease, &claim.lease_until, bytes_per_second, ids];
    connection.query(&sql, &values)?.iter().map(read).collect()
}

/// Locks the row, so that no claim takes it before the commit.
pub(super) fn lease_held(connection: &mut Connection, message_id: &str, lease: &str) -> Result<bool, Failure> {
    let sql = "SELECT true FROM delivery WHERE message_id = $1 AND lease = $2 AND status = 'queued' FOR UPDATE";
    connection.is(sql, &values![message_id, lease])
}

pub(super) fn delivered<'a>(batch: &mut Batch<'a>, message_id: &'a str, receipt: &'a str, at: &'a str) {
    batch.add(
        "UPDATE delivery SET status = 'delivered', receipt = $2, delivered_at = $3, last_error = NULL, lease = NULL,
         lease_until = NULL WHERE message_id = $1",
        values![message_id, receipt, at],
    );
}

pub(super) fn retry_at<'a>(batch: &mut Batch<'a>, message_id: &'a str, at: &'a str, error: &'a str) {
    batch.add(
        "UPDATE delivery SET next_attempt_at = $2, last_error = $3, lease = NULL, lease_until = NULL WHERE message_id = $1",
        values![message_id, at, error],
    );
}

pub(super) fn give_up<'a>(batch: &mut Batch<'a>, message_id: &'a str, error: &'a str) {
    batch.add(
        "UPDATE delivery SET status = 'dead', last_error = $2, lease = NULL, lease_until = NULL WHERE message_id = $1",
        values![message_id, error],
    );
}

pub(super) fn hold_waiting(batch: &mut Batch<'_>) {
    batch.add(
        "UPDATE delivery SET status = 'held', lease = NULL, lease_until = NULL WHERE status = 'queued'",
        values![],
    );
}

pub(super) fn release<'a>(batch: &mut Batch<'a>, message_id: &'a str, at: &'a str) {
    batch.add(
        "UPDATE delivery SET status = 'queued', next_attempt_at = $2 WHERE message_id = $1 AND status = 'held'",
        values![message_id, at],
    );
}

pub(super) fn not_seen(connection: &mut Connection, peer: &str, message_id: &str) -> Result<bool, Failure> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM seen_message WHERE peer = $1 AND message_id = $2)";
    connection.is(sql, &values![peer, message_id])
}

pub(super) fn put_seen<'a>(batch: &mut Batch<'a>, seen: &'a SeenMessage) {
    batch.add(
        "INSERT INTO seen_message (peer, message_id, body_sha256, body, signature, receipt, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        values![
            &seen.peer,
            &seen.message_id,
            &seen.body_sha256,
            &seen.body,
            &seen.signature,
            &seen.receipt,
            &seen.received_at
        ],
    );
}

pub(super) fn token_unused(connection: &mut Connection, peer: &str, jti: &str) -> Result<bool, Failure> {
    connection.is("SELECT NOT EXISTS (SELECT 1 FROM used_token WHERE peer = $1 AND jti = $2)", &values![peer, jti])
}

/// Remembers a token id; those that expired long before this one are forgotten on the way, so the table stays small.
/// What another replica is just forgetting is passed over.
pub(super) fn use_token<'a>(batch: &mut Batch<'a>, peer: &'a str, jti: &'a str, expires_at: &'a str) {
    batch.add(
        "DELETE FROM used_token WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM used_token WHERE expires_at <
                 to_char(($1::text::timestamptz - interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
             LIMIT 1000 FOR UPDATE SKIP LOCKED))",
        values![expires_at],
    );
    batch.add("INSERT INTO used_token (peer, jti, expires_at) VALUES ($1, $2, $3)", values![peer, jti, expires_at]);
}

impl DeliveryView for Snapshot<'_> {
    fn delivery(&self, message_id: &str) -> Result<Option<Delivery>, StoreError> {
        self.optional(&format!("SELECT {COLUMNS} FROM delivery WHERE message_id = $1"), &values![message_id], read)
    }

    fn deliveries(&self, status: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let columns = COLUMNS.replace(" body,", " ''::bytea AS body,");
        let sql = format!("SELECT {columns} FROM delivery WHERE status = $1 ORDER BY place LIMIT $2");
        self.rows(&sql, &values![status, limit], read)
    }

    fn seen_after(&self, peer: &str, message_id: &str, limit: usize) -> Result<Vec<SeenMessage>, StoreError> {
        let sql = format!(
            "SELECT {SEEN} FROM seen_message WHERE (peer, message_id) > ($1, $2) ORDER BY peer, message_id LIMIT $3"
        );
        self.rows(&sql, &values![peer, message_id, limit], read_seen)
    }

    fn seen(&self, peer: &str, message_id: &str) -> Result<Option<SeenMessage>, StoreError> {
        let sql = format!("SELECT {SEEN} FROM seen_message WHERE peer = $1 AND message_id = $2");
        self.optional(&sql, &values![peer, message_id], read_seen)
    }
}
