//! The trail of requests, a table with a chain for each replica. Rows are committed without waiting for the server's disk
//! (`synchronous_commit = off`): a killed replica loses none of them; the server writes them to its disk within three times
//! its `wal_writer_delay` (0.6 s unless told otherwise), and what it had not yet written is lost if the server itself fails.

use std::sync::Arc;

use tokio_postgres::Row;

use super::Snapshot;
use super::connect::Server;
use super::connection::{Batch, Connection, Failure};
use super::stripes;
use super::value::{Value, count, get, values};
use crate::store::StoreError;
use crate::store::recorder::Keep;
use crate::store::requests::{
    ChainedRequest, Hash, RequestRow, RequestView, SEGMENT, Segment, chain_start, chained, filled, segment,
};

/// How often a group is tried: once more where the connection had died.
const TRIES: u32 = 3;
/// Longest `wal_writer_delay` with which rows are on the disk within a second, milliseconds.
const LONGEST_DELAY: i64 = 300;

/// Keeps rows in the table.
pub(super) struct Keeper {
    server: Arc<Server>,
    chain: String,
    connection: Option<Connection>,
}

impl Keeper {
    /// Of a replica; connects with the first row.
    pub(super) fn new(server: Arc<Server>, chain: &str) -> Self {
        Self { server, chain: chain.to_owned(), connection: None }
    }

    fn connection(&mut self) -> Result<&mut Connection, Failure> {
        match &mut self.connection {
            Some(connection) if !connection.is_closed() => {}
            place => {
                let connection = place.insert(self.server.connect()?);
                connection.run("SET synchronous_commit = off")?;
                let sql = "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_writer_delay'";
                let delay = connection.optional(sql, &[])?.map(|row| get::<i64>(&row, 0)).transpose()?;
                if delay.is_some_and(|delay| delay > LONGEST_DELAY) {
                    tracing::warn!(
                        delay,
                        "wal_writer_delay is long: a failure of the server may lose more than a second of the trail of requests"
                    );
                }
            }
        }
        self.connection.as_mut().ok_or_else(|| Failure::Lost("PostgreSQL: not connected".to_owned()))
    }
}

impl Keep for Keeper {
    fn keep(&mut self, rows: &[RequestRow]) -> Result<(), StoreError> {
        // Where the rows of a try that may stand would have ended.
        let mut open: Option<(u64, Hash)> = None;
        for attempt in 1.. {
            let chain = self.chain.clone();
            let done = self.connection().and_then(|connection| append(connection, &chain, rows, &mut open));
            let Err(failure) = done else { return Ok(()) };
            let is_lost = matches!(failure, Failure::Lost(_));
            if is_lost || self.connection.as_mut().is_none_or(|connection| connection.run("ROLLBACK").is_err()) {
                self.connection = None;
            }
            if attempt >= TRIES || matches!(failure, Failure::Refused(_)) {
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

fn append(
    connection: &mut Connection,
    chain: &str,
    rows: &[RequestRow],
    open: &mut Option<(u64, Hash)>,
) -> Result<(), Failure> {
    let mut begin = Batch::default();
    begin.add("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", []);
    begin.add(stripes::LOCK, [Value::Number(stripes::SPACE), Value::Numbers(vec![stripes::requests(chain)])]);
    begin.add(HEAD, values![chain]);
    let answers = connection.all(&begin)?;
    let end = match answers.get(2).and_then(|rows| rows.first()) {
        Some(row) => (count(row, 0)?, hash(row, 1)?),
        None => (0, chain_start(chain)),
    };
    if let Some((position, of_try)) = open {
        let sql = "SELECT 1 FROM request WHERE chain = $1 AND position = $2 AND hash = $3";
        if connection.optional(sql, &values![chain, *position, of_try.to_vec()])?.is_some() {
            return connection.run("COMMIT");
        }
    }
    let mut hashes = Vec::with_capacity(rows.len());
    let mut last = end;
    for (position, _, hash) in chained(end, rows) {
        hashes.push(crate::ids::hex(&hash).into());
        last = (position, hash);
    }
    let mut insert = Batch::default();
    let texts = |text: fn(&RequestRow) -> &str| Value::Texts(rows.iter().map(|row| text(row).into()).collect());
    let numbers = |number: fn(&RequestRow) -> i64| Value::Numbers(rows.iter().map(number).collect());
    insert.add(
        "INSERT INTO request (chain, position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose,
             request_id, origin, hash)
         SELECT $1::text, $2::bigint + n, at, actor, role, act, target, parameters, patients, shown, outcome, purpose,
             request_id, origin, decode(hash, 'hex')
         FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                 $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[]) WITH ORDINALITY
             AS rows (at, actor, role, act, target, parameters, patients, shown, outcome, purpose, request_id, origin, hash, n)",
        vec![
            chain.into(),
            end.0.into(),
            numbers(|row| row.at),
            texts(|row| &row.actor),
            texts(|row| &row.role),
            texts(|row| &row.act),
            texts(|row| &row.target),
            texts(|row| &row.parameters),
            texts(|row| &row.patients),
            numbers(|row| row.shown.into()),
            numbers(|row| row.outcome.into()),
            texts(|row| &row.purpose),
            texts(|row| &row.request_id),
            texts(|row| &row.origin),
            Value::Texts(hashes),
        ],
    );
    connection.all(&insert)?;
    for full in filled(end.0, last.0) {
        let found = connection.query(ROWS, &values![chain, full + 1 - SEGMENT, SEGMENT])?;
        let found = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(one) = segment(&found) {
            let sql =
                "INSERT INTO request_segment (chain, last, first_at, last_at, subjects) VALUES ($1, $2, $3, $4, $5)";
            connection.query(sql, &values![chain, one.last, one.from, one.to, one.subjects])?;
        }
    }
    *open = Some(last);
    connection.run("COMMIT")
}

const HEAD: &str = "SELECT position, hash FROM request WHERE chain = $1 ORDER BY position DESC LIMIT 1";
const ROWS: &str =
    "SELECT chain, position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose,
        request_id, origin, hash
    FROM request WHERE chain = $1 AND position >= $2 ORDER BY position LIMIT $3";

fn read(row: &Row) -> Result<ChainedRequest, Failure> {
    Ok(ChainedRequest {
        chain: get(row, 0)?,
        position: count(row, 1)?,
        row: RequestRow {
            at: get(row, 2)?,
            actor: get(row, 3)?,
            role: get(row, 4)?,
            act: get(row, 5)?,
            target: get(row, 6)?,
            parameters: get(row, 7)?,
            patients: get(row, 8)?,
            // A number of another size was not written here, and no hash matches it.
            shown: u32::try_from(count(row, 9)?).unwrap_or(u32::MAX),
            outcome: u16::try_from(count(row, 10)?).unwrap_or(u16::MAX),
            purpose: get(row, 11)?,
            request_id: get(row, 12)?,
            origin: get(row, 13)?,
        },
        hash: hash(row, 14)?,
    })
}

/// A hash of another length was not written here, and matches none.
fn hash(row: &Row, at: usize) -> Result<Hash, Failure> {
    Ok(get::<&[u8]>(row, at)?.try_into().unwrap_or_default())
}

impl RequestView for Snapshot<'_> {
    fn request_chains(&self) -> Result<Vec<String>, StoreError> {
        self.chains_of("request")
    }

    fn requests(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedRequest>, StoreError> {
        self.rows(ROWS, &values![chain, from_position, limit], read)
    }

    fn request_segments(&self, chain: &str, before: u64, limit: usize) -> Result<Vec<Segment>, StoreError> {
        let sql = "SELECT last, first_at, last_at, subjects FROM request_segment
                   WHERE chain = $1 AND last < $2 ORDER BY last DESC LIMIT $3";
        self.rows(sql, &values![chain, before, limit], |row| {
            Ok(Segment { last: count(row, 0)?, from: get(row, 1)?, to: get(row, 2)?, subjects: get(row, 3)? })
        })
    }

    fn request_head(&self, chain: &str) -> Result<Option<(u64, Hash)>, StoreError> {
        self.optional(HEAD, &values![chain], |row| Ok((count(row, 0)?, hash(row, 1)?)))
    }
}
