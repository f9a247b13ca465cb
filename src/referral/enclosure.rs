//! The enclosure of a received referral: the resources of its patient summary, for whoever takes them into the record
//! once the referral is accepted and a person has confirmed the patient. Until then they are only kept bytes.

use serde_json::{Value, json};

use super::incoming;
use crate::documents::own_ids::urn;
use crate::fhir::{self, bundle};
use crate::store::referrals::Referral;

/// The summary's resources as a transaction: under the ids of the package, so that a repeat writes the same, and each
/// marked with its source. Nothing, if there is no summary.
///
/// The Patient in it is the sender's; joining it to a patient of this institution is a person's decision.
pub fn enclosure(referral: &Referral) -> Option<Value> {
    let document: Value = serde_json::from_slice(incoming::document(&referral.package)?).ok()?;
    let source = format!("urn:watari:institution:{}#{}", referral.peer, referral.message_id);
    let mut entries = Vec::new();
    for resource in bundle::resources(&document) {
        let (Some(kind), Some(id)) = (fhir::resource_type(resource), fhir::id(resource)) else { continue };
        if kind == "Composition" || !fhir::is_valid_id(id) {
            continue;
        }
        let request = json!({"method": "PUT", "url": format!("{kind}/{id}")});
        let full_url = urn(id);
        let mut resource = resource.clone();
        match resource.get_mut("meta").and_then(Value::as_object_mut) {
            Some(meta) => drop(meta.insert("source".to_owned(), json!(source))),
            None => resource["meta"] = json!({"source": source}),
        }
        entries.push(json!({"fullUrl": full_url, "resource": resource, "request": request}));
    }
    Some(bundle::of("transaction", entries))
}
