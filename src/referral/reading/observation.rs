//! Results: the value as measured, and beside it the same quantity in other units, with the rule that made it.

use serde_json::Value;

use super::concept::{self, Code};
use crate::fhir::systems::HARMONISED_QUANTITY;

/// A result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// The record's words for what was measured.
    pub text: String,
    /// Its codes.
    pub codes: Vec<Code>,
    /// The value as reported, digit for digit; empty if there is none.
    pub value: String,
    /// Why there is no value, if that is said.
    pub absent: Option<String>,
    /// The same in other units.
    pub converted: Vec<Converted>,
    /// Reference range, as reported.
    pub range: Option<String>,
    /// Interpretation codes: `H`, `L`, …
    pub flags: Vec<String>,
    /// Status code, unless `final`.
    pub status: Option<String>,
    /// When, at its own precision.
    pub at: Option<String>,
}

/// A harmonised quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Value and unit.
    pub quantity: String,
    /// The rule.
    pub rule: String,
}

/// Reads an Observation.
pub(super) fn measured(observation: &Value) -> Measured {
    let code = observation.get("code");
    let text = code.and_then(concept::text).unwrap_or_default();
    let value = value(observation).or_else(|| components(observation)).unwrap_or_default();
    Measured {
        codes: code.map(|code| concept::codes(code, &text)).unwrap_or_default(),
        absent: observation.get("dataAbsentReason").and_then(concept::text),
        converted: converted(observation).into_iter().filter(|one| one.quantity != value).collect(),
        range: range(observation),
        flags: flags(observation),
        status: observation.get("status").and_then(Value::as_str).filter(|one| *one != "final").map(str::to_owned),
        at: ["/effectiveDateTime", "/effectivePeriod/start", "/effectiveInstant", "/issued"]
            .into_iter()
            .find_map(|path| Some(observation.pointer(path)?.as_str()?.to_owned())),
        text,
        value,
    }
}

/// `value[x]` in words. Numbers are taken from their source text.
fn value(element: &Value) -> Option<String> {
    if let Some(text) = element.get("valueQuantity").and_then(quantity) {
        return Some(text);
    }
    if let Some(text) = element.get("valueCodeableConcept").and_then(concept::text) {
        return Some(text);
    }
    if let Some(range) = element.get("valueRange") {
        return interval(range.get("low"), range.get("high"));
    }
    if let Some(ratio) = element.get("valueRatio") {
        return Some(format!("{} : {}", quantity(ratio.get("numerator")?)?, quantity(ratio.get("denominator")?)?));
    }
    const PLAIN: [&str; 5] = ["valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"];
    PLAIN.into_iter().find_map(|name| match element.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    })
}

fn components(observation: &Value) -> Option<String> {
    let parts: Vec<String> = observation
        .get("component")?
        .as_array()?
        .iter()
        .filter_map(|part| Some(format!("{} {}", concept::text(part.get("code")?)?, value(part)?)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `< 0.50 mg/dL`.
fn quantity(quantity: &Value) -> Option<String> {
    let number = match quantity.get("value")? {
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let word = |name: &str| quantity.get(name).and_then(Value::as_str).unwrap_or("");
    let unit = if word("unit").is_empty() { word("code") } else { word("unit") };
    Some(
        [word("comparator"), number.as_str(), unit]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn interval(low: Option<&Value>, high: Option<&Value>) -> Option<String> {
    match (low.and_then(quantity), high.and_then(quantity)) {
        (Some(low), Some(high)) => match (low.rsplit_once(' '), high.rsplit_once(' ')) {
            (Some((start, unit)), Some((end, same))) if unit == same => Some(format!("{start}–{end} {unit}")),
            _ => Some(format!("{low} – {high}")),
        },
        (Some(low), None) => Some(format!("≥ {low}")),
        (None, Some(high)) => Some(format!("≤ {high}")),
        (None, None) => None,
    }
}

fn range(observation: &Value) -> Option<String> {
    let range = observation.get("referenceRange")?.as_array()?.first()?;
    let text = range.get("text").and_then(Value::as_str).map(str::to_owned);
    text.or_else(|| interval(range.get("low"), range.get("high")))
}

fn flags(observation: &Value) -> Vec<String> {
    let listed = observation.get("interpretation").and_then(Value::as_array).into_iter().flatten();
    listed.flat_map(|concept| crate::fhir::codings(concept).map(|(_, code)| code.to_owned()).take(1)).collect()
}

/// The extension stands on the Observation or on its quantity.
fn converted(observation: &Value) -> Vec<Converted> {
    let places = [observation.get("extension"), observation.pointer("/valueQuantity/extension")];
    places
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
        .filter(|extension| extension.get("url").and_then(Value::as_str) == Some(HARMONISED_QUANTITY))
        .filter_map(|extension| {
            let parts = extension.get("extension").and_then(Value::as_array).into_iter().flatten();
            let part = |url: &str| parts.clone().find(|part| part.get("url").and_then(Value::as_str) == Some(url));
            let rule = part("rule").and_then(|part| part.get("valueString")?.as_str()).unwrap_or("").to_owned();
            Some(Converted { quantity: quantity(part("quantity")?.get("valueQuantity")?)?, rule })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Measured {
        measured(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn digits_survive() {
        let result = read(
            r#"{"resourceType":"Observation","status":"corrected","code":{"text":"Glucose"},
            "valueQuantity":{"comparator":"<","value":1.50,"unit":"mmol/L"},
            "extension":[{"url":"https://watari.dev/fhir/StructureDefinition/harmonised-quantity","extension":[
              {"url":"quantity","valueQuantity":{"value":27.0,"code":"mg/dL"}},{"url":"rule","valueString":"180.156 g/mol"}]}]}"#,
        );
        assert_eq!(result.value, "< 1.50 mmol/L");
        assert_eq!(
            result.converted[0],
            Converted { quantity: "27.0 mg/dL".to_owned(), rule: "180.156 g/mol".to_owned() }
        );
        assert_eq!(result.status.as_deref(), Some("corrected"));
    }

    #[test]
    fn missing_values_say_so() {
        let result =
            read(r#"{"code":{"text":"x"},"dataAbsentReason":{"coding":[{"code":"unknown","display":"Unknown"}]}}"#);
        assert_eq!((result.value.as_str(), result.absent.as_deref()), ("", Some("Unknown")));
    }

    #[test]
    fn components_and_ranges_are_read() {
        let result = read(
            r#"{"code":{"text":"BP"},"component":[{"code":{"text":"systolic"},"valueQuantity":{"value":120,"unit":"mmHg"}}],
            "referenceRange":[{"low":{"value":3.9,"unit":"mmol/L"},"high":{"value":6.1,"unit":"mmol/L"}}],
            "interpretation":[{"coding":[{"code":"H"}]}]}"#,
        );
        assert_eq!(result.value, "systolic 120 mmHg");
        assert_eq!(result.range.as_deref(), Some("3.9–6.1 mmol/L"));
        assert_eq!(result.flags, ["H"]);
    }
}
