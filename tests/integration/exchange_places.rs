//! Places at the doors: nobody keeps one without using it, and nobody holds them all.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use watari::clock::TestClock;
use watari::config::{Country, OutsideConfig};

use crate::exchange_tls::{certificate_of, server_name};
use crate::two_nodes::{Node, noon, pair, receipt_of};

/// Longer than a door of one second may keep anybody who asks for nothing: idle, and then the patience of closing.
const LONG: Duration = Duration::from_secs(6);

async fn toronto_and_tokyo(limits: OutsideConfig) -> (Node, Node, TestClock) {
    let clock = TestClock::new(noon());
    let toronto = Node::start_with("toronto", Country::Ca, &clock, limits).await;
    let tokyo = Node::start("tokyo", Country::Jp, &clock).await;
    pair(&toronto, &tokyo).await;
    (toronto, tokyo, clock)
}

/// A connection of `node` from one of the machine's loopback addresses; `None` if the door closes it.
async fn connect(to: &Node, node: &Node, from: &str, alpn: &str) -> Option<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let stream = socket.connect(to.address).await.unwrap();
    let mut config = certificate_of(node);
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let mut stream = TlsConnector::from(Arc::new(config)).connect(server_name(), stream).await.ok()?;
    // In TLS 1.3 the client's handshake ends before the server has judged it.
    match tokio::time::timeout(Duration::from_millis(300), stream.read(&mut [0; 1])).await {
        Ok(Ok(0) | Err(_)) => None,
        // Alive: silent, or with the first byte of the settings of HTTP/2.
        Ok(Ok(_)) | Err(_) => Some(stream),
    }
}

/// Reads until the door ends the connection; gives what it said.
async fn until_the_end(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut said = Vec::new();
    match tokio::time::timeout(LONG, stream.read_to_end(&mut said)).await.expect("the door gives the place back") {
        Ok(_) => {}
        Err(error) => assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}"),
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_nothing_is_ended() {
    let limits = OutsideConfig { request_seconds: 1, ..OutsideConfig::default() };
    let (toronto, tokyo, _clock) = toronto_and_tokyo(limits).await;

    let says_nothing = async |alpn| {
        let mut stream = connect(&toronto, &tokyo, "127.0.0.1", alpn).await.unwrap();
        until_the_end(&mut stream).await;
    };
    let only_lives = async {
        let mut stream = connect(&toronto, &tokyo, "127.0.0.1", "h2").await.unwrap();
        // Preface, empty SETTINGS and the acknowledgement of the door's (RFC 9113, 3.4): alive, and nothing to ask.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap();
        let said = until_the_end(&mut stream).await;
        assert!(said.windows(2).any(|frame| frame == [7, 0]), "it says that it goes (GOAWAY): {said:?}");
    };
    tokio::join!(says_nothing("h2"), says_nothing("http/1.1"), only_lives);
    receipt_of(&tokyo.send(&toronto, &tokyo.seal(&toronto, "m-1", b"{}")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_holds_a_quarter_of_the_places() {
    let limits = OutsideConfig { max_connections: 32, ..OutsideConfig::default() };
    let (toronto, tokyo, clock) = toronto_and_tokyo(limits).await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    pair(&toronto, &osaka).await;

    let mut held = Vec::new();
    for place in 0..8 {
        let from = format!("127.0.0.{}", 2 + place % 2);
        held.push(connect(&toronto, &tokyo, &from, "http/1.1").await.unwrap_or_else(|| panic!("place {place}")));
    }
    assert!(
        connect(&toronto, &tokyo, "127.0.0.4", "http/1.1").await.is_none(),
        "from a third address, by the same partner"
    );
    let other = connect(&toronto, &osaka, "127.0.0.4", "http/1.1").await;
    assert!(other.is_some(), "another partner is not held up");
    drop(held.pop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(connect(&toronto, &tokyo, "127.0.0.4", "http/1.1").await.is_some(), "a place given back is there again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_holds_a_quarter_of_the_places() {
    let limits = OutsideConfig { max_connections: 32, ..OutsideConfig::default() };
    let (toronto, tokyo, clock) = toronto_and_tokyo(limits).await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    pair(&toronto, &osaka).await;

    let mut held = Vec::new();
    for place in 0..8 {
        let caller = if place % 2 == 0 { &tokyo } else { &osaka };
        let stream = connect(&toronto, caller, "127.0.0.2", "http/1.1").await;
        held.push(stream.unwrap_or_else(|| panic!("place {place}")));
    }
    assert!(connect(&toronto, &osaka, "127.0.0.2", "http/1.1").await.is_none());
    assert!(connect(&toronto, &osaka, "127.0.0.3", "http/1.1").await.is_some());
}
