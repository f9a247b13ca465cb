//! Ids of their own: nothing that leaves carries a local id or address. The same local resource gets the same id in
//! every message of one referral, so that corrections can name what they correct.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fhir::reference;
use crate::fhir::systems::DATA_ABSENT_REASON;
use crate::ids;

/// The ids of what goes along.
#[derive(Debug, Clone, Default)]
pub struct OwnIds {
    scope: String,
    known: BTreeMap<(String, String), String>,
}

impl OwnIds {
    /// Ids for one `scope`: the referral's id, which is random, so that no id can be computed from local ones alone.
    pub fn new(scope: &str) -> Self {
        Self { scope: scope.to_owned(), known: BTreeMap::new() }
    }

    /// Names a local resource; gives its UUID.
    pub fn name(&mut self, kind: &str, id: &str) -> String {
        let scope = &self.scope;
        let own = self.known.entry((kind.to_owned(), id.to_owned()));
        own.or_insert_with(|| ids::derived(&["enclosure", scope, kind, id])).clone()
    }

    /// A copy of a resource under its own id: local references become `urn:uuid:…`, references to what does not go
    /// along say that they are masked, and what only concerns the local store (version, source) is dropped.
    pub fn rewritten(&self, kind: &str, id: &str, resource: &Value) -> Value {
        let mut copy = resource.clone();
        if let Some(own) = self.known.get(&(kind.to_owned(), id.to_owned())) {
            copy["id"] = Value::String(own.clone());
        }
        if let Some(members) = copy.as_object_mut() {
            drop_local_meta(members);
        }
        self.rewrite(&mut copy);
        copy
    }

    fn rewrite(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(text)) = members.get("reference") {
                    match self.target(text) {
                        Target::Kept => {}
                        Target::Own(urn) => {
                            members.insert("reference".to_owned(), Value::String(urn));
                        }
                        Target::Absent => mask(members),
                    }
                }
                members.values_mut().for_each(|member| self.rewrite(member));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            _ => {}
        }
    }

    fn target(&self, text: &str) -> Target {
        if text.starts_with('#') {
            return Target::Kept;
        }
        let own = reference::split(text).and_then(|(kind, id)| self.known.get(&(kind.to_owned(), id.to_owned())));
        own.map_or(Target::Absent, |own| Target::Own(urn(own)))
    }
}

/// `urn:uuid:` and the id.
pub fn urn(id: &str) -> String {
    format!("urn:uuid:{id}")
}

/// A bundle entry whose `fullUrl` is the resource's own id.
pub fn entry(resource: Value) -> Value {
    let id = crate::fhir::id(&resource).unwrap_or_default().to_owned();
    json!({"fullUrl": urn(&id), "resource": resource})
}

enum Target {
    /// Contained: stays.
    Kept,
    Own(String),
    /// Not in this package.
    Absent,
}

/// Says that there was a reference, and that its target does not go along.
fn mask(reference: &mut Map<String, Value>) {
    reference.shift_remove("reference");
    let extension = reference.entry("extension").or_insert_with(|| json!([]));
    if let Value::Array(list) = extension {
        list.push(json!({"url": DATA_ABSENT_REASON, "valueCode": "masked"}));
    }
}

fn drop_local_meta(resource: &mut Map<String, Value>) {
    if let Some(Value::Object(meta)) = resource.get_mut("meta") {
        for element in ["versionId", "lastUpdated", "source"] {
            meta.shift_remove(element);
        }
        if meta.is_empty() {
            resource.shift_remove("meta");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_rewritten_or_masked_and_digits_stay() {
        let mut own = OwnIds::new("referral");
        let patient = own.name("Patient", "p1");
        let result = own.name("Observation", "o1");
        let text = r##"{"resourceType":"Observation","id":"o1","meta":{"versionId":"3","source":"urn:x"},
            "subject":{"reference":"Patient/p1/_history/2","display":"P"},"encounter":{"reference":"Encounter/e9"},
            "specimen":{"reference":"#s"},"valueQuantity":{"value":1.50}}"##;
        let copy = own.rewritten("Observation", "o1", &serde_json::from_str(text).unwrap());
        assert_eq!(copy["id"], result.as_str());
        assert_eq!(copy["subject"], json!({"reference": urn(&patient), "display": "P"}));
        assert_eq!(copy["encounter"]["extension"][0]["valueCode"], "masked");
        assert!(copy["encounter"].get("reference").is_none());
        assert_eq!(copy["specimen"]["reference"], "#s");
        assert!(copy.get("meta").is_none());
        assert_eq!(copy["valueQuantity"]["value"].to_string(), "1.50");
    }

    #[test]
    fn ids_differ_between_referrals_and_repeat_within_one() {
        assert_eq!(OwnIds::new("a").name("Patient", "p"), OwnIds::new("a").name("Patient", "p"));
        assert_ne!(OwnIds::new("a").name("Patient", "p"), OwnIds::new("b").name("Patient", "p"));
    }
}
