//! A local system at the MLLP door.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A feed's connection.
pub struct Feed(pub TcpStream);

/// An acknowledgement, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// MSA-1.
    pub code: String,
    /// MSA-2.
    pub control_id: String,
    /// MSA-3.
    pub text: String,
    /// The whole ERR segment, if there is one.
    pub error: Option<String>,
}

impl Feed {
    pub async fn connect(door: SocketAddr) -> Self {
        Self(TcpStream::connect(door).await.unwrap())
    }

    /// Sends a message and waits for its acknowledgement.
    pub async fn send(&mut self, message: &[u8]) -> Ack {
        self.write(&framed(message)).await;
        self.ack().await
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next acknowledgement.
    pub async fn ack(&mut self) -> Ack {
        self.answer().await.expect("the connection ended without an acknowledgement")
    }

    /// The next acknowledgement, or nothing if the connection ends first.
    pub async fn answer(&mut self) -> Option<Ack> {
        let mut bytes = Vec::new();
        let whole = async {
            while !bytes.ends_with(b"\x1c\r") {
                match self.0.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => return false,
                }
            }
            true
        };
        let whole = timeout(Duration::from_secs(20), whole).await.expect("no acknowledgement in time");
        if !whole {
            assert!(bytes.is_empty(), "half an acknowledgement: {bytes:?}");
            return None;
        }
        assert_eq!(bytes.remove(0), 0x0b, "an acknowledgement is framed");
        let (text, _, malformed) = encoding_rs::WINDOWS_1252.decode(&bytes);
        assert!(!malformed);
        Some(read(&text))
    }

    /// The next acknowledgement, or nothing if the connection ends first, be it in the middle of one: the node was killed.
    pub async fn answer_or_end(&mut self) -> Option<Ack> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\x1c\r") {
            bytes.push(timeout(Duration::from_secs(20), self.0.read_u8()).await.expect("no answer in time").ok()?);
        }
        Some(read(&String::from_utf8_lossy(bytes.get(1..)?)))
    }

    /// Whether the node has closed the connection.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0u8; 1];
        let read = timeout(Duration::from_secs(20), self.0.read(&mut byte)).await;
        !matches!(read.expect("the connection stays open"), Ok(1))
    }
}

fn read(text: &str) -> Ack {
    let segment = |name: &str| text.split('\r').find(|line| line.starts_with(name));
    let msa = segment("MSA|").unwrap_or_else(|| panic!("no MSA in {text:?}"));
    let field = |number: usize| msa.split('|').nth(number).unwrap_or("").to_owned();
    Ack { code: field(1), control_id: field(2), text: field(3), error: segment("ERR|").map(str::to_owned) }
}

/// `<VT> message <FS><CR>`
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0b];
    bytes.extend_from_slice(message);
    bytes.extend_from_slice(b"\x1c\r");
    bytes
}

/// A fixture: kept as UTF-8 with line feeds, sent as UTF-8 with carriage returns.
pub fn message(text: &str) -> Vec<u8> {
    text.trim_end().replace('\n', "\r").into_bytes()
}
