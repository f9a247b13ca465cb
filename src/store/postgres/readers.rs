//! A pool of connections that read, opened on demand and kept. A bounded number: the server's connections are shared by
//! all replicas.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Snapshot;
use super::connect::Server;
use super::connection::{Connection, Failure};
use crate::store::StoreError;

/// Longest wait for a connection that another reader holds.
const PATIENCE: Duration = Duration::from_secs(10);
/// All that a reader sees is one snapshot.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The pool.
pub(super) struct Readers {
    server: Arc<Server>,
    most: usize,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    in_use: usize,
}

impl Readers {
    pub(super) fn new(server: Arc<Server>, most: usize) -> Self {
        Self { server, most: most.max(1), state: Mutex::default(), given_back: Condvar::new() }
    }

    /// Runs `read` on one snapshot.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut seat = self.seat()?;
        let mut connection = seat.begin(BEGIN)?;
        let result = read(&Snapshot { connection: std::cell::RefCell::new(&mut connection) });
        // A reader has nothing to undo; what cannot be ended is not used again.
        if connection.run("COMMIT").is_ok() {
            seat.connection = Some(connection);
        }
        result
    }

    /// Runs `work` in one transaction that writes, by itself.
    pub(super) fn alone<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut seat = self.seat()?;
        let mut connection = seat.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        let done = work(&mut connection).and_then(|done| connection.run("COMMIT").map(|()| done));
        if done.is_ok() || connection.run("ROLLBACK").is_ok() {
            seat.connection = Some(connection);
        }
        Ok(done?)
    }

    fn seat(&self) -> Result<Seat<'_>, StoreError> {
        let state = self.lock();
        let (mut state, waited) = self
            .given_back
            .wait_timeout_while(state, PATIENCE, |state| state.in_use >= self.most)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && state.in_use >= self.most {
            return Err(StoreError::Database("all connections to PostgreSQL are in use".to_owned()));
        }
        state.in_use += 1;
        let connection = state.idle.pop();
        Ok(Seat { readers: self, connection })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection.
struct Seat<'a> {
    readers: &'a Readers,
    /// Given back for reuse.
    connection: Option<Connection>,
}

impl Seat<'_> {
    /// A connection on which `begin` has been said: a kept one, or a new one where the kept ones died with the server.
    fn begin(&mut self, begin: &str) -> Result<Connection, Failure> {
        if let Some(mut kept) = self.connection.take() {
            if !kept.is_closed() && kept.run(begin).is_ok() {
                return Ok(kept);
            }
            self.readers.lock().idle.retain(|other| !other.is_closed());
        }
        let mut new = self.readers.server.connect()?;
        new.run(begin)?;
        Ok(new)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        state.in_use -= 1;
        state.idle.extend(self.connection.take());
        drop(state);
        self.readers.given_back.notify_one();
    }
}
