//! Coded words as recorded, and codings that were added beside them: those are never read as statements of their own.

use serde_json::Value;

use crate::harmonise::CODE_MAPPING;

/// The words of a CodeableConcept or Annotation: its own text, else the display of a recorded coding, else its code.
pub fn words(concept: &Value) -> Option<String> {
    let own = concept.get("text").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let of = |name: &'static str| recorded(concept).find_map(|coding| text(coding, name));
    own.or_else(|| of("display")).or_else(|| of("code")).map(str::to_owned)
}

/// The words of a list of concepts.
pub fn all_words(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(words).collect()
}

/// The texts of a resource's notes.
pub fn notes(resource: &Value) -> Vec<String> {
    all_words(resource.get("note"))
}

/// The codings the record had, without those added by a code map.
pub fn recorded(concept: &Value) -> impl Iterator<Item = &Value> {
    codings(concept).filter(|coding| mapping_sign(coding).is_none())
}

/// The codings of a concept, recorded and added.
pub fn codings(concept: &Value) -> impl Iterator<Item = &Value> {
    concept.get("coding").and_then(Value::as_array).into_iter().flatten()
}

/// What stands before a coding that a code map added: `=` for the same meaning in another system, else `≈`.
pub fn mapping_sign(coding: &Value) -> Option<&'static str> {
    let mapping = extension(coding, CODE_MAPPING)?;
    let equivalence = extension(mapping, "equivalence").and_then(|one| one.get("valueCode")?.as_str());
    Some(if matches!(equivalence, Some("equal" | "equivalent")) { "=" } else { "≈" })
}

fn extension<'a>(element: &'a Value, url: &str) -> Option<&'a Value> {
    let list = element.get("extension")?.as_array()?;
    list.iter().find(|one| one.get("url").and_then(Value::as_str) == Some(url))
}

fn text<'a>(value: &'a Value, element: &str) -> Option<&'a str> {
    value.get(element).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn added(equivalence: &str) -> Value {
        json!({"extension": [{"url": CODE_MAPPING, "extension": [{"url": "equivalence", "valueCode": equivalence}]}],
            "system": "http://hl7.org/fhir/sid/icd-10", "code": "E11"})
    }

    #[test]
    fn an_added_coding_gives_no_words() {
        assert_eq!(words(&json!({"coding": [added("wider"), {"code": "E11.9"}]})).as_deref(), Some("E11.9"));
        assert_eq!(words(&json!({"coding": [added("wider")]})), None);
        assert_eq!(words(&json!({"text": " ", "coding": [{"code": "x", "display": "y"}]})).as_deref(), Some("y"));
    }

    #[test]
    fn the_sign_tells_how_near_it_is() {
        assert_eq!(mapping_sign(&added("equal")), Some("="));
        assert_eq!(mapping_sign(&added("wider")), Some("≈"));
        assert_eq!(mapping_sign(&json!({"code": "E11"})), None);
    }
}
