//! The elements of FHIR R4: whether a path leads somewhere, and to what data type.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::translate::datatypes::Kind;
use crate::translate::rows::file::Row;
use crate::translate::rows::path::Path;

/// Elements of a type by their path within it.
type Elements = HashMap<&'static str, Element>;

#[derive(Debug, Clone)]
struct Element {
    /// Data types; none where it holds elements of its own.
    types: Vec<&'static str>,
    is_list: bool,
}

static TYPES: LazyLock<HashMap<&str, Elements>> = LazyLock::new(|| {
    let text = include_str!("../../../config/standards/fhir-r4-elements.txt");
    text.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()
});

fn read(line: &'static str) -> Option<(&'static str, Elements)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let element = |word: &'static str| {
        let (path, types) = word.split_once(':')?;
        let types = types.split('|').filter(|one| !one.is_empty()).collect();
        Some((path.trim_end_matches('*'), Element { types, is_list: path.ends_with('*') }))
    };
    Some((name, words.filter_map(element).collect()))
}

/// What every resource or element has beside its own, where rows write it.
fn common(name: &str) -> Option<Element> {
    let (types, is_list) = match name {
        "extension" | "modifierExtension" => ("Extension", true),
        "id" => ("id", false),
        "meta" => ("Meta", false),
        "text" => ("Narrative", false),
        "language" => ("code", false),
        "implicitRules" => ("uri", false),
        "contained" => ("*", true),
        _ => return None,
    };
    Some(Element { types: vec![types], is_list })
}

/// Whether R4 has the type, as far as rows may write it.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains_key(name)
}

/// Whether a resource type has an element of this name.
pub(super) fn named(resource_type: &str, name: &str) -> Result<(), String> {
    find(resource_type, "", name).map(|_| ()).ok_or_else(|| no_element(resource_type, "", name))
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
    let mut at: (&str, String) = (resource_type, String::new());
    let mut types: Vec<&'static str> = Vec::new();
    let mut way = resource_type.to_owned();
    let steps: Vec<(&str, bool)> = path.steps().collect();
    for (n, (name, is_list)) in steps.iter().enumerate() {
        let is_last = n + 1 == steps.len();
        if whole && is_last && is_choice(at.0, &at.1, name) {
            return Ok(Vec::new());
        }
        let element = find(at.0, &at.1, name).ok_or_else(|| no_element(at.0, &at.1, name))?;
        way = format!("{way}.{name}");
        let is_whole = whole && is_last && element.is_list;
        if element.is_list != *is_list && !is_whole {
            return Err(match element.is_list {
                true => format!("{way} is a list; write {name}[], {name}[=] or {name}[0]"),
                false => format!("{way} is no list"),
            });
        }
        types.clone_from(&element.types);
        if is_last {
            break;
        }
        at = match types.as_slice() {
            [] => (at.0, format!("{}{name}.", at.1)),
            ["*"] => return Ok(Vec::new()),
            [one] => match one.strip_prefix('#').and_then(|shared| shared.split_once('.')) {
                Some((owner, inner)) => (owner, format!("{inner}.")),
                None => (one, String::new()),
            },
            _ => return Err(format!("{way} holds one of several data types; name it, as in valueQuantity")),
        };
        // Types that rows never write are not in the table: what is in them is not judged.
        if !TYPES.contains_key(at.0) {
            let is_primitive = at.0.starts_with(|c: char| c.is_ascii_lowercase());
            return if is_primitive {
                Err(format!("{way} holds {}, which has no elements", at.0))
            } else {
                Ok(Vec::new())
            };
        }
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
    let fits = types.iter().any(|held| made.contains(held) || *held == "*");
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
        Kind::Quantity | Kind::CQ => &["Quantity", "Age"],
        Kind::Duration | Kind::UsageDuration => &["Duration", "Quantity"],
        Kind::Practitioner | Kind::Location | Kind::Organization => &["Reference"],
        Kind::Attachment => &["Attachment"],
        _ => &[],
    }
}

/// An element of a type below a prefix, `birthDate`, `_birthDate`, `valueQuantity`.
fn find(owner: &str, prefix: &str, name: &str) -> Option<Element> {
    let elements = TYPES.get(owner)?;
    let own = |name: &str| elements.get(format!("{prefix}{name}").as_str()).cloned();
    if let Some(element) = own(name) {
        return Some(element);
    }
    if let Some(primitive) = name.strip_prefix('_') {
        // The extensions of a primitive element stand beside it.
        return own(primitive)
            .or_else(|| chosen(elements, prefix, primitive))
            .map(|element| Element { types: vec!["Element"], ..element });
    }
    chosen(elements, prefix, name).or_else(|| common(name))
}

/// `valueQuantity` of `value[x]`.
fn chosen(elements: &Elements, prefix: &str, name: &str) -> Option<Element> {
    let ends = name.char_indices().filter(|(_, c)| c.is_ascii_uppercase()).map(|(at, _)| at);
    ends.filter_map(|at| name.split_at_checked(at)).find_map(|(stem, kind)| {
        let element = elements.get(format!("{prefix}{stem}[x]").as_str())?;
        let one = element.types.iter().find(|one| capital(one) == kind)?;
        Some(Element { types: vec![one], is_list: element.is_list })
    })
}

/// `value` of `value[x]`.
fn is_choice(owner: &str, prefix: &str, name: &str) -> bool {
    TYPES.get(owner).is_some_and(|elements| elements.contains_key(format!("{prefix}{name}[x]").as_str()))
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn no_element(owner: &str, prefix: &str, name: &str) -> String {
    let inside = if prefix.is_empty() { owner.to_owned() } else { format!("{owner}.{}", prefix.trim_end_matches('.')) };
    format!("{inside} has no element {name:?}")
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
        assert_eq!(types("Observation", "component[].referenceRange[0].low"), Ok(vec!["Quantity"]));
        assert_eq!(
            types("MedicationRequest", "dosageInstruction[0].timing.repeat.boundsPeriod.start"),
            Ok(vec!["dateTime"])
        );
        assert_eq!(types("Patient", "extension[].valueString"), Ok(vec!["string"]));
        assert_eq!(types("Patient", "_birthDate.extension[].valueDateTime").map_err(drop), Ok(Vec::new()));
        assert_eq!(types("MedicationRequest", "contained[0].code"), Ok(Vec::new()));
    }

    #[test]
    fn paths_that_lead_nowhere_are_told() {
        for (kind, path) in [
            ("Patient", "nickname"),
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
