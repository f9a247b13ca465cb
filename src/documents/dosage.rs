//! A Dosage as one line (<https://hl7.org/fhir/R4/dosage.html>): everything the structure says, with the numbers and words
//! of the record. Only the words around them are ours. The patient summary and the pages show the same line.

use serde_json::Value;

use super::concept::{all_words, words};
use super::labels::label;
use super::quantity::{period, quantity, range, ratio};
use super::timing::timing;

/// Total amount of a day, from an order that gives it beside the single dose.
const DAILY_DOSE: &str = "https://watari.dev/fhir/StructureDefinition/total-daily-dose";
/// From when to when the drug is used: ours, and that of JP Core.
const PERIOD_OF_USE: [&str; 3] = [
    "https://watari.dev/fhir/StructureDefinition/period-of-use",
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationDosage_PeriodOfUse",
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationRequest_DosageInstruction_PeriodOfUse",
];
/// Days on which the drug is really taken (JP Core), as opposed to the span they are spread over.
const DAYS_OF_USE: [&str; 2] = [
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationDosage_UsageDuration",
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationRequest_DosageInstruction_UsageDuration",
];

/// The dosages of a MedicationRequest or MedicationStatement, one line each, in their sequence.
pub fn lines(language: &str, resource: &Value) -> Vec<String> {
    let mut found: Vec<&Value> = dosages(resource).collect();
    found.sort_by_key(|dosage| dosage.get("sequence").and_then(Value::as_i64).unwrap_or(i64::MAX));
    found.into_iter().map(|dosage| line(language, dosage)).filter(|line| !line.is_empty()).collect()
}

/// One dosage.
pub fn line(language: &str, dosage: &Value) -> String {
    let plain = |name: &str| dosage.get(name).and_then(Value::as_str).map(str::to_owned);
    let named = |key: &'static str, value: Option<String>| value.map(|value| named(language, key, &value));
    let coded = |name: &str| dosage.get(name).and_then(words);
    let mut parts = vec![plain("text"), plain("patientInstruction")];
    parts.extend(amounts(language, dosage).into_iter().map(Some));
    parts.extend(dosage.get("timing").map(|one| timing(language, one)).unwrap_or_default().into_iter().map(Some));
    parts.push(as_needed(language, dosage));
    parts.extend(all_words(dosage.get("additionalInstruction")).into_iter().map(Some));
    parts.push(named("route", coded("route")));
    parts.push(named("site", coded("site")));
    parts.push(named("method", coded("method")));
    parts.push(named("daily-dose", extension(dosage, &[DAILY_DOSE], "valueQuantity").and_then(quantity)));
    parts.push(named("most", dosage.get("maxDosePerPeriod").and_then(most)));
    parts.push(named("most-at-once", dosage.get("maxDosePerAdministration").and_then(quantity)));
    parts.push(named("most-ever", dosage.get("maxDosePerLifetime").and_then(quantity)));
    parts.push(named("period", period_of_use(dosage).and_then(period)));
    parts.push(named("days-of-use", extension(dosage, &DAYS_OF_USE, "valueDuration").and_then(quantity)));
    let mut shown: Vec<String> = Vec::new();
    for part in parts.into_iter().flatten().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()) {
        if !shown.contains(&part) {
            shown.push(part);
        }
    }
    shown.join(" · ")
}

/// The dosages of a resource, under either name.
pub(super) fn dosages(resource: &Value) -> impl Iterator<Item = &Value> {
    ["dosageInstruction", "dosage"].into_iter().filter_map(|name| resource.get(name)?.as_array()).flatten()
}

/// The period in which the drug is used, if an extension gives it.
pub(super) fn period_of_use(dosage: &Value) -> Option<&Value> {
    extension(dosage, &PERIOD_OF_USE, "valuePeriod")
}

/// `label: value`.
pub(super) fn named(language: &str, key: &'static str, value: &str) -> String {
    format!("{}: {value}", label(language, key))
}

fn amounts(language: &str, dosage: &Value) -> Vec<String> {
    let mut shown = Vec::new();
    for one in dosage.get("doseAndRate").and_then(Value::as_array).into_iter().flatten() {
        let kind = one.get("type").and_then(words).map(|kind| format!(" ({kind})")).unwrap_or_default();
        let dose = one.get("doseQuantity").and_then(quantity).or_else(|| range(one.get("doseRange")?));
        let rate = one.get("rateQuantity").and_then(quantity);
        let rate = rate.or_else(|| range(one.get("rateRange")?)).or_else(|| ratio(one.get("rateRatio")?));
        shown.extend(dose.map(|dose| named(language, "dose", &format!("{dose}{kind}"))));
        shown.extend(rate.map(|rate| named(language, "rate", &format!("{rate}{kind}"))));
    }
    shown
}

fn as_needed(language: &str, dosage: &Value) -> Option<String> {
    let reason = dosage.get("asNeededCodeableConcept").and_then(words);
    let plain = || dosage.get("asNeededBoolean").and_then(Value::as_bool).filter(|yes| *yes);
    match reason {
        Some(reason) => Some(named(language, "as-needed", &reason)),
        None => plain().map(|_| label(language, "as-needed").to_owned()),
    }
}

/// R4 has one ratio here, R5 a list of them.
fn most(value: &Value) -> Option<String> {
    match value {
        Value::Array(list) => {
            let shown: Vec<String> = list.iter().filter_map(ratio).collect();
            (!shown.is_empty()).then(|| shown.join("; "))
        }
        one => ratio(one),
    }
}

fn extension<'a>(element: &'a Value, urls: &[&str], value: &str) -> Option<&'a Value> {
    let list = element.get("extension")?.as_array()?;
    let is_it = |one: &&Value| one.get("url").and_then(Value::as_str).is_some_and(|url| urls.contains(&url));
    list.iter().find(is_it)?.get(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(language: &str, dosages: &str) -> Vec<String> {
        let resource = format!(r#"{{"resourceType":"MedicationRequest","dosageInstruction":{dosages}}}"#);
        lines(language, &serde_json::from_str(&resource).unwrap())
    }

    const TOKYO: &str = r#"[{"doseAndRate":[{"doseQuantity":{"value":1.50,"unit":"錠","code":"TAB"}}],
        "extension":[{"url":"https://watari.dev/fhir/StructureDefinition/total-daily-dose","valueQuantity":{"value":3,"unit":"錠"}},
            {"url":"http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationDosage_PeriodOfUse",
             "valuePeriod":{"start":"2026-01-05"}}],
        "timing":{"code":{"coding":[{"code":"1012040400000000","display":"内服・経口・１日２回朝夕食後"}]},
            "repeat":{"boundsDuration":{"value":14,"unit":"日","code":"d"}}},
        "additionalInstruction":[{"coding":[{"code":"I1100000","display":"１日おき"}]}],
        "route":{"coding":[{"code":"PO","display":"口"}]}}]"#;

    #[test]
    fn a_structured_order_without_text_is_read_whole() {
        assert_eq!(
            lines_of("en", TOKYO),
            [
                "dose: 1.50 錠 · 内服・経口・１日２回朝夕食後 · duration: 14 日 · １日おき · route: 口 · per day: 3 錠 · period: 2026-01-05 –"
            ]
        );
        assert_eq!(
            lines_of("ja", TOKYO),
            [
                "1回量: 1.50 錠 · 内服・経口・１日２回朝夕食後 · 期間: 14 日 · １日おき · 投与経路: 口 · 1日量: 3 錠 · 使用期間: 2026-01-05 –"
            ]
        );
    }

    #[test]
    fn ranges_rates_limits_and_need_are_read() {
        let order = r#"[{"sequence":2,"text":"then stop"},{"sequence":1,"asNeededCodeableConcept":{"text":"pain"},
            "doseAndRate":[{"type":{"text":"ordered"},"doseRange":{"low":{"value":1,"unit":"tablet"},"high":{"value":2,"unit":"tablet"}},
            "rateRatio":{"numerator":{"value":100,"unit":"mL"},"denominator":{"value":1,"unit":"h"}}}],
            "maxDosePerPeriod":{"numerator":{"value":8,"unit":"tablet"},"denominator":{"value":1,"unit":"d"}}}]"#;
        assert_eq!(
            lines_of("en", order),
            [
                "dose: 1–2 tablet (ordered) · rate: 100 mL / 1 h (ordered) · as needed: pain · at most: 8 tablet / 1 d",
                "then stop"
            ]
        );
    }

    #[test]
    fn nothing_recorded_is_nothing_shown() {
        assert!(lines_of("en", "[{}]").is_empty());
        assert!(lines_of("en", r#"[{"asNeededBoolean":false}]"#).is_empty());
    }
}
