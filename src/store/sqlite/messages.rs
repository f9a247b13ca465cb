//! Received messages.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::numbers::Numbers;
use super::seals::{self, Seals};
use super::{Snapshot, reports};
use crate::store::StoreError;
use crate::store::messages::{MessageCounts, MessageFilter, MessageRecord, MessageStatus, MessageView, SeenFile};
use crate::store::sealing::Place;

const COLUMNS: &str = "id, channel, source, kind, control_id, received_at, sha256, status, reason, losses, resources, \
                       patient";

fn read(connection: &Connection, row: &Row<'_>, raw: Vec<u8>) -> rusqlite::Result<MessageRecord> {
    let status: String = row.get(7)?;
    Ok(MessageRecord {
        id: row.get(0)?,
        channel: row.get(1)?,
        source: row.get(2)?,
        kind: row.get(3)?,
        control_id: row.get(4)?,
        received_at: row.get(5)?,
        raw,
        sha256: row.get(6)?,
        status: MessageStatus::parse(&status).unwrap_or(MessageStatus::Quarantined),
        reason: row.get(8)?,
        losses: reports::expand(connection, row.get_ref(9)?)?,
        resources: row.get(10)?,
        patient: row.get(11)?,
    })
}

fn raw<'a>(id: &'a [&'a str]) -> Place<'a> {
    Place { table: "message", row: id, column: "raw" }
}

pub(super) fn record(
    connection: &Connection,
    seals: &Seals<'_>,
    numbers: &mut Numbers,
    message: &MessageRecord,
) -> rusqlite::Result<()> {
    let sealed = seals.seal(raw(&[&message.id]), &message.raw)?;
    let losses = match &message.losses {
        Some(losses) => Some(reports::compact(connection, numbers, losses)?),
        None => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO message (id, channel, source, kind, control_id, received_at, raw, sha256, status, reason,
             losses, resources, patient, raw_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            message.id,
            message.channel,
            message.source,
            message.kind,
            message.control_id,
            message.received_at,
            sealed.bytes,
            message.sha256,
            message.status.as_str(),
            message.reason,
            losses,
            message.resources,
            message.patient,
            sealed.key
        ])?;
    Ok(())
}

pub(super) fn saw_file(connection: &Connection, file: &SeenFile) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO seen_file (channel, feed, source, fingerprint, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute([&file.channel, &file.feed, &file.source, &file.fingerprint, &file.sha256])?;
    Ok(())
}

impl MessageView for Snapshot<'_> {
    fn message(&self, id: &str) -> Result<Option<MessageRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, raw, raw_key FROM message WHERE id = ?1");
        let found = self
            .connection
            .prepare_cached(&sql)?
            .query_row([id], |row| {
                let opened = seals::open(self.connection, self.ring, raw(&[id]), row.get(13)?, row.get(12)?)?;
                read(self.connection, row, opened)
            })
            .optional()?;
        Ok(found)
    }

    fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageRecord>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM message WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR channel = ?2)
             ORDER BY position DESC LIMIT ?3 OFFSET ?4"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                filter.status.map(MessageStatus::as_str),
                filter.channel,
                i64::try_from(filter.limit).unwrap_or(i64::MAX),
                i64::try_from(filter.offset).unwrap_or(i64::MAX)
            ],
            |row| read(self.connection, row, Vec::new()),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn is_known(&self, channel: &str, source: &str, sha256: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE sha256 = ?3 AND channel = ?1 AND source = ?2)";
        Ok(self.connection.prepare_cached(sql)?.query_row([channel, source, sha256], |row| row.get(0))?)
    }

    fn seen_file(&self, channel: &str, feed: &str, source: &str) -> Result<Option<SeenFile>, StoreError> {
        let sql = "SELECT fingerprint, sha256 FROM seen_file WHERE channel = ?1 AND feed = ?2 AND source = ?3";
        let read = |row: &Row<'_>| {
            let [channel, feed, source] = [channel, feed, source].map(str::to_owned);
            Ok(SeenFile { channel, feed, source, fingerprint: row.get(0)?, sha256: row.get(1)? })
        };
        Ok(self.connection.prepare_cached(sql)?.query_row([channel, feed, source], read).optional()?)
    }

    fn message_counts(&self) -> Result<MessageCounts, StoreError> {
        let sql = "SELECT COUNT(*), COUNT(*) FILTER (WHERE status = 'translated'),
                   COUNT(*) FILTER (WHERE status = 'quarantined') FROM message";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(MessageCounts { received: row.get(0)?, translated: row.get(1)?, quarantined: row.get(2)? })
        })?)
    }
}
