//! HL7 v2 doors with their own rules, and the acknowledgements a sender asks for.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use watari::config::{Country, MllpFeedConfig, MllpTlsConfig};
use watari::exchange::tls::provider;
use watari::store::messages::MessageStatus;

use super::process::Site;
use super::process::mllp::{Feed, framed, message};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const TRANSFER: &str = include_str!("../fixtures/process/mllp/transfer.hl7");

fn feed(name: &str) -> MllpFeedConfig {
    MllpFeedConfig {
        name: name.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        allow: Vec::new(),
        senders: Vec::new(),
        country: None,
        charset: None,
        tls: None,
    }
}

/// The message with MSH-15 and MSH-16, and another control id.
fn enhanced(text: &str, control_id: &str, accept: &str, application: &str) -> Vec<u8> {
    let text = text.trim_end().replace('\n', "\r");
    let header = text.split('\r').next().unwrap();
    let mut fields: Vec<&str> = header.split('|').collect();
    fields.resize(fields.len().max(18), "");
    (fields[9], fields[14], fields[15]) = (control_id, accept, application);
    text.replace(header, &fields.join("|")).into_bytes()
}

#[tokio::test]
async fn enhanced_mode_gets_the_commit_and_then_the_application_acknowledgement() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    let commit = feed.send(&enhanced(ARRIVAL, "E-1", "AL", "AL")).await;
    assert_eq!((commit.code.as_str(), commit.control_id.as_str()), ("CA", "E-1"));
    assert_eq!(site.messages().len(), 1, "durable before CA");
    let application = feed.ack().await;
    assert_eq!((application.code.as_str(), application.control_id.as_str()), ("AA", "E-1"));

    // Only the commit; only the application's; none: the next message's answer is the next to come.
    assert_eq!(feed.send(&enhanced(ARRIVAL, "E-2", "AL", "NE")).await.code, "CA");
    let third = feed.send(&enhanced(ARRIVAL, "E-3", "NE", "AL")).await;
    assert_eq!((third.code.as_str(), third.control_id.as_str()), ("AA", "E-3"));
    feed.write(&framed(&enhanced(ARRIVAL, "E-4", "NE", "NE"))).await;
    let fifth = feed.send(&message(&ARRIVAL.replace("BV-1001", "E-5"))).await;
    assert_eq!((fifth.code.as_str(), fifth.control_id.as_str()), ("AA", "E-5"));
    assert!(site.messages().iter().any(|one| one.control_id.as_deref() == Some("E-4")), "taken all the same");

    // Stored, but nothing this release can file: the commit stands, the application says so.
    assert_eq!(feed.send(&enhanced(TRANSFER, "E-6", "AL", "AL")).await.code, "CA");
    let application = feed.ack().await;
    assert_eq!(application.code, "AE");
    assert!(application.error.is_some_and(|error| error.contains("MSH^1^9")));
}

#[tokio::test]
async fn an_acknowledgement_sent_to_the_door_is_not_answered() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    feed.write(&framed(b"MSH|^~\\&|HIS|H|GW|B|20260301||ACK^A01^ACK|77|P|2.5\rMSA|AA|1\r")).await;
    assert_eq!(feed.send(&message(ARRIVAL)).await.control_id, "BV-1001");
    assert_eq!(site.messages().len(), 1);
}

#[tokio::test]
async fn each_door_has_its_own_senders_country_and_character_set() {
    let site = Site::canada("bayview").with(|config| {
        let tokyo = MllpFeedConfig {
            country: Some(Country::Jp),
            charset: Some("CP932".to_owned()),
            senders: vec!["TOKYO".to_owned()],
            ..feed("tokyo")
        };
        config.mllp.feeds = vec![tokyo];
    });
    let node = site.serve().await;
    let text = "MSH|^~\\&|HIS|TOKYO|GW|B|20260301120000||ADT^A08|J-1|P|2.5\rEVN||20260301120000\r\
                PID|||JP-1||髙橋^花子^^^^^L^I~タカハシ^ハナコ^^^^^L^P||19600101|F\rPV1||O\r";
    let bytes = encoding_rs::SHIFT_JIS.encode(text).0.into_owned();
    let mut feed = Feed::connect(node.feed("tokyo")).await;
    let ack = feed.send(&bytes).await;
    assert_eq!(ack.code, "AA", "{ack:?}");
    let newest = site.messages().remove(0);
    assert_eq!((newest.status, newest.source.as_str()), (MessageStatus::Translated, "tokyo: HIS"));
    let patient = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let patient = site.read(|view| view.resource("Patient", &patient)).unwrap();
    assert!(patient.json.contains("髙橋") && patient.json.contains("タカハシ"), "{}", patient.json);
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AR", "Bay View is not a sender of this door");
    assert_eq!(Feed::connect(node.mllp()).await.send(&message(ARRIVAL)).await.code, "AA", "but of the first");
}

#[tokio::test]
async fn one_address_does_not_take_all_the_places() {
    let site = Site::canada("bayview").with(|config| {
        config.mllp.max_connections = 16;
        config.mllp.connections_per_source = 3;
    });
    let node = site.serve().await;
    let mut open = Vec::new();
    for number in 0..3 {
        let mut feed = Feed::connect(node.mllp()).await;
        assert_eq!(feed.send(&message(&ARRIVAL.replace("BV-1001", &format!("P-{number}")))).await.code, "AA");
        open.push(feed);
    }
    assert!(Feed::connect(node.mllp()).await.is_closed().await, "the fourth of one address");
}

/// A certificate of `issuer`, and the authority's own, as PEM.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// Connects by TLS, trusting `authority`, with a certificate if there is one; sends a message and gives what comes back.
async fn over_tls(
    door: std::net::SocketAddr,
    authority: &Authority,
    shown: Option<&(String, String)>,
    message: &[u8],
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(door).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(&framed(message)).await?;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\x1c\r") {
        bytes.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn a_door_with_tls_takes_senders_that_show_the_right_certificate() {
    let (hospital, stranger) = (Authority::new(), Authority::new());
    let site = Site::canada("bayview");
    let (certificate, key) = hospital.issue("localhost");
    let tls = MllpTlsConfig {
        certificate: Some(site.write("lab/tls.pem", certificate.as_bytes())),
        key: Some(site.write("lab/tls.key", key.as_bytes())),
        clients: Some(site.write("lab/ca.pem", hospital.pem.as_bytes())),
    };
    let open = MllpTlsConfig { clients: None, ..tls.clone() };
    let site = site.with(|config| {
        config.mllp.feeds = vec![
            MllpFeedConfig { tls: Some(tls), ..feed("closed") },
            MllpFeedConfig { tls: Some(open), ..feed("open") },
        ];
    });
    let node = site.serve().await;
    let arrival = |id: &str| message(&ARRIVAL.replace("BV-1001", id));
    let ours = hospital.issue("lab.bayview.example");
    let theirs = stranger.issue("lab.bayview.example");
    let reply = over_tls(node.feed("closed"), &hospital, Some(&ours), &arrival("T-1")).await.unwrap();
    assert!(reply.contains("MSA|AA|T-1"), "{reply}");
    assert!(over_tls(node.feed("closed"), &hospital, None, &arrival("T-2")).await.is_err(), "no certificate");
    assert!(over_tls(node.feed("closed"), &hospital, Some(&theirs), &arrival("T-3")).await.is_err(), "another's");
    let reply = over_tls(node.feed("open"), &hospital, None, &arrival("T-4")).await.unwrap();
    assert!(reply.contains("MSA|AA|T-4"), "{reply}");
    assert!(
        over_tls(node.feed("open"), &stranger, None, &arrival("T-5")).await.is_err(),
        "the sender checks the door too"
    );
    // Plain MLLP at a TLS door, and TLS at a plain one, come to nothing.
    let mut plain = Feed::connect(node.feed("open")).await;
    plain.write(&framed(&arrival("T-6"))).await;
    assert!(plain.0.read_u8().await.map_or(true, |byte| byte != 0x0b));
    let mut ids: Vec<_> = site.messages().into_iter().filter_map(|message| message.control_id).collect();
    ids.sort();
    assert_eq!(ids, ["T-1", "T-4"]);
}

#[test]
fn a_door_that_cannot_be_opened_as_configured_is_told_at_start() {
    let site = Site::canada("bayview").with(|config| {
        config.mllp.feeds = vec![MllpFeedConfig { charset: Some("KLINGON".to_owned()), ..feed("lab") }];
    });
    super::process::running::serve_to_the_end(&site, &[]).refused(2, "KLINGON");
    let missing = MllpTlsConfig { clients: Some("nowhere/ca.pem".into()), ..MllpTlsConfig::default() };
    let site = Site::canada("bayview").with(|config| {
        config.mllp.feeds = vec![MllpFeedConfig { tls: Some(missing), ..feed("lab") }];
    });
    super::process::running::serve_to_the_end(&site, &[]).refused(2, "ca.pem");
}
