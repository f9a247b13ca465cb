//! The package: everything the institution asked needs to decide and to treat, as one FHIR message.
//!
//! ServiceRequest and Task (BSeR and CA:eReC both satisfied: `focus` and `basedOn`), Patient, Consent, both
//! Organizations, Provenance, and the patient summary as a document bundle behind a DocumentReference. It carries ids of
//! its own; numbers keep their digits; what stayed out is said by kind and reason.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::message::{self, Header};
use super::party::Party;
use super::state::Event;
use super::{Draft, consent, names};
use crate::clock::instant;
use crate::documents::{Gathered, LeftOut, OwnIds, Summary, ips, own_ids::urn};
use crate::exchange::directory;
use crate::fhir::systems::{LOINC, SNOMED, WATARI};
use crate::fhir::{bundle, reference};

/// What a package is made from, beside the record.
pub struct Order<'a> {
    /// What the clinician wrote.
    pub draft: &'a Draft,
    /// Referral id, the same at both ends.
    pub referral: &'a str,
    /// Message id.
    pub message_id: &'a str,
    /// This institution.
    pub from: &'a Party,
    /// The institution asked.
    pub to: &'a Party,
    /// Name of the service in the partner's directory.
    pub service_name: &'a str,
    /// Language of the summary's headings.
    pub language: &'a str,
    /// Now.
    pub at: Timestamp,
    /// This institution's zone, for dates.
    pub zone: TimeZone,
}

/// A finished package.
pub struct Package {
    /// The message bundle.
    pub message: Value,
    /// All names of the patient, for lists.
    pub patient_name: String,
    /// What stayed out and why.
    pub left_out: Vec<LeftOut>,
}

/// Packs a gathered record and an order.
pub fn package(gathered: &Gathered, order: &Order<'_>) -> Package {
    let at = instant(order.at);
    let mut own = OwnIds::new(order.referral);
    let mut gathered = gathered.clone();
    if let Some(language) = &order.draft.interpreter {
        need_interpreter(&mut gathered.patient.resource, language);
    }
    let author = order.from.organization();
    let summary = ips(&gathered, &mut own, &author, &at, order.language);
    let patient_id = own.name("Patient", &gathered.patient.id);
    let id_of = |own: &mut OwnIds, what: &str| own.name("package", what);
    let refs = Refs {
        request: id_of(&mut own, "service-request"),
        patient: patient_id,
        consent: id_of(&mut own, "consent"),
        document: id_of(&mut own, "document-reference"),
    };
    let consent = consent::resource(&consent::Given {
        id: refs.consent.clone(),
        patient: &urn(&refs.patient),
        from: order.from,
        to: order.to,
        language: order.draft.consent_language.as_str(),
        at: order.at,
        zone: order.zone.clone(),
    });
    let mut resources = vec![
        service_request(order, &refs, &at),
        task(order, &refs, &at, &summary.left_out),
        order.from.organization(),
        order.to.organization(),
        consent,
        document_reference(order, &refs, &at, &summary.bundle),
    ];
    resources.extend(patient_and_theirs(&summary.bundle, &refs.patient));
    resources.push(summary.bundle.clone());
    resources.push(provenance(order, &id_of(&mut own, "provenance"), &at, &resources, &summary));
    let header = Header {
        message_id: order.message_id,
        referral: order.referral,
        event: Event::Send,
        by_initiator: true,
        sequence: 1,
        from: order.from,
        to: order.to,
        focus: &[urn(&refs.request)],
        at: &at,
    };
    Package {
        message: message::message(&header, resources),
        patient_name: names::all(&gathered.patient.resource),
        left_out: summary.left_out,
    }
}

struct Refs {
    request: String,
    patient: String,
    consent: String,
    document: String,
}

/// The Patient as in the summary, and what it refers to there: each bundle is complete in itself.
fn patient_and_theirs(document: &Value, patient: &str) -> Vec<Value> {
    let mut wanted = vec![urn(patient)];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(reference) = wanted.get(next).cloned() {
        next += 1;
        let of_it = bundle::entries(document).find(|entry| entry["fullUrl"] == reference.as_str());
        let Some(resource) = of_it.and_then(|entry| entry.get("resource")) else { continue };
        let mut copy = resource.clone();
        reference::rewrite(&mut copy, &mut |target| {
            if !wanted.iter().any(|one| one == target) {
                wanted.push(target.to_owned());
            }
            None
        });
        found.push(copy);
    }
    found
}

fn need_interpreter(patient: &mut Value, language: &str) {
    let extension = json!({
        "url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired", "valueBoolean": true
    });
    if let Some(list) = patient.get_mut("extension").and_then(Value::as_array_mut) {
        list.retain(|one| one["url"] != extension["url"]);
    }
    push(patient, "extension", extension);
    let speaks = |one: &Value| crate::fhir::codings(&one["language"]).any(|(_, code)| code == language);
    let known = patient.get("communication").and_then(Value::as_array).is_some_and(|list| list.iter().any(speaks));
    if !known {
        push(
            patient,
            "communication",
            json!({"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}, "preferred": true}),
        );
    }
}

fn push(resource: &mut Value, element: &str, item: Value) {
    match resource.get_mut(element) {
        Some(Value::Array(list)) => list.push(item),
        _ => resource[element] = json!([item]),
    }
}

fn service_request(order: &Order<'_>, refs: &Refs, at: &str) -> Value {
    let draft = order.draft;
    let mut request = json!({
        "resourceType": "ServiceRequest",
        "id": refs.request,
        "identifier": [placer(order)],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": SNOMED, "code": "3457005", "display": "Patient referral"}]}],
        "priority": draft.priority,
        "code": {
            "coding": [{
                "system": directory::service_system(&order.to.id),
                "code": draft.service,
                "display": order.service_name
            }],
            "text": order.service_name
        },
        "subject": {"reference": urn(&refs.patient)},
        "authoredOn": at,
        "requester": order.from.reference(),
        "performer": [order.to.reference()],
        "reasonCode": [{"text": draft.reason}],
        "supportingInfo": [{"reference": urn(&refs.document)}, {"reference": urn(&refs.consent)}]
    });
    if !draft.question.trim().is_empty() {
        request["note"] = json!([{"authorReference": order.from.reference(), "time": at, "text": draft.question}]);
    }
    request
}

fn task(order: &Order<'_>, refs: &Refs, at: &str, left_out: &[LeftOut]) -> Value {
    let draft = order.draft;
    let request = json!({"reference": urn(&refs.request)});
    let mut inputs = Vec::new();
    if let Some(language) = &draft.interpreter {
        inputs.push(message::input("interpreter", "Interpreter needed, language", ("valueCode", json!(language))));
    }
    if !draft.travel.trim().is_empty() {
        inputs.push(message::input("travel", "Travel needs", ("valueString", json!(draft.travel))));
    }
    if !left_out.is_empty() {
        let told = json!(told(left_out));
        inputs.push(message::input("left-out", "Records not sent, by kind and reason", ("valueString", told)));
    }
    let mut task = task_core(order.referral, order.from, order.to, "requested", None);
    task["basedOn"] = json!([request]);
    task["priority"] = json!(draft.priority);
    task["focus"] = request;
    task["for"] = json!({"reference": urn(&refs.patient)});
    task["authoredOn"] = json!(at);
    task["lastModified"] = json!(at);
    if !inputs.is_empty() {
        task["input"] = Value::Array(inputs);
    }
    task
}

/// The elements every Task of a referral has, whoever sends it.
pub(super) fn task_core(
    referral: &str,
    requester: &Party,
    owner: &Party,
    status: &str,
    business: Option<&str>,
) -> Value {
    let mut task = json!({
        "resourceType": "Task",
        "id": referral,
        "identifier": [identifier("PLAC", "Placer Identifier", referral, requester)],
        "status": status,
        "intent": "order",
        "code": {"coding": [
            {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill", "display": "Fulfill the focal request"},
            {"system": message::task_system(), "code": "process-request", "display": "Process request"}
        ]},
        "requester": requester.reference(),
        "owner": owner.reference()
    });
    if let Some(business) = message::business_status(status, business) {
        task["businessStatus"] = business;
    }
    task
}

fn placer(order: &Order<'_>) -> Value {
    identifier("PLAC", "Placer Identifier", order.referral, order.from)
}

/// An identifier of the referral: `PLAC` by who refers, `FILL` by who was asked.
pub(super) fn identifier(code: &str, display: &str, value: &str, assigner: &Party) -> Value {
    json!({
        "type": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code, "display": display
        }]},
        "system": message::referral_system(),
        "value": value,
        "assigner": assigner.reference()
    })
}

fn document_reference(order: &Order<'_>, refs: &Refs, at: &str, document: &Value) -> Value {
    let id = crate::fhir::id(document).unwrap_or_default();
    let title = document.pointer("/entry/0/resource/title").cloned().unwrap_or_default();
    json!({
        "resourceType": "DocumentReference",
        "id": refs.document,
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": urn(&refs.patient)},
        "date": at,
        "author": [order.from.reference()],
        "custodian": order.from.reference(),
        "description": title,
        "content": [{"attachment": {
            "contentType": message::CONTENT_TYPE,
            "language": crate::documents::language(order.language),
            "url": urn(id),
            "size": document.to_string().len(),
            "title": title,
            "creation": at
        }}]
    })
}

fn provenance(order: &Order<'_>, id: &str, at: &str, resources: &[Value], summary: &Summary) -> Value {
    let targets: Vec<Value> =
        resources.iter().filter_map(crate::fhir::id).map(|id| json!({"reference": urn(id)})).collect();
    let entities: Vec<Value> = summary
        .sources
        .iter()
        .map(|(reference, sha256)| {
            json!({"role": "source", "what": {
                "identifier": {"system": format!("{WATARI}/NamingSystem/sha-256"), "value": sha256},
                "display": reference
            }})
        })
        .collect();
    let agent = |code: &str, display: &str, who: Value| {
        json!({
            "type": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": code,
                "display": display
            }]},
            "who": who
        })
    };
    json!({
        "resourceType": "Provenance",
        "id": id,
        "target": targets,
        "recorded": at,
        "reason": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT", "display": "treatment"
        }]}],
        "agent": [
            agent("author", "Author", order.from.reference()),
            agent("assembler", "Assembler", json!({"type": "Device", "display": concat!("Watari ", env!("CARGO_PKG_VERSION"))}))
        ],
        "entity": entities
    })
}

/// `Observation entered-in-error 2; …`: kinds and reasons, no ids.
pub fn told(left_out: &[LeftOut]) -> String {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for one in left_out {
        *counts.entry((one.kind.as_str(), one.reason.as_str())).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|((kind, reason), count)| format!("{kind} {reason} {count}")).collect();
    parts.join("; ")
}
