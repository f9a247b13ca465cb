//! What is sent: bundles of a folder, and small ones that are made here.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

/// A bundle's text and how many resources it writes.
pub struct Bundle {
    pub text: String,
    pub resources: usize,
    ids: HashSet<String>,
}

/// The bundles whose names begin with `0-`, and all others, each in the order of their names.
pub fn of(folder: &Path) -> Result<(Vec<Bundle>, Vec<Bundle>), Box<dyn std::error::Error>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = match name.rsplit_once('.') {
            Some((_, "json")) => std::fs::read_to_string(&path)?,
            Some((_, "bz2")) => String::from_utf8(Command::new("bzcat").arg(&path).output()?.stdout)?,
            _ => continue,
        };
        let bundle: serde_json::Value = serde_json::from_str(&text)?;
        let entries = bundle.get("entry").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
        let ids = entries.iter().filter_map(|entry| entry.get("fullUrl")?.as_str()?.strip_prefix("urn:uuid:"));
        let ids = ids.map(str::to_owned).collect();
        let bundle = Bundle { resources: entries.len(), ids, text };
        if name.starts_with("0-") { first.push(bundle) } else { others.push(bundle) }
    }
    Ok((first, others))
}

impl Bundle {
    /// The numbered copy: every id of its own entries, wherever it stands, gets other first digits.
    pub fn renamed(&self, copy: usize) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        // An id is a UUID after a quotation mark, a colon, a bar or a slash.
        while let Some(at) = rest.find(['"', ':', '|', '/']) {
            let (before, after) = rest.split_at(at + 1);
            out.push_str(before);
            rest = after;
            if let Some(id) = rest.get(..36).filter(|id| self.ids.contains(*id)) {
                out.push_str(&format!("{copy:08x}"));
                out.push_str(&id[8..]);
                rest = &rest[36..];
            }
        }
        out.push_str(rest);
        out
    }
}

/// A new Patient and an Observation of it, as a transaction.
pub fn pair(number: usize) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
{{"fullUrl":"urn:uuid:6e0f2c5e-0000-4000-8000-{number:012x}","request":{{"method":"POST","url":"Patient"}},"resource":{{"resourceType":"Patient","identifier":[{{"system":"https://bench.example/mrn","value":"{number}"}}],"name":[{{"family":"Example","given":["Number{number}"]}}],"gender":"female","birthDate":"1970-01-01"}}}},
{{"fullUrl":"urn:uuid:6e0f2c5e-0000-4000-9000-{number:012x}","request":{{"method":"POST","url":"Observation"}},"resource":{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"718-7"}}]}},"subject":{{"reference":"urn:uuid:6e0f2c5e-0000-4000-8000-{number:012x}"}},"effectiveDateTime":"2026-01-01T08:00:00Z","valueQuantity":{{"value":{},"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}}}}}]}}"#,
        10 + number % 8
    )
}
