//! Carrying a SQLite node over: every table, in one transaction, compared row by row before it is committed. Whatever goes
//! wrong on the way leaves the target as empty as it was; the SQLite file is only read. What is sealed in it is opened.

use std::path::Path;

use rusqlite::types::ValueRef;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connect::Server;
use super::connection::{Batch, Connection, Failure};
use super::migrate;
use super::numbers::fitting;
use super::postings::Postings;
use super::value::{Value, get};
use crate::config::PostgresConfig;
use crate::store::keys::Keys;
use crate::store::sealing::{MasterSource, Place, Ring};
use crate::store::{StoreError, sqlite};

/// Rows sent in one journey at most, and their bytes.
const ROWS: usize = 500;
const BYTES: usize = 4 << 20;
/// Rows read back in one journey.
const READ_BACK: usize = 100;

/// A table, the columns it has, and where they are read from.
struct Table {
    name: &'static str,
    columns: &'static str,
    /// What SQLite is asked for, column by column; the rows in the order in which they are to come. Behind the columns the
    /// numbers of the keys of sealed values.
    from: &'static str,
    sealed: &'static [SealedColumn],
}

/// A column whose values are sealed in SQLite; places count the columns.
struct SealedColumn {
    name: &'static str,
    value: usize,
    key: usize,
    /// The primary key that the value is bound to.
    row: &'static [usize],
}

const fn table(name: &'static str, columns: &'static str, from: &'static str) -> Table {
    Table { name, columns, from, sealed: &[] }
}

const fn sealed(name: &'static str, value: usize, key: usize, row: &'static [usize]) -> SealedColumn {
    SealedColumn { name, value, key, row }
}

const TABLES: &[Table] = &[
    table("word", "number, text", "SELECT number, text FROM word"),
    table("address", "position, kind, id", "SELECT position, kind, id FROM address"),
    table(
        "resource",
        "position, patient, kind, version, last_updated, event_time, message_id, json",
        "SELECT position, ifnull(patient, 0), kind, version, last_updated, event_time, message_id, json FROM resource
         ORDER BY position",
    ),
    table(
        "resource_history",
        "position, patient, version, last_updated, event_time, message_id, json",
        "SELECT h.position, ifnull(r.patient, 0), h.version, h.last_updated, h.event_time, h.message_id, h.json
         FROM resource_history h LEFT JOIN resource r ON r.position = h.position ORDER BY h.position, h.version",
    ),
    table(
        "search_entry",
        "position, patient, kind, updated, keys",
        "SELECT position, ifnull(patient, 0), kind, updated, keys FROM search_entry ORDER BY position",
    ),
    Table {
        sealed: &[sealed("raw", 7, 14, &[1])],
        ..table(
            "message",
            "position, id, channel, source, kind, control_id, received_at, raw, sha256, status, reason, losses, resources,
         patient",
            "SELECT position, id, channel, source, kind, control_id, received_at, raw, sha256, status, reason, losses,
         resources, patient, raw_key FROM message ORDER BY position",
        )
    },
    table(
        "loss_total",
        "day, channel, kind, field, outcome, reason, seen",
        "SELECT day, channel, kind, field, outcome, reason, seen FROM loss_total",
    ),
    table(
        "seen_file",
        "channel, feed, source, fingerprint, sha256",
        "SELECT channel, feed, source, fingerprint, sha256 FROM seen_file",
    ),
    table(
        "peer",
        "id, names, country, url, certificate_sha256, signing_key, status, paired_at, services",
        "SELECT id, names, country, url, certificate_sha256, signing_key, status, paired_at, services FROM peer",
    ),
    table(
        "signing_key",
        "place, institution, jwk, since",
        "SELECT rowid, institution, jwk, since FROM signing_key ORDER BY rowid",
    ),
    table("invite", "secret_sha256, expires_at, used", "SELECT secret_sha256, expires_at, used FROM invite"),
    Table {
        sealed: &[sealed("body", 7, 19, &[1])],
        ..table(
            "delivery",
            "place, message_id, peer, stream, path, content_type, purpose, body, body_sha256, signature, status, created_at,
         next_attempt_at, attempts, last_error, receipt, delivered_at, lease, lease_until",
            "SELECT rowid, message_id, peer, stream, path, content_type, purpose, body, body_sha256, signature, status,
         created_at, next_attempt_at, attempts, last_error, receipt, delivered_at, lease, lease_until, body_key FROM delivery
         ORDER BY rowid",
        )
    },
    Table {
        sealed: &[sealed("body", 3, 7, &[0, 1])],
        ..table(
            "seen_message",
            "peer, message_id, body_sha256, body, signature, receipt, received_at",
            "SELECT peer, message_id, body_sha256, body, signature, receipt, received_at, body_key FROM seen_message",
        )
    },
    table("used_token", "peer, jti, expires_at", "SELECT peer, jti, expires_at FROM used_token"),
    Table {
        sealed: &[sealed("body", 7, 17, &[1])],
        ..table(
            "filing",
            "position, id, destination, referral, kind, control_id, path, body, status, created_at, next_attempt_at, attempts,
         last_error, answer, filed_at, lease, lease_until",
            "SELECT position, id, destination, referral, kind, control_id, path, body, status, created_at, next_attempt_at,
         attempts, last_error, answer, filed_at, lease, lease_until, body_key FROM filing ORDER BY position",
        )
    },
    Table {
        sealed: &[sealed("asked", 2, 12, &[0])],
        ..table(
            "export",
            "id, owner, asked, moment, status, reached, resources, error, created_at, expires_at, lease, lease_until",
            "SELECT id, owner, asked, moment, status, reached, resources, error, created_at, expires_at, lease, lease_until,
         asked_key FROM export",
        )
    },
    Table {
        sealed: &[sealed("bytes", 8, 9, &[0, 1])],
        ..table(
            "export_piece",
            "export, piece, file, number, resources, length, crc, stored, bytes",
            "SELECT export, piece, file, number, resources, length, crc, stored, bytes, bytes_key FROM export_piece",
        )
    },
    Table {
        sealed: &[sealed("package", 10, 14, &[0]), sealed("outcome", 11, 15, &[0])],
        ..table(
            "referral",
            "id, role, peer, patient, patient_name, status, business_status, service, priority, message_id, package, outcome,
         created_at, updated_at",
            "SELECT id, role, peer, patient, patient_name, status, business_status, service, priority, message_id, package,
         outcome, created_at, updated_at, package_key, outcome_key FROM referral",
        )
    },
    table(
        "referral_event",
        "position, referral, event, institution, actor, from_status, to_status, note, message_id, at",
        "SELECT position, referral, event, institution, actor, from_status, to_status, note, message_id, at
         FROM referral_event ORDER BY position",
    ),
    table("cohort_question", "sha256, json, asked_by, asked_at", "SELECT sha256, json, asked_by, asked_at FROM cohort_question"),
    table(
        "cohort_answer",
        "question_sha256, node, status, count, evidence, reason, answered_at",
        "SELECT question_sha256, node, status, count, evidence, reason, answered_at FROM cohort_answer",
    ),
    table(
        "sign_in_link",
        "secret_sha256, person, role, expires_at, used",
        "SELECT secret_sha256, user, role, expires_at, used FROM sign_in_link",
    ),
    table(
        "session",
        "secret_sha256, person, role, form_token, expires_at",
        "SELECT secret_sha256, user, role, form_token, expires_at FROM session",
    ),
    table(
        "api_token",
        "secret_sha256, role, expires_at, client, scope",
        "SELECT secret_sha256, role, expires_at, client, scope FROM api_token",
    ),
    table(
        "client",
        "id, scope, keys, keys_url, clearance, purpose, actors, registered_at",
        "SELECT id, scope, keys, keys_url, clearance, purpose, actors, registered_at FROM client",
    ),
    table(
        "audit",
        "chain, position, at, actor, action, target, detail, hash",
        "SELECT '', position, at, actor, action, target, detail, hash FROM audit ORDER BY position",
    ),
    table(
        "request",
        "chain, position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose, request_id, origin, hash",
        "SELECT '', position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose, request_id, origin,
         hash FROM requests.request ORDER BY position",
    ),
    table(
        "request_segment",
        "chain, last, first_at, last_at, subjects",
        "SELECT '', last, first_at, last_at, subjects FROM requests.request_segment ORDER BY last",
    ),
];

/// Columns that count by themselves, and go on behind what was carried over.
const COUNTED: &[(&str, &str)] = &[
    ("word", "number"),
    ("address", "position"),
    ("message", "position"),
    ("signing_key", "place"),
    ("delivery", "place"),
    ("filing", "position"),
    ("referral_event", "position"),
    ("audit", "place"),
];

/// What was carried over: rows by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Tables and their rows, each row compared with its original.
    pub tables: Vec<(String, u64)>,
    /// Rows that lead to the resources, made anew.
    pub search_rows: u64,
}

/// Carries a SQLite file over into an empty database. The node must not be running: what it writes meanwhile would stay
/// behind, and is refused. `step` is told each table when it is done.
pub fn carry(
    file: &Path,
    master: MasterSource,
    settings: &PostgresConfig,
    step: &mut dyn FnMut(&str, u64),
) -> Result<Carried, StoreError> {
    super::may_be_plain(settings)?;
    let (source, ring) = sqlite::open_to_read(file, master)?;
    let version_before: i64 = source.query_row("PRAGMA data_version", [], |row| row.get(0))?;
    let has_requests = sqlite::attach_requests(&source, file)?;
    source.execute_batch("BEGIN")?;
    let server = Server::of(settings)?;
    let mut target = server.connect()?;
    migrate::migrate(&mut target)?;
    target.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 0")?;
    // Whoever else uses the database waits, and finds a node in it.
    target.run("LOCK TABLE word, address, resource, message, audit, peer IN EXCLUSIVE MODE")?;
    refuse_unless_empty(&mut target)?;
    let mut carried = Carried::default();
    for table in TABLES.iter().filter(|table| has_requests || !table.from.contains(" requests.")) {
        let sent = copy((&source, &ring), &mut target, table, &mut carried.search_rows)?;
        let kept = read_back(&mut target, table)?;
        if sent != kept {
            return Err(StoreError::Database(format!(
                "table {}: {} rows were read and {} are kept, or one of them differs; nothing was carried over",
                table.name, sent.rows, kept.rows
            )));
        }
        step(table.name, sent.rows);
        carried.tables.push((table.name.to_owned(), sent.rows));
    }
    let (edition, reached): (i64, i64) =
        source.query_row("SELECT edition, reached FROM search_state", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    target.query("UPDATE search_state SET edition = $1, reached = $2", &[edition.into(), reached.into()])?;
    for (table, column) in COUNTED {
        target.run(&format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), GREATEST((SELECT MAX({column}) FROM {table}), 1))"
        ))?;
    }
    source.execute_batch("COMMIT")?;
    let version_after: i64 = source.query_row("PRAGMA data_version", [], |row| row.get(0))?;
    if version_before != version_after {
        return Err(StoreError::Settings(
            "the node wrote to its SQLite file meanwhile, so nothing was carried over; stop it and start over"
                .to_owned(),
        ));
    }
    target.run("COMMIT")?;
    // Only helps the server to plan; it does so by itself after a while.
    let _ = target.run("ANALYZE");
    Ok(carried)
}

fn refuse_unless_empty(target: &mut Connection) -> Result<(), StoreError> {
    for table in TABLES {
        if target.is(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.name), &[])? {
            return Err(StoreError::Settings(format!(
                "the PostgreSQL database holds a node already (table {} is not empty); name an empty one",
                table.name
            )));
        }
    }
    Ok(())
}

/// How many rows, and the sum of their digests: the same rows give the same in any order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digest: u128,
}

impl Sum {
    fn add(&mut self, row: &[Value<'_>]) {
        let mut bytes = Vec::new();
        for value in row {
            let (sort, content): (u8, &[u8]) = match value {
                Value::Text(text) => (b't', text.as_bytes()),
                Value::Owned(text) => (b't', text.as_bytes()),
                Value::Bytes(content) => (b'b', content),
                Value::Blob(content) => (b'b', content),
                Value::Number(number) => (b'n', &number.to_be_bytes()),
                _ => (b'0', &[]),
            };
            bytes.push(sort);
            bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
            bytes.extend_from_slice(content);
        }
        let digest = crate::ids::sha256_hex(&bytes);
        let digest = digest.get(..32).and_then(|half| u128::from_str_radix(half, 16).ok()).unwrap_or_default();
        self.rows += 1;
        self.digest = self.digest.wrapping_add(digest);
    }
}

fn copy(
    (source, ring): (&rusqlite::Connection, &Ring),
    target: &mut Connection,
    table: &Table,
    search_rows: &mut u64,
) -> Result<Sum, StoreError> {
    let columns = table.columns.split(',').count();
    let marks: Vec<String> = (1..=columns).map(|place| format!("${place}")).collect();
    let insert = format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.columns, marks.join(", "));
    let mut sum = Sum::default();
    let mut statement = source.prepare(table.from)?;
    let mut rows = statement.query([])?;
    let mut is_last = false;
    while !is_last {
        let mut page: Vec<Vec<Value<'_>>> = Vec::new();
        let mut bytes = 0;
        while page.len() < ROWS && bytes < BYTES {
            let Some(row) = rows.next()? else {
                is_last = true;
                break;
            };
            let values = (0..columns).map(|place| value(source, table, place, row.get_ref(place)?));
            let mut values: Vec<Value<'_>> = values.collect::<Result<_, StoreError>>()?;
            for column in table.sealed {
                open((source, ring), table, column, row.get(column.key)?, &mut values)?;
            }
            bytes += values.iter().map(size).sum::<usize>();
            sum.add(&values);
            page.push(values);
        }
        send(target, table, &insert, &page, search_rows)?;
    }
    Ok(sum)
}

fn send<'a>(
    target: &mut Connection,
    table: &Table,
    insert: &'a str,
    page: &'a [Vec<Value<'a>>],
    search_rows: &mut u64,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    for values in page {
        batch.add(insert, values.clone());
    }
    if table.name == "search_entry" {
        let mut postings = Postings::default();
        for values in page {
            if let [Value::Number(position), Value::Number(patient), _, _, Value::Blob(keys)] = values.as_slice() {
                for key in Keys(keys) {
                    *search_rows += u64::from(postings.add(&key, *position, *patient));
                }
            }
        }
        postings.write(&mut batch);
    }
    target.all(&batch).map(drop)
}

/// Puts what is in a sealed value in its place.
fn open(
    (source, ring): (&rusqlite::Connection, &Ring),
    table: &Table,
    column: &SealedColumn,
    key: u32,
    values: &mut [Value<'_>],
) -> Result<(), StoreError> {
    let row: Vec<String> = column
        .row
        .iter()
        .map(|place| match values.get(*place) {
            Some(Value::Owned(text)) => text.clone(),
            _ => String::new(),
        })
        .collect();
    let row: Vec<&str> = row.iter().map(String::as_str).collect();
    if let Some(Value::Blob(bytes)) = values.get_mut(column.value) {
        let place = Place { table: table.name, row: &row, column: column.name };
        *bytes = sqlite::opened(source, ring, place, key, std::mem::take(bytes))?;
    }
    Ok(())
}

/// A value as PostgreSQL keeps it.
fn value(
    source: &rusqlite::Connection,
    table: &Table,
    place: usize,
    found: ValueRef<'_>,
) -> Result<Value<'static>, StoreError> {
    // Loss reports stand in numbers in SQLite.
    if table.name == "message" && place == 11 {
        let report = sqlite::report(source, found)?;
        return Ok(report.map_or(Value::Null, |report| Value::Owned(text(&report))));
    }
    Ok(match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(bytes) => {
            let kept = text(&String::from_utf8_lossy(bytes));
            let short = matches!((table.name, place), ("word", 1) | ("address", 2));
            Value::Owned(if short { fitting(&kept).into_owned() } else { kept })
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Real(_) => {
            return Err(StoreError::Database(format!(
                "table {}: a number with a fraction is not expected",
                table.name
            )));
        }
    })
}

/// See [`super::value`]: PostgreSQL keeps no U+0000.
fn text(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Owned(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

/// Reads a table back inside the transaction.
fn read_back(target: &mut Connection, table: &Table) -> Result<Sum, Failure> {
    let cursor = format!("carried_{}", table.name);
    target.run(&format!("DECLARE {cursor} NO SCROLL CURSOR FOR SELECT {} FROM {}", table.columns, table.name))?;
    let mut sum = Sum::default();
    loop {
        let rows = target.query(&format!("FETCH {READ_BACK} FROM {cursor}"), &[])?;
        for row in &rows {
            sum.add(&kept(row)?);
        }
        if rows.len() < READ_BACK {
            break;
        }
    }
    target.run(&format!("CLOSE {cursor}"))?;
    Ok(sum)
}

fn kept(row: &Row) -> Result<Vec<Value<'static>>, Failure> {
    let mut values = Vec::with_capacity(row.len());
    for (place, column) in row.columns().iter().enumerate() {
        values.push(match *column.type_() {
            Type::INT8 => get::<Option<i64>>(row, place)?.map_or(Value::Null, Value::Number),
            Type::BOOL => get::<Option<bool>>(row, place)?.map_or(Value::Null, |truth| Value::Number(truth.into())),
            Type::BYTEA => get::<Option<Vec<u8>>>(row, place)?.map_or(Value::Null, Value::Blob),
            _ => get::<Option<String>>(row, place)?.map_or(Value::Null, Value::Owned),
        });
    }
    Ok(values)
}
