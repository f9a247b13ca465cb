//! Received messages.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Failure};
use super::value::{count, get, values};
use crate::store::StoreError;
use crate::store::messages::{MessageCounts, MessageFilter, MessageRecord, MessageStatus, MessageView, SeenFile};

const COLUMNS: &str = "id, channel, source, kind, control_id, received_at, sha256, status, reason, losses, resources, \
                       patient";

fn read(row: &Row, raw: Vec<u8>) -> Result<MessageRecord, Failure> {
    let status: String = get(row, 7)?;
    Ok(MessageRecord {
        id: get(row, 0)?,
        channel: get(row, 1)?,
        source: get(row, 2)?,
        kind: get(row, 3)?,
        control_id: get(row, 4)?,
        received_at: get(row, 5)?,
        raw,
        sha256: get(row, 6)?,
        status: MessageStatus::parse(&status).unwrap_or(MessageStatus::Quarantined),
        reason: get(row, 8)?,
        losses: get(row, 9)?,
        resources: get(row, 10)?,
        patient: get(row, 11)?,
    })
}

pub(super) fn record<'a>(batch: &mut Batch<'a>, message: &'a MessageRecord) {
    batch.add(
        "INSERT INTO message (id, channel, source, kind, control_id, received_at, raw, sha256, status, reason, losses,
         resources, patient) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        values![
            &message.id,
            &message.channel,
            &message.source,
            &message.kind,
            &message.control_id,
            &message.received_at,
            &message.raw,
            &message.sha256,
            message.status.as_str(),
            &message.reason,
            &message.losses,
            &message.resources,
            &message.patient
        ],
    );
}

pub(super) fn saw_file<'a>(batch: &mut Batch<'a>, file: &'a SeenFile) {
    batch.add(
        "INSERT INTO seen_file (channel, feed, source, fingerprint, sha256) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (channel, feed, source) DO UPDATE SET fingerprint = $4, sha256 = $5",
        values![&file.channel, &file.feed, &file.source, &file.fingerprint, &file.sha256],
    );
}

impl MessageView for Snapshot<'_> {
    fn message(&self, id: &str) -> Result<Option<MessageRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, raw FROM message WHERE id = $1");
        self.optional(&sql, &values![id], |row| read(row, get(row, 12)?))
    }

    fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageRecord>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM message WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR channel = $2)
             ORDER BY position DESC LIMIT $3 OFFSET $4"
        );
        let status = filter.status.map(MessageStatus::as_str);
        self.rows(&sql, &values![status, &filter.channel, filter.limit, filter.offset], |row| read(row, Vec::new()))
    }

    fn is_known(&self, channel: &str, source: &str, sha256: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE sha256 = $3 AND channel = $1 AND source = $2)";
        Ok(self.optional(sql, &values![channel, source, sha256], |row| get(row, 0))?.unwrap_or(false))
    }

    fn seen_file(&self, channel: &str, feed: &str, source: &str) -> Result<Option<SeenFile>, StoreError> {
        let sql = "SELECT fingerprint, sha256 FROM seen_file WHERE channel = $1 AND feed = $2 AND source = $3";
        self.optional(sql, &values![channel, feed, source], |row| {
            let [channel, feed, source] = [channel, feed, source].map(str::to_owned);
            Ok(SeenFile { channel, feed, source, fingerprint: get(row, 0)?, sha256: get(row, 1)? })
        })
    }

    fn message_counts(&self) -> Result<MessageCounts, StoreError> {
        let sql = "SELECT COUNT(*), COUNT(*) FILTER (WHERE status = 'translated'),
                   COUNT(*) FILTER (WHERE status = 'quarantined') FROM message";
        let counts = self.optional(sql, &[], |row| {
            Ok(MessageCounts { received: count(row, 0)?, translated: count(row, 1)?, quarantined: count(row, 2)? })
        })?;
        Ok(counts.unwrap_or_default())
    }
}
