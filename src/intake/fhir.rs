//! FHIR as it is: a bundle or a resource in a `.json` file, or one resource a line in `.ndjson`. Ids are kept; a
//! document, collection or searchset becomes a transaction of updates.

use std::path::Path;

use serde_json::{Value, json};

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, folder};
use crate::fhir::{self, bundle};
use crate::translate::losses::LossReport;
use crate::translate::{Refused, RefusedCode, Translated};

/// Takes in a file or every `*.json` and `*.ndjson` file below a folder; tells of every other file through `skipped`.
pub fn import(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        if !name.ends_with(".json") && !name.ends_with(".ndjson") {
            skipped(&name);
            summary.skipped += 1;
            continue;
        }
        let Some(bytes) = super::read_file(intake, "fhir", &name, &path, &mut summary)? else { continue };
        if name.ends_with(".ndjson") {
            for (line, raw) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
                if !raw.trim_ascii().is_empty() {
                    take(intake, &mut summary, &format!("{name}:{line}"), raw)?;
                }
            }
        } else {
            take(intake, &mut summary, &name, &bytes)?;
        }
    }
    Ok(summary)
}

fn take(intake: &Intake, summary: &mut Summary, source: &str, raw: &[u8]) -> Result<(), IntakeError> {
    let incoming = Incoming { channel: "fhir", source, raw };
    summary.count(&receive(intake, incoming, as_transaction(raw))?);
    Ok(())
}

/// The same resources as a transaction of our own making.
fn as_transaction(raw: &[u8]) -> Result<Translated, Refused> {
    let content = fhir::json::parse(raw).map_err(|error| refused("?", &format!("this is not JSON: {error}")))?;
    let kind = fhir::resource_type(&content).unwrap_or("?").to_owned();
    let entries = if kind == "Bundle" {
        if content.get("type").and_then(Value::as_str) == Some("transaction") {
            return Ok(translated("Bundle transaction", content));
        }
        bundle::entries(&content).map(put).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![put(&json!({"resource": content}))?]
    };
    Ok(translated(&kind, bundle::of("transaction", entries)))
}

fn put(entry: &Value) -> Result<Value, Refused> {
    let resource = entry.get("resource").ok_or_else(|| refused("Bundle", "an entry has no resource"))?;
    let kind = fhir::resource_type(resource).ok_or_else(|| refused("?", "a resource has no resourceType"))?;
    let id = fhir::id(resource).ok_or_else(|| refused(kind, "a resource has no id, so a repeat could not be told"))?;
    let mut put = json!({"resource": resource, "request": {"method": "PUT", "url": format!("{kind}/{id}")}});
    if let Some(full_url) = entry.get("fullUrl") {
        put["fullUrl"] = full_url.clone();
    }
    Ok(put)
}

fn translated(kind: &str, bundle: Value) -> Translated {
    Translated {
        kind: kind.to_owned(),
        control_id: None,
        event_time: None,
        bundle,
        amendments: Vec::new(),
        losses: LossReport::default(),
        warnings: Vec::new(),
    }
}

fn refused(kind: &str, reason: &str) -> Refused {
    Refused {
        kind: kind.to_owned(),
        control_id: None,
        reason: reason.to_owned(),
        place: None,
        code: RefusedCode::Unreadable,
    }
}
