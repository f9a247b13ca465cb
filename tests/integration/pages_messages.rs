//! The messages pages: filters, field reports, and content that shows only when asked for.

use axum::http::StatusCode;
use watari::access::Role;
use watari::config::Country;
use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::{Change, Changes, StoreError};

use super::page_desk::Desk;
use super::referral_pair::Side;

const HL7: &str = "MSH|^~\\&|ADT|TGH|||20261124||ADT^A01|M1|P|2.5\rPID|1||8001^^^TGH||Bélanger^Maëlle||19800214\r";

pub fn message(number: u32, status: MessageStatus, channel: &str) -> MessageRecord {
    let is_good = status == MessageStatus::Translated;
    MessageRecord {
        id: format!("m{number:03}"),
        channel: channel.to_owned(),
        source: "adt/8001_20261124_ADT-00".to_owned(),
        kind: "ADT^A01".to_owned(),
        control_id: Some(format!("C{number}")),
        received_at: format!("2026-11-24T10:{:02}:00.000Z", number % 60),
        raw: HL7.as_bytes().to_vec(),
        sha256: "00".to_owned(),
        status,
        reason: (!is_good).then(|| "PID-3 is empty; correct the feed and send again".to_owned()),
        losses: is_good.then(|| {
            r#"{"entries":[{"source":"PID-5.1","occurrence":1,"outcome":"mapped","targets":["Patient.name.family"]},
                {"source":"PID-30","occurrence":1,"outcome":"dropped","reason":"no element holds it"},
                {"source":"ZZ1-2","occurrence":2,"outcome":"kept-raw"}],"totals":{"mapped":1,"kept_raw":1,"dropped":1}}"#
                .to_owned()
        }),
        resources: if is_good { r#"["Patient/p1","Encounter/e1"]"# } else { "[]" }.to_owned(),
        patient: None,
    }
}

fn side(messages: &[MessageRecord]) -> Side {
    let clock = watari::clock::TestClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let side = Side::new("toronto", Country::Ca, &clock);
    for one in messages {
        side.here.store.commit(Changes::new().with(Change::RecordMessage(one.clone()))).unwrap();
    }
    side
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let mut messages: Vec<_> = (0..55).map(|n| message(n, MessageStatus::Translated, "mllp")).collect();
    messages.push(message(900, MessageStatus::Quarantined, "ssmix2"));
    let side = side(&messages);
    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    let all = desk.get("/messages").await;
    assert_eq!(all.body.matches("href=\"/messages/m").count(), 50);
    all.says("/messages?page=2");
    assert_eq!(desk.get("/messages?page=2").await.body.matches("href=\"/messages/m").count(), 6);
    let aside = desk.get("/messages?status=quarantined").await;
    assert_eq!(aside.body.matches("href=\"/messages/m").count(), 1);
    aside.says("correct the feed and send again");
    let none = desk.get("/messages?status=quarantined&channel=mllp").await;
    none.says("No message matches");
    // Nonsense in the address is no filter, and no error.
    assert_eq!(desk.get("/messages?status=x&page=-3&channel=%ff").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_field_is_accounted_for_and_content_is_masked() {
    let side = side(&[message(1, MessageStatus::Translated, "mllp"), message(2, MessageStatus::Quarantined, "mllp")]);
    for language in ["en", "fr", "ja"] {
        let mut desk = Desk::signed_in(&side.here, Role::It).await.reading(language);
        let page = desk.get("/messages/m001").await;
        page.says("Patient.name.family").says("no element holds it").says("ZZ1 2").says("|ADT|TGH|");
        page.does_not_say("Bélanger").does_not_say("8001").does_not_say("19800214");
        desk.get("/messages/m002").await.says("PID-3 is empty").does_not_say("Bélanger");
    }
}

#[tokio::test]
async fn showing_the_content_is_audited() {
    let side = side(&[message(1, MessageStatus::Translated, "mllp")]);
    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    // A link cannot show it: it takes a form.
    assert_eq!(desk.get("/messages/m001?reveal=1").await.body.matches("Bélanger").count(), 0);
    let page = desk.post("/messages/m001/reveal", &[]).await;
    page.says("Bélanger^Maëlle").says("8001_20261124");
    let trail = side.here.store.view(|view| view.audit_tail(1)).map_err(|error: StoreError| error).unwrap();
    assert_eq!((trail[0].entry.action.as_str(), trail[0].entry.target.as_str()), ("message.reveal", "m001"));
    assert_eq!(trail[0].entry.actor, "user:okafor");
}

#[tokio::test]
async fn what_is_lost_most_often_over_all_messages_is_shown_to_it() {
    let side = side(&[]);
    let key = |channel: &str, field: &str, outcome: &str, reason: &str| watari::store::losses::LossKey {
        day: "2026-11-24".to_owned(),
        channel: channel.to_owned(),
        kind: "ADT^A08".to_owned(),
        field: field.to_owned(),
        outcome: outcome.to_owned(),
        reason: reason.to_owned(),
    };
    let counts = std::collections::BTreeMap::from([
        (key("mllp", "PID-7", "mapped", ""), 1200),
        (key("mllp", "PID-30", "dropped", "no element holds it"), 17),
        (key("csv", "column sex", "kept-raw", "no row takes it"), 1234),
    ]);
    side.here.store.commit(Changes::new().with(Change::CountLosses(counts))).unwrap();
    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    desk.get("/messages").await.says("/messages/fields");
    let page = desk.get("/messages/fields").await;
    page.says("PID-30").says("no element holds it").says("1,234").does_not_say("PID-7");
    assert!(page.body.find("column sex").unwrap() < page.body.find("PID-30").unwrap(), "the most lost first");
    desk.get("/messages/fields?channel=mllp").await.says("PID-30").does_not_say("column sex");
    desk.get("/messages/fields?channel=fhir").await.says("Nothing was lost");
    for language in ["fr", "ja"] {
        Desk::signed_in(&side.here, Role::It).await.reading(language).get("/messages/fields").await.says("PID-30");
    }
}
