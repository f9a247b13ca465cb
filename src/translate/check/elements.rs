//! The elements of FHIR R4: whether a path leads somewhere, and to what data type.

use crate::fhir::structure::{self, Defined};
use crate::translate::datatypes::Kind;
use crate::translate::rows::file::Row;
use crate::translate::rows::path::Path;

/// What an element holds that takes any resource.
const ANY_RESOURCE: &str = "Resource";

/// Whether a resource type has an element of this name.
pub(super) fn named(resource_type: &str, name: &str) -> Result<(), String> {
    find(resource_type, name).map(|_| ()).ok_or_else(|| no_element(resource_type, name))
}

/// The data types at the end of a path; none where it is not known.
pub(super) fn resolve(resource_type: &str, path: &Path) -> Result<Vec<&'static str>, String> {
    walk(resource_type, path, false)
}

/// [`resolve`] of an element that is given whole: as a list where it is one, and with its choice of data type made.
pub(super) fn resolve_whole(resource_type: &str, path: &Path) -> Result<Vec<&'static str>, String> {
    walk(resource_type, path, true)
}

fn walk(resource_type: &str, path: &Path, whole: bool) -> Result<Vec<&'static str>, String> {
    let mut at: &str = resource_type;
    let mut types: Vec<&'static str> = Vec::new();
    let mut way = resource_type.to_owned();
    let steps: Vec<(&str, bool)> = path.steps().collect();
    for (n, (name, is_list)) in steps.iter().enumerate() {
        let is_last = n + 1 == steps.len();
        if whole && is_last && structure::element(at, name).is_some_and(|element| element.is_choice) {
            return Ok(Vec::new());
        }
        let element = find(at, name).ok_or_else(|| no_element(at, name))?;
        way = format!("{way}.{name}");
        let is_whole = whole && is_last && element.is_list;
        if element.is_list != *is_list && !is_whole {
            return Err(match element.is_list {
                true => format!("{way} is a list; write {name}[], {name}[=] or {name}[0]"),
                false => format!("{way} is no list"),
            });
        }
        types = element.types;
        if is_last {
            break;
        }
        at = match types.as_slice() {
            [] | [ANY_RESOURCE] => return Ok(Vec::new()),
            [one] if one.starts_with(|c: char| c.is_ascii_lowercase()) => {
                return Err(format!("{way} holds {one}, which has no elements"));
            }
            [one, ..] => one,
        };
    }
    Ok(types)
}

/// Whether an element holds what a row makes.
pub(super) fn accepts(resource_type: &str, row: &Row) -> Result<(), String> {
    // These choose the element of `value[x]` by what they find.
    if matches!(row.kind, Kind::Varies | Kind::Result) {
        return Ok(());
    }
    let types = resolve(resource_type, &row.path)?;
    let made = made(row.kind);
    let fits = types.iter().any(|held| made.contains(held) || *held == ANY_RESOURCE);
    if made.is_empty() || types.is_empty() || fits {
        return Ok(());
    }
    let kind = serde_json::to_value(row.kind).unwrap_or_default();
    let place = format!("{resource_type}.{}", row.path.plain());
    Err(format!(
        "{place} holds {}, and {} makes {}",
        types.join(" or "),
        kind.as_str().unwrap_or("the row"),
        made.first().copied().unwrap_or_default()
    ))
}

/// The data types a kind of row may stand for, the usual one first; none where it depends on the row.
fn made(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::CX | Kind::Identifier => &["Identifier"],
        Kind::XPN => &["HumanName"],
        Kind::XAD => &["Address"],
        Kind::XTN => &["ContactPoint"],
        Kind::CodeableConcept | Kind::BoundConcept | Kind::Language => &["CodeableConcept"],
        Kind::Coding => &["Coding"],
        Kind::Code => &["code", "string", "uri"],
        Kind::Date | Kind::BirthDate => &["date", "dateTime"],
        Kind::DateTime => &["dateTime"],
        Kind::Instant => &["instant", "dateTime"],
        Kind::Period => &["Period"],
        Kind::Text => &["string", "markdown", "code", "id", "uri", "url", "canonical", "oid"],
        Kind::Boolean | Kind::AsNeeded => &["boolean"],
        Kind::PositiveInt => &["positiveInt", "unsignedInt", "integer"],
        Kind::Decimal => &["decimal"],
        Kind::Quantity | Kind::CQ => &["Quantity", "SimpleQuantity", "Age"],
        Kind::Duration | Kind::UsageDuration => &["Duration", "Quantity", "SimpleQuantity"],
        Kind::Practitioner | Kind::PractitionerRole | Kind::Location | Kind::Organization => &["Reference"],
        Kind::Money => &["Money"],
        Kind::Attachment => &["Attachment"],
        _ => &[],
    }
}

/// An element as JSON spells it: a choice of types is named with the type (`valueQuantity`).
fn find(owner: &str, name: &str) -> Option<Defined> {
    structure::element(owner, name).filter(|element| !element.is_choice)
}

fn no_element(owner: &str, name: &str) -> String {
    format!("{owner} has no element {name:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(kind: &str, path: &str) -> Result<Vec<&'static str>, String> {
        resolve(kind, &path.parse().unwrap())
    }

    #[test]
    fn paths_lead_to_data_types() {
        assert_eq!(types("Patient", "name[].family"), Ok(vec!["string"]));
        assert_eq!(types("Patient", "contact[=].name.given[]"), Ok(vec!["string"]));
        assert_eq!(types("Observation", "valueQuantity.unit"), Ok(vec!["string"]));
        assert_eq!(types("Observation", "component[].referenceRange[0].low"), Ok(vec!["SimpleQuantity"]));
        assert_eq!(types("Bundle", "entry[].resource.id"), Ok(Vec::new()));
        assert_eq!(
            types("MedicationRequest", "dosageInstruction[0].timing.repeat.boundsPeriod.start"),
            Ok(vec!["dateTime"])
        );
        assert_eq!(types("Patient", "extension[].valueString"), Ok(vec!["string"]));
        assert_eq!(types("Patient", "_birthDate.extension[].valueDateTime"), Ok(vec!["dateTime"]));
        assert_eq!(types("MedicationRequest", "contained[0].code"), Ok(Vec::new()));
    }

    #[test]
    fn paths_that_lead_nowhere_are_told() {
        for (kind, path) in [
            ("Patient", "nickname"),
            ("Binary", "url"),
            ("Patient", "_name[].family"),
            ("Observation", "value"),
            ("Patient", "birthDate.year"),
            ("Observation", "valueHumanName"),
            ("Patient", "name.family"),
            ("Patient", "gender[]"),
            ("Encounter", "hospitalization.doctor"),
        ] {
            assert!(types(kind, path).is_err(), "{kind}.{path}");
        }
    }
}
