//! How much of a resource is shown: `_summary` and `_elements` (<https://hl7.org/fhir/R4/search.html#summary>). What is not
//! shown whole says so by its tag `SUBSETTED`.

use serde_json::{Map, Value, json};

use crate::records::parameters;
use crate::records::query::{Shape, Summary};

const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
/// What is always shown.
const ALWAYS: [&str; 3] = ["resourceType", "id", "meta"];

/// The resource as it is asked for.
pub(super) fn shaped(shape: &Shape, resource: Value) -> Value {
    let Value::Object(members) = resource else { return resource };
    let kind = members.get("resourceType").and_then(Value::as_str).unwrap_or("").to_owned();
    let is_required = |name: &str| parameters::required(&kind).iter().any(|one| is_of(one, name));
    let kept: Map<String, Value> = if !shape.elements.is_empty() {
        let is_asked =
            |name: &str| shape.elements.iter().any(|one| is_of(one, name) || is_of(&format!("{one}*"), name));
        keep(members, |name| is_asked(name) || is_required(name))
    } else {
        match shape.summary {
            Summary::False | Summary::Count => return Value::Object(members),
            Summary::Data => keep(members, |name| name != "text"),
            Summary::Text => keep(members, |name| name == "text" || is_required(name)),
            Summary::True => {
                let summary = parameters::summary(&kind);
                keep(members, |name| summary.iter().any(|one| is_of(one, name)))
            }
        }
    };
    tagged(kept)
}

/// Whether a member is an element: `value*` is a choice, and `_status` belongs to `status`.
fn is_of(element: &str, member: &str) -> bool {
    let member = member.strip_prefix('_').unwrap_or(member);
    match element.strip_suffix('*') {
        Some(choice) => {
            member.strip_prefix(choice).is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
        }
        None => element == member,
    }
}

fn keep(members: Map<String, Value>, is_kept: impl Fn(&str) -> bool) -> Map<String, Value> {
    members.into_iter().filter(|(name, _)| ALWAYS.contains(&name.as_str()) || is_kept(name)).collect()
}

fn tagged(mut members: Map<String, Value>) -> Value {
    let tag = json!({"system": OBSERVATION_VALUE, "code": "SUBSETTED"});
    if let Value::Object(meta) = members.entry("meta").or_insert_with(|| json!({}))
        && let Value::Array(tags) = meta.entry("tag").or_insert_with(|| json!([]))
        && !tags.iter().any(|one| one["code"] == "SUBSETTED")
    {
        tags.push(tag);
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient() -> Value {
        json!({
            "resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}, "text": {"status": "empty"},
            "gender": "male", "_gender": {"id": "g"}, "name": [{"text": "A"}], "photo": [{}], "deceasedBoolean": true,
        })
    }

    fn names(shape: &Shape) -> Vec<String> {
        let shaped = shaped(shape, patient());
        shaped.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn elements_are_kept_with_what_must_be_there_and_the_rest_is_said_to_be_missing() {
        let shape = Shape { elements: vec!["gender".to_owned(), "deceased".to_owned()], ..Shape::default() };
        assert_eq!(names(&shape), ["resourceType", "id", "meta", "gender", "_gender", "deceasedBoolean"]);
        assert_eq!(shaped(&shape, patient())["meta"]["tag"][0]["code"], "SUBSETTED");
        let observation =
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "c"}, "issued": "x"});
        let shape = Shape { elements: vec!["issued".to_owned()], ..Shape::default() };
        let kept = shaped(&shape, observation);
        assert!(kept.get("status").is_some() && kept.get("code").is_some() && kept.get("issued").is_some());
    }

    #[test]
    fn summaries_keep_what_the_standard_says() {
        let of = |summary| Shape { summary, ..Shape::default() };
        assert!(names(&of(Summary::True)).contains(&"name".to_owned()));
        assert!(!names(&of(Summary::True)).contains(&"photo".to_owned()));
        assert_eq!(names(&of(Summary::Text)), ["resourceType", "id", "meta", "text"]);
        assert!(!names(&of(Summary::Data)).contains(&"text".to_owned()));
        assert_eq!(shaped(&of(Summary::False), patient()), patient());
    }
}
