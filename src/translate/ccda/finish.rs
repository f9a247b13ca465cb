//! A resource is finished: whose it is, what R4 demands of it, what it is found by, and whether it is there already.

use std::cell::RefCell;

use crate::fhir::tree::{Map, Text, Value, json};
use roxmltree::Node;

use super::rows::StatementRow;
use super::types;
use super::work::{Made, Work};
use crate::fhir::systems;
use crate::translate::build::{hold_body, kebab};

/// Keeps a resource; gives its number. One that is there already is not made twice.
pub(crate) fn keep<'a>(
    work: &mut Work<'a>,
    node: Node<'a, 'a>,
    row: &'a StatementRow,
    kind: &str,
    mut body: Map,
) -> Option<usize> {
    if body.keys().all(|element| element == "resourceType" || row.fixed.contains_key(element)) && !row.rows.is_empty() {
        return None;
    }
    belong(work, node, kind, &mut body);
    hold(work, node, kind, &mut body);
    let own = own_identifiers(work, node, &body);
    let base = base(work, kind, &own, &body);
    let body_text = Value::Object(body.clone()).to_string();
    let more = [
        text_of(&body, &["code", "vaccineCode", "medicationCodeableConcept", "type"]),
        text_of(&body, &TIMES),
        body_text,
    ];
    // Two things under one identifier are told apart by what they are, then by when, then by all they say.
    for count in 0..=more.len() {
        let mut parts: Vec<&str> = base.iter().map(String::as_str).collect();
        parts.extend(more.iter().take(count).map(String::as_str));
        let key = match (is_party(kind) || kind == "Composition", own.first(), count) {
            (true, Some(own), 0) => own.clone(),
            _ => (work.setting.identifier_system(&kebab(kind)), crate::ids::derived(&parts)),
        };
        let full_url = address(work, kind, &key);
        if let Some(known) = work.by_url.get(&full_url).copied() {
            if is_same(kind, &work.made[known].body, &body) {
                complete(&mut work.made[known].body, body);
                return Some(known);
            }
            continue;
        }
        name(kind, &key, &mut body);
        let number = work.made.len();
        work.by_url.insert(full_url.clone(), number);
        work.made.push(Made { resource_type: kind.to_owned(), body, full_url, key, mentioned: row.mentioned });
        return Some(number);
    }
    None
}

/// The address of a thing by the identifier it is found by.
fn address(work: &Work<'_>, kind: &str, (system, value): &(String, String)) -> String {
    format!("urn:uuid:{}", crate::ids::derived(&[&work.setting.namespace, kind, system, value]))
}

/// The person or organization that is only named by its identifier, where it is told of elsewhere in the document.
pub(crate) fn known_party<'a>(work: &Work<'a>, kind: &str, node: Node<'a, 'a>) -> Option<usize> {
    let mut keys = types::children(node, "id").filter_map(|id| types::system_and_value(work, id));
    keys.find_map(|key| work.by_url.get(&address(work, kind, &key)).copied())
}

/// Elements that say when something was.
const TIMES: [&str; 8] = [
    "effectiveDateTime",
    "effectivePeriod",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "period",
    "occurrencePeriod",
    "whenHandedOver",
];

/// People, places and things that are the same whoever's record they stand in.
fn is_party(kind: &str) -> bool {
    matches!(kind, "Practitioner" | "Organization" | "Location" | "Patient")
}

/// Puts the patient in.
fn belong(work: &Work<'_>, node: Node<'_, '_>, kind: &str, body: &mut Map) {
    let element = match kind {
        "Device" if node.tag_name().name() == "supply" => "patient",
        "AllergyIntolerance" | "Immunization" | "FamilyMemberHistory" | "Consent" | "RelatedPerson" => "patient",
        "Coverage" => "beneficiary",
        "Patient" | "Practitioner" | "PractitionerRole" | "Organization" | "Location" | "Medication" | "Device" => {
            return;
        }
        _ => "subject",
    };
    if let Some((_, _, url)) = &work.patient {
        body.entry(element).or_insert_with(|| json!({"reference": url}));
    }
}

/// Invariants of R4.
fn hold<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, kind: &str, body: &mut Map) {
    let withdrawn: RefCell<Vec<(String, String)>> = RefCell::default();
    let withdraw = |path: &str, reason: &str| withdrawn.borrow_mut().push((path.to_owned(), reason.to_owned()));
    match kind {
        "Observation" => observation(work, node, body),
        // mad-1: a dosage of an administration has a dose or a rate.
        "MedicationAdministration" => {
            let dosage = body.get("dosage").and_then(Value::as_object);
            let told = |dosage: &Map| dosage.contains_key("dose") || dosage.keys().any(|key| key.starts_with("rate"));
            if dosage.is_some_and(|dosage| !told(dosage)) {
                body.remove("dosage");
                for part in ["route", "site", "text", "method"] {
                    withdraw(&format!("MedicationAdministration.dosage.{part}"), "without a dose FHIR has no dosage");
                }
            }
        }
        // org-1, org-3: an organization is not at home anywhere.
        "Organization" => {
            for element in ["telecom", "address"] {
                let points = body.get_mut(element).and_then(Value::as_array_mut).into_iter().flatten();
                for point in points.filter(|point| point["use"] == "home") {
                    point.as_object_mut().map(|point| point.remove("use"));
                }
            }
        }
        "AllergyIntolerance" => list(body, "reaction", "manifestation", &withdraw, kind),
        "FamilyMemberHistory" => list(body, "condition", "code", &withdraw, kind),
        _ => {}
    }
    hold_body(kind, body, &withdraw);
    for (path, reason) in withdrawn.into_inner() {
        work.ledger.withdraw(node, &path, &reason);
    }
}

/// Parts of a list without what makes them one are taken out.
fn list(body: &mut Map, element: &str, needed: &str, withdraw: &dyn Fn(&str, &str), kind: &str) {
    let Some(Value::Array(items)) = body.get_mut(element) else { return };
    let before = items.len();
    items.retain(|item| item.get(needed).is_some());
    if items.len() < before {
        withdraw(&format!("{kind}.{element}"), "the part that says what it is is missing");
    }
    if items.is_empty() {
        body.remove(element);
    }
}

/// A value that is missing says why (obs-6: only where there is none).
fn observation<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, body: &mut Map) {
    if body.keys().any(|key| key.starts_with("value") || key == "component" || key == "hasMember") {
        return;
    }
    let Some(value) = types::child(node, "value").filter(|value| value.attribute("nullFlavor").is_some()) else {
        return;
    };
    work.mark = work.ledger.target("Observation.dataAbsentReason");
    let flavour = work.attribute(value, "nullFlavor").unwrap_or("");
    let reason = work.rules.table("ccda-null-flavors").and_then(|table| table.codes.get(flavour));
    let code = reason.map_or("unknown", Text::as_str);
    let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    body.insert("dataAbsentReason", json!({"coding": [{"system": system, "code": code}]}));
    if let Some(Value::Array(ranges)) = body.get_mut("referenceRange") {
        ranges.retain(|range| ["low", "high", "text"].iter().any(|part| range.get(*part).is_some()));
    }
}

/// The identifiers that the source gives it.
fn own_identifiers<'a>(work: &Work<'a>, node: Node<'a, 'a>, body: &Map) -> Vec<(String, String)> {
    let listed = body.get("identifier").map(|identifier| match identifier {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    });
    let pair = |identifier: &Value| {
        Some((identifier.get("system")?.as_str()?.to_owned(), identifier.get("value")?.as_str()?.to_owned()))
    };
    let own: Vec<_> = listed.iter().flatten().filter_map(pair).collect();
    if own.is_empty() {
        return types::children(node, "id").filter_map(|id| types::system_and_value(work, id)).collect();
    }
    own
}

/// What it is known by: whose it is and its own identifiers, or all that it says.
fn base(work: &Work<'_>, kind: &str, own: &[(String, String)], body: &Map) -> Vec<String> {
    let mut parts = vec![work.setting.namespace.clone(), kind.to_owned()];
    if let Some((system, value, _)) = work.patient.as_ref().filter(|_| !is_party(kind)) {
        parts.extend([system.clone(), value.clone()]);
    }
    match own.first() {
        Some((system, value)) => parts.extend([system.clone(), value.clone()]),
        None => parts.push(Value::Object(body.clone()).to_string()),
    }
    parts
}

fn text_of(body: &Map, elements: &[&str]) -> String {
    elements.iter().find_map(|element| body.get(element)).map(Value::to_string).unwrap_or_default()
}

/// Whether two things with one identifier are one: what they are, when they were and what they say does not contradict.
fn is_same(kind: &str, old: &Map, new: &Map) -> bool {
    if is_party(kind) {
        return true;
    }
    let agree = |element: &&str| match (old.get(element), new.get(element)) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    ["code", "vaccineCode", "medicationCodeableConcept", "type"].iter().chain(&TIMES).all(agree)
        && new
            .iter()
            .filter(|(element, _)| element.starts_with("value"))
            .all(|(element, value)| old.get(element) == Some(value))
}

/// Adds what the first did not say.
fn complete(old: &mut Map, new: Map) {
    for (element, value) in new {
        old.entry(element).or_insert(value);
    }
}

/// Gives it the identifier it is found by.
fn name(kind: &str, (system, value): &(String, String), body: &mut Map) {
    let own = json!({"system": system, "value": value});
    match body.get_mut("identifier") {
        Some(Value::Array(list)) => {
            let known =
                |other: &Value| other.get("system") == own.get("system") && other.get("value") == own.get("value");
            if !list.iter().any(known) {
                list.insert(0, own);
            }
        }
        Some(_) => {}
        None if kind == "Composition" => drop(body.insert("identifier", own)),
        None if kind == "Provenance" => {}
        None => drop(body.insert("identifier", json!([own]))),
    }
}

/// A data-absent-reason in place of a value.
pub(crate) fn unknown() -> Value {
    json!({"extension": [{"url": systems::DATA_ABSENT_REASON, "valueCode": "unknown"}]})
}
