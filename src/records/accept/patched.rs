//! PATCH entries become PUT entries: the resource as it is with the patch applied. The patch is a JSON Patch in a Binary
//! (<https://hl7.org/fhir/R4/http.html#patch>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::target::met;
use super::{AcceptError, Origin};
use crate::fhir::{self, bundle, patch, structure};
use crate::store::View;

/// Media type of a JSON Patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

/// Applies the patches of a bundle to what is recorded.
pub(super) fn resolve(view: &dyn View, transaction: &mut Value, origin: &Origin) -> Result<(), AcceptError> {
    let is_patch = |entry: &Value| entry["request"]["method"] == "PATCH";
    if !bundle::entries(transaction).any(is_patch) {
        return Ok(());
    }
    let entries = transaction.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
    for (position, entry) in entries.enumerate().filter(|(_, entry)| is_patch(entry)) {
        let (address, resource) = patched(view, position, entry, origin)?;
        entry["request"]["method"] = json!("PUT");
        entry["request"]["url"] = json!(address);
        entry["resource"] = resource;
    }
    Ok(())
}

fn patched(view: &dyn View, entry: usize, content: &Value, origin: &Origin) -> Result<(String, Value), AcceptError> {
    let url = content.pointer("/request/url").and_then(Value::as_str).unwrap_or("");
    let malformed = |what: &str| AcceptError::Malformed(format!("entry {entry}: {what}"));
    let found = match (url.split_once('?'), url.split_once('/')) {
        (Some((kind, query)), _) => met(view, entry, kind, query, origin)?.one(entry, kind)?,
        (None, Some((kind, id))) if structure::is_type(kind) && fhir::is_valid_id(id) => view.resource(kind, id)?,
        _ => return Err(malformed("request.url of a PATCH must be Type/id or Type?condition")),
    };
    let found = found.ok_or_else(|| AcceptError::Missing { entry, target: target(url) })?;
    let mut resource: Value =
        serde_json::from_str(&found.json).map_err(|_| AcceptError::Missing { entry, target: target(url) })?;
    patch::apply(
        &mut resource,
        &operations(content).ok_or_else(|| {
            malformed("a PATCH takes a Binary with contentType application/json-patch+json and the patch as data")
        })?,
    )
    .map_err(|cause| AcceptError::Patch { entry, cause })?;
    let is_same = fhir::resource_type(&resource) == Some(&found.kind) && fhir::id(&resource) == Some(&found.id);
    if !is_same {
        return Err(AcceptError::OtherId { entry, id: found.id });
    }
    Ok((format!("{}/{}", found.kind, found.id), resource))
}

/// What a URL is about, without its condition, which may tell of a patient.
fn target(url: &str) -> String {
    url.split('?').next().unwrap_or("").to_owned()
}

fn operations(content: &Value) -> Option<Value> {
    let binary = content.get("resource")?;
    let is_patch = fhir::resource_type(binary) == Some("Binary") && binary["contentType"] == JSON_PATCH;
    let data = binary.get("data").filter(|_| is_patch)?.as_str()?;
    let bytes = STANDARD.decode(data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>()).ok()?;
    fhir::json::parse(&bytes).ok()
}
