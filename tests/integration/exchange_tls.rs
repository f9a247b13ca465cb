//! The outside door under TLS: who gets through the handshake, who is put out again, and who cannot disturb the others.
//! In TLS 1.3 a client learns of a refusal on its first read, so every test here reads.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use watari::clock::TestClock;
use watari::config::{Country, InsideConfig, OutsideConfig};
use watari::exchange::identity::{self, Identity};
use watari::exchange::transport::{Https, Outgoing, Reply, Transport, TransportError};
use watari::exchange::{pairing, tls};
use watari::wire::submit_message;

use crate::two_nodes::{Node, SLOW_PATH, noon, pair, paired, receipt_of, trust};

/// A node with the keys in `folder`, for certificates no node would make for itself.
async fn node_with(id: &str, clock: &TestClock, identity: Identity, folder: tempfile::TempDir) -> Node {
    Node::serve(id, Country::Jp, clock, OutsideConfig::default(), identity, folder).await
}

async fn refused(from: &Node, to: &Node, outgoing: Outgoing, why: &str) {
    refused_by_tls(from.post(outgoing).await, why);
    assert_eq!(to.effects(), 0, "{why}");
}

/// The alert, or the end of the connection if that was seen first; never an HTTP answer.
fn refused_by_tls(result: Result<Reply, TransportError>, why: &str) {
    match result {
        Err(TransportError::RefusedByTls(_) | TransportError::Ended) => {}
        other => panic!("{why}: {other:?}"),
    }
}

/// A request of `caller`, addressed as if it were the paired Tokyo.
fn request_of(caller: &Node, to: &Node) -> Outgoing {
    trust(caller, to);
    caller.outgoing(to, &caller.seal(to, "m-1", b"{}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_certificate_is_refused() {
    let (toronto, _tokyo, _clock) = paired().await;
    let mut stream = connect(&toronto, no_certificate()).await.unwrap();
    stream.write_all(b"POST /peer/v1/directory HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let error = stream.read(&mut [0; 1]).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaired_node_is_refused() {
    let (toronto, _tokyo, clock) = paired().await;
    let stranger = Node::start("osaka", Country::Jp, &clock).await;
    let mut stream = connect(&toronto, certificate_of(&stranger)).await.unwrap();
    let error = stream.read(&mut [0; 1]).await.unwrap_err().to_string();
    assert!(error.contains("AccessDenied"), "{error}");
    refused(&stranger, &toronto, request_of(&stranger, &toronto), "unpaired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_in_a_partners_name_by_another_authority_is_refused() {
    let (toronto, tokyo, clock) = paired().await;
    let self_signed = Node::start("tokyo", Country::Jp, &clock).await;
    refused(&self_signed, &toronto, request_of(&self_signed, &toronto), "self-signed").await;

    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    Identity::create(&keys, "tokyo", &[], noon()).unwrap();
    let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(keys.join(identity::TLS_KEY)).unwrap()).unwrap();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::Issuer::new(authority, authority_key);
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI("urn:watari:institution:tokyo".try_into().unwrap()));
    let issued = params.signed_by(&key, &authority).unwrap();
    std::fs::write(keys.join(identity::CERTIFICATE), issued.pem()).unwrap();
    let identity = Identity::load(&keys).unwrap();
    let impostor = node_with("tokyo", &clock, identity, folder).await;
    refused(&impostor, &toronto, request_of(&impostor, &toronto), "issued").await;
    receipt_of(&tokyo.send(&toronto, &tokyo.seal(&toronto, "m-1", b"{}")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_out_of_its_time_is_refused_though_it_is_pinned() {
    let clock = TestClock::new(noon());
    let toronto = Node::start("toronto", Country::Ca, &clock).await;
    for (days, why) in [(-3 * 365, "expired"), (3, "not yet valid")] {
        let folder = tempfile::tempdir().unwrap();
        let made = noon() + SignedDuration::from_hours(24 * days);
        let identity = Identity::create(&folder.path().join("keys"), "tokyo", &[], made).unwrap();
        let tokyo = node_with("tokyo", &clock, identity, folder).await;
        trust(&toronto, &tokyo);
        refused(&tokyo, &toronto, request_of(&tokyo, &toronto), why).await;
        let outgoing = toronto.outgoing(&tokyo, &toronto.seal(&tokyo, "m-2", b"{}"));
        assert_eq!(toronto.post(outgoing).await.unwrap_err(), TransportError::PeerIdentity, "{why}, as a server");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_while_connected_ends_the_connection() {
    let (toronto, tokyo, clock) = paired().await;
    let network = Https::new();
    let message = tokyo.seal(&toronto, "m-1", b"{}");
    receipt_of(&network.post(&tokyo.here, tokyo.outgoing(&toronto, &message)).await.unwrap());
    clock.advance(SignedDuration::from_hours(24 * 731));
    let after = network.post(&tokyo.here, tokyo.outgoing(&toronto, &message)).await;
    assert!(after.as_ref().map_or(true, |reply| reply.status == 403), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_peer_is_put_out_of_its_open_connection() {
    let (toronto, tokyo, _clock) = paired().await;
    let network = Https::new();
    let message = tokyo.seal(&toronto, "m-1", b"{}");
    receipt_of(&network.post(&tokyo.here, tokyo.outgoing(&toronto, &message)).await.unwrap());
    let mut idle = connect(&toronto, certificate_of(&tokyo)).await.unwrap();

    pairing::revoke(&toronto.here, "tokyo", "user:it").unwrap();
    let after = network.post(&tokyo.here, tokyo.outgoing(&toronto, &message)).await.unwrap();
    assert_eq!(after.status, 403, "the open connection");
    let ended = tokio::time::timeout(Duration::from_secs(5), idle.read(&mut [0; 1])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the idle connection is closed: {ended:?}");
    let mut again = connect(&toronto, certificate_of(&tokyo)).await.unwrap();
    let error = again.read(&mut [0; 1]).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRevoked"), "a new connection: {error}");
    refused_by_tls(tokyo.send(&toronto, &message).await, "our own client");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_speaks_only_to_the_pinned_certificate() {
    let (toronto, tokyo, clock) = paired().await;
    let other = Node::start("tokyo", Country::Jp, &clock).await;
    trust(&other, &toronto);
    let mut outgoing = toronto.outgoing(&tokyo, &toronto.seal(&tokyo, "m-1", b"{}"));
    outgoing.url.clone_from(&other.url);
    assert_eq!(toronto.post(outgoing.clone()).await.unwrap_err(), TransportError::PeerIdentity);
    outgoing.url = tokyo.url.replace("https", "http");
    assert_eq!(toronto.post(outgoing).await.unwrap_err(), TransportError::Address);
    assert_eq!(other.effects() + tokyo.effects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_3_without_tickets_and_early_data_is_spoken() {
    let (toronto, _tokyo, _clock) = paired().await;
    let config = tls::outside(&toronto.here).unwrap();
    assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
    let mut stream = TcpStream::connect(toronto.address).await.unwrap();
    stream.write_all(&client_hello_of_tls_1_2()).await.unwrap();
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.unwrap();
    // Record type 21 (alert), level 2 (fatal), 70 (protocol_version).
    assert_eq!((alert[0], &alert[5..]), (21, [2, 70].as_slice()), "{alert:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_and_silence_do_not_hurt_the_others() {
    let clock = TestClock::new(noon());
    let limits = OutsideConfig { handshake_seconds: 3, max_connections: 20, ..OutsideConfig::default() };
    let toronto = Node::start_with("toronto", Country::Ca, &clock, limits).await;
    let tokyo = Node::start("tokyo", Country::Jp, &clock).await;
    pair(&toronto, &tokyo).await;

    let mut plain = TcpStream::connect(toronto.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "no HTTP without TLS");

    // Half-open connections from another address: eight may wait for their handshake, the others are
    // closed at once; all together would fill the door.
    let mut silent = Vec::new();
    for _ in 0..30 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(toronto.address).await.unwrap());
    }
    for n in 0..5 {
        let message = tokyo.seal(&toronto, &format!("m-{n}"), b"{}");
        let sent = tokio::time::timeout(Duration::from_millis(2500), tokyo.send(&toronto, &message)).await;
        receipt_of(&sent.expect("a healthy peer does not wait for the silent").unwrap());
    }
    for mut stream in silent {
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0; 1])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let clock = TestClock::new(noon());
    let limits = OutsideConfig { max_body_bytes: 100_000, ..OutsideConfig::default() };
    let toronto = Node::start_with("toronto", Country::Ca, &clock, limits).await;
    let tokyo = Node::start("tokyo", Country::Jp, &clock).await;
    pair(&toronto, &tokyo).await;
    let fits = tokyo.seal(&toronto, "m-1", &vec![b' '; 100_000]);
    receipt_of(&tokyo.send(&toronto, &fits).await.unwrap());
    let large = tokyo.seal(&toronto, "m-2", &vec![b' '; 100_001]);
    assert_eq!(tokyo.send(&toronto, &large).await.unwrap().status, 413);
    assert_eq!(toronto.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_is_not_read() {
    let (toronto, tokyo, _clock) = paired().await;
    let mut here = toronto.here.clone();
    let small = watari::config::ExchangeConfig { max_answer_bytes: 20, ..(*here.exchange).clone() };
    here.exchange = Arc::new(small);
    let outgoing = toronto.outgoing(&tokyo, &toronto.seal(&tokyo, "m-1", b"{}"));
    assert_eq!(Https::new().post(&here, outgoing).await.unwrap_err(), TransportError::AnswerTooLarge(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_finishes_what_has_begun() {
    let (mut toronto, tokyo, _clock) = paired().await;
    let mut slow = tokyo.outgoing(&toronto, &tokyo.seal(&toronto, "m-1", b"{}"));
    slow.path = SLOW_PATH.to_owned();
    let here = tokyo.here.clone();
    let begun = tokio::spawn(async move { Https::new().post(&here, slow).await });
    // One connection that is idle and one whose handshake never comes: neither holds up the end.
    let _idle = connect(&toronto, certificate_of(&tokyo)).await.unwrap();
    let _silent = TcpStream::connect(toronto.address).await.unwrap();
    while toronto.audited("test.begun") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(Duration::from_secs(5), toronto.stop()).await.expect("the door closes in time");
    assert_eq!(receipt_of(&begun.await.unwrap().unwrap()), "slow");
    assert!(TcpStream::connect(toronto.address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inside_door_asks_for_no_certificate() {
    let (toronto, _tokyo, _clock) = paired().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "こんにちは" }));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let identity = toronto.here.identity.clone();
    let door = tokio::spawn(async move {
        watari::server::listen::serve_inside(listener, &identity, InsideConfig::default(), app, stopped).unwrap().await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(no_certificate())).connect(server_name(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("こんにちは"), "{answer}");
    stop.send_replace(true);
    door.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_shows_nothing_to_strangers() {
    let (toronto, tokyo, _clock) = paired().await;
    let mut outgoing = tokyo.outgoing(&toronto, &tokyo.seal(&toronto, "m-1", b"{}"));
    outgoing.path = "/fhir/Patient".to_owned();
    assert_eq!(tokyo.post(outgoing).await.unwrap().status, 404);
    assert!(submit_message::PATH.starts_with(watari::wire::BASE));
}

pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

async fn connect(
    to: &Node,
    config: rustls::ClientConfig,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to.address).await?;
    TlsConnector::from(Arc::new(config)).connect(server_name(), stream).await
}

fn client_builder() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
}

fn no_certificate() -> rustls::ClientConfig {
    client_builder().with_no_client_auth()
}

pub fn certificate_of(node: &Node) -> rustls::ClientConfig {
    let identity = &node.here.identity;
    client_builder().with_client_auth_cert(vec![identity.certificate().clone()], identity.tls_key()).unwrap()
}

/// A client that does not look whom it talks to.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A ClientHello that offers nothing above TLS 1.2 (RFC 5246), written out.
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ecdsa_secp256r1_sha256
    ];
    let mut hello = vec![3, 3];
    hello.extend([7; 32]); // random
    hello.push(0); // no session id
    hello.extend([0, 2, 0xc0, 0x2b]); // ECDHE-ECDSA-AES128-GCM-SHA256
    hello.extend([1, 0]); // no compression
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    handshake.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}
