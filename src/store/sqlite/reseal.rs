//! Brings every sealed value under the present data key, a few rows a commit, beside the writer and other processes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::seals::{self, Seals};
use crate::store::sealing::{PLAIN, Place, Ring};
use crate::store::{Resealed, StoreError};

/// Where sealed values stand.
struct Column {
    table: &'static str,
    /// The primary key: one column or two.
    row: [&'static str; 2],
    value: &'static str,
    key: &'static str,
}

const fn column(table: &'static str, row: &'static str, value: &'static str, key: &'static str) -> Column {
    Column { table, row: [row, "''"], value, key }
}

const COLUMNS: &[Column] = &[
    column("message", "id", "raw", "raw_key"),
    column("delivery", "message_id", "body", "body_key"),
    Column { table: "seen_message", row: ["peer", "message_id"], value: "body", key: "body_key" },
    column("filing", "id", "body", "body_key"),
    column("export", "id", "asked", "asked_key"),
    Column { table: "export_piece", row: ["export", "piece"], value: "bytes", key: "bytes_key" },
    column("referral", "id", "package", "package_key"),
    column("referral", "id", "outcome", "outcome_key"),
];

/// How far a pass over the tables has come. A pass that is interrupted begins anew and finds what it did done.
pub(super) struct Resealing {
    path: PathBuf,
    connection: Option<Connection>,
    /// The key of this pass.
    under: u32,
    column: usize,
    /// The last row looked at.
    after: i64,
}

impl Resealing {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), connection: None, under: PLAIN, column: 0, after: i64::MIN }
    }

    /// Looks for at most `limit` values under an earlier key and seals them anew, in one commit.
    pub(super) fn step(&mut self, ring: &Ring, limit: usize) -> Result<Resealed, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => super::connect(&self.path)?,
        };
        let (keys, under) = (key_count(&connection)?, seals::present_number(&connection)?);
        if keys <= 1 {
            self.connection = Some(connection);
            return Ok(Resealed { values: 0, done: true });
        }
        if under != self.under {
            (self.under, self.column, self.after) = (under, 0, i64::MIN);
        }
        // What was plain must not stay readable on freed pages.
        let secure = if seals::has_plain(&connection)? { "ON" } else { "OFF" };
        connection.pragma_update(None, "secure_delete", secure)?;
        let done = self.next(&mut connection, ring, limit)?;
        self.connection = Some(connection);
        Ok(done)
    }

    fn next(&mut self, connection: &mut Connection, ring: &Ring, limit: usize) -> Result<Resealed, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(column) = COLUMNS.get(self.column) else {
            // Whoever holds the write lock sees all that was sealed under earlier keys: nothing is.
            transaction.execute("DELETE FROM data_key WHERE number < ?1", [self.under])?;
            transaction.commit()?;
            return Ok(Resealed { values: 0, done: true });
        };
        if seals::present_number(&transaction)? != self.under {
            // Rotated since; the next step begins anew.
            return Ok(Resealed::default());
        }
        let found = column.earlier(&transaction, self.under, self.after, limit)?;
        let seals = Seals::begin(&transaction, ring);
        for row in &found {
            column.seal_anew(&transaction, &seals, row)?;
        }
        seals.end()?;
        transaction.commit()?;
        match found.last() {
            Some(last) if found.len() == limit => self.after = last.rowid,
            _ => (self.column, self.after) = (self.column + 1, i64::MIN),
        }
        Ok(Resealed { values: found.len() as u64, done: false })
    }
}

/// Opens every sealed value and gives their number.
pub(super) fn open_all(connection: &Connection, ring: &Ring) -> Result<u64, StoreError> {
    let mut opened = 0;
    for Column { table, row: [first, second], value, key } in COLUMNS {
        let sql = format!("SELECT {first}, {second}, {value}, {key} FROM {table} WHERE length({value}) > 0");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let names: [String; 2] = [row.get(0)?, row.get(1)?];
            let [one, two] = &names;
            let names: &[&str] = if *second == "''" { &[one] } else { &[one, two] };
            let place = Place { table, row: names, column: value };
            seals::open(connection, ring, place, row.get(3)?, row.get(2)?)?;
            opened += 1;
        }
    }
    Ok(opened)
}

fn key_count(connection: &Connection) -> rusqlite::Result<u32> {
    connection.prepare_cached("SELECT COUNT(*) FROM data_key")?.query_row([], |row| row.get(0))
}

/// A value under an earlier key.
struct Earlier {
    rowid: i64,
    row: [String; 2],
    bytes: Vec<u8>,
    key: u32,
}

impl Column {
    fn earlier(&self, connection: &Connection, under: u32, after: i64, limit: usize) -> rusqlite::Result<Vec<Earlier>> {
        let Self { table, row: [first, second], value, key } = self;
        let sql = format!(
            "SELECT rowid, {first}, {second}, {value}, {key} FROM {table}
             WHERE rowid > ?1 AND {key} <> ?2 AND length({value}) > 0 ORDER BY rowid LIMIT ?3"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let values = params![after, under, i64::try_from(limit).unwrap_or(i64::MAX)];
        let rows = statement.query_map(values, |row| {
            let names = [row.get(1)?, row.get(2)?];
            Ok(Earlier { rowid: row.get(0)?, row: names, bytes: row.get(3)?, key: row.get(4)? })
        })?;
        rows.collect()
    }

    fn seal_anew(&self, connection: &Connection, seals: &Seals<'_>, earlier: &Earlier) -> rusqlite::Result<()> {
        let [first, second] = &earlier.row;
        let row: &[&str] = if self.row[1] == "''" { &[first] } else { &[first, second] };
        let place = Place { table: self.table, row, column: self.value };
        let plain = seals.open(place, earlier.key, earlier.bytes.clone())?;
        let sealed = seals.seal(place, &plain)?;
        let sql = format!("UPDATE {} SET {} = ?2, {} = ?3 WHERE rowid = ?1", self.table, self.value, self.key);
        connection.prepare_cached(&sql)?.execute(params![earlier.rowid, sealed.bytes, sealed.key])?;
        Ok(())
    }
}
