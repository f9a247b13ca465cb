//! Provenance of what comes in: when it was recorded, where the source does not tell, and the digest of the very bytes that
//! are kept beside it.

use serde_json::{Value, json};

/// The bytes a resource came from, as a URI.
fn digest_uri(raw: &[u8]) -> String {
    format!("urn:sha256:{}", crate::ids::sha256_hex(raw))
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
