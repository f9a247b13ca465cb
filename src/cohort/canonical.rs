//! The one spelling of a question, from which its id is reckoned.

use serde_json::{Number, Value};

use super::CohortError;

/// One spelling of a decimal: 7, 7.0 and 70e-1 ask the same.
pub(super) fn shortest(number: &Number) -> Result<Number, CohortError> {
    let text = number.to_string();
    let short = octofhir_ucum::Number::parse(&text).filter(|_| text.len() <= 30).map(|number| {
        let (digits, exponent) = number.to_integer_and_exponent();
        plain(digits, exponent)
    });
    short
        .flatten()
        .and_then(|short| serde_json::from_str(&short).ok())
        .ok_or_else(|| CohortError::Question(format!("{text} is not a number that can be compared")))
}

fn plain(digits: i128, exponent: i32) -> Option<String> {
    if !(-20..=20).contains(&exponent) {
        return None;
    }
    let sign = if digits < 0 { "-" } else { "" };
    let text = digits.unsigned_abs().to_string();
    let places = (-exponent).max(0) as usize;
    let text = format!("{text:0>width$}{:0<zeros$}", "", width = places + 1, zeros = exponent.max(0) as usize);
    let (whole, fraction) = text.split_at(text.len() - places);
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Serde also reads a struct from an array of its fields; the schema does not know that form.
pub(super) fn same_shape(written: &Value, read: &Value) -> bool {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            read.iter().all(|(name, member)| written.get(name).is_none_or(|written| same_shape(written, member)))
        }
        (Value::Array(written), Value::Array(read)) => {
            written.len() == read.len() && written.iter().zip(read).all(|(written, read)| same_shape(written, read))
        }
        (written, read) => !written.is_array() && !written.is_object() && !read.is_array() && !read.is_object(),
    }
}

/// Members in the order of their names, all the way down.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().map(|(name, member)| (name, sorted(member))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
