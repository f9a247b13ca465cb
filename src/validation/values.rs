//! Fixed values, patterns and ranges: <https://hl7.org/fhir/R4/elementdefinition.html>.

use std::cmp::Ordering;

use serde_json::Value;

use crate::fhir::path::{Decimal, Moment, MomentKind};
use crate::fhir::structure::same;

/// Whether a value has all that a pattern has.
pub(super) fn has_pattern(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(value), Value::Object(pattern)) => {
            pattern.iter().all(|(name, wanted)| value.get(name).is_some_and(|found| has_pattern(found, wanted)))
        }
        (Value::Array(values), Value::Array(patterns)) => {
            patterns.iter().all(|wanted| values.iter().any(|found| has_pattern(found, wanted)))
        }
        _ => same(value, pattern),
    }
}

/// Which is less, of numbers, dates and quantities of one unit; `None` where that cannot be told.
pub(super) fn order(value: &Value, limit: &Value) -> Option<Ordering> {
    match (value, limit) {
        (Value::Number(one), Value::Number(other)) => {
            Some(Decimal::read(one.as_str())?.number.cmp(&Decimal::read(other.as_str())?.number))
        }
        (Value::String(one), Value::String(other)) => {
            let read =
                |text: &str| Moment::read(MomentKind::DateTime, text).or_else(|| Moment::read(MomentKind::Time, text));
            read(one)?.order(&read(other)?)
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_one_unit = one.get("code") == other.get("code") && one.get("system") == other.get("system");
            if is_one_unit { order(one.get("value")?, other.get("value")?) } else { None }
        }
        _ => None,
    }
}

/// What stands at a way of names within a fixed value or a pattern; of lists the first.
pub(super) fn within<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    let value = match value {
        Value::Array(items) => items.first()?,
        other => other,
    };
    match names.split_first() {
        None => Some(value),
        Some((name, rest)) => within(value.get(name)?, rest),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_may_have_more_beside_it() {
        let value = json!({"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2", "display": "x"}]});
        assert!(has_pattern(&value, &json!({"coding": [{"system": "b", "code": "2"}]})));
        assert!(!has_pattern(&value, &json!({"coding": [{"system": "b", "code": "1"}]})));
        assert!(!has_pattern(&value, &json!({"text": "x"})));
        assert_eq!(order(&json!(2), &json!(1.5)), Some(Ordering::Greater));
        assert_eq!(order(&json!("2024-01-02"), &json!("2024-02-01")), Some(Ordering::Less));
        assert_eq!(order(&json!("2024"), &json!("2024-02-01")), None);
    }
}
