//! Quantities, ranges, ratios and periods as text, with the digits they were recorded with.

use serde_json::Value;

/// `< 0.50 mg/dL`. Nothing, if there is no number.
pub fn quantity(quantity: &Value) -> Option<String> {
    let (number, unit) = parts(quantity)?;
    Some(if unit.is_empty() { number } else { format!("{number} {unit}") })
}

/// The unit in words, else its code; empty if none is recorded.
pub fn unit(quantity: &Value) -> &str {
    let word = |name: &str| quantity.get(name).and_then(Value::as_str).unwrap_or("");
    if word("unit").is_empty() { word("code") } else { word("unit") }
}

/// `3.9–6.1 mmol/L`, `≥ 3.9 mmol/L`; units that differ are both written.
pub fn interval(low: Option<&Value>, high: Option<&Value>) -> Option<String> {
    match (low.and_then(parts), high.and_then(parts)) {
        (Some((low, unit)), Some((high, same))) if unit == same => {
            Some(format!("{low}–{high} {unit}").trim().to_owned())
        }
        (Some((low, one)), Some((high, other))) => {
            Some(format!("{} – {}", format!("{low} {one}").trim(), format!("{high} {other}").trim()))
        }
        (Some((low, unit)), None) => Some(format!("≥ {low} {unit}").trim().to_owned()),
        (None, Some((high, unit))) => Some(format!("≤ {high} {unit}").trim().to_owned()),
        (None, None) => None,
    }
}

/// A FHIR Range.
pub fn range(range: &Value) -> Option<String> {
    interval(range.get("low"), range.get("high"))
}

/// `1:40` for a titre, `500 mg / 5 mL` for a concentration or a dose in a time.
pub fn ratio(ratio: &Value) -> Option<String> {
    let (over, under) = (ratio.get("numerator")?, ratio.get("denominator")?);
    let (upper, lower) = (quantity(over)?, quantity(under)?);
    Some(if unit(over).is_empty() && unit(under).is_empty() {
        format!("{upper}:{lower}")
    } else {
        format!("{upper} / {lower}")
    })
}

/// `2026-01-05 – 2026-01-18`, at the precision of the record; an open end stays open.
pub fn period(period: &Value) -> Option<String> {
    let word = |name: &str| period.get(name).and_then(Value::as_str).unwrap_or("");
    let shown = format!("{} – {}", word("start"), word("end"));
    (shown != " – ").then(|| shown.trim().to_owned())
}

fn parts(quantity: &Value) -> Option<(String, &str)> {
    let Value::Number(number) = quantity.get("value")? else { return None };
    let comparator = quantity.get("comparator").and_then(Value::as_str).unwrap_or("");
    Some((format!("{comparator} {number}").trim().to_owned(), unit(quantity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn digits_and_units_stay() {
        assert_eq!(quantity(&json(r#"{"comparator":"<","value":0.50,"unit":"mg/dL"}"#)).unwrap(), "< 0.50 mg/dL");
        let both = json(r#"{"low":{"value":3.30,"unit":"10*3 /uL"},"high":{"value":8.60,"unit":"10*3 /uL"}}"#);
        assert_eq!(range(&both).unwrap(), "3.30–8.60 10*3 /uL");
        let mixed = json(r#"{"low":{"value":500,"unit":"mg"},"high":{"value":1,"unit":"g"}}"#);
        assert_eq!(range(&mixed).unwrap(), "500 mg – 1 g");
        assert_eq!(range(&json(r#"{"high":{"value":5,"code":"mg"}}"#)).unwrap(), "≤ 5 mg");
        assert_eq!(quantity(&json(r#"{"unit":"mg"}"#)), None);
    }

    #[test]
    fn a_titre_is_not_a_concentration() {
        assert_eq!(ratio(&json(r#"{"numerator":{"value":1},"denominator":{"value":40}}"#)).unwrap(), "1:40");
        let strength = json(r#"{"numerator":{"value":500,"unit":"mg"},"denominator":{"value":5,"unit":"mL"}}"#);
        assert_eq!(ratio(&strength).unwrap(), "500 mg / 5 mL");
    }

    #[test]
    fn an_open_period_stays_open() {
        assert_eq!(period(&json(r#"{"start":"2026-01-05"}"#)).unwrap(), "2026-01-05 –");
        assert_eq!(period(&json("{}")), None);
    }
}
