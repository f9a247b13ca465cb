//! The hostile inputs of the MLLP door, by their numbers: PAR-01, PAR-02, PAR-03 and PAR-09.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use watari::store::messages::MessageStatus;

use super::process::Site;
use super::process::mllp::{Feed, framed, message};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");

fn arrival(control_id: &str) -> Vec<u8> {
    message(&ARRIVAL.replace("BV-1001", control_id))
}

fn impatient() -> Site {
    Site::canada("bayview").with(|config| {
        config.mllp.max_message_bytes = 20_000;
        config.mllp.message_seconds = 1;
        config.mllp.connections_per_source = 64;
    })
}

/// PAR-01: no end block, cut at any byte, two messages in one segment, one byte at a time: one refusal or a timeout, and
/// other connections never wait.
#[tokio::test]
async fn par_01_frames_that_never_end_block_nobody() {
    let site = impatient();
    let node = site.serve().await;
    let whole = framed(&arrival("CUT"));
    let mut bystander = Feed::connect(node.mllp()).await;

    let mut slow = Feed::connect(node.mllp()).await;
    let dripping = whole.clone();
    let drip = tokio::spawn(async move {
        let started = std::time::Instant::now();
        for byte in dripping {
            if slow.0.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Long enough to be past the deadline of the message.
            if started.elapsed() > Duration::from_secs(3) {
                break;
            }
        }
        slow
    });

    // Cut at every byte: the sender ends its side there.
    for cut in 1..whole.len() {
        let mut feed = Feed::connect(node.mllp()).await;
        feed.write(&whole[..cut]).await;
        feed.0.shutdown().await.unwrap();
        let ack = feed.ack().await;
        assert_eq!(ack.code, "AR", "cut at {cut}: {ack:?}");
        assert!(feed.is_closed().await, "cut at {cut}");
        if cut % 50 == 0 {
            let started = std::time::Instant::now();
            assert_eq!(bystander.send(&arrival(&format!("BY-{cut}"))).await.code, "AA");
            assert!(started.elapsed() < Duration::from_secs(5), "the bystander waited");
        }
    }
    let mut endless = Feed::connect(node.mllp()).await;
    endless.write(&whole[..whole.len() - 2]).await;
    let ack = endless.ack().await;
    assert!(ack.code == "AR" && ack.text.contains("not complete in time"), "{ack:?}");

    let mut both = Feed::connect(node.mllp()).await;
    both.write(&[framed(&arrival("ONE")), framed(&arrival("TWO"))].concat()).await;
    assert_eq!((both.ack().await.control_id, both.ack().await.control_id), ("ONE".to_owned(), "TWO".to_owned()));

    let mut slow = tokio::time::timeout(Duration::from_secs(60), drip).await.unwrap().unwrap();
    let ack = slow.ack().await;
    assert!(ack.code == "AR" && ack.text.contains("not complete in time"), "{ack:?}");
    assert!(site.messages().iter().all(|message| message.control_id.as_deref() != Some("CUT")));
}

/// PAR-02: bytes without an end are cut at the limit, answered, and the connection ends; memory does not grow with them.
#[tokio::test]
async fn par_02_a_message_without_end_is_cut_at_the_limit() {
    let site = impatient();
    let node = site.serve().await;
    let before = node.resident_kib();
    let mut feed = Feed::connect(node.mllp()).await;
    feed.write(b"\x0bMSH|^~\\&|LIS|LAB|GW|H|20260301||ORU^R01|ENDLESS|P|2.5\r").await;
    let block = vec![b'X'; 1 << 20];
    let mut sent = 0u64;
    // A gigabyte, if it were let.
    while sent < 1 << 30 {
        let written = tokio::time::timeout(Duration::from_secs(5), feed.0.write_all(&block)).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
        sent += block.len() as u64;
    }
    assert!(sent < 1 << 30, "all of it was taken");
    let growth = node.resident_kib().saturating_sub(before);
    assert!(growth < 64 * 1024, "{growth} KiB more for a message of at most 20 kB");
    let mut polite = Feed::connect(node.mllp()).await;
    polite.write(&[b"\x0bMSH|^~\\&|LIS|LAB|GW|H|20260301||ORU^R01|ENDLESS|P|2.5\r", &block[..30_000]].concat()).await;
    let ack = polite.ack().await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AR", "ENDLESS"));
    assert!(ack.error.is_some_and(|error| error.contains("larger than this node takes")));
    assert!(polite.is_closed().await);
    assert_eq!(site.messages(), []);
}

/// PAR-03: a header that does not hold is answered AR with the field; the message is kept aside and shown.
#[tokio::test]
async fn par_03_a_header_that_does_not_hold_is_answered_ar_and_kept() {
    let site = impatient();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    let text = ARRIVAL.trim_end().replace('\n', "\r");
    let header = text.split('\r').next().unwrap();
    let with = |number: usize, value: &str| {
        let mut fields: Vec<&str> = header.split('|').collect();
        fields[number - 1] = value;
        text.replace(header, &fields.join("|")).into_bytes()
    };
    let seen_before = site.messages().len();
    for (bytes, place, condition) in [
        (with(10, ""), "MSH^1^10", "101^Required field missing"),
        (with(12, ""), "MSH^1^12", "101^Required field missing"),
        (with(9, "ADT^X99"), "MSH^1^9^1^2", "201^Unsupported event code"),
        (with(9, "ABC^A01"), "MSH^1^9^1^1", "200^Unsupported message type"),
    ] {
        let ack = feed.send(&bytes).await;
        assert_eq!(ack.code, "AR", "{place}");
        let error = ack.error.unwrap();
        assert!(error.starts_with(&format!("ERR||{place}|{condition}^HL70357|E|")), "{error}");
        let newest = site.messages().remove(0);
        assert_eq!(newest.status, MessageStatus::Quarantined, "{place}");
        let kept = site.read(|view| view.message(&newest.id)).unwrap();
        assert_eq!(kept.raw, bytes, "{place}");
    }
    assert_eq!(site.messages().len(), seen_before + 4);
    assert_eq!(site.count("Patient"), 0);

    // Delimiters of the sender's own choice are no fault.
    let odd = text.replacen("MSH|^~\\&|", "MSH#*+!$#", 1).replace('|', "#").replace('^', "*").replace('&', "$");
    let bytes = odd.replace("BV-1001", "ODD").into_bytes();
    feed.write(&framed(&bytes)).await;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\x1c\r") {
        reply.push(tokio::io::AsyncReadExt::read_u8(&mut feed.0).await.unwrap());
    }
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.contains("\rMSA#AA#ODD\r"), "{reply}");
    // Delimiters that are the same, or letters, leave nothing to read.
    for broken in ["MSH|||||", "MSH|^^^^|", "MSHA^~\\&A"] {
        let bytes = text.replacen("MSH|^~\\&|", broken, 1).into_bytes();
        let ack = feed.send(&bytes).await;
        assert_eq!(ack.code, "AE", "{broken}: {ack:?}");
        assert!(ack.error.is_some());
        assert_eq!(site.messages().remove(0).status, MessageStatus::Quarantined);
    }
}

/// PAR-09: an address that is not listed is closed, a sending facility that is not listed is quarantined and answered AR.
#[tokio::test]
async fn par_09_only_listed_sources_are_taken() {
    let elsewhere = impatient().with(|config| config.mllp.allow = vec!["192.0.2.0/24".parse().unwrap()]);
    let node = elsewhere.serve().await;
    assert!(Feed::connect(node.mllp()).await.is_closed().await);
    assert_eq!(elsewhere.messages(), []);

    let fields: Vec<&str> = ARRIVAL.split('|').collect();
    let (application, facility) = (fields[2], fields[3]);
    let site = impatient().with(|config| {
        config.mllp.allow = vec!["127.0.0.0/8".parse().unwrap()];
        config.mllp.senders = vec![format!("{application}|{facility}")];
    });
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    assert_eq!(feed.send(&arrival("LISTED")).await.code, "AA");
    assert_eq!(site.count("Patient"), 1);
    let stranger = ARRIVAL.replace(&format!("|{application}|{facility}|"), &format!("|{application}|ELSEWHERE|"));
    let ack = feed.send(&message(&stranger.replace("BV-1001", "STRANGER").replace("BV700101", "BV700199"))).await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AR", "STRANGER"));
    assert!(ack.error.is_some_and(|error| error.contains("MSH^1^4")));
    let newest = site.messages().remove(0);
    assert_eq!((newest.status, newest.control_id.as_deref()), (MessageStatus::Quarantined, Some("STRANGER")));
    assert_eq!(site.count("Patient"), 1, "nothing of the stranger's is in the record");
}
