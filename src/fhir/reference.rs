//! References between resources: `Type/id`, `urn:uuid:…`, and walking every reference of a resource.

use serde_json::Value;

/// A relative reference, `Type/id` or `Type/id/_history/1`, split into type and id. An absolute one
/// (`https://elsewhere/Patient/1`) names a thing on another server and is none of ours, whatever its last part.
pub fn split(reference: &str) -> Option<(&str, &str)> {
    let unversioned = reference.split("/_history/").next()?;
    let (kind, id) = unversioned.split_once('/')?;
    let is_type = kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.bytes().all(|b| b.is_ascii_alphabetic());
    (is_type && super::is_valid_id(id)).then_some((kind, id))
}

/// Calls `visit` on every `reference` string inside `value`, so that it can be rewritten in place.
pub fn rewrite(value: &mut Value, visit: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "reference"
                    && let Value::String(text) = member
                {
                    if let Some(new) = visit(text) {
                        *text = new;
                    }
                } else {
                    rewrite(member, visit);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, visit)),
        _ => {}
    }
}

/// The logical id of the patient a resource is about: itself, or its `subject`, `patient`, `for` or `beneficiary`, or the
/// patient among the participants of an appointment.
pub fn patient_of(resource: &Value) -> Option<&str> {
    if super::resource_type(resource) == Some("Patient") {
        return super::id(resource);
    }
    let elements = ["subject", "patient", "for", "beneficiary", "individual"].into_iter();
    elements.filter_map(|element| resource.get(element)).find_map(patient_in).or_else(|| {
        let participants = resource.get("participant").and_then(Value::as_array)?;
        participants.iter().filter_map(|participant| participant.get("actor")).find_map(patient_in)
    })
}

/// The patient that a reference, or the first of a list of references, names.
fn patient_in(value: &Value) -> Option<&str> {
    if let Value::Array(items) = value {
        return items.iter().find_map(patient_in);
    }
    let (kind, id) = split(value.get("reference")?.as_str()?)?;
    (kind == "Patient").then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_relative_references_are_ours() {
        assert_eq!(split("Patient/1"), Some(("Patient", "1")));
        assert_eq!(split("Patient/1/_history/2"), Some(("Patient", "1")));
        for foreign in
            ["https://other.example/fhir/Patient/1", "/Patient/1", "urn:uuid:1", "Patient/", "patient/1", "1"]
        {
            assert_eq!(split(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_patient_of_another_server_is_not_ours() {
        let resource = json!({"resourceType": "Condition", "subject": {"reference": "https://x.example/Patient/1"}});
        assert_eq!(patient_of(&resource), None);
    }
}
