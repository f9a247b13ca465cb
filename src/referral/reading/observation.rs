//! Results: the value as measured, and beside it the same quantity in other units, with the rule that made it.

use serde_json::Value;

use super::concept::{self, Code};
use crate::documents::concept::{notes, words};
use crate::documents::measured;

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
    /// Reference ranges, as reported; each says its unit where the value stands in two.
    pub ranges: Vec<String>,
    /// Interpretations: code and word, or as recorded.
    pub flags: Vec<String>,
    /// Notes of the laboratory.
    pub notes: Vec<String>,
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
pub(super) fn measured(observation: &Value, language: &str) -> Measured {
    let code = observation.get("code");
    let text = code.and_then(words).unwrap_or_default();
    let converted = measured::converted(observation).into_iter();
    Measured {
        codes: code.map(|code| concept::codes(code, &text)).unwrap_or_default(),
        absent: observation.get("dataAbsentReason").and_then(words),
        converted: converted.map(|(quantity, rule)| Converted { quantity, rule }).collect(),
        ranges: measured::ranges(language, observation),
        flags: measured::flags(language, observation),
        notes: notes(observation),
        status: observation.get("status").and_then(Value::as_str).filter(|one| *one != "final").map(str::to_owned),
        at: ["/effectiveDateTime", "/effectivePeriod/start", "/effectiveInstant", "/issued"]
            .into_iter()
            .find_map(|path| Some(observation.pointer(path)?.as_str()?.to_owned())),
        value: measured::value(language, observation, &words).unwrap_or_default(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Measured {
        measured(&serde_json::from_str(json).unwrap(), "en")
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
        assert_eq!(result.value, "systolic: 120 mmHg");
        assert_eq!(result.ranges, ["3.9–6.1 mmol/L"]);
        assert_eq!(result.flags, ["H high"]);
    }
}
