//! Reading a referral message of a partner: bounds first, then who speaks to whom about what. No store, no clock.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::message::{self, ADD_SERVICE_REQUEST, EVENT_SYSTEM, LONGEST_TEXT};
use super::party::institution_system;
use super::receive::ReceiveError;
use super::state::Event;
use crate::fhir::{self, bundle};

/// Entries of the message itself; a summary inside is one of them.
const MOST_ENTRIES: usize = 500;

/// Why [`fhir::json::parse`] refuses a text, without a word of it.
const NOT_TAKEN: &str = "not JSON, or JSON with a name twice in one object, or of more parts than allowed";

/// A referral message that can be read.
#[derive(Debug)]
pub struct Incoming {
    /// Id of the message header.
    pub message_id: String,
    /// The referral it is about.
    pub referral: String,
    /// The act.
    pub event: Event,
    /// `Task.status` after the act, at the sender.
    pub status: String,
    /// The act was named by our own word, not concluded from event code and Task.
    pub named: bool,
    /// Number of this act among those of its sender, if it says.
    pub sequence: Option<u64>,
    /// Institution that the header names as sender.
    pub sender: String,
    /// Institution that the header names as receiver.
    pub recipient: String,
    /// Institution that referred, by the Task.
    pub requester: String,
    /// Institution asked, by the Task.
    pub owner: String,
    bundle: Value,
}

/// Reads the bytes of a message.
pub fn read(body: &[u8]) -> Result<Incoming, ReceiveError> {
    let bundle = fhir::json::parse(body).map_err(|_| ReceiveError::Malformed(NOT_TAKEN))?;
    if fhir::resource_type(&bundle) != Some("Bundle") || text(&bundle, "/type") != Some("message") {
        return Err(ReceiveError::Malformed("not a message Bundle"));
    }
    if bundle::entries(&bundle).count() > MOST_ENTRIES {
        return Err(ReceiveError::Malformed("a message of more entries than allowed"));
    }
    let header = bundle::resources(&bundle).next().filter(|first| fhir::resource_type(first) == Some("MessageHeader"));
    let header = header.ok_or(ReceiveError::Malformed("a message without MessageHeader"))?;
    let task = bundle::first(&bundle, "Task").ok_or(ReceiveError::Invalid("there is no Task"))?;
    let named = |value: Option<&Value>, missing| institution(&bundle, value).ok_or(ReceiveError::Invalid(missing));
    let incoming = Incoming {
        message_id: fhir::id(header).ok_or(ReceiveError::Invalid("MessageHeader has no id"))?.to_owned(),
        referral: referral(task).ok_or(ReceiveError::Invalid("Task has no placer identifier"))?,
        event: event(header, task)?,
        status: text(task, "/status").ok_or(ReceiveError::Invalid("Task has no status"))?.to_owned(),
        named: act_word(header).is_some(),
        sequence: extension(header, &message::sequence_extension())
            .and_then(|value| value.get("valuePositiveInt")?.as_u64()),
        sender: named(header.get("sender"), "MessageHeader.sender names no institution")?,
        recipient: named(header.pointer("/destination/0/receiver"), "MessageHeader names no receiving institution")?,
        requester: named(task.get("requester"), "Task.requester names no institution")?,
        owner: named(task.get("owner"), "Task.owner names no institution")?,
        bundle,
    };
    if incoming.note().is_some_and(|note| note.len() > LONGEST_TEXT) {
        return Err(ReceiveError::Invalid("the text of the act is longer than allowed"));
    }
    Ok(incoming)
}

impl Incoming {
    /// The first resource of `kind` in the message.
    pub fn first(&self, kind: &str) -> Option<&Value> {
        bundle::first(&self.bundle, kind)
    }

    /// All resources of `kind`.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        bundle::resources(&self.bundle).filter(move |resource| fhir::resource_type(resource) == Some(kind))
    }

    /// The institution a reference of this message names.
    pub fn institution(&self, reference: Option<&Value>) -> Option<String> {
        institution(&self.bundle, reference)
    }

    /// Reason, question, answer or appointment that the act carries, for the timeline.
    pub fn note(&self) -> Option<String> {
        let found = match self.event {
            Event::Ask | Event::Answer => self.first("Communication")?.pointer("/payload/0/contentString"),
            Event::Schedule => {
                let appointment = self.first("Appointment")?;
                appointment.get("start").or_else(|| appointment.pointer("/requestedPeriod/0/start"))
            }
            _ => self.first("Task")?.pointer("/statusReason/text"),
        };
        found?.as_str().map(str::to_owned)
    }
}

/// The exact bytes of the document bundle in a message: digits, order and spaces as sent.
pub fn document(body: &[u8]) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        entry: Vec<Entry<'a>>,
    }
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        resource: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "resourceType")]
        resource_type: Cow<'a, str>,
        #[serde(borrow, default, rename = "type")]
        kind: TypeText<'a>,
    }
    /// `type` is a code in a Bundle and an object in other resources: only its text is looked at.
    #[derive(Deserialize, Default)]
    #[serde(transparent)]
    struct TypeText<'a>(#[serde(borrow)] Option<&'a RawValue>);

    let message: Message<'_> = serde_json::from_slice(body).ok()?;
    message.entry.iter().filter_map(|entry| entry.resource).map(RawValue::get).find_map(|text| {
        let kind: Kind<'_> = serde_json::from_str(text).ok()?;
        let is_document = kind.resource_type == "Bundle" && kind.kind.0.map(RawValue::get) == Some("\"document\"");
        is_document.then_some(text.as_bytes())
    })
}

/// The act: by our own word if it agrees with the event code, else as the event code and the Task say.
fn event(header: &Value, task: &Value) -> Result<Event, ReceiveError> {
    const UNKNOWN: ReceiveError = ReceiveError::Invalid("MessageHeader.eventCoding is no event this node takes");
    if text(header, "/eventCoding/system") != Some(EVENT_SYSTEM) {
        return Err(UNKNOWN);
    }
    let code = text(header, "/eventCoding/code").ok_or(UNKNOWN)?;
    if let Some(word) = act_word(header) {
        let event = Event::parse(word).ok_or(UNKNOWN)?;
        let agrees = [true, false].iter().any(|initiator| message::event_code(event, *initiator) == code);
        let travels = !matches!(event, Event::Deliver | Event::GiveUp);
        return if agrees && travels { Ok(event) } else { Err(UNKNOWN) };
    }
    match code {
        ADD_SERVICE_REQUEST => Ok(Event::Send),
        "revoke-service-request" => Ok(Event::RequestCancel),
        "notify-add-appointment" => Ok(Event::Schedule),
        "send-communication-from-requester" | "send-communication-from-provider" => Ok(Event::Ask),
        "notify-update-process-request" => by_task(task).ok_or(UNKNOWN),
        _ => Err(UNKNOWN),
    }
}

fn act_word(header: &Value) -> Option<&str> {
    extension(header, &message::act_extension())?.get("valueCode")?.as_str()
}

fn by_task(task: &Value) -> Option<Event> {
    let business = task.get("businessStatus").and_then(|concept| fhir::codings(concept).next()).map(|(_, code)| code);
    match (text(task, "/status")?, business) {
        ("accepted", _) => Some(Event::Accept),
        ("rejected", _) => Some(Event::Decline),
        ("completed", _) => Some(Event::Complete),
        ("cancelled", _) => Some(Event::ConfirmCancel),
        ("in-progress", Some("5.1.1")) => Some(Event::Schedule),
        ("in-progress", Some("5.1.2")) => Some(Event::NoShow),
        ("in-progress", Some("5.1.3")) => Some(Event::CancelAppointment),
        ("in-progress", Some("5.1.4")) => Some(Event::Note),
        // The first edition of BSeR wrote 5.4.
        ("in-progress", Some("5.2" | "5.4")) => Some(Event::RequestCancel),
        _ => None,
    }
}

/// The placer's identifier: the referral id at both ends.
fn referral(task: &Value) -> Option<String> {
    let system = message::referral_system();
    let identifiers = task.get("identifier").and_then(Value::as_array)?;
    let of_placer = |one: &&Value| {
        text(one, "/system") == Some(system.as_str())
            && one.get("type").is_some_and(|kind| fhir::codings(kind).any(|(_, code)| code == "PLAC"))
    };
    let value = identifiers.iter().find(of_placer)?.get("value")?.as_str()?;
    fhir::is_valid_id(value).then(|| value.to_owned())
}

/// The institution behind a reference: the Organization must be in the message and carry an institution id.
fn institution(message: &Value, reference: Option<&Value>) -> Option<String> {
    let url = text(reference?, "/reference")?;
    let entry = bundle::entries(message).find(|entry| text(entry, "/fullUrl") == Some(url))?;
    let organization = entry.get("resource").filter(|one| fhir::resource_type(one) == Some("Organization"))?;
    let system = institution_system();
    let mut identifiers = organization.get("identifier").and_then(Value::as_array)?.iter();
    let identifier = identifiers.find(|one| text(one, "/system") == Some(system.as_str()))?;
    text(identifier, "/value").map(str::to_owned)
}

fn extension<'a>(resource: &'a Value, url: &str) -> Option<&'a Value> {
    resource.get("extension")?.as_array()?.iter().find(|one| text(one, "/url") == Some(url))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_taken_out_byte_for_byte() {
        let body = br#"{"entry":[{"resource":{"resourceType":"Task","type":{"x":1}}},
            {"resource":{"resourceType":"Bundle", "type":"document",  "v":1.50}}]}"#;
        let found = document(body).unwrap();
        assert_eq!(found, br#"{"resourceType":"Bundle", "type":"document",  "v":1.50}"#);
        assert_eq!(document(b"{}"), None);
    }

    #[test]
    fn strange_bytes_are_refused_without_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", "null", "{}", "[1]", r#"{"resourceType":"Bundle","type":"message"}"#, deep.as_str()] {
            assert!(matches!(read(body.as_bytes()), Err(ReceiveError::Malformed(_))), "{:.40}", body);
        }
        let patient = r#"{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"Patient"}}]}"#;
        assert!(matches!(read(patient.as_bytes()), Err(ReceiveError::Malformed(_))));
    }
}
