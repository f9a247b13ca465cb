//! Coded items: the words of the record, every code beside them, and statements that there is nothing.

use serde_json::Value;

use super::Absence;
use crate::fhir::{self, systems};

/// IPS codes for "no information about" and "no known", <https://hl7.org/fhir/uv/ips/CodeSystem-absent-unknown-uv-ips.html>.
const ABSENT: &str = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";
/// SNOMED CT "No known allergy".
const NO_KNOWN_ALLERGY: &str = "716186003";

/// A code with the name of its system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Short name of the system.
    pub system: String,
    /// The code.
    pub code: String,
    /// The system's word for it, as recorded, if it differs from the item's own words.
    pub display: Option<String>,
}

/// An item of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The record's words; empty if it has none.
    pub text: String,
    /// Its codes.
    pub codes: Vec<Code>,
    /// Status codes: clinical and verification status of a condition, status of a medication.
    pub statuses: Vec<String>,
    /// Dosage or reaction, as written.
    pub detail: Option<String>,
    /// When it began or was noted, at its own precision.
    pub at: Option<String>,
}

/// The text of a CodeableConcept or Annotation: its own words, else a coding's display, else a code.
pub(super) fn text(concept: &Value) -> Option<String> {
    let own = concept.get("text").and_then(Value::as_str);
    let codings = || concept.get("coding").and_then(Value::as_array).into_iter().flatten();
    let display = codings().find_map(|coding| coding.get("display")?.as_str());
    let code = codings().find_map(|coding| coding.get("code")?.as_str());
    own.or(display).or(code).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The codes of a concept, each with what it adds to `shown`.
pub(super) fn codes(concept: &Value, shown: &str) -> Vec<Code> {
    let codings = concept.get("coding").and_then(Value::as_array).into_iter().flatten();
    codings
        .filter_map(|coding| {
            let system = coding.get("system").and_then(Value::as_str).unwrap_or("");
            let display = coding.get("display").and_then(Value::as_str).map(str::trim);
            Some(Code {
                system: short(system),
                code: coding.get("code")?.as_str()?.to_owned(),
                display: display.filter(|text| !text.is_empty() && *text != shown).map(str::to_owned),
            })
        })
        .collect()
}

/// The name people use for a code system.
pub(super) fn short(system: &str) -> String {
    let known = [
        (systems::LOINC, "LOINC"),
        (systems::SNOMED, "SNOMED CT"),
        (systems::JLAC10, "JLAC10"),
        (systems::ICD10_JP, "ICD-10 JP"),
        (systems::ICD10, "ICD-10"),
        (systems::ICD10_CA, "ICD-10-CA"),
        (systems::DIN, "DIN"),
        (systems::HOT9, "HOT9"),
        (systems::YJ, "YJ"),
        (ABSENT, "IPS"),
        ("http://www.whocc.no/atc", "ATC"),
    ];
    match known.iter().find(|(address, _)| *address == system) {
        Some((_, name)) => (*name).to_owned(),
        None => system.rsplit(['/', ':']).next().unwrap_or(system).to_owned(),
    }
}

/// Whether the resource is itself the statement that there is nothing, or nothing known.
pub(super) fn absence(resource: &Value) -> Option<Absence> {
    let concept = ["code", "medicationCodeableConcept"].into_iter().find_map(|name| resource.get(name))?;
    fhir::codings(concept).find_map(|(system, code)| match (system, code) {
        (ABSENT, "no-known-allergies" | "no-known-problems" | "no-known-medications") => Some(Absence::NoneKnown),
        (ABSENT, "no-allergy-info" | "no-problem-info" | "no-medication-info") => Some(Absence::NoInformation),
        (systems::SNOMED, NO_KNOWN_ALLERGY) => Some(Absence::NoneKnown),
        _ => None,
    })
}

/// A condition, allergy or medication.
pub(super) fn item(resource: &Value, all: &[&Value]) -> Item {
    let concept = ["code", "medicationCodeableConcept"]
        .into_iter()
        .find_map(|name| resource.get(name))
        .or_else(|| referenced(resource.get("medicationReference")?, all)?.get("code"));
    let words = concept.and_then(text).unwrap_or_default();
    Item {
        codes: concept.map(|concept| codes(concept, &words)).unwrap_or_default(),
        statuses: statuses(resource),
        detail: detail(resource),
        at: at(resource),
        text: words,
    }
}

/// The resource that a reference names by its id.
fn referenced<'a>(reference: &Value, all: &[&'a Value]) -> Option<&'a Value> {
    let target = reference.get("reference")?.as_str()?;
    let id = target.rsplit(['/', ':']).next()?;
    all.iter().copied().find(|resource| fhir::id(resource) == Some(id))
}

fn statuses(resource: &Value) -> Vec<String> {
    let coded = ["clinicalStatus", "verificationStatus"].into_iter().filter_map(|name| {
        let (_, code) = fhir::codings(resource.get(name)?).next()?;
        Some(code.to_owned())
    });
    let plain = resource.get("status").and_then(Value::as_str).map(str::to_owned);
    coded.chain(plain).collect()
}

fn detail(resource: &Value) -> Option<String> {
    let list = |name: &str| resource.get(name).and_then(Value::as_array).into_iter().flatten();
    let dosages = list("dosage").chain(list("dosageInstruction")).filter_map(|dosage| dosage.get("text")?.as_str());
    let reactions = list("reaction").flat_map(|reaction| {
        reaction.get("manifestation").and_then(Value::as_array).into_iter().flatten().filter_map(text)
    });
    let words: Vec<String> = dosages.map(str::to_owned).chain(reactions).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn at(resource: &Value) -> Option<String> {
    const DATES: [&str; 6] =
        ["onsetDateTime", "effectiveDateTime", "recordedDate", "authoredOn", "dateAsserted", "onsetString"];
    let plain = DATES.into_iter().find_map(|name| resource.get(name)?.as_str());
    let start =
        || resource.pointer("/effectivePeriod/start").or_else(|| resource.pointer("/onsetPeriod/start"))?.as_str();
    plain.or_else(start).map(str::to_owned)
}
