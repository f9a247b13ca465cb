//! The FHIR message that carries every act of a referral (<https://hl7.org/fhir/R4/messaging.html>), with the event
//! codes of CA:eReC. The first message carries the package, every later one an update.

use serde_json::{Value, json};

use super::party::Party;
use super::state::Event;
use crate::documents::own_ids::{entry, urn};
use crate::fhir::{bundle, systems::WATARI};
pub use crate::wire::submit_message::{CONTENT_TYPE, PATH};

/// Purpose of use of every referral message: treatment.
pub const PURPOSE: &str = "TREAT";

/// Longest free text of an act, bytes; at both ends.
pub const LONGEST_TEXT: usize = 100_000;

/// CA:eReC message events (Ontario code system).
pub const EVENT_SYSTEM: &str = "https://ehealthontario.ca/fhir/CodeSystem/message-event-code";
/// Event of the package.
pub const ADD_SERVICE_REQUEST: &str = "add-service-request";
/// CA:eReC: which referral a message is about.
const REFERRAL_ID: &str = "http://ehealthontario.ca/fhir/StructureDefinition/ext-id-message-header";

/// The message event of an act.
pub fn event_code(event: Event, by_initiator: bool) -> &'static str {
    match event {
        Event::Send => ADD_SERVICE_REQUEST,
        Event::RequestCancel => "revoke-service-request",
        Event::Ask | Event::Answer if by_initiator => "send-communication-from-requester",
        Event::Ask | Event::Answer => "send-communication-from-provider",
        Event::Schedule => "notify-add-appointment",
        _ => "notify-update-process-request",
    }
}

/// Extension of the message header that names the act in the words of the timeline: CA:eReC has one event for many.
pub fn act_extension() -> String {
    format!("{WATARI}/StructureDefinition/referral-act")
}

/// Extension of the message header with the number of this act among those of its sender, so that a gap shows.
pub fn sequence_extension() -> String {
    format!("{WATARI}/StructureDefinition/referral-sequence")
}

/// Identifier system of referral ids, as the sender placed them.
pub fn referral_system() -> String {
    format!("{WATARI}/NamingSystem/referral")
}

/// Code system of `Task.code` beside FHIR's own, and of the kinds of `Task.input` and `Task.output`.
pub fn task_system() -> String {
    format!("{WATARI}/CodeSystem/referral-task")
}

/// A coded kind of Task input.
pub fn input(code: &str, display: &str, value: (&str, Value)) -> Value {
    let mut input = json!({"type": {"coding": [{"system": task_system(), "code": code, "display": display}]}});
    input[value.0] = value.1;
    input
}

/// What a message header says.
pub struct Header<'a> {
    /// Message id, also the id of the header.
    pub message_id: &'a str,
    /// The referral.
    pub referral: &'a str,
    /// The act.
    pub event: Event,
    /// Whether the institution that referred sends it.
    pub by_initiator: bool,
    /// 1 for the package or a side's first update, 2 …
    pub sequence: u64,
    /// Who sends.
    pub from: &'a Party,
    /// Who receives.
    pub to: &'a Party,
    /// `urn:uuid:…` of what it is about.
    pub focus: &'a [String],
    /// Now.
    pub at: &'a str,
}

/// The message bundle.
pub fn message(header: &Header<'_>, resources: Vec<Value>) -> Value {
    let code = event_code(header.event, header.by_initiator);
    let focus: Vec<Value> = header.focus.iter().map(|urn| json!({"reference": urn})).collect();
    let message_header = json!({
        "resourceType": "MessageHeader",
        "id": header.message_id,
        "extension": [
            {"url": REFERRAL_ID, "valueString": header.referral},
            {"url": act_extension(), "valueCode": header.event.as_str()},
            {"url": sequence_extension(), "valuePositiveInt": header.sequence}
        ],
        "eventCoding": {"system": EVENT_SYSTEM, "code": code, "display": code},
        "destination": [{"endpoint": header.to.endpoint(), "receiver": header.to.reference()}],
        "sender": header.from.reference(),
        "source": {"name": header.from.id, "software": "Watari", "version": env!("CARGO_PKG_VERSION"),
            "endpoint": header.from.endpoint()},
        "responsible": header.from.reference(),
        "focus": focus
    });
    let mut all = vec![entry(message_header)];
    all.extend(resources.into_iter().map(entry));
    let mut message = bundle::of("message", Vec::new());
    message["id"] = json!(header.message_id);
    message["identifier"] = json!({"system": "urn:ietf:rfc:3986", "value": urn(header.message_id)});
    message["timestamp"] = json!(header.at);
    message["entry"] = Value::Array(all);
    message
}

/// BSeR's business status of a place (`code`, `display`), for `Task.businessStatus`.
pub fn business_status(status: &str, business: Option<&str>) -> Option<Value> {
    let (code, display) = match (status, business) {
        ("requested" | "received", _) => ("2.0", "Service Request Created"),
        ("accepted", _) => ("3.0", "Service Request Accepted"),
        ("rejected", _) => ("4.0", "Service Request Declined"),
        (_, Some("scheduled")) => ("5.1.1", "Service Request Event Scheduled"),
        (_, Some("unattended")) => ("5.1.2", "Scheduled Service Request Event Unattended"),
        (_, Some("appointment-cancelled")) => ("5.1.3", "Scheduled Service Request Event Cancelled"),
        (_, Some("event-completed")) => ("5.1.4", "Service Request Event Completed"),
        (_, Some("cancellation-requested")) => ("5.2", "Service Request Cancellation Requested"),
        ("cancelled", _) => ("6.0", "Service Request Fulfillment Cancelled"),
        ("completed", _) => ("7.0", "Service Request Fulfillment Completed"),
        _ => return None,
    };
    Some(json!({"coding": [{
        "system": "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS", "code": code, "display": display
    }]}))
}
