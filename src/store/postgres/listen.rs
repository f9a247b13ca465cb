//! Hearing of new work: whoever puts a message into the outbox says so in the commit (NOTIFY), and every replica listens.
//! Nothing depends on it: workers look for what is due by themselves every second.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};

use super::connect::Server;
use super::tls::Tls;

/// What is said when there is new work.
pub(super) const SAY: &str = "SELECT pg_notify('watari_work', '')";
/// Wait before listening again after the connection was lost.
const AGAIN: Duration = Duration::from_secs(2);

/// Calls `wake` whenever a replica has new work, until the store is closed.
pub(super) fn listen(server: &Server, wake: Box<dyn Fn() + Send + Sync>) {
    let (config, tls) = server.way();
    server.spawn(async move {
        loop {
            let _ = match tls.clone() {
                Some(tls) => over_tls(&config, tls, wake.as_ref()).await,
                None => plainly(&config, wake.as_ref()).await,
            };
            tokio::time::sleep(AGAIN).await;
        }
    });
}

async fn over_tls(config: &Config, tls: Tls, wake: &(dyn Fn() + Send + Sync)) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(tls).await?;
    hear(client, connection, wake).await
}

async fn plainly(config: &Config, wake: &(dyn Fn() + Send + Sync)) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    hear(client, connection, wake).await
}

/// Until the connection is lost.
async fn hear<S, T>(
    client: Client,
    mut connection: Connection<S, T>,
    wake: &(dyn Fn() + Send + Sync),
) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let hearing = async {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => wake(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    };
    let asking = async {
        client.batch_execute("LISTEN watari_work").await?;
        // What came before we listened.
        wake();
        std::future::pending::<Result<(), tokio_postgres::Error>>().await
    };
    tokio::select! {
        ended = hearing => ended,
        refused = asking => refused,
    }
}
