//! HL7 v2 over MLLP at a real node: AA is said of what is durable and of nothing else, a bad message harms no other
//! connection, and corrections follow the record.

use std::time::Duration;

use serde_json::Value;
use watari::documents::{self, OwnIds};
use watari::fhir::search::{Criterion, Search};
use watari::records::find;
use watari::referral::party::Party;
use watari::store::StoreError;
use watari::store::messages::MessageStatus;
use watari::store::records::StoredResource;

use super::process::Site;
use super::process::mllp::{Feed, framed, message};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");
const CORRECTION: &str = include_str!("../fixtures/process/mllp/correction.hl7");
const WITHDRAWAL: &str = include_str!("../fixtures/process/mllp/withdrawal.hl7");
const TRANSFER: &str = include_str!("../fixtures/process/mllp/transfer.hl7");

/// A node that loses patience quickly and takes no large messages.
fn strict() -> Site {
    Site::canada("bayview").with(|config| {
        config.mllp.max_message_bytes = 20_000;
        config.mllp.message_seconds = 1;
    })
}

/// The arrival with another control id.
fn arrival(control_id: &str) -> Vec<u8> {
    message(&ARRIVAL.replace("BV-1001", control_id))
}

/// The one observation of this LOINC code.
fn observation(site: &Site, code: &str) -> StoredResource {
    let criterion = Criterion::token("code", Some("http://loinc.org"), code);
    let search = Search::new("Observation", vec![criterion], 10);
    let mut found = site.read(|view| find::search(view, &search).map_err(StoreError::from)).resources;
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn json(resource: &StoredResource) -> Value {
    serde_json::from_str(&resource.json).unwrap()
}

#[tokio::test]
async fn aa_is_said_of_what_is_stored() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    for (number, text) in [ARRIVAL, RESULTS].into_iter().enumerate() {
        let ack = feed.send(&message(text)).await;
        // Looked up by another connection to the database the moment the acknowledgement is there.
        let stored = site.messages();
        assert_eq!(stored.len(), number + 1);
        assert_eq!(ack.code, "AA");
        assert_eq!(ack.error, None);
        assert_eq!(Some(ack.control_id), stored[0].control_id);
        assert_eq!(stored[0].status, MessageStatus::Translated);
    }
    let newest = site.messages().remove(0);
    let raw = site.read(|view| view.message(&newest.id)).unwrap().raw;
    assert_eq!(raw, message(RESULTS), "the bytes as received");
    // Killed the moment after, it still has them.
    node.kill();
    assert_eq!(site.messages().len(), 2);
    assert_eq!(site.count("Observation"), 3);
}

#[tokio::test]
async fn broken_messages_are_refused_and_harm_nobody() {
    let site = strict();
    let node = site.serve().await;
    let mut bystander = Feed::connect(node.mllp()).await;
    assert_eq!(bystander.send(&arrival("BEFORE")).await.code, "AA");

    let whole = arrival("BROKEN");
    let mut cut_short = Feed::connect(node.mllp()).await;
    cut_short.write(&framed(&whole)[..whole.len() / 2]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut cut_short.0).await.unwrap();
    let mut stalled = Feed::connect(node.mllp()).await;
    stalled.write(&framed(&whole)[..whole.len() / 2]).await;
    let mut huge = Feed::connect(node.mllp()).await;
    huge.write(&framed(&[whole.clone(), vec![b'X'; 200_000]].concat())).await;
    let mut endless = Feed::connect(node.mllp()).await;
    endless.write(&[&[0x0b], &whole[..], &[b'X'; 30_000]].concat()).await;
    let mut foreign = Feed::connect(node.mllp()).await;
    foreign.write(b"GET / HTTP/1.1\r\nHost: bayview\r\n\r\n").await;

    for (feed, reason) in [
        (&mut cut_short, "ended inside the message"),
        (&mut stalled, "not complete in time"),
        (&mut huge, "larger than this node takes"),
        (&mut endless, "larger than this node takes"),
        (&mut foreign, "not MLLP"),
    ] {
        let ack = feed.ack().await;
        assert_eq!(ack.code, "AR", "{ack:?}");
        assert!(ack.text.contains(reason), "{ack:?}");
        assert!(ack.error.as_deref().is_some_and(|error| error.contains(reason)), "{ack:?}");
        assert!(feed.is_closed().await, "what comes after it cannot be told apart: {reason}");
        // Meanwhile and afterwards the other connection works.
        assert_eq!(bystander.send(&arrival(reason)).await.code, "AA");
    }
    assert!(site.messages().iter().all(|message| message.control_id.as_deref() != Some("BROKEN")));
}

#[tokio::test]
async fn a_sender_still_writing_a_message_that_is_too_large_learns_why() {
    let site = strict();
    let node = site.serve().await;
    let (mut reading, mut writing) = Feed::connect(node.mllp()).await.0.into_split();
    let sender = tokio::spawn(async move {
        let _ =
            tokio::io::AsyncWriteExt::write_all(&mut writing, &[b"\x0b", &vec![b'X'; 8_000_000][..]].concat()).await;
        // As a sender that works for a while before it looks.
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("MSA|AR") && answer.contains("larger than this node takes"), "{answer}");
    sender.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_answered_ae() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    let latin =
        encoding_rs::WINDOWS_1252.encode(&ARRIVAL.replace('\n', "\r").replace("BV-1001", "LATIN")).0.into_owned();
    let unknown = message(&ARRIVAL.replace("UNICODE UTF-8", "KLINGON").replace("BV-1001", "UNKNOWN"));
    let headless = b"PID|1||BV700101^^^BAYVIEW^MR\r".to_vec();
    let only_header = message(ARRIVAL.lines().next().unwrap());
    for (bytes, reason) in [
        (latin, "not valid"),
        (unknown, "KLINGON"),
        (headless, "does not begin with MSH"),
        (only_header, "nothing follows MSH"),
    ] {
        let ack = feed.send(&bytes).await;
        assert_eq!(ack.code, "AE", "{ack:?}");
        assert!(ack.error.as_deref().is_some_and(|error| error.contains(reason)), "{reason}: {ack:?}");
        let newest = site.messages().remove(0);
        assert_eq!(newest.status, MessageStatus::Quarantined);
        assert!(newest.reason.is_some_and(|text| text.contains(reason)));
        let kept = site.read(|view| view.message(&newest.id)).unwrap();
        assert_eq!(kept.raw, bytes, "kept as received, for a person to look at");
    }
    assert_eq!(site.count("Patient"), 0, "nothing of them is in the record");
    assert_eq!(feed.send(&arrival("AFTER")).await.code, "AA", "the same connection goes on");
}

#[tokio::test]
async fn a_type_that_is_not_translated_is_stored_aside_with_its_reason() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    let ack = feed.send(&message(TRANSFER)).await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", "BV-1005"));
    let quarantined = site.quarantined();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].kind, "ADT^A17");
    let reason = quarantined[0].reason.as_deref().unwrap();
    assert!(reason.contains("ADT^A17") && reason.contains("ADT^A04"), "what it is and what there is: {reason}");
    assert_eq!(site.count("Patient"), 0);
}

#[tokio::test]
async fn a_sender_that_does_not_wait_gets_every_acknowledgement_in_order() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    let ids: Vec<String> = (0..20).map(|number| format!("PIPE-{number}")).collect();
    let all: Vec<u8> = ids.iter().flat_map(|id| framed(&arrival(id))).collect();
    feed.write(&all).await;
    for id in &ids {
        let ack = feed.ack().await;
        assert_eq!((ack.code.as_str(), &ack.control_id), ("AA", id));
    }
    assert_eq!(site.messages().len(), ids.len());
}

#[tokio::test]
async fn many_connections_are_served_and_one_too_many_is_closed() {
    let site = strict().with(|config| config.mllp.max_connections = 16);
    let node = site.serve().await;
    let mut feeds = Vec::new();
    for number in 0..16 {
        let mut feed = Feed::connect(node.mllp()).await;
        assert_eq!(feed.send(&arrival(&format!("FIRST-{number}"))).await.code, "AA");
        feeds.push(feed);
    }
    assert!(Feed::connect(node.mllp()).await.is_closed().await, "the seventeenth");
    let round = feeds.iter_mut().enumerate().map(|(number, feed)| async move {
        let id = format!("SECOND-{number}");
        let ack = feed.send(&message(&RESULTS.replace("BV-1002", &id))).await;
        assert_eq!((ack.code.as_str(), ack.control_id), ("AA", id));
    });
    let mut round: Vec<_> = round.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        round.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if round.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    drop(round);
    assert_eq!(site.messages().len(), 32);
    assert_eq!(site.quarantined(), []);
    assert_eq!(site.count("Observation"), 3, "the same results sixteen times are the same three");
    // A place that is given back is taken again.
    drop(feeds.pop());
    super::process::until("the free place", || {
        let door = node.mllp();
        let mut stream = std::net::TcpStream::connect(door).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
        let closed = std::io::Read::read(&mut stream, &mut [0u8; 1]);
        closed.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_allowed_addresses_come_in() {
    let elsewhere = strict().with(|config| config.mllp.allow = vec!["192.0.2.7".parse().unwrap()]);
    let node = elsewhere.serve().await;
    assert!(Feed::connect(node.mllp()).await.is_closed().await);
    let here = strict().with(|config| config.mllp.allow = vec!["127.0.0.1".parse().unwrap()]);
    let node = here.serve().await;
    assert_eq!(Feed::connect(node.mllp()).await.send(&arrival("HERE")).await.code, "AA");
}

#[tokio::test]
async fn corrections_amend_withdrawals_withdraw_and_old_news_changes_nothing() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    for text in [ARRIVAL, RESULTS] {
        assert_eq!(feed.send(&message(text)).await.code, "AA");
    }
    let before = observation(&site, "14749-6");
    assert_eq!((before.version, json(&before)["status"].as_str()), (1, Some("final")));
    assert!(observation(&site, "14927-8").json.contains("\"value\":1.50"), "1.50 stays 1.50");

    // OBX-11 C.
    assert_eq!(feed.send(&message(CORRECTION)).await.code, "AA");
    let corrected = observation(&site, "14749-6");
    assert_eq!((&corrected.id, corrected.version), (&before.id, 2));
    assert_eq!(json(&corrected)["status"], "corrected");
    assert!(corrected.json.contains("\"value\":8.6"));
    let history = site.read(|view| view.resource_version("Observation", &before.id, 1)).unwrap();
    assert_eq!(history.json, before.json, "the history keeps what was said before");

    // OBX-11 W.
    assert_eq!(feed.send(&message(WITHDRAWAL)).await.code, "AA");
    let withdrawn = observation(&site, "14682-9");
    assert_eq!((withdrawn.version, json(&withdrawn)["status"].as_str()), (2, Some("entered-in-error")));

    // The first report comes once more, late: it is kept and changes nothing.
    let late = message(&RESULTS.replace("BV-1002", "BV-1002-LATE"));
    assert_eq!(feed.send(&late).await.code, "AA");
    assert_eq!(observation(&site, "14749-6").json, corrected.json);
    assert_eq!(observation(&site, "14682-9").json, withdrawn.json);
    assert_eq!(site.messages().len(), 5, "every message is kept");
}

#[tokio::test]
async fn the_same_message_twice_writes_nothing_twice() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    for text in [ARRIVAL, RESULTS] {
        assert_eq!(feed.send(&message(text)).await.code, "AA");
    }
    let patient = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let once = site.read(|view| view.compartment(&patient));
    let counts = site.read(|view| view.resource_counts());
    for text in [ARRIVAL, RESULTS] {
        assert_eq!(feed.send(&message(text)).await.code, "AA");
    }
    assert_eq!(site.read(|view| view.compartment(&patient)), once, "no new version of anything");
    assert_eq!(site.read(|view| view.resource_counts()), counts, "nothing new, Provenance neither");
    assert_eq!(site.messages().len(), 4);
}

#[tokio::test]
async fn no_allergy_segment_is_no_information() {
    let site = strict();
    let node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
    assert_eq!(site.count("AllergyIntolerance"), 0);
    let patient = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let gathered = site.read(|view| documents::gather(view, &meaning(), &patient)).unwrap();
    let mut own = OwnIds::new("test");
    let author = Party::here(&site.config.institution).organization();
    for (language, words) in [("en", "No information"), ("fr", "Aucune information"), ("ja", "情報なし")] {
        let summary = documents::ips(&gathered, &mut own, &author, "2026-11-24T12:00:00Z", language).bundle;
        let sections = summary.pointer("/entry/0/resource/section").and_then(Value::as_array).unwrap();
        let allergies = sections.iter().find(|section| section["code"]["coding"][0]["code"] == "48765-2").unwrap();
        assert!(allergies.get("entry").is_none());
        assert_eq!(allergies["emptyReason"]["coding"][0]["code"], "unavailable");
        assert!(allergies["text"]["div"].as_str().unwrap().contains(words), "{allergies}");
        // SNOMED CT 716186003 and the IPS code say "no known allergy"; emptyReason nilknown says it too.
        let text = summary.to_string().to_lowercase();
        for claim in ["716186003", "no-known-allerg", "no-allergy-info", "nilknown", "no known allerg"] {
            assert!(!text.contains(claim), "{claim}");
        }
    }
}

fn meaning() -> watari::harmonise::Meaning {
    let setting = watari::harmonise::HarmoniseSetting {
        country: watari::config::Country::Ca,
        namespace: "https://bayview.example/fhir".to_owned(),
    };
    watari::harmonise::Meaning { catalog: watari::harmonise::builtin().unwrap(), setting }
}
