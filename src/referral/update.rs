//! The message of an act after the first: a Task in its new state, and what the act carries.

use serde_json::{Value, json};

use super::message::{self, Header};
use super::package::{identifier, task_core};
use super::party::Party;
use super::state::{Event, Place};
use crate::documents::own_ids::urn;
use crate::fhir::systems::{DATA_ABSENT_REASON, LOINC};
use crate::ids;

/// What an update says.
pub struct Update<'a> {
    /// The referral.
    pub referral: &'a str,
    /// Message id.
    pub message_id: &'a str,
    /// Number among the messages of this side.
    pub sequence: u64,
    /// The act.
    pub event: Event,
    /// Where the referral stands afterwards.
    pub place: Place,
    /// The institution that referred.
    pub requester: &'a Party,
    /// The institution asked.
    pub owner: &'a Party,
    /// Whether the institution that referred acts.
    pub by_initiator: bool,
    /// Reason, question, answer or time of the appointment.
    pub note: Option<&'a str>,
    /// Message that is answered.
    pub in_response_to: Option<&'a str>,
    /// Service asked for: system and code.
    pub service: (&'a str, &'a str),
    /// The outcome document, and the Patient it is about.
    pub reply: Option<(&'a Value, &'a Value)>,
    /// Now.
    pub at: &'a str,
}

/// The message bundle of an update.
pub fn update(update: &Update<'_>) -> Value {
    let (from, to) =
        if update.by_initiator { (update.requester, update.owner) } else { (update.owner, update.requester) };
    let mut resources = vec![task(update), from.organization(), to.organization()];
    let mut focus = urn(update.referral);
    match update.event {
        Event::Ask | Event::Answer => {
            let communication = communication(update, from, to);
            focus = urn(crate::fhir::id(&communication).unwrap_or_default());
            resources.push(communication);
        }
        Event::Schedule => {
            let appointment = appointment(update);
            focus = urn(crate::fhir::id(&appointment).unwrap_or_default());
            resources.push(appointment);
        }
        _ => {}
    }
    if let Some((document, patient)) = update.reply {
        resources.push(document_reference(update, from, document, patient));
        resources.push(patient.clone());
        resources.push(document.clone());
    }
    let header = Header {
        message_id: update.message_id,
        referral: update.referral,
        event: update.event,
        by_initiator: update.by_initiator,
        sequence: update.sequence,
        from,
        to,
        focus: &[focus],
        at: update.at,
    };
    message::message(&header, resources)
}

fn task(update: &Update<'_>) -> Value {
    let (status, business) = (update.place.status.as_str(), update.place.business.map(|business| business.as_str()));
    let mut task = task_core(update.referral, update.requester, update.owner, status, business);
    if !update.by_initiator
        && let Some(identifiers) = task["identifier"].as_array_mut()
    {
        let filler = ids::derived(&["filler", &update.owner.id, update.referral]);
        identifiers.push(identifier("FILL", "Filler Identifier", &filler, update.owner));
    }
    let request = json!({
        "type": "ServiceRequest",
        "identifier": identifier("PLAC", "Placer Identifier", update.referral, update.requester)
    });
    task["basedOn"] = json!([request]);
    task["focus"] = request;
    task["lastModified"] = json!(update.at);
    let gives_reason =
        matches!(update.event, Event::Decline | Event::RequestCancel | Event::ConfirmCancel | Event::Note);
    if let (true, Some(note)) = (gives_reason, update.note) {
        task["statusReason"] = json!({"text": note});
    }
    if update.reply.is_some() {
        task["output"] = json!([{
            "type": {"coding": [{"system": LOINC, "code": "11488-4", "display": "Consult note"}]},
            "valueReference": {"reference": urn(&id_of(update, "document-reference"))}
        }]);
    }
    task
}

fn communication(update: &Update<'_>, from: &Party, to: &Party) -> Value {
    let kind = if update.event == Event::Ask { ("question", "Question") } else { ("answer", "Answer") };
    let mut communication = json!({
        "resourceType": "Communication",
        "id": id_of(update, "communication"),
        "status": "completed",
        "category": [{"coding": [{"system": message::task_system(), "code": kind.0, "display": kind.1}]}],
        "about": [{"reference": urn(update.referral)}],
        "sent": update.at,
        "recipient": [to.reference()],
        "sender": from.reference(),
        "payload": [{"contentString": update.note.unwrap_or_default()}]
    });
    if let Some(message_id) = update.in_response_to {
        communication["inResponseTo"] = json!([{
            "type": "Communication",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": urn(message_id)}
        }]);
    }
    communication
}

/// An appointment at an instant is booked; of one on a day only the day is known. An end is not made up.
fn appointment(update: &Update<'_>) -> Value {
    let start = update.note.unwrap_or_default();
    let mut appointment = json!({
        "resourceType": "Appointment",
        "id": id_of(update, "appointment"),
        "status": "proposed",
        "participant": [{
            "actor": {
                "type": "HealthcareService",
                "identifier": {"system": update.service.0, "value": update.service.1}
            },
            "status": "accepted"
        }]
    });
    if start.contains('T') {
        appointment["status"] = json!("booked");
        appointment["start"] = json!(start);
        appointment["_end"] = json!({"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]});
    } else {
        appointment["requestedPeriod"] = json!([{"start": start}]);
    }
    appointment
}

fn document_reference(update: &Update<'_>, author: &Party, document: &Value, patient: &Value) -> Value {
    let title = document.pointer("/entry/0/resource/title").cloned().unwrap_or_default();
    let language = document.pointer("/entry/0/resource/language").cloned().unwrap_or_default();
    json!({
        "resourceType": "DocumentReference",
        "id": id_of(update, "document-reference"),
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": LOINC, "code": "11488-4", "display": "Consult note"}]},
        "subject": {"reference": urn(crate::fhir::id(patient).unwrap_or_default())},
        "date": update.at,
        "author": [author.reference()],
        "custodian": author.reference(),
        "description": title,
        "content": [{"attachment": {
            "contentType": message::CONTENT_TYPE,
            "language": language,
            "url": urn(crate::fhir::id(document).unwrap_or_default()),
            "size": document.to_string().len(),
            "title": title,
            "creation": update.at
        }}]
    })
}

fn id_of(update: &Update<'_>, what: &str) -> String {
    ids::derived(&["update", update.message_id, what])
}
