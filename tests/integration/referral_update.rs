//! The messages after the package: one per act, as expected in `tests/fixtures/referral/updates`, and read back as the
//! act they are.

use serde_json::{Value, json};
use watari::documents::{self, Reply};
use watari::referral::incoming;
use watari::referral::state::{Business, Event, Place, Status};
use watari::referral::update::{Update, update};

use super::referral_package::{expect, party, shown};

const REFERRAL: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a001";
const MESSAGE: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a003";
const QUESTION: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a004";
const AT: &str = "2026-03-05T01:02:03.000Z";

fn place(status: Status, business: Option<Business>) -> Place {
    Place { status, business }
}

/// File, act, state after, by the sender?, note.
fn cases() -> Vec<(&'static str, Event, Place, bool, Option<&'static str>)> {
    let progress = |business| place(Status::InProgress, Some(business));
    let accepted = place(Status::Accepted, None);
    vec![
        ("accept.json", Event::Accept, accepted, false, None),
        ("decline.json", Event::Decline, place(Status::Rejected, None), false, Some("満床のため")),
        ("ask.json", Event::Ask, accepted, false, Some("アレルギーの有無をご教示ください。")),
        ("answer.json", Event::Answer, accepted, true, Some("None recorded; not asked.")),
        ("schedule.json", Event::Schedule, progress(Business::Scheduled), false, Some("2026-04-01T09:30:00+09:00")),
        ("schedule-day.json", Event::Schedule, progress(Business::Scheduled), false, Some("2026-04-01")),
        ("no-show.json", Event::NoShow, progress(Business::Unattended), false, None),
        ("complete.json", Event::Complete, place(Status::Completed, None), false, None),
        (
            "request-cancel.json",
            Event::RequestCancel,
            progress(Business::CancellationRequested),
            true,
            Some("Patient's wish"),
        ),
        ("confirm-cancel.json", Event::ConfirmCancel, place(Status::Cancelled, None), false, None),
    ]
}

fn message(event: Event, place: Place, by_initiator: bool, note: Option<&str>) -> Value {
    let (requester, owner) = (party("toronto"), party("tokyo"));
    let patient = json!({
        "resourceType": "Patient",
        "id": "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a005",
        "name": [{"family": "L'Écuyer-Bélanger", "given": ["Maëlle"]}]
    });
    let document = documents::reply(&Reply {
        referral: REFERRAL,
        author: &owner.organization(),
        patient: &patient,
        request: "urn:uuid:5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a006",
        report: "ご紹介ありがとうございます。\nHbA1c < 7.0 % を維持しています。",
        language: "ja",
        at: AT,
    });
    update(&Update {
        referral: REFERRAL,
        message_id: MESSAGE,
        sequence: 2,
        event,
        place,
        requester: &requester,
        owner: &owner,
        by_initiator,
        note,
        in_response_to: (event == Event::Answer).then_some(QUESTION),
        service: ("https://watari.dev/fhir/CodeSystem/service/tokyo", "regenerative-medicine"),
        reply: (event == Event::Complete).then_some((&document, &patient)),
        at: AT,
    })
}

#[test]
fn every_act_as_expected() {
    for (file, event, place, by_initiator, note) in cases() {
        expect("updates", file, &shown(&message(event, place, by_initiator, note)));
    }
}

#[test]
fn every_act_is_read_back() {
    for (file, event, place, by_initiator, note) in cases() {
        let read = incoming::read(message(event, place, by_initiator, note).to_string().as_bytes()).unwrap();
        assert_eq!(read.event, event, "{file}");
        assert_eq!(read.referral, REFERRAL);
        assert_eq!(read.message_id, MESSAGE);
        assert_eq!(read.sequence, Some(2));
        assert_eq!((read.requester.as_str(), read.owner.as_str()), ("toronto", "tokyo"));
        let (sender, recipient) = if by_initiator { ("toronto", "tokyo") } else { ("tokyo", "toronto") };
        assert_eq!((read.sender.as_str(), read.recipient.as_str()), (sender, recipient));
        assert_eq!(read.note().as_deref(), note, "{file}");
    }
}

/// A partner that knows only CA:eReC sends no extension of ours: event code and Task say what it is.
#[test]
fn an_act_without_our_words_is_understood() {
    for (file, event, place, by_initiator, note) in cases() {
        let mut message = message(event, place, by_initiator, note);
        message["entry"][0]["resource"].as_object_mut().unwrap().remove("extension");
        let read = incoming::read(message.to_string().as_bytes()).unwrap();
        let expected = if event == Event::Answer { Event::Ask } else { event };
        assert_eq!(read.event, expected, "{file}");
        assert_eq!(read.sequence, None);
    }
}

/// Our word and the event code must agree: a refusal does not travel as a question.
#[test]
fn words_that_contradict_are_refused() {
    let mut message = message(Event::Decline, place(Status::Rejected, None), false, Some("x"));
    message["entry"][0]["resource"]["eventCoding"]["code"] = json!("send-communication-from-provider");
    assert!(incoming::read(message.to_string().as_bytes()).is_err());
}
