//! A package or a returned document as a person reads it. Reads only what is there: what is missing is said to be missing,
//! "no information" and "none known" are different answers, and numbers keep their digits.

mod concept;
mod observation;
mod patient;
mod reply;

use base64::Engine as _;
use serde_json::Value;

pub use concept::{Code, Item};
pub use observation::{Converted, Measured};
pub use patient::{NameForm, Person, Script, person};
pub use reply::{Reply, reply};

use crate::documents::concept::words;
use crate::fhir;

/// Bundles are followed this deep: message, document, and no further surprises.
const DEEPEST: usize = 4;

/// What a referral package says.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The patient.
    pub patient: Option<Person>,
    /// The service asked for, in the sender's words.
    pub service: Option<String>,
    /// `routine`, `urgent`, `asap`, `stat`.
    pub priority: Option<String>,
    /// Reasons, as written.
    pub reasons: Vec<String>,
    /// Questions to the specialist, as written.
    pub questions: Vec<String>,
    /// Travel needs, as written.
    pub travel: Vec<String>,
    /// Language an interpreter is needed for.
    pub interpreter: Option<String>,
    /// What the sender says it kept back, by kind and reason.
    pub left_out: Vec<String>,
    /// The consent that came with it.
    pub consent: Option<ConsentShown>,
    /// Problems, allergies, medications, in this order; immunizations and procedures where there are any.
    pub lists: Vec<List>,
    /// Results.
    pub results: Results,
}

/// The consent as sent along.
#[derive(Debug, Clone, Default)]
pub struct ConsentShown {
    /// When given.
    pub at: Option<String>,
    /// Language of the text.
    pub language: Option<String>,
    /// The text that was shown to the patient.
    pub text: Option<String>,
    /// Until when it holds.
    pub until: Option<String>,
}

/// Why a list is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absence {
    /// The sender's record says nothing. This is not "none".
    #[default]
    NoInformation,
    /// The sender's record says that there are none.
    NoneKnown,
    /// The sender has something and does not give it.
    Withheld,
}

/// The kinds of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Conditions.
    Problems,
    /// Allergies and intolerances.
    Allergies,
    /// Medications.
    Medications,
    /// Immunizations.
    Immunizations,
    /// Procedures.
    Procedures,
}

/// One list of the summary.
#[derive(Debug, Clone)]
pub struct List {
    /// Which.
    pub kind: ListKind,
    /// Its items.
    pub items: Vec<Item>,
    /// What an empty list means.
    pub absence: Absence,
}

/// The results of the summary.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Newest first.
    pub items: Vec<Measured>,
    /// What an empty list means.
    pub absence: Absence,
}

/// Reads a package for a reader of `language`: that of the words around the recorded ones. Bytes that are not a bundle
/// give an empty summary: everything is then shown as "no information".
pub fn package_summary(bytes: &[u8], language: &str) -> Summary {
    let bundle: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let mut resources = Vec::new();
    gather(&bundle, 0, &mut resources);
    let of = |kind: &'static str| resources.iter().copied().filter(move |one| fhir::resource_type(one) == Some(kind));
    let request = of("ServiceRequest").next();
    let task = of("Task").next();
    let composition = of("Composition").next();
    Summary {
        patient: of("Patient").next().map(person),
        service: request.and_then(|request| words(request.get("code")?)),
        priority: request.and_then(|request| Some(request.get("priority")?.as_str()?.to_owned())),
        reasons: request.map(|request| texts(request.get("reasonCode"))).unwrap_or_default(),
        questions: request.map(|request| texts(request.get("note"))).unwrap_or_default(),
        travel: inputs(task, "travel"),
        interpreter: inputs(task, "interpreter").into_iter().next(),
        left_out: inputs(task, "left-out"),
        consent: of("Consent").next().map(consent),
        lists: LISTS.iter().filter_map(|row| list(row, &resources, composition, language)).collect(),
        results: results(&resources, composition, language),
    }
}

/// All resources of nested bundles, in order.
fn gather<'a>(bundle: &'a Value, depth: usize, found: &mut Vec<&'a Value>) {
    for resource in fhir::bundle::resources(bundle) {
        if fhir::resource_type(resource) == Some("Bundle") {
            if depth < DEEPEST {
                gather(resource, depth + 1, found);
            }
        } else {
            found.push(resource);
        }
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(words).collect()
}

/// Values of the Task's inputs of a kind.
fn inputs(task: Option<&Value>, code: &str) -> Vec<String> {
    let listed = task.and_then(|task| task.get("input")).and_then(Value::as_array).into_iter().flatten();
    listed
        .filter(|input| input.get("type").is_some_and(|kind| fhir::codings(kind).any(|(_, one)| one == code)))
        .filter_map(|input| {
            let value = ["valueString", "valueCode"].into_iter().find_map(|name| input.get(name))?;
            Some(value.as_str()?.to_owned())
        })
        .collect()
}

fn consent(consent: &Value) -> ConsentShown {
    let text_at = |path: &str| Some(consent.pointer(path)?.as_str()?.to_owned());
    let text = text_at("/sourceAttachment/data")
        .and_then(|data| base64::engine::general_purpose::STANDARD.decode(data).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    ConsentShown {
        at: text_at("/dateTime"),
        language: text_at("/sourceAttachment/language"),
        text,
        until: text_at("/provision/period/end"),
    }
}

/// Kind, section, resource types, and whether the list is shown when empty: what it then says matters for those a
/// treating clinician must ask about.
type Row = (ListKind, &'static str, &'static [&'static str], bool);

const LISTS: &[Row] = &[
    (ListKind::Problems, "11450-4", &["Condition"], true),
    (ListKind::Allergies, "48765-2", &["AllergyIntolerance"], true),
    (ListKind::Medications, "10160-0", &["MedicationStatement", "MedicationRequest"], true),
    (ListKind::Immunizations, "11369-6", &["Immunization"], false),
    (ListKind::Procedures, "47519-4", &["Procedure"], false),
];

fn list(
    (kind, section, types, always): &Row,
    resources: &[&Value],
    composition: Option<&Value>,
    language: &str,
) -> Option<List> {
    // What has ended is told as of the summary: the record may have moved on since, the package has not.
    let at = composition.and_then(|one| one.get("date")?.as_str()).unwrap_or("");
    let mut items = Vec::new();
    let mut stated = None;
    for resource in resources {
        if !fhir::resource_type(resource).is_some_and(|one| types.contains(&one)) {
            continue;
        }
        match concept::absence(resource) {
            Some(absence) => stated = Some(absence),
            None => items.push(concept::item(resource, resources, language, at)),
        }
    }
    items.sort_by_key(|item| item.past);
    // A statement of absence beside actual items is contradicted by them.
    let absence = stated.or_else(|| empty_reason(composition, section)).unwrap_or_default();
    (*always || !items.is_empty()).then_some(List { kind: *kind, items, absence })
}

fn results(resources: &[&Value], composition: Option<&Value>, language: &str) -> Results {
    let observations = resources.iter().filter(|one| fhir::resource_type(one) == Some("Observation"));
    let mut items: Vec<Measured> = observations.map(|one| observation::measured(one, language)).collect();
    items.sort_by(|a, b| b.at.cmp(&a.at));
    Results { items, absence: empty_reason(composition, "30954-2").unwrap_or_default() }
}

/// `Composition.section.emptyReason` (<https://hl7.org/fhir/R4/valueset-list-empty-reason.html>).
fn empty_reason(composition: Option<&Value>, section: &str) -> Option<Absence> {
    let sections = composition?.get("section")?.as_array()?;
    let section = sections
        .iter()
        .find(|one| one.get("code").is_some_and(|code| fhir::codings(code).any(|(_, code)| code == section)))?;
    let (_, reason) = fhir::codings(section.get("emptyReason")?).next()?;
    Some(match reason {
        "nilknown" => Absence::NoneKnown,
        "withheld" => Absence::Withheld,
        _ => Absence::NoInformation,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(section: Value, resources: &[Value]) -> Vec<u8> {
        let mut entries = vec![json!({"resource": {"resourceType": "Composition", "section": [section]}})];
        entries.extend(resources.iter().map(|resource| json!({"resource": resource})));
        let document = json!({"resourceType": "Bundle", "type": "document", "entry": entries});
        let message = json!({"resourceType": "Bundle", "type": "message", "entry": [{"resource": document}]});
        serde_json::to_vec(&message).unwrap()
    }

    fn allergies(bytes: &[u8]) -> List {
        package_summary(bytes, "en").lists.into_iter().find(|list| list.kind == ListKind::Allergies).unwrap()
    }

    fn section(reason: &str) -> Value {
        json!({"code": {"coding": [{"code": "48765-2"}]}, "emptyReason": {"coding": [{"code": reason}]}})
    }

    fn allergy(system: &str, code: &str) -> Value {
        json!({"resourceType": "AllergyIntolerance", "code": {"coding": [{"system": system, "code": code}]}})
    }

    #[test]
    fn absence_is_not_negation() {
        const ABSENT: &str = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";
        assert_eq!(allergies(b"not json").absence, Absence::NoInformation);
        assert_eq!(allergies(&document(json!({}), &[])).absence, Absence::NoInformation);
        assert_eq!(allergies(&document(section("unavailable"), &[])).absence, Absence::NoInformation);
        assert_eq!(allergies(&document(section("nilknown"), &[])).absence, Absence::NoneKnown);
        assert_eq!(allergies(&document(section("withheld"), &[])).absence, Absence::Withheld);
        let none_known = allergies(&document(json!({}), &[allergy(ABSENT, "no-known-allergies")]));
        assert_eq!((none_known.absence, none_known.items.len()), (Absence::NoneKnown, 0));
        let no_information = allergies(&document(json!({}), &[allergy(ABSENT, "no-allergy-info")]));
        assert_eq!((no_information.absence, no_information.items.len()), (Absence::NoInformation, 0));
        // "No known food allergies" says nothing about drugs: it is an item, not an empty list.
        let food = allergies(&document(json!({}), &[allergy(ABSENT, "no-known-food-allergies")]));
        assert_eq!(food.items.len(), 1);
    }

    #[test]
    fn what_the_sender_wrote_is_found() {
        let message = json!({"resourceType": "Bundle", "type": "message", "entry": [
            {"resource": {"resourceType": "ServiceRequest", "priority": "urgent", "code": {"text": "Regenerative medicine"},
                "reasonCode": [{"text": "Heart failure"}], "note": [{"text": "Cell sheet?"}]}},
            {"resource": {"resourceType": "Task", "input": [
                {"type": {"coding": [{"code": "travel"}]}, "valueString": "wheelchair"},
                {"type": {"coding": [{"code": "interpreter"}]}, "valueCode": "fr"}]}},
            {"resource": {"resourceType": "Consent", "dateTime": "2026-11-24",
                "sourceAttachment": {"language": "fr", "data": "ZCdhY2NvcmQ="}}}
        ]});
        let summary = package_summary(&serde_json::to_vec(&message).unwrap(), "en");
        assert_eq!(summary.reasons, ["Heart failure"]);
        assert_eq!(summary.questions, ["Cell sheet?"]);
        assert_eq!(summary.travel, ["wheelchair"]);
        assert_eq!(summary.interpreter.as_deref(), Some("fr"));
        assert_eq!(summary.consent.unwrap().text.as_deref(), Some("d'accord"));
    }

    #[test]
    fn a_dose_without_text_and_an_ended_order_are_seen() {
        let order = |name: &str, end: &str| {
            json!({"resourceType": "MedicationRequest", "status": "active", "medicationCodeableConcept": {"text": name},
                "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "錠"}}],
                    "timing": {"code": {"text": "１日２回朝夕食後"}, "repeat": {"boundsPeriod": {"end": end}}}}]})
        };
        let composition = json!({"resourceType": "Composition", "date": "2026-03-03T14:00:00.000Z"});
        let document = json!({"resourceType": "Bundle", "type": "document", "entry": [
            {"resource": composition}, {"resource": order("old", "2019-01-14")}, {"resource": order("new", "2026-04-01")}]});
        let summary = package_summary(&serde_json::to_vec(&document).unwrap(), "en");
        let drugs = summary.lists.into_iter().find(|list| list.kind == ListKind::Medications).unwrap().items;
        let names: Vec<&str> = drugs.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(names, ["new", "old"]);
        assert_eq!(drugs[0].details, ["dose: 1 錠 · １日２回朝夕食後 · period: – 2026-04-01"]);
        assert_eq!((drugs[0].ended.as_deref(), drugs[1].ended.as_deref()), (None, Some("2019-01-14")));
        assert_eq!(drugs[1].statuses, ["active"]);
    }

    #[test]
    fn procedures_are_listed_where_there_are_any() {
        let document = json!({"resourceType": "Bundle", "type": "document", "entry": [{"resource":
            {"resourceType": "Procedure", "status": "completed", "code": {"text": "CABG"}, "performedDateTime": "2019"}}]});
        let summary = package_summary(&serde_json::to_vec(&document).unwrap(), "en");
        assert_eq!(summary.lists.len(), 4);
        assert_eq!(
            (summary.lists[3].items[0].text.as_str(), summary.lists[3].items[0].at.as_deref()),
            ("CABG", Some("2019"))
        );
    }
}
