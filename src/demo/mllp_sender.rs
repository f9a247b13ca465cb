//! A local system that sends HL7 v2 over MLLP and waits for each acknowledgement.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use super::DemoError;
use crate::intake::mllp::framing::{FS, VT};

/// A connection to an MLLP door.
pub(super) struct Sender(TcpStream);

impl Sender {
    /// Connects.
    pub(super) async fn connect(door: SocketAddr) -> Result<Self, DemoError> {
        TcpStream::connect(door).await.map(Self).map_err(|error| lost(&error))
    }

    /// Sends a message and gives the acknowledgement code (MSA-1).
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<String, DemoError> {
        let mut framed = vec![VT];
        framed.extend_from_slice(message);
        framed.extend_from_slice(&[FS, b'\r']);
        self.0.write_all(&framed).await.map_err(|error| lost(&error))?;
        let mut answer = Vec::new();
        let whole = async {
            while !answer.ends_with(&[FS, b'\r']) {
                let byte = self.0.read_u8().await?;
                answer.push(byte);
            }
            Ok::<_, std::io::Error>(())
        };
        timeout(Duration::from_secs(30), whole)
            .await
            .map_err(|_| DemoError::Story("an acknowledgement did not come in time".to_owned()))?
            .map_err(|error| lost(&error))?;
        let text = String::from_utf8_lossy(&answer);
        let code = text.split('\r').find_map(|line| line.strip_prefix("MSA|")).and_then(|rest| rest.get(..2));
        Ok(code.unwrap_or("??").to_owned())
    }
}

fn lost(error: &std::io::Error) -> DemoError {
    DemoError::Story(format!("the MLLP connection broke: {error}"))
}
