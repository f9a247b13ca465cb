//! The trail of requests, in a file of its own beside the database (`watari.requests.db`): a row must not wait for the fsync of
//! those who write. A commit leaves the rows with the operating system (`synchronous=NORMAL` in WAL mode); a thread brings
//! them to the disk twice a second.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use tokio::sync::watch;

use super::Snapshot;
use crate::store::recorder::Keep;
use crate::store::requests::{
    ChainedRequest, Hash, RequestRow, RequestView, SEGMENT, Segment, chain_start, chained, filled, segment,
};
use crate::store::{Condition, StoreError};

/// The schema, and its version.
const SCHEMA: &str = include_str!("../../../schemas/sqlite/requests/0001_initial.sql");
const VERSION: u32 = 1;
/// Rows are on the disk after this and the time of an fsync.
const SYNC: Duration = Duration::from_millis(500);
/// Bytes of the log beyond which writers wait until it can begin anew.
const LARGEST_LOG: u64 = 64 << 20;

/// The file that belongs to a database.
pub(super) fn beside(database: &Path) -> PathBuf {
    database.with_extension("requests.db")
}

/// Opens the file, creating it if it is missing.
fn open(path: &Path) -> Result<Connection, StoreError> {
    super::create_private(path)?;
    let mut connection = Connection::open(path)?;
    settle(&connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        found => return Err(StoreError::NewerSchema { found, known: VERSION }),
    }
    transaction.commit()?;
    Ok(connection)
}

fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Opens the file to read it; none, if there is none yet.
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "query_only", "ON")?;
    match version(&connection)? {
        0 => Ok(None),
        VERSION => Ok(Some(connection)),
        found => Err(StoreError::NewerSchema { found, known: VERSION }),
    }
}

/// Keeps rows in the file.
pub(super) struct Keeper {
    path: PathBuf,
    condition: watch::Sender<Condition>,
    open: Option<(Connection, Syncing)>,
}

impl Keeper {
    /// Of the file that belongs to a database; opened with the first row.
    pub(super) fn new(database: &Path, condition: watch::Sender<Condition>) -> Self {
        Self { path: beside(database), condition, open: None }
    }
}

impl Keep for Keeper {
    fn keep(&mut self, rows: &[RequestRow]) -> Result<(), StoreError> {
        // A disk that failed is believed no more: nothing is shown that could not be written down.
        if let Condition::Broken(error) = &*self.condition.borrow() {
            return Err(error.clone());
        }
        let (connection, syncing) = match &mut self.open {
            Some(open) => open,
            place => {
                let connection = open(&self.path)?;
                // The other thread does it.
                connection.pragma_update(None, "wal_autocheckpoint", 0)?;
                place.insert((connection, Syncing::start(&self.path, self.condition.clone())?))
            }
        };
        append(connection, rows)?;
        syncing.dirty.store(true, Ordering::Release);
        if syncing.large.swap(false, Ordering::AcqRel) {
            let _ = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        }
        Ok(())
    }
}

/// Appends rows to the chain. Others may have written meanwhile (a command beside the node): the end is read anew.
pub(super) fn append(connection: &mut Connection, rows: &[RequestRow]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let end = head(&transaction)?.unwrap_or((0, chain_start("")));
    let mut last = end.0;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO request (position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose,
                 request_id, origin, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        for (position, row, hash) in chained(end, rows) {
            insert.execute(params![
                position,
                row.at,
                row.actor,
                row.role,
                row.act,
                row.target,
                row.parameters,
                row.patients,
                row.shown,
                row.outcome,
                row.purpose,
                row.request_id,
                row.origin,
                hash,
            ])?;
            last = position;
        }
        for full in filled(end.0, last) {
            if let Some(one) = segment(&rows_from(&transaction, full + 1 - SEGMENT, SEGMENT as usize)?) {
                transaction
                    .prepare_cached(
                        "INSERT INTO request_segment (last, first_at, last_at, subjects) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![one.last, one.from, one.to, one.subjects])?;
            }
        }
    }
    Ok(transaction.commit()?)
}

/// The thread that brings rows to the disk.
struct Syncing {
    /// Rows were written since it last did.
    dirty: Arc<AtomicBool>,
    /// The log has grown too large.
    large: Arc<AtomicBool>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncing {
    fn start(path: &Path, condition: watch::Sender<Condition>) -> Result<Self, StoreError> {
        let (dirty, large) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = mpsc::channel();
        let log = path.with_extension("db-wal");
        // A connection of its own: copying the log into the file keeps nobody from writing.
        let connection = Connection::open(path)?;
        settle(&connection)?;
        let thread = std::thread::Builder::new()
            .name("store-requests-sync".to_owned())
            .spawn({
                let (dirty, large) = (Arc::clone(&dirty), Arc::clone(&large));
                move || {
                    loop {
                        let is_last = stopped.recv_timeout(SYNC) != Err(mpsc::RecvTimeoutError::Timeout);
                        if dirty.swap(false, Ordering::AcqRel) {
                            match sync(&connection, &log) {
                                Ok(bytes) => large.store(bytes > LARGEST_LOG, Ordering::Release),
                                Err(error) => drop(condition.send_replace(Condition::Broken(error))),
                            }
                        }
                        if is_last {
                            return;
                        }
                    }
                }
            })
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { dirty, large, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Brings the log to the disk, then copies it into the file as far as no reader needs it; gives its size. Failing to copy is
/// no harm: it is done the next time.
fn sync(connection: &Connection, log: &Path) -> Result<u64, StoreError> {
    let told = |error: std::io::Error| StoreError::Disk(format!("{}: {error}", log.display()));
    let bytes = match std::fs::File::open(log) {
        Ok(file) => {
            file.sync_data().map_err(told)?;
            file.metadata().map_err(told)?.len()
        }
        // Another process was the last to close it, and all of it is in the file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(told(error)),
    };
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    match copied.map_err(StoreError::from) {
        Err(error @ (StoreError::Disk(_) | StoreError::Damaged(_))) => Err(error),
        _ => Ok(bytes),
    }
}

const COLUMNS: &str =
    "position, at, actor, role, act, target, parameters, patients, shown, outcome, purpose, request_id, origin,
     hash";

fn read(row: &Row<'_>) -> rusqlite::Result<ChainedRequest> {
    Ok(ChainedRequest {
        chain: String::new(),
        position: row.get(0)?,
        row: RequestRow {
            at: row.get(1)?,
            actor: row.get(2)?,
            role: row.get(3)?,
            act: row.get(4)?,
            target: row.get(5)?,
            parameters: row.get(6)?,
            patients: row.get(7)?,
            shown: row.get(8)?,
            outcome: row.get(9)?,
            purpose: row.get(10)?,
            request_id: row.get(11)?,
            origin: row.get(12)?,
        },
        // A hash of another length was not written here, and matches none.
        hash: row.get_ref(13)?.as_blob().ok().and_then(|hash| hash.try_into().ok()).unwrap_or_default(),
    })
}

fn rows_from(connection: &Connection, from: u64, limit: usize) -> rusqlite::Result<Vec<ChainedRequest>> {
    let sql = format!("SELECT {COLUMNS} FROM request WHERE position >= ?1 ORDER BY position LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![from, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
    rows.collect()
}

fn head(connection: &Connection) -> rusqlite::Result<Option<(u64, Hash)>> {
    let sql = "SELECT position, hash FROM request ORDER BY position DESC LIMIT 1";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| {
            Ok((row.get(0)?, row.get_ref(1)?.as_blob().ok().and_then(|hash| hash.try_into().ok()).unwrap_or_default()))
        })
        .optional()
}

impl Snapshot<'_> {
    /// A connection to the file of requests, opened for one question.
    fn requests_file(&self) -> Result<Option<Connection>, StoreError> {
        match self.connection.path().filter(|path| !path.is_empty()) {
            Some(path) => open_to_read(&beside(Path::new(path))),
            None => Ok(None),
        }
    }

    fn of_requests<T>(
        &self,
        chain: &str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.requests_file()?.filter(|_| chain.is_empty()) {
            Some(connection) => Ok(Some(read(&connection)?)),
            None => Ok(None),
        }
    }
}

impl RequestView for Snapshot<'_> {
    fn request_chains(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.request_head("")?.map(|_| String::new()).into_iter().collect())
    }

    fn requests(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedRequest>, StoreError> {
        Ok(self.of_requests(chain, |connection| rows_from(connection, from_position, limit))?.unwrap_or_default())
    }

    fn request_segments(&self, chain: &str, before: u64, limit: usize) -> Result<Vec<Segment>, StoreError> {
        let found = self.of_requests(chain, |connection| {
            let sql =
                "SELECT last, first_at, last_at, subjects FROM request_segment WHERE last < ?1 ORDER BY last DESC LIMIT ?2";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map(params![before, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                Ok(Segment { last: row.get(0)?, from: row.get(1)?, to: row.get(2)?, subjects: row.get(3)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(found.unwrap_or_default())
    }

    fn request_head(&self, chain: &str) -> Result<Option<(u64, Hash)>, StoreError> {
        Ok(self.of_requests(chain, head)?.flatten())
    }
}
