//! What the IPS profiles require and a record does not say: the element is present, with the reason for its absence.
//! Nothing is filled in.

use serde_json::{Value, json};

use crate::fhir::systems::DATA_ABSENT_REASON;

/// Marks the required elements that `resource` lacks.
pub(super) fn mark(resource: &mut Value) {
    match crate::fhir::resource_type(resource) {
        Some("Patient") => {
            if absent(resource, "name") {
                resource["name"] = json!([{"_text": unknown()}]);
            }
            primitive(resource, "birthDate");
        }
        Some("Condition" | "AllergyIntolerance") => complex(resource, "code"),
        Some("MedicationStatement") => choice(resource, "effective", "effectiveDateTime"),
        Some("Observation") => {
            choice(resource, "effective", "effectiveDateTime");
            for element in ["category", "performer"] {
                if absent(resource, element) {
                    resource[element] = json!([unknown()]);
                }
            }
            valueless(resource);
        }
        _ => {}
    }
}

fn unknown() -> Value {
    json!({"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]})
}

fn absent(resource: &Value, element: &str) -> bool {
    match resource.get(element) {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn primitive(resource: &mut Value, element: &str) {
    let sibling = format!("_{element}");
    if absent(resource, element) && absent(resource, &sibling) {
        resource[sibling] = unknown();
    }
}

fn complex(resource: &mut Value, element: &str) {
    if absent(resource, element) {
        resource[element] = unknown();
    }
}

/// A choice element (`effective[x]`) of which no form is present, not even by its reason for absence.
fn choice(resource: &mut Value, stem: &str, form: &str) {
    if !has_choice(resource, stem) {
        resource[format!("_{form}")] = unknown();
    }
}

fn has_choice(resource: &Value, stem: &str) -> bool {
    let is_form = |name: &str| {
        let rest = name.strip_prefix('_').unwrap_or(name).strip_prefix(stem);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    resource.as_object().is_some_and(|members| members.keys().any(|name| is_form(name)))
}

/// IPS rule ips-2: a value, members, components, or why there is none.
fn valueless(resource: &mut Value) {
    let says_something = has_choice(resource, "value")
        || ["hasMember", "component", "dataAbsentReason"].iter().any(|element| !absent(resource, element));
    if !says_something {
        resource["dataAbsentReason"] = json!({"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown", "display": "Unknown"
        }]});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_marked() {
        let full = json!({"resourceType": "Observation", "effectivePeriod": {"start": "2026"}, "performer": [{"display": "x"}],
            "category": [{"text": "x"}], "valueString": "x"});
        let mut copy = full.clone();
        mark(&mut copy);
        assert_eq!(copy, full);

        let mut bare = json!({"resourceType": "Observation"});
        mark(&mut bare);
        assert_eq!(bare["_effectiveDateTime"], unknown());
        assert_eq!(bare["dataAbsentReason"]["coding"][0]["code"], "unknown");

        let mut nobody = json!({"resourceType": "Patient"});
        mark(&mut nobody);
        assert_eq!(nobody["_birthDate"], unknown());
        assert_eq!(nobody["name"][0]["_text"], unknown());
    }
}
