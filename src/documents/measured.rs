//! An Observation as text: the value as reported, what was reckoned from it, the range it is held against, and what the
//! laboratory says about it.

use serde_json::Value;

use super::concept::{codings, words};
use super::labels::{label, word};
use super::quantity::{interval, period, quantity, range, ratio, unit};
use crate::fhir::systems::HARMONISED_QUANTITY;

/// How a concept is written where it stands.
pub type Written<'w> = &'w dyn Fn(&Value) -> Option<String>;

/// `value[x]`, else the components with their names. Nothing, if nothing is reported.
pub fn value(language: &str, observation: &Value, written: Written<'_>) -> Option<String> {
    let own = single(language, observation, written);
    let parts: Vec<String> = components(observation)
        .filter_map(|part| {
            let said = single(language, part, written)
                .or_else(|| Some(format!("({})", words(part.get("dataAbsentReason")?)?)))?;
            let flags = flags(language, part).join(", ");
            let flags = if flags.is_empty() { flags } else { format!(" [{flags}]") };
            Some(format!("{}: {said}{flags}", written(part.get("code")?)?))
        })
        .collect();
    let all: Vec<String> = own.into_iter().chain(parts).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// `value[x]` of an Observation or a component.
fn single(language: &str, element: &Value, written: Written<'_>) -> Option<String> {
    let of = |name: &str| element.get(name);
    if let Some(said) = of("valueQuantity").and_then(quantity) {
        return Some(said);
    }
    if let Some(said) = of("valueCodeableConcept").and_then(written) {
        return Some(said);
    }
    let said =
        of("valueRange").and_then(range).or_else(|| ratio(of("valueRatio")?)).or_else(|| period(of("valuePeriod")?));
    if said.is_some() {
        return said;
    }
    if of("valueSampledData").is_some() {
        return Some(label(language, "sampled").to_owned());
    }
    const PLAIN: [&str; 5] = ["valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"];
    PLAIN.into_iter().find_map(|name| match of(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(word(language, "boolean", if *yes { "true" } else { "false" })),
        _ => None,
    })
}

/// Interpretations in words: high, low, abnormal, and whatever else is said.
pub fn flags(language: &str, element: &Value) -> Vec<String> {
    let listed = element.get("interpretation").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|concept| {
            let code = codings(concept).find_map(|coding| coding.get("code")?.as_str());
            let known = code.map(|code| (code, word(language, "flag", code))).filter(|(code, said)| code != said);
            known.map(|(code, said)| format!("{code} {said}")).or_else(|| words(concept))
        })
        .collect()
}

/// A harmonised quantity, with the name of its component if it is not the Observation's own, and the rule.
pub fn converted(observation: &Value) -> Vec<(String, String)> {
    let mut found = conversions(observation);
    for part in components(observation) {
        let name = part.get("code").and_then(words).unwrap_or_default();
        found.extend(
            conversions(part).into_iter().map(|(said, rule)| (format!("{name}: {said}").trim().to_owned(), rule)),
        );
    }
    found
}

/// The extension stands on the Observation (or component) or on its quantity.
fn conversions(element: &Value) -> Vec<(String, String)> {
    let places = [element.get("extension"), element.pointer("/valueQuantity/extension")];
    let own = element.get("valueQuantity").and_then(quantity);
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
            let said = part("quantity").unwrap_or(extension).get("valueQuantity").and_then(quantity)?;
            (Some(&said) != own.as_ref()).then_some((said, rule))
        })
        .collect()
}

/// Reference ranges as reported, each with its unit: where the value stands in two units, a range without a unit says
/// that it is in the reported one (R4 Observation.referenceRange: same unit as the value).
pub fn ranges(language: &str, observation: &Value) -> Vec<String> {
    let mut shown = ranges_of(language, observation);
    for part in components(observation) {
        let name = part.get("code").and_then(words).unwrap_or_default();
        shown.extend(ranges_of(language, part).into_iter().map(|range| format!("{name}: {range}").trim().to_owned()));
    }
    shown
}

fn ranges_of(language: &str, element: &Value) -> Vec<String> {
    let reported = element.get("valueQuantity").map(unit).unwrap_or("");
    let is_double = !conversions(element).is_empty();
    let listed = element.get("referenceRange").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|range| {
            let text = range.get("text").and_then(Value::as_str).unwrap_or("").trim();
            let ends = interval(range.get("low"), range.get("high")).unwrap_or_default();
            // Words without a number do not replace the numbers; words with numbers are the range as it was printed.
            let said = match text {
                "" => ends,
                words if words.chars().any(char::is_numeric) => words.to_owned(),
                words => format!("{words} {ends}").trim().to_owned(),
            };
            let kind = range.get("type").and_then(words).filter(|_| listed_is_many(element));
            let said = kind.map(|kind| format!("{kind}: {said}")).unwrap_or(said);
            let lacks_unit = is_double && !reported.is_empty() && !said.contains(reported) && !has_unit(range);
            let said = if lacks_unit { format!("{said} {}", in_reported(language, reported)) } else { said };
            (!said.is_empty()).then_some(said)
        })
        .collect()
}

fn listed_is_many(element: &Value) -> bool {
    element.get("referenceRange").and_then(Value::as_array).is_some_and(|list| list.len() > 1)
}

/// Only the printed ends count: a text that hides them may be without their unit.
fn has_unit(range: &Value) -> bool {
    range.get("text").is_none()
        && ["low", "high"].iter().any(|end| range.get(end).is_some_and(|end| !unit(end).is_empty()))
}

fn in_reported(language: &str, unit: &str) -> String {
    format!("({}: {unit})", label(language, "reported-unit"))
}

fn components(observation: &Value) -> impl Iterator<Item = &Value> {
    observation.get("component").and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn said(text: &str) -> Option<String> {
        value("en", &read(text), &words)
    }

    #[test]
    fn every_kind_of_value_is_written() {
        let titre = r#"{"valueRatio":{"numerator":{"value":1},"denominator":{"value":40}}}"#;
        assert_eq!(said(titre).as_deref(), Some("1:40"));
        let range = r#"{"valueRange":{"low":{"value":5,"unit":"/HPF"},"high":{"value":10,"unit":"/HPF"}}}"#;
        assert_eq!(said(range).as_deref(), Some("5–10 /HPF"));
        assert_eq!(said(r#"{"valueString":"1+"}"#).as_deref(), Some("1+"));
        assert_eq!(said(r#"{"valueBoolean":false}"#).as_deref(), Some("no"));
        assert_eq!(said(r#"{"valuePeriod":{"start":"2026"}}"#).as_deref(), Some("2026 –"));
        assert!(said(r#"{"valueSampledData":{}}"#).is_some());
        assert_eq!(said("{}"), None);
    }

    #[test]
    fn a_component_says_what_it_is_and_why_it_is_empty() {
        let panel = r#"{"component":[{"code":{"text":"Na"},"valueQuantity":{"value":128,"unit":"mmol/L"},
            "interpretation":[{"coding":[{"code":"L"}]}]},
            {"code":{"text":"K"},"dataAbsentReason":{"text":"haemolysed"}}]}"#;
        assert_eq!(said(panel).as_deref(), Some("Na: 128 mmol/L [L low]; K: (haemolysed)"));
    }

    #[test]
    fn a_range_says_its_unit_when_the_value_has_two() {
        let with = |range: &str| {
            format!(
                r#"{{"valueQuantity":{{"value":1.50,"unit":"mg/dL"}},"referenceRange":[{range}],"extension":[{{
                "url":"https://watari.dev/fhir/StructureDefinition/harmonised-quantity","extension":[
                {{"url":"quantity","valueQuantity":{{"value":132.6,"unit":"umol/L"}}}}]}}]}}"#
            )
        };
        let shown = |range: &str| ranges("en", &read(&with(range)));
        assert_eq!(shown(r#"{"text":"0.65-1.07"}"#), ["0.65-1.07 (in the reported unit: mg/dL)"]);
        assert_eq!(
            shown(r#"{"low":{"value":0.65},"high":{"value":1.07}}"#),
            ["0.65–1.07 (in the reported unit: mg/dL)"]
        );
        assert_eq!(
            shown(r#"{"low":{"value":0.65,"unit":"mg/dL"},"high":{"value":1.07,"unit":"mg/dL"}}"#),
            ["0.65–1.07 mg/dL"]
        );
        assert_eq!(
            shown(r#"{"text":"0.65-1.07","low":{"value":0.65,"unit":"mg/dL"}}"#),
            ["0.65-1.07 (in the reported unit: mg/dL)"]
        );
    }

    #[test]
    fn a_flag_is_code_and_word_and_an_unknown_one_is_as_recorded() {
        let flagged = r#"{"interpretation":[{"coding":[{"code":"HH"}]},{"text":"see comment"},
            {"coding":[{"code":"Q9","display":"odd"}]}]}"#;
        assert_eq!(flags("fr", &read(flagged)), ["HH dangereusement élevé", "see comment", "odd"]);
    }
}
