//! FHIR as it is: a bundle or a resource in a `.json` file, or one resource a line in `.ndjson`. Ids are kept; a
//! document, collection, searchset or message becomes a transaction of updates.
//!
//! NDJSON is read as a stream. A line that is no resource is quarantined with its number, and the lines around it are taken
//! in: a feed of a million lines is not held up by one. Blank lines are passed over. A bundle is taken whole or not at all.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, Tell, folder, provenance};
use crate::fhir::{self, bundle};
use crate::translate::losses::LossReport;
use crate::translate::{Refused, RefusedCode, Translated};

/// A line longer than this is quarantined by its beginning.
const LONGEST_LINE: usize = 16 << 20;
/// How much of such a line is kept.
const KEPT_OF_LONG: usize = 64 << 10;

/// Takes in one file under the name `name`. `only_new`: what was taken in before from this source is passed over.
pub fn import_file(
    intake: &Intake,
    path: &Path,
    name: &str,
    only_new: bool,
    _tell: &mut Tell<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    if !name.to_ascii_lowercase().ends_with(".ndjson") {
        if let Some(raw) = super::read_file(intake, "fhir", name, path, &mut summary)? {
            take(intake, &mut summary, name, &raw, only_new)?;
        }
        return Ok(summary);
    }
    let read = folder::open(path).map(BufReader::new).map(Lines::new);
    let mut lines = match read {
        Ok(lines) => lines,
        Err(cause) => {
            super::cannot_be_read(intake, "fhir", name, &cause.to_string(), &mut summary)?;
            return Ok(summary);
        }
    };
    loop {
        match lines.next() {
            Ok(None) => return Ok(summary),
            Ok(Some(line)) if line.is_too_long => {
                let source = format!("{name}:{}", line.number);
                let reason = format!("the line is longer than {LONGEST_LINE} bytes; its beginning is kept here");
                let refused = Refused { code: RefusedCode::TooLarge, ..refused("?", &reason) };
                let incoming = Incoming { channel: "fhir", source: &source, raw: &line.bytes };
                summary.count(&receive(intake, incoming, Err(refused))?);
            }
            Ok(Some(line)) => {
                take(intake, &mut summary, &format!("{name}:{}", line.number), &line.bytes, only_new)?;
            }
            Err(cause) => {
                super::cannot_be_read(intake, "fhir", name, &cause.to_string(), &mut summary)?;
                return Ok(summary);
            }
        }
    }
}

fn take(intake: &Intake, summary: &mut Summary, source: &str, raw: &[u8], only_new: bool) -> Result<(), IntakeError> {
    if only_new && super::is_known(intake, "fhir", source, raw)? {
        summary.unchanged += 1;
        return Ok(());
    }
    let incoming = Incoming { channel: "fhir", source, raw };
    let mut translation = as_transaction(raw);
    if let Ok(taken) = &mut translation {
        provenance::add(&mut taken.bundle, &taken.kind, raw, &intake.setting);
    }
    summary.count(&receive(intake, incoming, translation)?);
    Ok(())
}

/// A line that is not blank.
struct Line {
    number: u64,
    bytes: Vec<u8>,
    is_too_long: bool,
}

/// The lines of a file without their breaks.
struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0 }
    }

    fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            self.reader.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let is_too_long = bytes.len() > LONGEST_LINE;
            if is_too_long {
                bytes.truncate(KEPT_OF_LONG);
                self.pass_over()?;
            }
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii();
            if !text.is_empty() {
                return Ok(Some(Line { number: self.number, bytes: text.to_vec(), is_too_long }));
            }
        }
    }

    /// Reads on to the end of the line.
    fn pass_over(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = memchr::memchr(b'\n', buffer);
            let length = end.map_or(buffer.len(), |at| at + 1);
            self.reader.consume(length);
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }
}

/// The same resources as a transaction of our own making.
fn as_transaction(raw: &[u8]) -> Result<Translated, Refused> {
    if let Some(kind) = folder::archive(raw) {
        let reason = format!("this is a {kind} archive, which is not unpacked here; unpack it first");
        return Err(refused("?", &reason));
    }
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let content = fhir::json::parse(raw).map_err(|error| refused("?", &format!("this is not JSON: {error}")))?;
    let kind = fhir::resource_type(&content).unwrap_or("?").to_owned();
    if kind != "Bundle" {
        let mut warnings = Vec::new();
        let entry = put(0, &json!({"resource": content}), &mut warnings)?;
        return Ok(translated(&kind, bundle::of("transaction", entry.into_iter().collect()), warnings));
    }
    let mut warnings = Vec::new();
    let entries = match content.get("type").and_then(Value::as_str) {
        Some("transaction") => {
            contained_once(&content)?;
            return Ok(translated("Bundle transaction", content, warnings));
        }
        Some("batch") => requests(&content, &mut warnings),
        Some("history") => {
            return Err(refused("Bundle history", "versions of resources are no feed; export their present state"));
        }
        _ => bundle::entries(&content)
            .enumerate()
            .filter_map(|(at, entry)| put(at, entry, &mut warnings).transpose())
            .collect::<Result<Vec<_>, _>>(),
    }?;
    Ok(translated("Bundle", bundle::of("transaction", entries), warnings))
}

/// The writing requests of a batch. They are taken together, not one by one.
fn requests(content: &Value, warnings: &mut Vec<String>) -> Result<Vec<Value>, Refused> {
    contained_once(content)?;
    let is_reading =
        |entry: &&Value| matches!(entry.pointer("/request/method").and_then(Value::as_str), Some("GET" | "HEAD"));
    let (reading, writing): (Vec<&Value>, Vec<&Value>) = bundle::entries(content).partition(is_reading);
    if !reading.is_empty() {
        warnings.push(format!("{} entries of the batch only read and are passed over", reading.len()));
    }
    Ok(writing.into_iter().cloned().collect())
}

/// An entry as an update under its own id, or as a creation where it has none but a `fullUrl` it is known by in the bundle.
/// `None` for what is no record.
fn put(at: usize, entry: &Value, warnings: &mut Vec<String>) -> Result<Option<Value>, Refused> {
    let resource =
        entry.get("resource").ok_or_else(|| refused("Bundle", &format!("Bundle.entry[{at}] has no resource")))?;
    let kind = fhir::resource_type(resource)
        .ok_or_else(|| refused("?", &format!("the resource at Bundle.entry[{at}] has no resourceType")))?;
    if kind == "OperationOutcome" {
        warnings.push(format!("Bundle.entry[{at}] is an OperationOutcome of the system it comes from; passed over"));
        return Ok(None);
    }
    if !is_contained_once(resource) {
        return Err(refused(kind, &format!("Bundle.entry[{at}].resource.contained holds contained resources itself")));
    }
    let full_url = entry.get("fullUrl");
    let request = match fhir::id(resource) {
        Some(id) => json!({"method": "PUT", "url": format!("{kind}/{id}")}),
        None if full_url.and_then(Value::as_str).is_some_and(|url| url.starts_with("urn:uuid:")) => {
            json!({"method": "POST", "url": kind})
        }
        None => return Err(refused(kind, "a resource has no id, so a repeat could not be told")),
    };
    let mut put = json!({"resource": resource, "request": request});
    if let Some(full_url) = full_url {
        put["fullUrl"] = full_url.clone();
    }
    Ok(Some(put))
}

fn contained_once(content: &Value) -> Result<(), Refused> {
    match bundle::entries(content).position(|entry| entry.get("resource").is_some_and(|r| !is_contained_once(r))) {
        Some(at) => {
            let reason = format!("Bundle.entry[{at}].resource.contained holds contained resources itself");
            Err(refused("Bundle", &reason))
        }
        None => Ok(()),
    }
}

/// Contained resources do not contain (R4, dom-2).
fn is_contained_once(resource: &Value) -> bool {
    let contained = resource.get("contained").and_then(Value::as_array).into_iter().flatten();
    contained.into_iter().all(|inner| inner.get("contained").is_none())
}

fn translated(kind: &str, bundle: Value, warnings: Vec<String>) -> Translated {
    Translated {
        kind: kind.to_owned(),
        control_id: None,
        event_time: None,
        bundle: bundle.into(),
        amendments: Vec::new(),
        losses: LossReport::default(),
        warnings,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(bundle: &Value) -> Vec<String> {
        let translated = as_transaction(bundle.to_string().as_bytes()).unwrap();
        crate::fhir::tree::entries(&translated.bundle)
            .map(|entry| {
                let part = |name: &str| entry["request"][name].as_str().unwrap().to_owned();
                format!("{} {}", part("method"), part("url"))
            })
            .collect()
    }

    #[test]
    fn every_sort_of_bundle_becomes_writes() {
        let patient = json!({"resource": {"resourceType": "Patient", "id": "p"}});
        let unnamed = json!({"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111",
            "resource": {"resourceType": "Observation", "status": "final"}});
        let outcome = json!({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}});
        for kind in ["collection", "document", "searchset", "message"] {
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [patient, unnamed, outcome]});
            assert_eq!(methods(&bundle), ["PUT Patient/p", "POST Observation"], "{kind}");
        }
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": "Patient/p"}},
            {"resource": {"resourceType": "Patient", "id": "p"}, "request": {"method": "PUT", "url": "Patient/p"}}]});
        assert_eq!(methods(&batch), ["PUT Patient/p"]);
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_place() {
        let reason = |value: Value| as_transaction(value.to_string().as_bytes()).unwrap_err().reason;
        assert!(reason(json!({"resourceType": "Bundle", "type": "history"})).contains("versions"));
        assert!(reason(json!({"resourceType": "Patient"})).contains("no id"));
        let nested = json!({"resourceType": "Patient", "id": "p", "contained": [
            {"resourceType": "Organization", "id": "o", "contained": [{"resourceType": "Organization", "id": "i"}]}]});
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": nested}]});
        assert!(reason(bundle).contains("Bundle.entry[0].resource.contained"));
        assert!(as_transaction(b"PK\x03\x04rest").unwrap_err().reason.contains("zip archive"));
    }
}
