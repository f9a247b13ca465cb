//! A hospital's own system that takes HL7 v2 over MLLP: keeps what it is sent and answers as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it does with the next messages, first to last; with those after, it says AA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes it and says so.
    Accept,
    /// AE: not now.
    Error,
    /// AR: never.
    Reject,
    /// Takes it, and the connection breaks before the answer.
    Forget,
}

/// A running system.
pub struct LocalSystem {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl LocalSystem {
    pub async fn start(address: &str, manners: &[Manner]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        let mut manners = manners.to_vec();
        manners.reverse();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\x1c\r") {
                    match stream.read_u8().await {
                        Ok(byte) => bytes.push(byte),
                        Err(_) => break,
                    }
                }
                if !bytes.ends_with(b"\x1c\r") {
                    continue;
                }
                let message = bytes[1..bytes.len() - 2].to_vec();
                let id = control_id(&message);
                kept.lock().unwrap().push(message);
                let code = match manners.pop().unwrap_or(Manner::Accept) {
                    Manner::Accept => "AA",
                    Manner::Error => "AE",
                    Manner::Reject => "AR",
                    Manner::Forget => continue,
                };
                let answer =
                    format!("\x0bMSH|^~\\&|HIS|H|WATARI|G|2026||ACK|1|P|2.5\rMSA|{code}|{id}|Lefebvre\r\x1c\r");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, taken, task }
    }

    /// Every message it was sent, repeats and refused ones too.
    pub fn taken(&self) -> Vec<Vec<u8>> {
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for LocalSystem {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// MSH-10, which is ASCII whatever the rest is.
pub fn control_id(message: &[u8]) -> String {
    let header = message.split(|byte| *byte == b'\r').next().unwrap();
    String::from_utf8_lossy(header).split('|').nth(9).unwrap().to_owned()
}

/// MSH-9.1 and MSH-9.2.
pub fn kind(message: &[u8]) -> String {
    let header = message.split(|byte| *byte == b'\r').next().unwrap();
    let text = String::from_utf8_lossy(header).into_owned();
    text.split('|').nth(8).unwrap().splitn(3, '^').take(2).collect::<Vec<_>>().join("^")
}
