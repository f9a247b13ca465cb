//! Coded items: the words of the record, every code beside them, and statements that there is nothing.

use serde_json::Value;

use super::Absence;
use crate::documents::concept::{codings, mapping_sign, words};
use crate::documents::course::{ended, is_past};
use crate::documents::medication::medication;
use crate::documents::particulars::particulars;
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
    /// `=` or `≈` before a code that a code map added; nothing before a recorded one.
    pub mapped: Option<&'static str>,
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
    /// Dosage, reactions, severity, notes: a line each.
    pub details: Vec<String>,
    /// The last day of a medication that was over, by its own dates, when the summary was written.
    pub ended: Option<String>,
    /// Over by its dates or its status: shown behind the current ones.
    pub past: bool,
    /// When it began or was noted, at its own precision.
    pub at: Option<String>,
}

/// The codes of a concept, each with what it adds to `shown`; recorded ones first.
pub(super) fn codes(concept: &Value, shown: &str) -> Vec<Code> {
    let mut codes: Vec<Code> = codings(concept)
        .filter_map(|coding| {
            let system = coding.get("system").and_then(Value::as_str).unwrap_or("");
            let display = coding.get("display").and_then(Value::as_str).map(str::trim);
            Some(Code {
                system: short(system),
                code: coding.get("code")?.as_str()?.to_owned(),
                display: display.filter(|text| !text.is_empty() && *text != shown).map(str::to_owned),
                mapped: mapping_sign(coding),
            })
        })
        .collect();
    codes.sort_by_key(|code| code.mapped.is_some());
    codes
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
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
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

/// A condition, allergy, medication, immunization or procedure, as it stood at `at`, in the words of `language`.
pub(super) fn item(resource: &Value, all: &[&Value], language: &str, at: &str) -> Item {
    let find = |reference: &str| referenced(reference, all);
    let drug = medication(resource, &find);
    let own = ["code", "vaccineCode"].into_iter().find_map(|name| resource.get(name));
    let concept = own.or(drug.code);
    let mut details = particulars(language, resource);
    let parts = drug.ingredients.join(" + ");
    let name = concept.and_then(words).or_else(|| drug.display.map(str::to_owned));
    if name.is_some() && !parts.is_empty() {
        details.insert(0, parts.clone());
    }
    let name = name.unwrap_or(parts);
    let is_drug = matches!(fhir::resource_type(resource), Some("MedicationRequest" | "MedicationStatement"));
    Item {
        codes: concept.map(|concept| codes(concept, &name)).unwrap_or_default(),
        statuses: statuses(resource),
        details,
        ended: ended(resource, at).filter(|_| is_drug),
        past: is_drug && is_past(resource, at),
        at: self::at(resource),
        text: name,
    }
}

/// The resource that a reference names by its id.
fn referenced<'a>(reference: &str, all: &[&'a Value]) -> Option<&'a Value> {
    let id = reference.rsplit(['/', ':']).next()?;
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

fn at(resource: &Value) -> Option<String> {
    // When it was comes before when it was written down.
    const DATES: [&str; 12] = [
        "/onsetDateTime",
        "/effectiveDateTime",
        "/effectivePeriod/start",
        "/onsetPeriod/start",
        "/onsetString",
        "/occurrenceDateTime",
        "/occurrenceString",
        "/performedDateTime",
        "/performedPeriod/start",
        "/recordedDate",
        "/authoredOn",
        "/dateAsserted",
    ];
    DATES.into_iter().find_map(|path| resource.pointer(path)?.as_str()).map(str::to_owned)
}
