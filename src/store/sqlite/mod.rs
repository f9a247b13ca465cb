//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer thread with group commit, a pool of
//! readers. Several processes may open the same file (the command line beside a running node).

mod access;
mod audit;
mod cohorts;
mod deliveries;
mod facts;
mod filings;
mod history;
mod keys;
mod losses;
mod messages;
mod migrate;
mod numbers;
mod peers;
mod readers;
mod records;
mod referrals;
mod renumber;
mod reports;
mod search;
mod writer;

use std::path::Path;

use rusqlite::Connection;

use super::{Changes, CommitError, Health, Store, StoreError, View, deliveries as rows};

/// Pages in memory of a reading connection, negative KiB as SQLite wants it.
const READER_CACHE: i64 = -4096;
/// Of the writer: a transaction of many acts must fit, else its pages are written twice.
const WRITER_CACHE: i64 = -32_768;
/// Pages in the write-ahead log (4 KiB each) before they are copied into the file: a page that many commits touch is then
/// copied once. Bounds the log at about 64 MiB, and with it the time to open after a crash.
const CHECKPOINT_PAGES: i64 = 16_384;

/// A SQLite database file.
pub struct SqliteStore {
    readers: readers::Readers,
    writer: writer::Writer,
}

impl SqliteStore {
    /// Opens the file, creating it and its folder if missing, and brings the schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::Database(format!("{}: {error}", folder.display())))?;
        }
        create_private(path)?;
        let mut connection = connect(path)?;
        migrate::migrate(&mut connection)?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // What undoes one statement is kept in memory.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(Self { readers: readers::Readers::new(path), writer: writer::Writer::start(connection)? })
    }
}

impl Store for SqliteStore {
    fn view(&self, read: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.readers.with(|snapshot| read(snapshot))
    }

    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        self.writer.commit(changes)
    }

    fn claim(&self, claim: &rows::Claim) -> Result<Vec<rows::Delivery>, StoreError> {
        self.writer.claim(claim.clone())
    }

    fn health(&self) -> Result<Health, StoreError> {
        let health = self.readers.with(|snapshot| {
            let connection = snapshot.connection;
            let schema_version = migrate::version(connection)?;
            let bytes: u64 = connection.query_row(
                "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
                [],
                |row| row.get(0),
            )?;
            Ok(Health { schema_version, bytes })
        })?;
        // An empty commit goes the whole way through the writer: it proves that the file can be written.
        self.writer.commit(Changes::new()).map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(health)
    }
}

/// One consistent reading.
struct Snapshot<'a> {
    connection: &'a Connection,
    words: &'a numbers::Words,
}

impl View for Snapshot<'_> {}

/// Creates the file for its owner only, before SQLite would with the usual permissions; the files beside it (WAL, shared
/// memory) take after it.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| StoreError::Database(format!("{}: {error}", path.display())))
}

/// Opens a connection with the settings every connection of the node has.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on the disk before it returns, also when the power fails (WAL with NORMAL may lose the last).
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Pages in memory per connection, in KiB. Small: the operating system caches the file.
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}
