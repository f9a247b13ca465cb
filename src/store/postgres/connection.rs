//! One connection: calls that block the caller's thread, statements prepared once, many of them in one journey.
//!
//! The protocol runs on a runtime of the store's own (`connect`), so that a call works from any thread, also one that
//! drives another runtime.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::value::Value;
use crate::store::StoreError;

/// Longest wait for an answer. The server ends a statement before that (`connect`); this is for a server that fell silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// Prepared statements kept; beyond, all are forgotten (searches make their SQL as they need it).
const STATEMENTS: usize = 512;

/// Why a call did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is gone. What was under way may have happened or not.
    Lost(String),
    /// Another transaction was in the way: the same again may succeed.
    Conflict(String),
    /// The server refused the statement.
    Refused(String),
}

impl Failure {
    /// The cause, for the log; without the values of the statement.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Lost(text) | Self::Conflict(text) | Self::Refused(text) => text,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.text().to_owned())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            let text = match std::error::Error::source(&error) {
                Some(cause) => format!("PostgreSQL: {error}: {cause}"),
                None => format!("PostgreSQL: {error}"),
            };
            return if error.code().is_some() { Self::Refused(text) } else { Self::Lost(text) };
        };
        // Not its detail, which repeats values.
        let text = format!("PostgreSQL: {} ({})", told.message(), told.code().code());
        let code = told.code();
        if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
            .contains(code)
        {
            return Self::Conflict(text);
        }
        // 08: connection; 57P: the server stops, crashed or starts.
        if code.code().starts_with("08") || code.code().starts_with("57P") || *code == SqlState::TOO_MANY_CONNECTIONS {
            return Self::Lost(text);
        }
        // 25P03: we were silent for too long and the server ended the session.
        if code.code() == "25P03" {
            return Self::Lost(text);
        }
        Self::Refused(text)
    }
}

/// A connection in use by one thread at a time.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
    /// Numbers of words that were found on this connection; they never change.
    pub(super) words: HashMap<String, i64>,
    runtime: tokio::runtime::Handle,
}

/// Statements to be sent in one journey, in order.
#[derive(Default)]
pub(super) struct Batch<'a>(Vec<(&'a str, Vec<Value<'a>>)>);

impl<'a> Batch<'a> {
    /// Adds a statement.
    pub(super) fn add(&mut self, sql: &'a str, values: impl Into<Vec<Value<'a>>>) {
        self.0.push((sql, values.into()));
    }
}

impl Connection {
    pub(super) fn new(client: Client, runtime: tokio::runtime::Handle) -> Self {
        Self { client, statements: HashMap::new(), words: HashMap::new(), runtime }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// All rows.
    pub(super) fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepared(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.wait(self.client.query(&statement, &parameters))
    }

    /// The only row, if there is one.
    pub(super) fn optional(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Whether the statement's only value is true.
    pub(super) fn is(&mut self, sql: &str, values: &[Value<'_>]) -> Result<bool, Failure> {
        match self.optional(sql, values)? {
            Some(row) => Ok(row.try_get(0)?),
            None => Ok(false),
        }
    }

    /// Sends all statements at once and waits for all of them; gives the rows of each. They are carried out in order; after
    /// one that fails inside a transaction the server refuses the rest.
    pub(super) fn all(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<Row>>, Failure> {
        let statements = batch.0.iter().map(|(sql, _)| self.prepared(sql)).collect::<Result<Vec<_>, _>>()?;
        let parameters: Vec<Vec<&(dyn ToSql + Sync)>> = batch
            .0
            .iter()
            .map(|(_, values)| values.iter().map(|value| value as &(dyn ToSql + Sync)).collect())
            .collect();
        let client = &self.client;
        let mut under_way: Vec<_> = statements
            .iter()
            .zip(&parameters)
            .map(|(statement, values)| (Box::pin(client.query(statement, values)), None))
            .collect();
        self.wait(async move {
            // What is asked first is sent first.
            std::future::poll_fn(|context| {
                for (call, answer) in &mut under_way {
                    if let Poll::Ready(found) = call.as_mut().poll(context) {
                        *answer = Some(found);
                    }
                }
                Poll::Ready(())
            })
            .await;
            let mut rows = Vec::with_capacity(under_way.len());
            for (call, answer) in under_way {
                rows.push(match answer {
                    Some(answer) => answer?,
                    None => call.await?,
                });
            }
            Ok(rows)
        })
    }

    /// Statements without values, without preparing them.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.wait(self.client.batch_execute(sql))
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        wait_within(&self.runtime, PATIENCE, call)
    }
}

/// Waits on this thread for `call`, which runs on `runtime`; at most for `patience`.
pub(super) fn wait_within<T, E: Into<Failure>>(
    runtime: &tokio::runtime::Handle,
    patience: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let _timers = runtime.enter();
    let answer = parked(std::pin::pin!(tokio::time::timeout(patience, call)));
    answer.map_err(|_| Failure::Lost("PostgreSQL: the server does not answer".to_owned()))?.map_err(Into::into)
}

/// Runs a future to its end, sleeping while it waits.
fn parked<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
