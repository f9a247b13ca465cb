//! Provenance of what comes in: when it was recorded, where the source does not tell, and the digest of the very bytes that
//! are kept beside it. Of FHIR as it is, the digest is linked to every resource too, beside the file's own Provenance.

use serde_json::{Value, json};

use crate::fhir::tree;
use crate::ids;
use crate::translate::Setting;

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// The bytes a resource came from, as a URI.
fn digest_uri(raw: &[u8]) -> String {
    format!("urn:sha256:{}", ids::sha256_hex(raw))
}

/// Adds the Provenance of FHIR that was taken in as it is: all resources of the transaction but its own Provenance were
/// made of the bytes `raw`, which the institution of `setting` put in. Entries that only a position tells are named, so that
/// they can be told of; the same bytes name them alike.
pub(super) fn add(transaction: &mut tree::Value, kind: &str, raw: &[u8], setting: &Setting) {
    let digest = ids::sha256_hex(raw);
    let entries = transaction.get_mut("entry").and_then(tree::Value::as_array_mut);
    let Some(entries) = entries else { return };
    let mut targets = Vec::new();
    for (at, entry) in entries.iter_mut().enumerate() {
        let made = entry.get("resource").and_then(tree::resource_type).filter(|kind| *kind != "Provenance");
        if made.is_some() {
            targets.push(json!({"reference": address(entry, at, &digest)}));
        }
    }
    if targets.is_empty() {
        return;
    }
    let institution = json!({
        "identifier": {"system": setting.identifier_system("institution"), "value": setting.institution},
        "display": setting.institution,
    });
    let resource = json!({
        "resourceType": "Provenance",
        "target": targets,
        "activity": {"text": format!("FHIR {kind}")},
        "agent": [{"type": {"coding": [{"system": PARTICIPANT, "code": "assembler"}]}, "who": institution}],
        "entity": [{"role": "source",
            "what": {"identifier": {"system": "urn:ietf:rfc:3986", "value": digest_uri(raw)}}}],
    });
    let full_url = format!("urn:uuid:{}", ids::derived(&["Provenance", &digest]));
    let entry = json!({"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": "Provenance"}});
    entries.push(entry.into());
}

/// What references to an entry say: its `fullUrl`, the address it is written to, or a `fullUrl` that it is given.
fn address(entry: &mut tree::Value, at: usize, digest: &str) -> String {
    if let Some(full_url) = entry.get("fullUrl").and_then(tree::Value::as_str) {
        return full_url.to_owned();
    }
    let text = |pointer: &str| entry.pointer(pointer).and_then(tree::Value::as_str);
    if let (Some("PUT"), Some(url)) = (text("/request/method"), text("/request/url"))
        && !url.contains('?')
    {
        return url.to_owned();
    }
    let full_url = format!("urn:uuid:{}", ids::derived(&["entry", digest, &at.to_string()]));
    entry["fullUrl"] = json!(full_url).into();
    full_url
}

/// Completes the Provenance that a translation made: it reads no clock, and a row of a table or of an extract does not know
/// the bytes it is kept as. `raw` is absent for FHIR as it is, whose own words on its sources stand.
pub(super) fn complete(bundle: &mut Value, raw: Option<&[u8]>, now: &str) {
    let entries = bundle.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
    let resources = entries.filter_map(|entry| entry.get_mut("resource")).filter_map(Value::as_object_mut);
    for resource in resources.filter(|resource| resource.get("resourceType") == Some(&Value::from("Provenance"))) {
        if resource.get("recorded").is_none() {
            resource.shift_remove("_recorded");
            resource.insert("recorded".to_owned(), Value::from(now));
        }
        let Some(raw) = raw else { continue };
        let sources = resource.get_mut("entity").and_then(Value::as_array_mut).into_iter().flatten();
        for source in sources.filter_map(|entity| entity.pointer_mut("/what/identifier/value")) {
            if source.as_str().is_some_and(|uri| uri.starts_with("urn:sha256:")) {
                *source = json!(digest_uri(raw));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_the_bytes_that_are_kept_and_a_time_that_is_told_stays() {
        let provenance = |recorded: Option<&str>| {
            let mut resource = json!({"resourceType": "Provenance", "entity": [{"role": "source",
                "what": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:sha256:00"}}}]});
            match recorded {
                Some(time) => resource["recorded"] = json!(time),
                None => resource["_recorded"] = json!({"extension": []}),
            }
            let mut bundle = json!({"entry": [{"resource": resource}]});
            complete(&mut bundle, Some(b"abc"), "2026-11-24T10:00:00.000Z");
            bundle["entry"][0]["resource"].clone()
        };
        let untold = provenance(None);
        assert_eq!(untold["recorded"], "2026-11-24T10:00:00.000Z");
        assert_eq!(untold.get("_recorded"), None);
        let digest = "urn:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(untold["entity"][0]["what"]["identifier"]["value"], digest);
        let mut own = json!({"entry": [{"resource": {"resourceType": "Provenance", "entity": [
            {"what": {"identifier": {"value": "urn:sha256:00"}}}]}}]});
        complete(&mut own, None, "2026-11-24T10:00:00.000Z");
        assert_eq!(own["entry"][0]["resource"]["entity"][0]["what"]["identifier"]["value"], "urn:sha256:00");
        assert_eq!(provenance(Some("2026-11-01T00:00:00Z"))["recorded"], "2026-11-01T00:00:00Z");
    }
}
