//! Codes beside codes. The original coding stays first and untouched; an added one says how it relates to it, in the
//! words of ConceptMap (<https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>).

use crate::fhir::tree::{Value, codings};

use super::extension::object;
use super::{Catalog, HarmoniseSetting, Notes, Outcome};
use crate::fhir::systems;
use crate::terminology::{ATC, icd10, site};

/// Extension on an added coding: `equivalence` (target seen from the original) and `source` (the table).
pub const CODE_MAPPING: &str = "https://watari.dev/fhir/StructureDefinition/code-mapping";

/// A diagnosis: the same code in WHO's ICD-10, and its category.
pub(super) fn condition(catalog: &Catalog, setting: &HarmoniseSetting, resource: &mut Value, notes: &mut Notes<'_>) {
    let Some(concept) = resource.get_mut("code") else { return };
    known_equivalents(catalog, concept, "code", notes);
    if let Some((system, code)) = only_local(setting, concept) {
        notes.add("code", "ICD-10", Outcome::Unmapped, format!("local code {system}|{code}"));
    }
    let written: Vec<(String, String)> =
        codings(concept).map(|(system, code)| (system.to_owned(), code.to_owned())).collect();
    for (system, code) in written {
        let barred = || catalog.terminology.site.bars(&system, &code, systems::ICD10);
        if !icd10::is_icd10(&system) || is_added(concept, &system, &code) || barred() {
            continue;
        }
        let Some(read) = icd10::read(&code) else {
            notes.add("code", "ICD-10", Outcome::Unmapped, format!("{system}|{code} is not shaped like ICD-10"));
            continue;
        };
        if let Some(subcategory) = &read.subcategory {
            let added = Added { system: systems::ICD10, code: subcategory, equivalence: "equal", source: "ICD-10" };
            add(concept, "code", &added, notes);
        }
        let whole = read.subcategory.is_none() && code.trim().len() == 3;
        let equivalence = if whole { "equal" } else { "wider" };
        let added = Added { system: systems::ICD10, code: &read.category, equivalence, source: "ICD-10 category" };
        add(concept, "code", &added, notes);
    }
}

/// A drug: the ATC code of its ingredient. Never a product of the other country.
pub(super) fn medication(catalog: &Catalog, resource: &mut Value, element: &str, notes: &mut Notes<'_>) {
    let Some(concept) = resource.get_mut(element) else { return };
    known_equivalents(catalog, concept, element, notes);
    let written: Vec<(String, String)> =
        codings(concept).map(|(system, code)| (system.to_owned(), code.to_owned())).collect();
    if written.iter().any(|(system, _)| system == ATC) {
        return;
    }
    if written.iter().any(|(system, code)| catalog.terminology.site.bars(system, code, ATC)) {
        return;
    }
    match written.iter().find_map(|(system, code)| catalog.terminology.ingredients.of(system, code)) {
        Some((_, atc)) => {
            let added = Added { system: ATC, code: atc, equivalence: "wider", source: "ingredient" };
            add(concept, element, &added, notes);
        }
        None => {
            if let Some((system, code)) = written.first() {
                notes.add(element, "ingredient", Outcome::Unmapped, format!("{system}|{code}"));
            }
        }
    }
}

/// A coding to be added.
pub(super) struct Added<'a> {
    pub(super) system: &'a str,
    pub(super) code: &'a str,
    /// ConceptMap equivalence of the added code, seen from the original.
    pub(super) equivalence: &'a str,
    /// Table or rule it comes from.
    pub(super) source: &'a str,
}

/// Puts a coding behind the present ones, unless it is there.
pub(super) fn add(concept: &mut Value, element: &str, added: &Added<'_>, notes: &mut Notes<'_>) {
    if codings(concept).any(|present| present == (added.system, added.code)) {
        return;
    }
    let Some(coding) = concept.get_mut("coding").and_then(Value::as_array_mut) else { return };
    let text = |url: &'static str, kind: &'static str, value: &str| {
        object([("url", Value::constant(url)), (kind, value.into())])
    };
    let said = vec![text("equivalence", "valueCode", added.equivalence), text("source", "valueString", added.source)];
    let mapping = object([("url", Value::constant(CODE_MAPPING)), ("extension", Value::Array(said))]);
    coding.push(object([
        ("extension", Value::Array(vec![mapping])),
        ("system", added.system.into()),
        ("code", added.code.into()),
    ]));
    notes.tell(element, added.source, Outcome::Added, || format!("{}|{}", added.system, added.code));
}

/// The first coding, if every one is of a hospital's own system.
pub(super) fn only_local<'v>(setting: &HarmoniseSetting, concept: &'v Value) -> Option<(&'v str, &'v str)> {
    let is_own = |system: &str| !system.contains(':') || system.starts_with(&setting.namespace);
    let first = codings(concept).next()?;
    codings(concept).all(|(system, _)| is_own(system)).then_some(first)
}

/// Puts beside a coding what needs no rule: the present address of its code system, and what the hospital's own map says.
/// Gives what the hospital's map says, which goes before what the tables say.
pub(super) fn known_equivalents<'c>(
    catalog: &'c Catalog,
    concept: &mut Value,
    element: &str,
    notes: &mut Notes<'_>,
) -> Vec<&'c site::Target> {
    present_addresses(catalog, concept, element, notes);
    let mapped: Vec<&site::Target> =
        codings(concept).flat_map(|(system, code)| catalog.terminology.site.targets(system, code)).collect();
    for target in &mapped {
        let added = Added {
            system: &target.system,
            code: &target.code,
            equivalence: target.equivalence.as_str(),
            source: "site code map",
        };
        add(concept, element, &added, notes);
    }
    mapped
}

fn present_addresses(catalog: &Catalog, concept: &mut Value, element: &str, notes: &mut Notes<'_>) {
    let old: Vec<(String, String)> = codings(concept)
        .filter_map(|(system, code)| {
            let present = catalog.terminology.systems.present(system);
            (present != system).then(|| (present.to_owned(), code.to_owned()))
        })
        .collect();
    for (system, code) in old {
        let added = Added { system: &system, code: &code, equivalence: "equal", source: "present system address" };
        add(concept, element, &added, notes);
    }
}

/// The concepts of any resource, one level deep: codes under older addresses get the present one beside them, and codes
/// of a system that is only a name (`99ABC`, no address) get one in the institution's namespace, so that no two hospitals'
/// local codes are taken for each other.
pub(super) fn addresses(catalog: &Catalog, setting: &HarmoniseSetting, resource: &mut Value, notes: &mut Notes<'_>) {
    let Some(members) = resource.as_object_mut() else { return };
    for (element, value) in members.iter_mut() {
        match value {
            Value::Array(items) => {
                for item in items.iter_mut().filter(|item| item.get("coding").is_some()) {
                    addressed(catalog, setting, item, element, notes);
                }
            }
            Value::Object(concept) if concept.contains_key("coding") => {
                addressed(catalog, setting, value, element, notes);
            }
            _ => {}
        }
    }
}

fn addressed(catalog: &Catalog, setting: &HarmoniseSetting, concept: &mut Value, element: &str, notes: &mut Notes<'_>) {
    present_addresses(catalog, concept, element, notes);
    let local: Vec<(String, String)> = codings(concept)
        .filter(|(system, _)| !system.is_empty() && !system.contains(':'))
        .map(|(system, code)| (format!("{}/CodeSystem/{}", setting.namespace, path_segment(system)), code.to_owned()))
        .collect();
    for (system, code) in local {
        let added = Added { system: &system, code: &code, equivalence: "equal", source: "institution's namespace" };
        add(concept, element, &added, notes);
    }
}

/// A name as one segment of an address.
fn path_segment(name: &str) -> String {
    name.trim().bytes().fold(String::new(), |mut segment, byte| {
        match byte {
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') => segment.push(char::from(b)),
            b => segment.push_str(&format!("%{b:02X}")),
        }
        segment
    })
}

/// JLAC10 under its URL or its OID.
pub(super) fn is_jlac10(system: &str) -> bool {
    system == systems::JLAC10 || system == "urn:oid:1.2.392.200119.4.504"
}

/// Whether a coding was put there by [`add`].
fn is_added(concept: &Value, system: &str, code: &str) -> bool {
    concept["coding"].as_array().into_iter().flatten().any(|coding| {
        coding["system"] == *system
            && coding["code"] == *code
            && coding["extension"].as_array().into_iter().flatten().any(|extension| extension["url"] == CODE_MAPPING)
    })
}
