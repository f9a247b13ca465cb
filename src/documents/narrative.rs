//! The text of a document: small XHTML tables made from what the record says, in its own words.
//!
//! FHIR narrative (<https://hl7.org/fhir/R4/narrative.html>): a `div` of simple elements; everything from a record is
//! escaped, and characters XML cannot carry become U+FFFD.

use serde_json::{Value, json};

use super::concept::{codings, mapping_sign, notes, recorded};
use super::course::ended;
use super::labels::label;
use super::medication::medication;
use super::particulars::particulars;
use super::{dosage, measured, quantity};
use crate::fhir::systems;
use crate::terminology::ATC;

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

/// A section's table: who reads it, of what, when.
pub(super) struct Table<'f, 'a> {
    /// Language of the words around the record's own.
    pub language: &'f str,
    /// Key of the section.
    pub section: &'f str,
    /// When the document is written: medications whose days are over by then say so.
    pub at: &'f str,
    /// What goes along.
    pub find: Find<'f, 'a>,
}

/// The table of a section.
pub(super) fn table<'a>(of: &Table<'_, 'a>, resources: impl Iterator<Item = &'a Value>) -> String {
    let measured = matches!(of.section, "results" | "vitals");
    let columns: &[&'static str] = if measured {
        &["name", "date", "value", "converted", "reference-range", "status"]
    } else {
        &["name", "date", "detail", "status"]
    };
    let head: String = columns.iter().map(|key| format!("<th>{}</th>", escape(label(of.language, key)))).collect();
    let mut rows = String::new();
    for resource in resources {
        let cells = if measured { measurement(of.language, resource) } else { statement(of, resource) };
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        rows.push_str(&format!("<tr>{cells}</tr>"));
    }
    format!("<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
}

fn measurement(language: &str, resource: &Value) -> Vec<String> {
    let written = |one: &Value| Some(concept(Some(one))).filter(|text| !text.is_empty());
    let value = measured::value(language, resource, &written);
    let mut value = vec![value.unwrap_or_else(|| concept(resource.get("dataAbsentReason")))];
    let flags = measured::flags(language, resource);
    if !flags.is_empty() {
        value.push(format!("[{}]", flags.join(", ")));
    }
    value.extend(notes(resource).iter().map(|note| dosage::named(language, "note", note)));
    value.retain(|part| !part.is_empty());
    let converted: Vec<String> = measured::converted(resource).into_iter().map(|(quantity, _)| quantity).collect();
    vec![
        concept(resource.get("code")),
        date(resource),
        value.join(" "),
        converted.join(" / "),
        measured::ranges(language, resource).join("; "),
        text(resource, "status").to_owned(),
    ]
}

fn statement<'a>(of: &Table<'_, 'a>, resource: &'a Value) -> Vec<String> {
    let own = ["code", "vaccineCode"].iter().find_map(|element| resource.get(element));
    let mut details = particulars(of.language, resource);
    let name = match own {
        Some(own) => concept(Some(own)),
        None => {
            let drug = medication(resource, of.find);
            let parts = drug.ingredients.join(" + ");
            let name = Some(concept(drug.code)).filter(|name| !name.is_empty());
            let name = name.or_else(|| drug.display.map(str::to_owned));
            if name.is_some() && !parts.is_empty() {
                details.insert(0, dosage::named(of.language, "ingredients", &parts));
            }
            name.unwrap_or(parts)
        }
    };
    let status = [concept(resource.get("clinicalStatus")), concept(resource.get("verificationStatus"))];
    let status: Vec<&str> =
        status.iter().map(String::as_str).chain([text(resource, "status")]).filter(|word| !word.is_empty()).collect();
    let status = status.join(", ");
    let status = match ended(resource, of.at).filter(|_| of.section == "medications") {
        Some(day) => {
            let (over, recorded) = (label(of.language, "ended"), label(of.language, "recorded-as"));
            format!("{over}: {day} ({recorded}: {status})")
        }
        None => status,
    };
    vec![name, date(resource), details.join("; "), status]
}

/// A concept as recorded: its text, else its displays; the codes beside, and behind `≈` those that a code map added.
pub(super) fn concept(concept: Option<&Value>) -> String {
    let Some(concept) = concept else { return String::new() };
    let mut names: Vec<&str> = Vec::new();
    let displays = recorded(concept).map(|coding| text(coding, "display"));
    for name in std::iter::once(text(concept, "text")).chain(displays) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let code = |coding: &Value| format!("{} {}", system_name(text(coding, "system")), text(coding, "code"));
    let is_coded = |coding: &&Value| !text(coding, "code").is_empty();
    let codes: Vec<String> = recorded(concept).filter(is_coded).map(|coding| code(coding).trim().to_owned()).collect();
    let mut codes = codes.join("; ");
    for coding in codings(concept).filter(is_coded) {
        if let Some(sign) = mapping_sign(coding) {
            codes.push_str(&format!(" {sign} {}", code(coding).trim()));
        }
    }
    let codes = codes.trim();
    match (names.is_empty(), codes.is_empty()) {
        (true, _) => codes.to_owned(),
        (false, true) => names.join(" / "),
        (false, false) => format!("{} ({codes})", names.join(" / ")),
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
        ATC => "ATC",
        _ => "",
    }
}

/// When it was, began, or was written down; the end of a condition beside its beginning.
fn date(resource: &Value) -> String {
    const ELEMENTS: &[&str] = &[
        "effectiveDateTime",
        "effectiveInstant",
        "onsetDateTime",
        "onsetString",
        "occurrenceDateTime",
        "performedDateTime",
        "recordedDate",
        "authoredOn",
        "dateAsserted",
    ];
    let period = ["effectivePeriod", "onsetPeriod", "performedPeriod"].iter().find_map(|element| resource.get(element));
    let period = period.and_then(quantity::period);
    let plain = || ELEMENTS.iter().map(|element| text(resource, element)).find(|date| !date.is_empty());
    let began = period.or_else(|| plain().map(str::to_owned)).unwrap_or_default();
    match text(resource, "abatementDateTime") {
        "" => began,
        over => format!("{began} – {over}"),
    }
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
        let of = Table { language: "en", section: "problems", at: "2026-03-03T00:00:00Z", find: &|_| None };
        let table = table(&of, std::iter::once(&condition));
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
        let row = measurement("en", &serde_json::from_str(text).unwrap());
        assert_eq!(row[0], "クレアチニン / Creatinine (LOINC 2160-0)");
        assert_eq!(row[2], "1.50 mg/dL");
        assert_eq!(row[3], "132.6 umol/L");
    }

    fn row(section: &str, resource: &Value) -> Vec<String> {
        statement(&Table { language: "en", section, at: "2026-03-03T14:00:00Z", find: &|_| None }, resource)
    }

    #[test]
    fn an_added_category_is_no_second_diagnosis() {
        let condition = json!({"resourceType": "Condition", "code": {"text": "2型糖尿病", "coding": [
            {"system": "http://hl7.org/fhir/sid/icd-10", "code": "E11.9"},
            {"extension": [{"url": crate::harmonise::CODE_MAPPING, "extension": [{"url": "equivalence", "valueCode": "wider"}]}],
             "system": "http://hl7.org/fhir/sid/icd-10", "code": "E11", "display": "Type 2"}]}});
        assert_eq!(row("problems", &condition)[0], "2型糖尿病 (ICD-10 E11.9 ≈ ICD-10 E11)");
    }

    #[test]
    fn an_old_prescription_is_not_shown_as_current() {
        let order = json!({"resourceType": "MedicationRequest", "status": "active", "medicationCodeableConcept": {"text": "x"},
            "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": "2019-01-01", "end": "2019-01-14"}}}}]});
        let cells = row("medications", &order);
        assert_eq!(cells[2], "period: 2019-01-01 – 2019-01-14");
        assert_eq!(cells[3], "ended by its dates: 2019-01-14 (recorded as: active)");
    }

    #[test]
    fn a_contained_drug_is_named_with_what_is_in_it() {
        let order = json!({"resourceType": "MedicationRequest", "medicationReference": {"reference": "#m"}, "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"text": "Drip"}, "ingredient": [
                {"itemCodeableConcept": {"text": "Saline"}}, {"itemCodeableConcept": {"text": "Insulin"}}]}]});
        let cells = row("medications", &order);
        assert_eq!((cells[0].as_str(), cells[2].as_str()), ("Drip", "ingredients: Saline + Insulin"));
        let mut unnamed = order;
        unnamed["contained"][0].as_object_mut().unwrap().shift_remove("code");
        assert_eq!(row("medications", &unnamed)[0], "Saline + Insulin");
    }

    #[test]
    fn a_result_shows_titre_flag_and_note() {
        let result = json!({"resourceType": "Observation", "code": {"text": "ANA"},
            "valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 40}},
            "interpretation": [{"coding": [{"code": "H"}]}], "note": [{"text": "speckled"}]});
        assert_eq!(measurement("en", &result)[2], "1:40 [H high] note: speckled");
    }
}
