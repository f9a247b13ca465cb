//! Making connections: where the server is, how it proves who it is, and what every session is told.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use super::connection::{Connection, Failure, wait_within};
use super::tls::Tls;
use crate::config::PostgresConfig;
use crate::store::StoreError;

/// Longest time to make a connection to one host.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time to make a connection at all: several hosts, TLS, sign-in.
const CONNECT_AT_ALL: Duration = Duration::from_secs(15);

/// What every session is told. A statement ends before we give up waiting for it; a session that falls silent inside a
/// transaction (its replica froze) is ended, and what it had locked is free. A database that acknowledges before its log is
/// on the disk is told to wait.
const SESSION: &str = "SET statement_timeout = '50s'; SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// The server, and the runtime on which the protocol runs.
pub(super) struct Server {
    config: Config,
    tls: Option<Tls>,
    runtime: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
}

impl Server {
    /// Reads the settings; does not connect yet.
    pub(super) fn of(settings: &PostgresConfig) -> Result<Self, StoreError> {
        let told = |cause: &dyn std::fmt::Display| StoreError::Settings(format!("store.postgres.{cause}"));
        let mut config: Config = settings.url.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            told(&format!("url: {error}: {cause}"))
        })?;
        if config.get_password().is_some() {
            return Err(told(&"url: the password must not stand in it; use password_file or WATARI_POSTGRES_PASSWORD"));
        }
        if let Some(password) = settings.password().map_err(|error| told(&format!("password_file: {error}")))? {
            config.password(password);
        }
        if config.get_hosts().is_empty() {
            return Err(told(&"url: names no host"));
        }
        let tls = match &settings.authority {
            Some(authority) => Some(Tls::trusting(authority).map_err(|error| told(&format!("authority: {error}")))?),
            None if config.get_hosts().iter().all(is_here) => None,
            None => {
                return Err(told(
                    &"authority: is needed for a server on another machine: PEM file of the authority that made its certificate",
                ));
            }
        };
        config
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .connect_timeout(CONNECT)
            .tcp_user_timeout(Duration::from_secs(30))
            .keepalives_idle(Duration::from_secs(15))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("watari");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-postgres")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Database(error.to_string()))?;
        let handle = runtime.handle().clone();
        Ok(Self { config, tls, runtime: Some(runtime), handle })
    }

    /// A new connection, ready for use.
    pub(super) fn connect(&self) -> Result<Connection, Failure> {
        let client = wait_within(&self.handle, CONNECT_AT_ALL, self.client())?;
        let mut connection = Connection::new(client, self.handle.clone());
        connection.run(SESSION)?;
        Ok(connection)
    }

    /// How to connect, for a conversation of another kind.
    pub(super) fn way(&self) -> (Config, Option<Tls>) {
        (self.config.clone(), self.tls.clone())
    }

    /// Runs work until the store is closed.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        match self.tls.clone() {
            Some(tls) => {
                let (client, protocol) = self.config.connect(tls).await?;
                self.handle.spawn(protocol);
                Ok(client)
            }
            None => {
                let (client, protocol) = self.config.connect(NoTls).await?;
                self.handle.spawn(protocol);
                Ok(client)
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not waiting: the store may be dropped on a thread that drives another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// On this machine: nothing of the conversation leaves it.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let settings = PostgresConfig { url: url.to_owned(), ..PostgresConfig::default() };
        Server::of(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_server_elsewhere_needs_an_authority_and_a_password_stands_in_no_url() {
        assert_eq!(refusal("postgresql://w@127.0.0.1/w"), "");
        assert_eq!(refusal("postgresql://w@localhost:5433,[::1]/w"), "");
        assert!(refusal("postgresql://w@db.hospital.example/w").contains("store.postgres.authority"));
        assert!(refusal("postgresql://w@localhost,db.hospital.example/w").contains("store.postgres.authority"));
        let told = refusal("postgresql://w:tiger@localhost/w");
        assert!(told.contains("password_file") && !told.contains("tiger"), "{told}");
        assert!(refusal("postgresql:///w").contains("names no host"));
        assert!(refusal("nonsense").contains("store.postgres.url"));
    }

    #[test]
    fn an_authority_that_is_none_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = PostgresConfig {
            url: "postgresql://w@localhost/w".to_owned(),
            authority: Some(file.path().to_owned()),
            ..PostgresConfig::default()
        };
        let told = Server::of(&settings).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("authority") && told.contains("no certificate"), "{told}");
    }
}
