//! The shared store: PostgreSQL, for several replicas of one node. One writer thread with group commit in each replica, a
//! pool of readers; what replicas write at once is kept apart by locks ([`stripes`]), and work is claimed by leases.
//!
//! The same files as in `sqlite`, and the same promises: `tests/integration/store_contract` runs against both.

mod access;
mod audit;
mod carry;
mod cohorts;
mod connect;
mod connection;
mod deliveries;
mod exports;
mod filings;
mod history;
mod index;
mod listen;
mod losses;
mod messages;
mod migrate;
mod numbers;
mod peers;
mod postings;
mod readers;
mod records;
mod referrals;
mod requests;
mod stripes;
mod tls;
mod value;
mod writer;

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::recorder::Recorder;
use super::requests::RequestRow;
use super::{Changes, CommitError, Health, Store, StoreError, View, deliveries as rows};
use crate::config::PostgresConfig;
pub use carry::{Carried, carry};
use connection::{Connection, Failure};
use value::{Value, count};

/// A PostgreSQL database.
pub struct PostgresStore {
    server: Arc<connect::Server>,
    readers: readers::Readers,
    writer: writer::Writer,
    recorder: Recorder<requests::Keeper>,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date. Refused without the operator's word that bytes may stand there plain.
    pub fn open(settings: &PostgresConfig) -> Result<Self, StoreError> {
        may_be_plain(settings)?;
        let server = Arc::new(connect::Server::of(settings)?);
        let mut connection = server.connect()?;
        migrate::migrate(&mut connection)?;
        if connection.is("SELECT current_setting('fsync') = 'off'", &[])? {
            tracing::warn!("PostgreSQL runs with fsync off: what is acknowledged may be lost when its machine stops");
        }
        let writer = writer::Writer::start(Arc::clone(&server), connection, &settings.replica)?;
        let readers = readers::Readers::new(Arc::clone(&server), settings.readers);
        let recorder = Recorder::new(requests::Keeper::new(Arc::clone(&server), &settings.replica));
        Ok(Self { server, readers, writer, recorder })
    }
}

/// Nothing is sealed here yet: that must have been said, and is never assumed.
fn may_be_plain(settings: &PostgresConfig) -> Result<(), StoreError> {
    match settings.unsealed {
        true => Ok(()),
        false => Err(StoreError::Settings(
            "received bytes, messages and documents are not sealed on PostgreSQL yet; if its disks and backups are \
             encrypted otherwise, allow that with [store.postgres] unsealed = true (docs/KEEPING.md)"
                .to_owned(),
        )),
    }
}

impl Store for PostgresStore {
    fn view(&self, read: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.readers.with(|snapshot| read(snapshot))
    }

    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        self.writer.commit(changes)
    }

    fn note(&self, row: RequestRow, told: oneshot::Sender<Result<(), StoreError>>) {
        self.recorder.note(row, told);
    }

    fn claim(&self, claim: &rows::Claim) -> Result<Vec<rows::Delivery>, StoreError> {
        self.readers.alone(|connection| {
            // One at a time: how many of a peer are under lease is counted first.
            let claims = Value::Numbers(vec![stripes::CLAIMS]);
            connection.query(stripes::LOCK, &[Value::Number(stripes::SPACE), claims])?;
            deliveries::claim(connection, claim)
        })
    }

    fn on_work(&self, wake: Box<dyn Fn() + Send + Sync>) {
        listen::listen(&self.server, wake);
    }

    fn health(&self) -> Result<Health, StoreError> {
        let health = self.readers.with(|snapshot| {
            let schema_version = migrate::version(&mut snapshot.connection.borrow_mut())?;
            let bytes = snapshot.optional("SELECT pg_database_size(current_database())", &[], |row| count(row, 0))?;
            Ok(Health { schema_version, bytes: bytes.unwrap_or_default() })
        })?;
        // An empty commit goes the whole way through the writer: it proves that the database can be written.
        self.writer.commit(Changes::new()).map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(health)
    }
}

/// One consistent reading.
struct Snapshot<'a> {
    connection: RefCell<&'a mut Connection>,
}

impl View for Snapshot<'_> {}

impl Snapshot<'_> {
    fn rows<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.connection.borrow_mut().query(sql, values)?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    fn optional<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row) -> Result<T, Failure>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, values, read)?.into_iter().next())
    }
}
