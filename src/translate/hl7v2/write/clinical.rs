//! Condition → DG1, AllergyIntolerance → AL1, Observation → OBX.

use serde_json::Value;

use super::fields::{ce, components, escaped, escaped_lines, list, text, time};
use super::{Cover, Segment, notes};
use crate::fhir::{self, systems};

/// A present problem. DG1-6: final only where it is confirmed. DG1 has no word for a problem that is over: it would read as a
/// diagnosis of today, so such a one is left to the document.
pub(super) fn dg1(cover: &Cover, number: usize, condition: &Value) -> Option<Segment> {
    let code = ce(cover, condition.get("code"));
    if code.is_empty() {
        return None;
    }
    const OVER: [&str; 3] = ["inactive", "remission", "resolved"];
    let over = condition
        .get("clinicalStatus")
        .is_some_and(|status| fhir::codings(status).any(|(_, code)| OVER.contains(&code)));
    if over {
        return None;
    }
    let confirmed = condition
        .get("verificationStatus")
        .is_some_and(|status| fhir::codings(status).any(|(_, code)| code == "confirmed"));
    Some(
        Segment::new("DG1")
            .set(1, number.to_string())
            .set(3, code)
            .set(4, escaped(text(condition, "/code/text")))
            .set(5, time(condition.get("onsetDateTime").or_else(|| condition.get("recordedDate"))))
            .set(6, if confirmed { "F" } else { "W" }),
    )
}

/// An allergy. "No information" is none: it has no segment.
pub(super) fn al1(cover: &Cover, number: usize, allergy: &Value) -> Option<Segment> {
    let code = allergy.get("code")?;
    if fhir::codings(code).any(|(_, code)| code == "no-allergy-info") {
        return None;
    }
    let category = list(allergy, "category").find_map(Value::as_str);
    let kind = match category {
        Some("food") => "FA",
        Some("medication" | "biologic") => "DA",
        Some("environment") => "EA",
        _ => "",
    };
    let severity = list(allergy, "reaction").map(|reaction| text(reaction, "/severity")).find(|one| !one.is_empty());
    let severity = match severity {
        Some("severe") => "SV",
        Some("moderate") => "MO",
        Some("mild") => "MI",
        _ => "",
    };
    let reactions = list(allergy, "reaction").flat_map(|reaction| list(reaction, "manifestation")).map(words);
    let segment = Segment::new("AL1")
        .set(1, number.to_string())
        .set(2, kind)
        .set(3, ce(cover, Some(code)))
        .set(4, severity)
        .set(5, super::fields::repeated(reactions.map(|reaction| escaped(&reaction))))
        .set(6, time(allergy.get("onsetDateTime")));
    Some(segment)
}

/// A concept's text, or its first display.
fn words(concept: &Value) -> String {
    let words = text(concept, "/text");
    let display = list(concept, "coding").map(|coding| text(coding, "/display")).find(|one| !one.is_empty());
    if words.is_empty() { display.unwrap_or("").to_owned() } else { words.to_owned() }
}

/// A result with its notes: one OBX, or one for each component. Nothing of one whose status v2 has no word for.
pub(super) fn obx(cover: &Cover, number: &mut usize, observation: &Value) -> Vec<Segment> {
    let Some(status) = status(text(observation, "/status")) else { return Vec::new() };
    let mut segments = Vec::new();
    let parts = list(observation, "component").filter(|part| value(cover, part).is_some()).enumerate();
    let parts: Vec<(String, &Value)> = parts.map(|(at, part)| ((at + 1).to_string(), part)).collect();
    let whole = value(cover, observation).is_some() || parts.is_empty();
    let whole = whole.then(|| (String::new(), observation));
    for (sub, part) in whole.into_iter().chain(parts) {
        *number += 1;
        let (kind, shown) = value(cover, part).unwrap_or(("", String::new()));
        let segment = Segment::new("OBX")
            .set(1, number.to_string())
            .set(2, kind)
            .set(3, ce(cover, part.get("code")))
            .set(4, sub)
            .set(5, shown)
            .set(6, unit(part.get("valueQuantity")))
            .set(7, range(part))
            .set(8, flags(part))
            .set(11, status)
            .set(14, time(observed(observation)));
        segments.push(segment);
    }
    let texts: Vec<String> = list(observation, "note").map(|note| text(note, "/text").to_owned()).collect();
    segments.extend(notes(&texts));
    segments
}

/// When it was observed.
pub(super) fn observed(observation: &Value) -> Option<&Value> {
    observation.get("effectiveDateTime").or_else(|| observation.pointer("/effectivePeriod/start"))
}

/// Table 0085.
pub(super) fn status(status: &str) -> Option<&'static str> {
    Some(match status {
        "final" => "F",
        "preliminary" => "P",
        "amended" | "corrected" => "C",
        "cancelled" => "X",
        "entered-in-error" => "W",
        "registered" => "I",
        _ => return None,
    })
}

/// OBX-2 and OBX-5. Digits stay as they are written.
fn value(cover: &Cover, part: &Value) -> Option<(&'static str, String)> {
    let number = |value: &Value| value.is_number().then(|| value.to_string());
    if let Some(quantity) = part.get("valueQuantity") {
        let digits = number(quantity.get("value")?)?;
        let sign = text(quantity, "/comparator");
        return Some(if sign.is_empty() { ("NM", digits) } else { ("SN", components(&[&escaped(sign), &digits])) });
    }
    if let Some(concept) = part.get("valueCodeableConcept") {
        return Some(("CE", ce(cover, Some(concept))));
    }
    if let Some(words) = part.get("valueString").and_then(Value::as_str) {
        let kind = if words.contains('\n') { "TX" } else { "ST" };
        return Some((kind, escaped_lines(words)));
    }
    if let Some(whole) = part.get("valueInteger") {
        return Some(("NM", number(whole)?));
    }
    if let Some(flag) = part.get("valueBoolean").and_then(Value::as_bool) {
        return Some(("ST", if flag { "Y" } else { "N" }.to_owned()));
    }
    if part.get("valueDateTime").is_some() {
        return Some(("TS", time(part.get("valueDateTime"))));
    }
    let of = |pointer: &str| part.pointer(pointer).and_then(number);
    if let (Some(low), Some(high)) = (of("/valueRange/low/value"), of("/valueRange/high/value")) {
        return Some(("SN", components(&["", &low, "-", &high])));
    }
    if let (Some(above), Some(below)) = (of("/valueRatio/numerator/value"), of("/valueRatio/denominator/value")) {
        return Some(("SN", components(&["", &above, ":", &below])));
    }
    None
}

/// OBX-6: the unit's code, and its name where that differs.
fn unit(quantity: Option<&Value>) -> String {
    let Some(quantity) = quantity else { return String::new() };
    let (code, name) = (text(quantity, "/code"), text(quantity, "/unit"));
    if code.is_empty() {
        return escaped(name);
    }
    let system = if text(quantity, "/system") == systems::UCUM { "UCUM" } else { "" };
    components(&[&escaped(code), &escaped(name), system])
}

fn range(part: &Value) -> String {
    let Some(range) = list(part, "referenceRange").next() else { return String::new() };
    let digits = |pointer: &str| range.pointer(pointer).filter(|value| value.is_number()).map(Value::to_string);
    match (digits("/low/value"), digits("/high/value")) {
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!(">={low}"),
        (None, Some(high)) => format!("<={high}"),
        (None, None) => escaped(text(range, "/text")),
    }
}

/// Table 0078; FHIR uses the same letters.
fn flags(part: &Value) -> String {
    let codes = list(part, "interpretation").filter_map(|one| fhir::codings(one).next()).map(|(_, code)| escaped(code));
    super::fields::repeated(codes)
}
