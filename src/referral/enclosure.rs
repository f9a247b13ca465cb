//! The enclosure of a received referral: the resources of its patient summary, for whoever takes them into the record
//! once the referral is accepted and a person has confirmed the patient. Until then they are only kept bytes.

use serde_json::{Value, json};

use super::incoming;
use crate::fhir::{self, bundle};
use crate::store::referrals::Referral;

/// The resources of the summary under the ids of the package, each marked with its source. Nothing, if there is none.
///
/// References stay `urn:uuid:…` as in the document; the entries can go into a transaction as they are.
pub fn enclosure(referral: &Referral) -> Vec<Value> {
    let Some(bytes) = incoming::document(&referral.package) else { return Vec::new() };
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    let source = format!("urn:watari:institution:{}#{}", referral.peer, referral.message_id);
    let mut entries = Vec::new();
    for entry in bundle::entries(&document) {
        let Some(resource) = entry.get("resource") else { continue };
        if fhir::resource_type(resource) == Some("Composition") {
            continue;
        }
        let mut resource = resource.clone();
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            meta.insert("source".to_owned(), json!(source));
        } else {
            resource["meta"] = json!({"source": source});
        }
        entries.push(json!({"fullUrl": entry.get("fullUrl"), "resource": resource}));
    }
    entries
}
