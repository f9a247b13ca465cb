//! An event as FHIR AuditEvent. Patterns of IHE BALP that are met are named in `meta.profile`: Read, Create, Update, Delete, Query, each
//! also with its patient, for what succeeded; disclosure at its source and its recipient.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::audit::event::{Event, Sort};
use crate::config::InstitutionConfig;
use crate::fhir::systems::WATARI;

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP";
/// Things named of one act at most.
const MOST_THINGS: usize = 50;

/// The resource of an event.
pub(super) fn of(here: &InstitutionConfig, event: &Event) -> Value {
    let (system, code, display) = kind_of(event);
    let mut resource = json!({"resourceType": "AuditEvent", "id": event.id});
    if let Some(profile) = profile(event) {
        resource["meta"] = json!({"profile": [format!("{BALP}/StructureDefinition/{profile}")]});
    }
    resource["type"] = coding(system, code, display);
    let (system, code) = subtype_of(event);
    resource["subtype"] = json!([{"system": system, "code": code}]);
    resource["action"] = json!(event.action());
    resource["recorded"] = json!(moment(event.at));
    resource["outcome"] = json!(event.outcome_code());
    if event.outcome >= 400 {
        resource["outcomeDesc"] = json!(format!("HTTP {}", event.outcome));
    }
    if !event.purpose.is_empty() {
        resource["purposeOfEvent"] = json!([{"text": event.purpose}]);
    }
    resource["agent"] = agents(here, event);
    resource["source"] = json!({
        "site": here.id,
        "observer": us(here),
        "type": [coding(SOURCE_TYPE, "4", "Application Server")],
    });
    let entities = entities(event);
    if !entities.is_empty() {
        resource["entity"] = Value::Array(entities);
    }
    resource
}

/// System, code and display of AuditEvent.type.
pub(super) fn kind_of(event: &Event) -> (&'static str, &'static str, &'static str) {
    match event.sort {
        Sort::Rest => (EVENT_TYPE, "rest", "RESTful Operation"),
        Sort::Looked => (DICOM, "110110", "Patient Record"),
        Sort::SignIn => (DICOM, "110114", "User Authentication"),
        Sort::Sent => (DICOM, "110106", "Export"),
        Sort::Received => (DICOM, "110107", "Import"),
        Sort::Act => (DICOM, "110100", "Application Activity"),
    }
}

/// System and code of AuditEvent.subtype.
pub(super) fn subtype_of(event: &Event) -> (String, String) {
    let own = || (format!("{WATARI}/CodeSystem/act"), event.act.trim_start_matches('$').to_owned());
    match (event.sort, event.act.as_str()) {
        (Sort::Rest, "other") => own(),
        (Sort::Rest, act) if act.starts_with('$') => (INTERACTION.to_owned(), "operation".to_owned()),
        (Sort::Rest, act) => (INTERACTION.to_owned(), act.to_owned()),
        (Sort::SignIn, "sign-out") => (DICOM.to_owned(), "110123".to_owned()),
        (Sort::SignIn, _) => (DICOM.to_owned(), "110122".to_owned()),
        (Sort::Sent | Sort::Received, _) => (LIFECYCLE.to_owned(), "disclose".to_owned()),
        (Sort::Looked | Sort::Act, _) => own(),
    }
}

/// The pattern that an event meets. BALP has none for what failed, nor without the caller's network address.
fn profile(event: &Event) -> Option<String> {
    if event.outcome >= 400 {
        return None;
    }
    let has_patient = event.patient.is_some();
    match event.sort {
        Sort::Sent if has_patient => Some("IHE.BasicAudit.PrivacyDisclosure.Source".to_owned()),
        Sort::Received if has_patient => Some("IHE.BasicAudit.PrivacyDisclosure.Recipient".to_owned()),
        Sort::Rest if !event.origin.is_empty() => {
            let name = match event.act.as_str() {
                "read" | "vread" => "Read",
                "create" => "Create",
                "update" => "Update",
                "delete" => "Delete",
                "search-type" => "Query",
                _ => return None,
            };
            Some(format!("IHE.BasicAudit.{}{name}", if has_patient { "Patient" } else { "" }))
        }
        _ => None,
    }
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn moment(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map(crate::clock::instant).unwrap_or_default()
}

/// This institution as a reference.
fn us(here: &InstitutionConfig) -> Value {
    json!({"identifier": {"value": here.id}, "display": here.name.en})
}

/// One agent: type, who, whether it asked, and more.
fn agent(kind: Value, who: Value, is_requestor: bool, more: Value) -> Value {
    let mut agent = json!({"type": {"coding": [kind]}, "who": who, "requestor": is_requestor});
    if let (Some(agent), Value::Object(more)) = (agent.as_object_mut(), more) {
        agent.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    agent
}

fn agents(here: &InstitutionConfig, event: &Event) -> Value {
    let source = coding(DICOM, "110153", "Source Role ID");
    let destination = coding(DICOM, "110152", "Destination Role ID");
    let ours = json!({"network": {"address": here.namespace, "type": "5"}});
    let peer = || json!({"identifier": {"value": event.peer}});
    let theirs = json!({"network": {"address": event.peer, "type": "1"}});
    let who = if event.actor.is_empty() {
        json!({"display": "unknown"})
    } else {
        json!({"identifier": {"value": event.actor}})
    };
    // A program answers for itself; a person comes with a browser.
    let is_program = event.actor.starts_with("token:") || event.actor.starts_with("client:");
    let person = || {
        let role = if event.role.is_empty() { Value::Null } else { json!([{"text": event.role}]) };
        let purpose = if event.purpose.is_empty() { Value::Null } else { json!([{"text": event.purpose}]) };
        let (kind, policy) = match (is_program, event.action()) {
            (true, _) => (
                coding(&format!("{BALP}/CodeSystem/UserAgentTypes"), "UserOauthAgent", "User OAuth Agent participant"),
                json!([format!("urn:watari:{}", event.actor)]),
            ),
            (false, "C" | "U" | "D") => (coding(PARTICIPATION, "AUT", "author (originator)"), Value::Null),
            (false, _) => (coding(PARTICIPATION, "IRCP", "information recipient"), Value::Null),
        };
        agent(kind, who.clone(), true, json!({"role": role, "policy": policy, "purposeOfUse": purpose}))
    };
    match event.sort {
        Sort::Sent => json!([agent(source, us(here), true, ours), agent(destination, peer(), false, theirs)]),
        Sort::Received => json!([agent(source, peer(), true, theirs), agent(destination, us(here), false, ours)]),
        _ => {
            let network =
                if event.origin.is_empty() { Value::Null } else { json!({"address": event.origin, "type": "2"}) };
            // Of a read the data flow to the caller; of all else the request flows from it.
            let is_read = event.action() == "R";
            let (client, server) = if is_read { (destination, source) } else { (source, destination) };
            let has_person = !event.actor.is_empty();
            let mut all = vec![
                agent(client, who.clone(), !has_person, json!({"network": network})),
                agent(server, us(here), false, ours),
            ];
            if has_person {
                all.push(person());
            }
            Value::Array(all)
        }
    }
}

fn entities(event: &Event) -> Vec<Value> {
    let mut all = Vec::new();
    let system_object = || coding(ENTITY_TYPE, "2", "System Object");
    if !event.request_id.is_empty() {
        all.push(json!({
            "what": {"identifier": {"value": event.request_id}},
            "type": {"system": format!("{BALP}/CodeSystem/BasicAuditEntityType"), "code": "XrequestId"},
        }));
    }
    let is_search = event.sort == Sort::Rest && event.act.starts_with("search");
    if is_search {
        let asked: Vec<&str> = event.parameters.split(',').filter(|name| !name.is_empty()).collect();
        let asked = format!("{}?{}", event.target, asked.join("&"));
        all.push(json!({
            "type": system_object(),
            "role": coding(OBJECT_ROLE, "24", "Query"),
            "description": "names of the parameters; their values are not kept",
            "query": base64::engine::general_purpose::STANDARD.encode(asked),
        }));
    }
    for target in event.target.split(' ').filter(|target| !target.is_empty() && !is_search).take(MOST_THINGS) {
        all.push(json!({
            "what": thing(target, event.outcome),
            "type": system_object(),
            "role": coding(OBJECT_ROLE, "4", "Domain Resource"),
        }));
    }
    if let Some(patient) = &event.patient {
        let mut entity = Map::new();
        entity.insert("what".to_owned(), json!({"reference": format!("Patient/{patient}")}));
        entity.insert("type".to_owned(), coding(ENTITY_TYPE, "1", "Person"));
        entity.insert("role".to_owned(), coding(OBJECT_ROLE, "1", "Patient"));
        if event.shown > 1 {
            entity.insert(
                "detail".to_owned(),
                json!([{"type": "patients shown in all", "valueString": event.shown.to_string()}]),
            );
        }
        all.push(Value::Object(entity));
    }
    all
}

/// A resource of the record by its address; what is none, or was not found, by its name.
fn thing(target: &str, outcome: u16) -> Value {
    let resource = target.split("/_history/").next().and_then(|address| address.split_once('/'));
    match resource.filter(|_| outcome != 404) {
        Some((kind, id)) if crate::fhir::structure::is_type(kind) && !id.contains('/') => json!({"reference": target}),
        _ if crate::fhir::structure::is_type(target) => json!({"type": target, "display": target}),
        _ => json!({"identifier": {"value": target}}),
    }
}
