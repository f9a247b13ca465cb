//! The form as a cohort question, and back: rows of "must have" joined by AND, rows of "must not have" of which none may
//! hold, and an age. Values keep the digits that were typed.

use serde_json::{Map, Number, Value, json};

use super::choices::{self, Choice};
use crate::web::form::Fields;
use crate::web::texts::Texts;

/// Rows offered.
pub const MUST: usize = 4;
/// Rows offered.
pub const MUST_NOT: usize = 3;
/// Version of the question's language.
const VERSION: &str = "watari-cohort/1";

/// What is wrong with a row: its name, and a message.
pub type RowError = (String, String);

/// Builds the question, or lists what is wrong by row.
pub fn question(texts: &Texts, fields: &Fields) -> Result<Value, Vec<RowError>> {
    let mut errors = Vec::new();
    let mut inclusion = Vec::new();
    let mut exclusion = Vec::new();
    match age(texts, fields) {
        Ok(Some(criterion)) => inclusion.push(json!([criterion])),
        Ok(None) => {}
        Err(message) => errors.push(("age".to_owned(), message)),
    }
    for (prefix, rows, groups) in [("must", MUST, &mut inclusion), ("not", MUST_NOT, &mut exclusion)] {
        for number in 1..=rows {
            let row = format!("{prefix}-{number}");
            match criterion(texts, fields, &row) {
                Ok(Some(criterion)) => groups.push(json!([criterion])),
                Ok(None) => {}
                Err(message) => errors.push((row, message)),
            }
        }
    }
    if errors.is_empty() && inclusion.is_empty() {
        errors.push(("must-1".to_owned(), texts.say("cohort-nothing-asked")));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut question = json!({"version": VERSION, "inclusion": inclusion});
    if !exclusion.is_empty() {
        question["exclusion"] = Value::Array(exclusion);
    }
    Ok(question)
}

/// One row: nothing chosen gives nothing.
fn criterion(texts: &Texts, fields: &Fields, row: &str) -> Result<Option<Value>, String> {
    let get = |part: &str| fields.get(&format!("{row}-{part}"));
    let Some(choice) = choices::by_key(get("code")) else {
        // A value without a choice is a mistake, not a question.
        return if get("value").is_empty() { Ok(None) } else { Err(texts.say("cohort-code-missing")) };
    };
    let mut criterion = Map::new();
    criterion.insert("context".to_owned(), json!(choice.group.context()));
    criterion.insert("termCodes".to_owned(), term_codes(choice));
    if !get("value").is_empty() {
        if choice.group != choices::Group::Laboratory {
            return Err(texts.say("cohort-value-without-measure"));
        }
        let value = decimal(get("value")).ok_or_else(|| texts.say("cohort-value-unreadable"))?;
        let comparator = choices::COMPARATORS.iter().map(|(code, _)| *code).find(|code| *code == get("comparator"));
        let comparator = comparator.ok_or_else(|| texts.say("cohort-comparator-missing"))?;
        let unit = choices::UNITS.into_iter().find(|unit| *unit == get("unit"));
        let unit = unit.ok_or_else(|| texts.say("cohort-unit-missing"))?;
        criterion.insert(
            "valueFilter".to_owned(),
            json!({"type": "quantity-comparator", "comparator": comparator, "value": value, "unit": {"code": unit}}),
        );
    }
    Ok(Some(Value::Object(criterion)))
}

fn term_codes(choice: &Choice) -> Value {
    choice.codes.iter().map(|code| json!({"system": choice.system, "code": code})).collect()
}

/// Completed years, either end open.
fn age(texts: &Texts, fields: &Fields) -> Result<Option<Value>, String> {
    let end = |name: &str| match fields.get(name) {
        "" => Ok(None),
        text => match text.parse::<u16>() {
            Ok(years) if years <= 150 => Ok(Some(years)),
            _ => Err(texts.say("cohort-age-unreadable")),
        },
    };
    let unit = json!({"code": "a"});
    let filter = match (end("age-from")?, end("age-to")?) {
        (None, None) => return Ok(None),
        (Some(from), Some(to)) if from > to => return Err(texts.say("cohort-age-backwards")),
        (Some(from), Some(to)) => json!({"type": "quantity-range", "minValue": from, "maxValue": to, "unit": unit}),
        (Some(from), None) => json!({"type": "quantity-comparator", "comparator": "ge", "value": from, "unit": unit}),
        (None, Some(to)) => json!({"type": "quantity-comparator", "comparator": "le", "value": to, "unit": unit}),
    };
    Ok(Some(json!({"context": "age", "valueFilter": filter})))
}

/// A decimal as typed; a comma counts as the decimal sign of French.
fn decimal(text: &str) -> Option<Number> {
    let text = text.replace(',', ".");
    let plain = text.len() <= 18
        && text.split('.').count() <= 2
        && !text.starts_with('.')
        && !text.ends_with('.')
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { serde_json::from_str(&text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn built(pairs: &[(&str, &str)]) -> Result<Value, Vec<RowError>> {
        question(Texts::of(Language::En), &fields(pairs))
    }

    #[test]
    fn the_form_becomes_a_question() {
        let question = built(&[
            ("age-from", "40"),
            ("age-to", "75"),
            ("must-1-code", "hba1c"),
            ("must-1-comparator", "ge"),
            ("must-1-value", "7,0"),
            ("must-1-unit", "%"),
            ("must-3-code", "metformin"),
            ("not-1-code", "kidney-disease"),
        ])
        .unwrap();
        assert_eq!(question["inclusion"].as_array().unwrap().len(), 3);
        assert_eq!(
            question["inclusion"][1][0].to_string(),
            r#"{"context":"observation","termCodes":[{"system":"http://loinc.org","code":"4548-4"}],"valueFilter":{"type":"quantity-comparator","comparator":"ge","value":7.0,"unit":{"code":"%"}}}"#
        );
        assert_eq!(question["exclusion"][0][0]["context"], "condition");
    }

    #[test]
    fn what_is_incomplete_is_not_guessed() {
        let wrong: [&[(&str, &str)]; 8] = [
            &[],
            &[("must-1-value", "7")],
            &[("must-1-code", "hba1c"), ("must-1-value", "7"), ("must-1-comparator", "ge")],
            &[("must-1-code", "hba1c"), ("must-1-value", "7"), ("must-1-unit", "%")],
            &[("must-1-code", "hba1c"), ("must-1-value", "1e3"), ("must-1-unit", "%"), ("must-1-comparator", "ge")],
            &[("must-1-code", "diabetes-2"), ("must-1-value", "7"), ("must-1-unit", "%"), ("must-1-comparator", "ge")],
            &[("age-from", "80"), ("age-to", "40")],
            &[("age-from", "old")],
        ];
        for pairs in wrong {
            assert_eq!(built(pairs).unwrap_err().len(), 1, "{pairs:?}");
        }
    }
}
