//! What is said about an item besides its name: dosage, reactions, severity, place, notes. One line each, the same in the
//! patient summary and on the pages.

use serde_json::Value;

use super::concept::{all_words, notes, words};
use super::dosage::{self, named};
use super::labels::word;

/// The lines below an item's name.
pub fn particulars(language: &str, resource: &Value) -> Vec<String> {
    let named = |key: &'static str, value: Option<String>| value.map(|value| named(language, key, &value));
    let coded = |name: &str| resource.get(name).and_then(words);
    let mut lines = match crate::fhir::resource_type(resource) {
        Some("AllergyIntolerance") => allergy(language, resource),
        Some("MedicationRequest" | "MedicationStatement") => dosage::lines(language, resource),
        _ => Vec::new(),
    };
    lines.extend(named("severity", coded("severity")));
    let sites = match resource.get("bodySite") {
        Some(list @ Value::Array(_)) => all_words(Some(list)),
        Some(one) => words(one).into_iter().collect(),
        None => Vec::new(),
    };
    lines.extend(named("site", (!sites.is_empty()).then(|| sites.join(", "))));
    lines.extend(named(
        "reason",
        Some(all_words(resource.get("reasonCode")).join(", ")).filter(|text| !text.is_empty()),
    ));
    lines.extend(named("why-status", status_reason(resource)));
    lines.extend(notes(resource).iter().filter_map(|note| named("note", Some(note.clone()))));
    lines
}

/// The reason of a status: one concept on a request, a list on a statement.
fn status_reason(resource: &Value) -> Option<String> {
    match resource.get("statusReason")? {
        list @ Value::Array(_) => Some(all_words(Some(list)).join(", ")).filter(|text| !text.is_empty()),
        one => words(one),
    }
}

/// Criticality first: it is what a reader must not miss.
fn allergy(language: &str, resource: &Value) -> Vec<String> {
    let plain = |name: &str| resource.get(name).and_then(Value::as_str);
    let mut lines = Vec::new();
    lines.extend(plain("criticality").map(|code| named(language, "criticality", &word(language, "criticality", code))));
    let reactions = resource.get("reaction").and_then(Value::as_array).into_iter().flatten();
    lines.extend(reactions.map(|one| reaction(language, one)).filter(|line| !line.is_empty()));
    let categories = resource.get("category").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let kinds: Vec<String> =
        plain("type").into_iter().chain(categories).map(|code| word(language, "allergy", code)).collect();
    if !kinds.is_empty() {
        lines.push(named(language, "kind", &kinds.join(", ")));
    }
    lines.extend(plain("lastOccurrence").map(|at| named(language, "last", at)));
    lines
}

fn reaction(language: &str, reaction: &Value) -> String {
    let plain = |name: &str| reaction.get(name).and_then(Value::as_str).map(str::to_owned);
    let signs = all_words(reaction.get("manifestation")).join(", ");
    let mut parts = vec![signs];
    parts.extend(plain("severity").map(|code| named(language, "severity", &word(language, "severity", &code))));
    parts.extend(plain("description"));
    parts.extend(reaction.get("substance").and_then(words).map(|text| named(language, "substance", &text)));
    parts.extend(reaction.get("exposureRoute").and_then(words).map(|text| named(language, "route", &text)));
    parts.extend(plain("onset"));
    parts.extend(notes(reaction).iter().map(|note| named(language, "note", note)));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_severe_reaction_is_seen() {
        let allergy = json!({"resourceType": "AllergyIntolerance", "criticality": "high", "category": ["medication"],
            "reaction": [{"manifestation": [{"text": "Urticaire"}, {"text": "Dyspnée"}], "severity": "severe",
                "exposureRoute": {"text": "IV"}}],
            "note": [{"text": "Confirmed by testing"}]});
        assert_eq!(
            particulars("en", &allergy),
            [
                "criticality: high",
                "Urticaire, Dyspnée · severity: severe · route: IV",
                "kind: medication",
                "note: Confirmed by testing"
            ]
        );
        assert_eq!(particulars("ja", &allergy)[1], "Urticaire, Dyspnée · 重症度: 重度 · 投与経路: IV");
        assert_eq!(particulars("fr", &allergy)[0], "criticité: élevée");
    }

    #[test]
    fn nothing_said_is_no_line() {
        assert!(particulars("en", &json!({"resourceType": "AllergyIntolerance", "code": {"text": "x"}})).is_empty());
        assert!(particulars("en", &json!({"resourceType": "Condition"})).is_empty());
    }
}
