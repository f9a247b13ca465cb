//! The text of a document: small XHTML tables made from what the record says, in its own words.
//!
//! FHIR narrative (<https://hl7.org/fhir/R4/narrative.html>): a `div` of simple elements; everything from a record is
//! escaped, and characters XML cannot carry become U+FFFD.

use serde_json::{Value, json};

use super::labels::label;
use crate::fhir::systems;

/// A Narrative of generated text.
pub fn narrative(language: &str, body: &str) -> Value {
    json!({
        "status": "generated",
        "div": format!(r#"<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">{body}</div>"#)
    })
}

/// A paragraph per line of `text`.
pub fn paragraphs(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("<p>{}</p>", escape(line))).collect()
}

/// Text as XHTML content.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(character),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Finds what a local reference names among the resources that go along.
pub(super) type Find<'f, 'a> = &'f dyn Fn(&str) -> Option<&'a Value>;

/// The table of a section.
pub(super) fn table<'a>(
    language: &str,
    section: &str,
    resources: impl Iterator<Item = &'a Value>,
    find: Find<'_, '_>,
) -> String {
    let measured = matches!(section, "results" | "vitals");
    let columns: &[&'static str] = if measured {
        &["name", "date", "value", "converted", "reference-range", "status"]
    } else {
        &["name", "date", "detail", "status"]
    };
    let head: String = columns.iter().map(|key| format!("<th>{}</th>", escape(label(language, key)))).collect();
    let mut rows = String::new();
    for resource in resources {
        let cells = if measured { measurement(resource) } else { statement(resource, find) };
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        rows.push_str(&format!("<tr>{cells}</tr>"));
    }
    format!("<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
}

fn measurement(resource: &Value) -> Vec<String> {
    vec![
        concept(resource.get("code")),
        date(resource),
        value(resource),
        converted(resource),
        ranges(resource),
        text(resource, "status").to_owned(),
    ]
}

fn statement(resource: &Value, find: Find<'_, '_>) -> Vec<String> {
    let name = ["code", "medicationCodeableConcept", "vaccineCode"].iter().find_map(|element| resource.get(element));
    let name = match (name, resource.get("medicationReference")) {
        (None, Some(reference)) => {
            let code = find(text(reference, "reference")).and_then(|medication| medication.get("code"));
            code.map_or_else(|| text(reference, "display").to_owned(), |code| concept(Some(code)))
        }
        (name, _) => concept(name),
    };
    let detail = match crate::fhir::resource_type(resource) {
        Some("AllergyIntolerance") => reactions(resource),
        Some("MedicationRequest") => dosage(resource, "dosageInstruction"),
        Some("MedicationStatement") => dosage(resource, "dosage"),
        _ => String::new(),
    };
    let status = [concept(resource.get("clinicalStatus")), concept(resource.get("verificationStatus"))];
    let status: Vec<&str> =
        status.iter().map(String::as_str).chain([text(resource, "status")]).filter(|word| !word.is_empty()).collect();
    vec![name, date(resource), detail, status.join(", ")]
}

/// A concept as recorded: its text, else its displays; the codes beside.
pub(super) fn concept(concept: Option<&Value>) -> String {
    let Some(concept) = concept else { return String::new() };
    let mut names: Vec<&str> = Vec::new();
    let mut codes: Vec<String> = Vec::new();
    let codings = concept.get("coding").and_then(Value::as_array).into_iter().flatten();
    for name in std::iter::once(text(concept, "text")).chain(codings.clone().map(|coding| text(coding, "display"))) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    for coding in codings {
        let code = text(coding, "code");
        if !code.is_empty() {
            codes.push(format!("{} {code}", system_name(text(coding, "system"))).trim().to_owned());
        }
    }
    match (names.is_empty(), codes.is_empty()) {
        (true, _) => codes.join("; "),
        (false, true) => names.join(" / "),
        (false, false) => format!("{} ({})", names.join(" / "), codes.join("; ")),
    }
}

fn system_name(system: &str) -> &str {
    match system {
        systems::LOINC => "LOINC",
        systems::JLAC10 => "JLAC10",
        systems::ICD10 | systems::ICD10_JP => "ICD-10",
        systems::ICD10_CA => "ICD-10-CA",
        systems::SNOMED => "SNOMED CT",
        systems::DIN => "DIN",
        systems::HOT9 => "HOT9",
        systems::YJ => "YJ",
        _ => "",
    }
}

fn date(resource: &Value) -> String {
    const ELEMENTS: &[&str] = &[
        "effectiveDateTime",
        "effectiveInstant",
        "onsetDateTime",
        "occurrenceDateTime",
        "performedDateTime",
        "recordedDate",
        "authoredOn",
        "dateAsserted",
    ];
    let period = ["effectivePeriod", "onsetPeriod", "performedPeriod"].iter().find_map(|element| resource.get(element));
    if let Some(period) = period {
        return format!("{} – {}", text(period, "start"), text(period, "end"));
    }
    ELEMENTS.iter().map(|element| text(resource, element)).find(|date| !date.is_empty()).unwrap_or("").to_owned()
}

fn value(resource: &Value) -> String {
    if let Some(quantity) = resource.get("valueQuantity") {
        return self::quantity(quantity);
    }
    if resource.get("valueCodeableConcept").is_some() {
        return concept(resource.get("valueCodeableConcept"));
    }
    for element in ["valueString", "valueDateTime", "valueTime"] {
        let word = text(resource, element);
        if !word.is_empty() {
            return word.to_owned();
        }
    }
    for element in ["valueInteger", "valueBoolean"] {
        if let Some(plain) = resource.get(element) {
            return plain.to_string();
        }
    }
    let components = resource.get("component").and_then(Value::as_array).into_iter().flatten();
    let parts: Vec<String> = components.map(|part| format!("{}: {}", concept(part.get("code")), value(part))).collect();
    if parts.is_empty() { concept(resource.get("dataAbsentReason")) } else { parts.join("; ") }
}

/// A quantity with the digits it was recorded with.
fn quantity(quantity: &Value) -> String {
    let number = quantity.get("value").map(ToString::to_string).unwrap_or_default();
    let unit = [text(quantity, "unit"), text(quantity, "code")].into_iter().find(|unit| !unit.is_empty());
    format!("{}{number} {}", text(quantity, "comparator"), unit.unwrap_or("")).trim().to_owned()
}

/// The harmonised quantities that stand beside the original.
fn converted(resource: &Value) -> String {
    let extensions = |value: &Value| value.get("extension").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for extension in extensions(resource) {
        if text(&extension, "url") == systems::HARMONISED_QUANTITY {
            found.extend(extensions(&extension).iter().filter_map(|part| part.get("valueQuantity")).map(quantity));
            found.extend(extension.get("valueQuantity").map(quantity));
        }
    }
    found.join(" / ")
}

fn ranges(resource: &Value) -> String {
    let ranges = resource.get("referenceRange").and_then(Value::as_array).into_iter().flatten();
    let shown: Vec<String> = ranges
        .map(|range| match text(range, "text") {
            "" => {
                let end = |name: &str| range.get(name).map(quantity).unwrap_or_default();
                format!("{} – {}", end("low"), end("high"))
            }
            words => words.to_owned(),
        })
        .collect();
    shown.join("; ")
}

fn reactions(resource: &Value) -> String {
    let reactions = resource.get("reaction").and_then(Value::as_array).into_iter().flatten();
    let signs =
        reactions.flat_map(|reaction| reaction.get("manifestation").and_then(Value::as_array).into_iter().flatten());
    let shown: Vec<String> =
        signs.map(|sign| concept(Some(sign))).chain([text(resource, "criticality").to_owned()]).collect();
    shown.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("; ")
}

fn dosage(resource: &Value, element: &str) -> String {
    let dosages = resource.get(element).and_then(Value::as_array).into_iter().flatten();
    let shown: Vec<String> = dosages
        .map(|dosage| {
            let words = [text(dosage, "text"), text(dosage, "patientInstruction")];
            let rates = dosage.get("doseAndRate").and_then(Value::as_array).into_iter().flatten();
            let doses: Vec<String> = rates.filter_map(|rate| rate.get("doseQuantity")).map(quantity).collect();
            let when = concept(dosage.pointer("/timing/code"));
            let parts = words.into_iter().map(str::to_owned).chain(doses).chain([when, concept(dosage.get("route"))]);
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        })
        .collect();
    shown.join("; ")
}

fn text<'a>(value: &'a Value, element: &str) -> &'a str {
    value.get(element).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_record_is_text() {
        let condition =
            json!({"resourceType": "Condition", "code": {"text": "<script>alert(1)</script> & \"x\"\u{1}"}});
        let table = table("en", "problems", std::iter::once(&condition), &|_| None);
        assert!(table.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;\u{fffd}"));
        assert!(!table.contains("<script"));
    }

    #[test]
    fn a_value_keeps_its_digits_and_stands_beside_the_converted_one() {
        let text = r#"{"resourceType":"Observation","status":"final","code":{"text":"クレアチニン","coding":[
            {"system":"http://loinc.org","code":"2160-0","display":"Creatinine"}]},
            "valueQuantity":{"value":1.50,"unit":"mg/dL"},
            "extension":[{"url":"https://watari.dev/fhir/StructureDefinition/harmonised-quantity","extension":[
              {"url":"quantity","valueQuantity":{"value":132.6,"unit":"umol/L"}},{"url":"rule","valueString":"x"}]}]}"#;
        let row = measurement(&serde_json::from_str(text).unwrap());
        assert_eq!(row[0], "クレアチニン / Creatinine (LOINC 2160-0)");
        assert_eq!(row[2], "1.50 mg/dL");
        assert_eq!(row[3], "132.6 umol/L");
    }
}
