//! Referral messages that are validly signed and still must not be taken: one case per way of being wrong.

use serde_json::{Value, json};
use watari::config::Country;
use watari::fault::{Classified, Kind};
use watari::referral::{self, Act, ReceiveError};

use super::referral_pair::{Side, Wire, clinician, deliver, draft, pair};

const NEW: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a0ff";

/// The package Toronto would send, not yet sent.
fn package(toronto: &Side) -> Value {
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    serde_json::from_slice(&toronto.referral(&id).package).unwrap()
}

/// Changes a message, signs it as `from`, and hands it over.
fn forged(from: &Side, to: &Side, mut message: Value, change: impl FnOnce(&mut Value)) -> Result<String, ReceiveError> {
    message["entry"][0]["resource"]["id"] = json!(NEW);
    change(&mut message);
    from.hand(&from.seal(to, NEW, &message), to)
}

fn resource<'a>(message: &'a mut Value, kind: &str) -> &'a mut Value {
    let entries = message["entry"].as_array_mut().unwrap();
    let found = entries.iter_mut().find(|entry| entry["resource"]["resourceType"] == kind).unwrap();
    &mut found["resource"]
}

/// Adds a third institution to a message; gives the reference to it.
fn third(message: &mut Value) -> Value {
    let organization = super::referral_package::party("osaka").organization();
    let url = format!("urn:uuid:{}", organization["id"].as_str().unwrap());
    message["entry"].as_array_mut().unwrap().push(json!({"fullUrl": url, "resource": organization}));
    json!({"reference": url})
}

fn error(result: Result<String, ReceiveError>) -> ReceiveError {
    result.expect_err("it was taken")
}

#[test]
fn as_it_is_it_is_taken() {
    let (toronto, tokyo, _) = pair();
    forged(&toronto, &tokyo, package(&toronto), |_| {}).unwrap();
}

#[test]
fn a_package_that_breaks_a_rule() {
    let (toronto, tokyo, _) = pair();
    let package = package(&toronto);
    type Change = fn(&mut Value);
    type Is = fn(&ReceiveError) -> bool;
    let cases: Vec<(&str, Change, Is)> = vec![
        ("not a message", |m| m["type"] = json!("document"), |e| matches!(e, ReceiveError::Malformed(_))),
        (
            "no header",
            |m| drop(m["entry"].as_array_mut().unwrap().remove(0)),
            |e| matches!(e, ReceiveError::Malformed(_)),
        ),
        (
            "another event",
            |m| resource(m, "MessageHeader")["eventCoding"]["code"] = json!("notify-data-correction"),
            |e| matches!(e, ReceiveError::Invalid(_)),
        ),
        (
            "another event system",
            |m| resource(m, "MessageHeader")["eventCoding"]["system"] = json!("urn:x"),
            |e| matches!(e, ReceiveError::Invalid(_)),
        ),
        (
            "another message id",
            |m| resource(m, "MessageHeader")["id"] = json!("other"),
            |e| matches!(e, ReceiveError::Invalid(_)),
        ),
        (
            "the sender is another institution",
            |m| resource(m, "Organization")["identifier"][0]["value"] = json!("osaka"),
            |e| matches!(e, ReceiveError::Parties),
        ),
        (
            "sent to another institution",
            |m| {
                let owner = resource(m, "Task")["owner"]["reference"].clone();
                let entries = m["entry"].as_array_mut().unwrap();
                let entry = entries.iter_mut().find(|entry| entry["fullUrl"] == owner).unwrap();
                entry["resource"]["identifier"][0]["value"] = json!("osaka");
            },
            |e| matches!(e, ReceiveError::Parties),
        ),
        (
            "referred by the receiver itself",
            |m| {
                let task = resource(m, "Task");
                let (requester, owner) = (task["requester"].clone(), task["owner"].clone());
                task["requester"] = owner;
                task["owner"] = requester;
            },
            |e| matches!(e, ReceiveError::Parties),
        ),
        (
            "only the header speaks for another institution",
            |m| {
                let other = third(m);
                resource(m, "MessageHeader")["sender"] = other;
            },
            |e| matches!(e, ReceiveError::Parties),
        ),
        (
            "asked of a third institution",
            |m| {
                let other = third(m);
                resource(m, "Task")["owner"] = other;
            },
            |e| matches!(e, ReceiveError::Parties),
        ),
        (
            "no service",
            |m| resource(m, "ServiceRequest")["code"] = json!({"text": "x"}),
            |e| matches!(e, ReceiveError::Service),
        ),
        (
            "completed already",
            |m| resource(m, "Task")["status"] = json!("completed"),
            |e| matches!(e, ReceiveError::Invalid(_)),
        ),
        ("no placer", |m| resource(m, "Task")["identifier"] = json!([]), |e| matches!(e, ReceiveError::Invalid(_))),
        (
            "no summary",
            |m| m["entry"].as_array_mut().unwrap().retain(|entry| entry["resource"]["resourceType"] != "Bundle"),
            |e| matches!(e, ReceiveError::Invalid(_)),
        ),
        (
            "consent withdrawn",
            |m| resource(m, "Consent")["status"] = json!("inactive"),
            |e| matches!(e, ReceiveError::Consent),
        ),
        (
            "consent to research",
            |m| resource(m, "Consent")["provision"]["purpose"][0]["code"] = json!("CLINTRCH"),
            |e| matches!(e, ReceiveError::Consent),
        ),
        (
            "consent ended",
            |m| resource(m, "Consent")["provision"]["period"]["end"] = json!("2026-11-01"),
            |e| matches!(e, ReceiveError::Consent),
        ),
        (
            "consent to somebody else",
            |m| {
                let own = resource(m, "Task")["requester"].clone();
                resource(m, "Consent")["provision"]["actor"][0]["reference"] = own;
            },
            |e| matches!(e, ReceiveError::Consent),
        ),
        (
            "consent denied",
            |m| resource(m, "Consent")["provision"]["type"] = json!("deny"),
            |e| matches!(e, ReceiveError::Consent),
        ),
    ];
    for (name, change, is) in cases {
        let error = error(forged(&toronto, &tokyo, package.clone(), change));
        assert!(is(&error), "{name}: {error:?}");
        let id = package["entry"][1]["resource"]["identifier"][0]["value"].as_str().unwrap();
        assert!(tokyo.found(id).is_none(), "{name}");
        // What is told to the partner holds nothing of the patient.
        assert!(!error.to_string().contains("Écuyer"), "{name}");
    }
}

#[test]
fn another_purpose() {
    let (toronto, tokyo, _) = pair();
    let mut package = package(&toronto);
    package["entry"][0]["resource"]["id"] = json!(NEW);
    let peer = toronto.peer("tokyo");
    let body = package.to_string().into_bytes();
    let (path, kind) = (referral::message::PATH, referral::message::CONTENT_TYPE);
    let delivery = watari::exchange::envelope::seal(&toronto.here, &peer, path, kind, "HMARKT", NEW, body).unwrap();
    assert!(matches!(error(toronto.hand(&delivery, &tokyo)), ReceiveError::Purpose));
}

#[tokio::test]
async fn an_update_that_breaks_a_rule() {
    let (toronto, tokyo, _) = pair();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver(&Wire::default(), &toronto, &tokyo).await;
    referral::act(&tokyo.here, &clinician(), &id, &Act::Accept).unwrap();
    let accept: Value = serde_json::from_slice(&tokyo.queued()[0].body).unwrap();

    // Completed before it was accepted, at the receiving end.
    let completed = error(forged(&tokyo, &toronto, accept.clone(), |m| {
        resource(m, "MessageHeader")["extension"] = json!([]);
        resource(m, "Task")["status"] = json!("completed");
    }));
    assert!(matches!(completed, ReceiveError::NotAllowed { .. }), "{completed:?}");
    assert_eq!(completed.kind(), Kind::Conflict);

    // A word that is no act.
    let strange = error(forged(&tokyo, &toronto, accept.clone(), |m| {
        resource(m, "MessageHeader")["extension"][1]["valueCode"] = json!("deliver");
    }));
    assert!(matches!(strange, ReceiveError::Invalid(_)), "{strange:?}");

    // An act and a state that do not belong together.
    let unfit = error(forged(&tokyo, &toronto, accept.clone(), |m| resource(m, "Task")["status"] = json!("rejected")));
    assert!(matches!(unfit, ReceiveError::Invalid(_)), "{unfit:?}");

    // An unknown referral.
    let unknown = error(forged(&tokyo, &toronto, accept.clone(), |m| {
        resource(m, "Task")["identifier"][0]["value"] = json!("another");
    }));
    assert!(matches!(unknown, ReceiveError::Unknown), "{unknown:?}");

    // The institution asked poses as the one that referred.
    let turned = error(forged(&tokyo, &toronto, accept, |m| {
        let task = resource(m, "Task");
        let (requester, owner) = (task["requester"].clone(), task["owner"].clone());
        task["requester"] = owner;
        task["owner"] = requester;
    }));
    assert!(matches!(turned, ReceiveError::Parties), "{turned:?}");

    // The same referral sent once more under a new message id.
    let again: Value = serde_json::from_slice(&toronto.referral(&id).package).unwrap();
    assert!(matches!(error(forged(&toronto, &tokyo, again, |_| {})), ReceiveError::Exists));
    assert_eq!(toronto.state(&id), "received");
}

/// A third institution that knows the id of a referral cannot touch it, nor learn that it exists.
#[tokio::test]
async fn a_third_institution() {
    let (toronto, tokyo, clock) = pair();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver(&Wire::default(), &toronto, &tokyo).await;
    referral::act(&tokyo.here, &clinician(), &id, &Act::Accept).unwrap();
    let accept: Value = serde_json::from_slice(&tokyo.queued()[0].body).unwrap();

    let osaka = Side::new("osaka", Country::Jp, &clock);
    osaka.knows(&toronto);
    toronto.knows(&osaka);
    let as_tokyo = error(forged(&osaka, &toronto, accept.clone(), |_| {}));
    assert!(matches!(as_tokyo, ReceiveError::Parties), "{as_tokyo:?}");
    let as_itself = error(forged(&osaka, &toronto, accept, |m| {
        for entry in m["entry"].as_array_mut().unwrap() {
            if entry["resource"]["identifier"][0]["value"] == "tokyo" {
                entry["resource"]["identifier"][0]["value"] = json!("osaka");
            }
        }
    }));
    assert!(matches!(as_itself, ReceiveError::Unknown), "{as_itself:?}");
    assert_eq!(toronto.state(&id), "received");
}

#[tokio::test]
async fn a_reply_about_another_patient() {
    let (toronto, tokyo, _) = pair();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver(&Wire::default(), &toronto, &tokyo).await;
    referral::act(&tokyo.here, &clinician(), &id, &Act::Accept).unwrap();
    deliver(&Wire::default(), &tokyo, &toronto).await;
    referral::act(&tokyo.here, &clinician(), &id, &Act::Complete { report: "x".to_owned() }).unwrap();
    let complete: Value = serde_json::from_slice(&tokyo.queued()[0].body).unwrap();
    let other = error(forged(&tokyo, &toronto, complete.clone(), |m| {
        resource(m, "Bundle")["entry"][0]["resource"]["subject"]["reference"] = json!("urn:uuid:another");
    }));
    assert!(matches!(other, ReceiveError::OtherPatient), "{other:?}");
    let none = error(forged(&tokyo, &toronto, complete, |m| {
        m["entry"].as_array_mut().unwrap().retain(|entry| entry["resource"]["resourceType"] != "Bundle");
    }));
    assert!(matches!(none, ReceiveError::Invalid(_)), "{none:?}");
    assert_eq!(toronto.state(&id), "accepted");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever a partner sends, reading it ends in a message or an error.
    #[test]
    fn damaged_messages_never_panic(cut in 0usize..40_000, at in 0usize..40_000, byte in 0u8..=255) {
        static MESSAGE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/referral/updates/complete.json")).unwrap()
        });
        let mut bytes = MESSAGE.clone();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = referral::incoming::read(&bytes);
        let _ = referral::incoming::document(&bytes);
        // The last bytes are the closing brace and a line end.
        bytes.truncate(cut % (length - 2));
        proptest::prop_assert!(referral::incoming::read(&bytes).is_err());
    }
}

#[test]
fn a_text_longer_than_any_act_may_carry() {
    let (toronto, tokyo, _) = pair();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    let package = toronto.queued().remove(0);
    toronto.hand(&package, &tokyo).unwrap();
    let longest = referral::message::LONGEST_TEXT;
    referral::act(&tokyo.here, &clinician(), &id, &Act::Ask { text: "x".repeat(longest) }).unwrap();
    let question: Value = serde_json::from_slice(&tokyo.queued()[0].body).unwrap();
    let longer = forged(&tokyo, &toronto, question.clone(), |m| {
        resource(m, "Communication")["payload"][0]["contentString"] = json!("x".repeat(longest + 1));
    });
    assert_eq!(error(longer).kind(), Kind::Unprocessable);
    forged(&tokyo, &toronto, question, |_| {}).unwrap();
}

#[test]
fn a_name_twice_is_not_read_one_way_or_the_other() {
    let (toronto, _, _) = pair();
    let mut message = package(&toronto);
    message["entry"][0]["resource"]["id"] = json!(NEW);
    let text = message.to_string().replacen("\"type\":\"message\"", "\"type\":\"message\",\"type\":\"message\"", 1);
    let refused = watari::referral::incoming::read(text.as_bytes()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Malformed);
    assert!(watari::referral::incoming::read(message.to_string().as_bytes()).is_ok());
}
