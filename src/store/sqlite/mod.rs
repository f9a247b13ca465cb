//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer thread with group commit, a pool of
//! readers. Several processes may open the same file (the command line beside a running node).

mod access;
mod audit;
mod cohorts;
mod copy;
mod deliveries;
mod exports;
mod faults;
mod filings;
mod history;
mod index;
mod integrity;
mod losses;
mod messages;
mod migrate;
mod numbers;
mod peers;
mod postings;
mod readers;
mod records;
mod referrals;
mod renumber;
mod reports;
mod requests;
mod reseal;
mod seals;
mod writer;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::recorder::Recorder;
use super::requests::RequestRow;
use super::sealing::{MasterKey, MasterSource, Place, Ring};
use super::{Changes, CommitError, Condition, Health, Resealed, Store, StoreError, View, deliveries as rows};

/// Pages in memory of a reading connection, negative KiB as SQLite wants it.
const READER_CACHE: i64 = -4096;
/// Of the writer: a transaction of many acts must fit, else its pages are written twice.
const WRITER_CACHE: i64 = -32_768;
/// Pages in the write-ahead log (4 KiB each) before they are copied into the file: a page that many commits touch is then
/// copied once. Bounds the log at about 64 MiB, and with it the time to open after a crash.
const CHECKPOINT_PAGES: i64 = 16_384;

/// A file up to this many bytes is read whole at every start, within some seconds.
const SMALL: u64 = 256 << 20;

/// A SQLite database file.
pub struct SqliteStore {
    path: PathBuf,
    ring: Arc<Ring>,
    readers: readers::Readers,
    writer: writer::Writer,
    recorder: Recorder<requests::Keeper>,
    resealing: Mutex<reseal::Resealing>,
    condition: watch::Sender<Condition>,
    doubtful: bool,
}

impl SqliteStore {
    /// As [`SqliteStore::open_with`], with the master key where a node without settings has it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, MasterSource::beside(path))
    }

    /// Opens the file, creating it and its folder if missing, and brings the schema up to date. Without the master key that
    /// the database was sealed with nothing is opened.
    pub fn open_with(path: &Path, master: MasterSource) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::Database(format!("{}: {error}", folder.display())))?;
        }
        // Whoever closes the file last takes the log away. A command beside a running node also finds it; it does not ask.
        let unclean = size(&path.with_extension("db-wal")) > 0;
        let doubtful = unclean || size(path) <= SMALL;
        create_private(path)?;
        let mut connection = connect(path)?;
        migrate::migrate(&mut connection, Some(path))?;
        let ring = Arc::new(unlock(&mut connection, master)?);
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // What undoes one statement is kept in memory.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        let condition = watch::channel(Condition::Sound).0;
        Ok(Self {
            doubtful,
            path: path.to_path_buf(),
            readers: readers::Readers::new(path, Arc::clone(&ring)),
            writer: writer::Writer::start(connection, Arc::clone(&ring), condition.clone())?,
            recorder: Recorder::new(requests::Keeper::new(path, condition.clone())),
            resealing: Mutex::new(reseal::Resealing::new(path)),
            ring,
            condition,
        })
    }
}

impl Store for SqliteStore {
    fn view(&self, read: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.readers.with(|snapshot| read(snapshot))
    }

    fn is_at_hand(&self) -> bool {
        true
    }

    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        self.writer.commit(changes)
    }

    fn note(&self, row: RequestRow, told: oneshot::Sender<Result<(), StoreError>>) {
        self.recorder.note(row, told);
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
        self.writer.commit(Changes::new()).map_err(|error| match error {
            CommitError::Store(error) => error,
            other => StoreError::Database(other.to_string()),
        })?;
        Ok(health)
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    fn check(&self) -> Result<(), StoreError> {
        let checked = self.readers.with(integrity::check);
        if let Err(error @ StoreError::Damaged(_)) = &checked {
            self.condition.send_replace(Condition::Broken(error.clone()));
        }
        checked
    }

    fn reseal(&self, limit: usize) -> Result<Resealed, StoreError> {
        self.resealing.lock().unwrap_or_else(PoisonError::into_inner).step(&self.ring, limit.max(1))
    }

    fn copy_to(&self, to: &Path, goes_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), StoreError> {
        copy::copy(&self.path, to, goes_on)?;
        // After the database: what was asked of it since is more than it has, never less.
        let requests = requests::beside(&self.path);
        if requests.exists() { copy::copy(&requests, &requests::beside(to), goes_on) } else { Ok(()) }
    }

    fn check_sealed(&self) -> Result<u64, StoreError> {
        self.readers.with(|snapshot| reseal::open_all(snapshot.connection, snapshot.ring))
    }

    fn rotate_data_key(&self) -> Result<u32, StoreError> {
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = seals::present_number(&transaction)? + 1;
        seals::add_like_last(&transaction, &self.ring, number)?;
        transaction.commit()?;
        Ok(number)
    }

    fn rewrap_data_keys(&self, new: &MasterSource) -> Result<String, StoreError> {
        let new = MasterKey::load(new, false)?;
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        seals::rewrap(&transaction, &self.ring, &new)?;
        transaction.commit()?;
        Ok(new.id().to_owned())
    }
}

/// Bytes of a file; 0 without one.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Reads the master key and proves that it opens what is there; the first data key of a new database is made.
fn unlock(connection: &mut Connection, source: MasterSource) -> Result<Ring, StoreError> {
    // Asked before the lock is taken: a command may take its time.
    let master = MasterKey::load(&source, seals::present_number(connection)? == 0)?;
    let ring = Ring::new(source, master);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    seals::establish(&transaction, &ring)?;
    transaction.commit()?;
    Ok(ring)
}

/// Opens a file to read all of it, as it is, with the keys that open what is sealed. Its schema must be the present one.
pub(super) fn open_to_read(path: &Path, source: MasterSource) -> Result<(Connection, Ring), StoreError> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| StoreError::Settings(format!("{}: {error}", path.display())))?;
    let (found, known) = (migrate::version(&connection)?, migrate::known());
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    if found < known {
        return Err(StoreError::Settings(format!(
            "{} has schema {found} and not {known}: start the node on it once with this release, and stop it",
            path.display()
        )));
    }
    let ring = Ring::new(source.clone(), MasterKey::load(&source, false)?);
    seals::prove(&connection, &ring)?;
    Ok((connection, ring))
}

/// Makes the trail of requests that stands beside a file known to a connection, as `requests`; false, if there is none.
pub(super) fn attach_requests(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let beside = requests::beside(path);
    if requests::open_to_read(&beside)?.is_none() {
        return Ok(false);
    }
    connection.execute("ATTACH ?1 AS requests", [beside.to_string_lossy()])?;
    Ok(true)
}

/// A value as its two columns hold it, opened.
pub(super) fn opened(
    connection: &Connection,
    ring: &Ring,
    place: Place<'_>,
    key: u32,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    Ok(seals::open(connection, ring, place, key, bytes)?)
}

/// The JSON of a loss report as a message keeps it.
pub(super) fn report(
    connection: &Connection,
    kept: rusqlite::types::ValueRef<'_>,
) -> Result<Option<String>, StoreError> {
    Ok(reports::expand(connection, kept)?)
}

/// One consistent reading.
struct Snapshot<'a> {
    connection: &'a Connection,
    words: &'a numbers::Words,
    ring: &'a Ring,
}

impl View for Snapshot<'_> {}

/// Creates the file for its owner only, before SQLite would with the usual permissions; the files beside it (WAL, shared
/// memory) take after it.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly,
        ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Database(format!("{}: {error}", path.display())),
    })
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
