//! Finished resources → entries of the transaction: how each is found again, and when it is written.

use crate::fhir::tree::{Value, json};

use super::context::Work;
use super::profiles;
use super::resources::Instance;
use crate::translate::Amendment;
use crate::translate::setting::percent;

/// Writes the entries of the resources that messages name.
///
/// A message that speaks for demographics writes the Patient; any other makes one only where it is missing, so that a
/// result does not overwrite a fuller registration. So it is with a visit that is only mentioned. Clinical resources are written by their derived identifier: the same
/// record again is the same resource.
pub(crate) fn write(work: &Work<'_>, instances: Vec<Instance<'_>>) -> Vec<Value> {
    let mut entries = Vec::new();
    for (at, instance) in instances.into_iter().enumerate() {
        let is_patient = at == 0;
        let (system, value) = instance.key;
        let mut body = instance.body;
        let kind = &instance.row.resource_type;
        if !has_identifier(kind) {
            let request = json!({"method": "POST", "url": kind});
            entries.push(json!({"fullUrl": instance.full_url, "resource": body, "request": request}));
            continue;
        }
        let mentioned = if is_patient { !work.order.row.demographics } else { instance.row.mentioned };
        let mut url = String::with_capacity(kind.len() + system.len() + value.len() + 13);
        if !mentioned {
            url.push_str(kind);
            url.push('?');
        }
        write_query(&system, &value, &mut url);
        if kind != "Patient" {
            let own = json!({"system": system, "value": value});
            match body.get_mut("identifier") {
                Some(Value::Array(identifiers)) => identifiers.insert(0, own),
                _ => drop(body.insert("identifier", json!([own]))),
            }
        }
        let request = if mentioned {
            json!({"method": "POST", "url": kind, "ifNoneExist": url})
        } else {
            json!({"method": "PUT", "url": url})
        };
        entries.push(json!({"fullUrl": instance.full_url, "resource": body, "request": request}));
    }
    entries
}

/// The people and places met on the way, made where they are missing.
pub(crate) fn parties<'w>(work: &'w Work<'_>) -> impl Iterator<Item = Value> + 'w {
    work.take_parties().into_iter().map(|mut party| {
        if let Value::Object(body) = &mut party.resource {
            profiles::state(work.order.rules, body);
        }
        let kind = party.resource["resourceType"].clone();
        let request = json!({"method": "POST", "url": kind, "ifNoneExist": party.query});
        json!({"fullUrl": party.full_url, "resource": party.resource, "request": request})
    })
}

/// Types without `identifier`: of these a message makes its own, found again by their derived id.
fn has_identifier(kind: &str) -> bool {
    !matches!(kind, "MessageHeader" | "Linkage" | "Provenance")
}

/// What the entries leave as it is recorded.
pub(crate) fn amendments(instances: &[Instance<'_>]) -> Vec<Amendment> {
    let amending = instances.iter().filter(|instance| instance.row.keep || !instance.row.unite.is_empty());
    let amendment = |instance: &Instance<'_>| Amendment {
        full_url: instance.full_url.to_string(),
        keep: instance.row.keep,
        unite: instance.row.unite.clone(),
        cleared: instance.cleared.clone(),
        weak: instance.weak.clone(),
    };
    amending.map(amendment).collect()
}

/// `identifier=system|value`, escaped as a search value and as a URL.
pub(crate) fn conditional_query(system: &str, value: &str) -> String {
    let mut query = String::with_capacity(12 + system.len() + value.len());
    write_query(system, value, &mut query);
    query
}

fn write_query(system: &str, value: &str, out: &mut String) {
    out.push_str("identifier=");
    write_escaped(system, out);
    out.push('|');
    write_escaped(value, out);
}

fn write_escaped(text: &str, out: &mut String) {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b':' | b'/');
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '|' | ',' | '$') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    percent(&escaped, is_plain, out);
}

#[cfg(test)]
mod tests {
    use super::conditional_query;

    #[test]
    fn values_cannot_break_out_of_the_query() {
        assert_eq!(conditional_query("urn:oid:1.2", "7|8&_id=9"), "identifier=urn:oid:1.2|7%5C%7C8%26_id%3D9");
        assert_eq!(
            conditional_query("https://a.example/identifier/patient", "00 1"),
            "identifier=https://a.example/identifier/patient|00%201"
        );
    }
}
