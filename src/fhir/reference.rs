//! References between resources: `Type/id`, `urn:uuid:…`, and walking every reference of a resource.

use serde_json::Value;

/// `Type/id` split into its parts; versioned (`Type/id/_history/1`) and absolute references give the last `Type/id`.
pub fn split(reference: &str) -> Option<(&str, &str)> {
    let unversioned = reference.split("/_history/").next()?;
    let mut parts = unversioned.rsplit('/');
    let id = parts.next()?;
    let kind = parts.next()?;
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

/// The logical id of the patient a resource is about: itself, or its `subject`, `patient`, `for` or `beneficiary`.
pub fn patient_of(resource: &Value) -> Option<&str> {
    if super::resource_type(resource) == Some("Patient") {
        return super::id(resource);
    }
    ["subject", "patient", "for", "beneficiary", "individual"].iter().find_map(|element| {
        let (kind, id) = split(resource.get(element)?.get("reference")?.as_str()?)?;
        (kind == "Patient").then_some(id)
    })
}
