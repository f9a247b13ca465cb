//! A question as one sentence. Read from the stored JSON, so that it says what was really asked.

use serde_json::Value;

use super::choices;
use crate::web::texts::Texts;

/// The sentence.
pub fn sentence(texts: &Texts, question: &Value) -> String {
    let inclusion = groups(question, "inclusion")
        .map(|group| {
            let any: Vec<String> = group.iter().map(|one| criterion(texts, one)).collect();
            joined(&any, &texts.say("explain-or"))
        })
        .collect::<Vec<_>>()
        .join(&texts.say("explain-and"));
    let exclusion = groups(question, "exclusion")
        .map(|group| {
            let all: Vec<String> = group.iter().map(|one| criterion(texts, one)).collect();
            joined(&all, &texts.say("explain-with"))
        })
        .collect::<Vec<_>>()
        .join(&texts.say("explain-nor"));
    if exclusion.is_empty() {
        texts.fill("explain-inclusion", "inclusion", &inclusion)
    } else {
        texts.with("explain-both", &[("inclusion", &inclusion), ("exclusion", &exclusion)])
    }
}

fn groups<'a>(question: &'a Value, name: &str) -> impl Iterator<Item = &'a Vec<Value>> {
    question.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array)
}

fn joined(parts: &[String], separator: &str) -> String {
    if parts.len() > 1 { format!("({})", parts.join(separator)) } else { parts.concat() }
}

fn criterion(texts: &Texts, criterion: &Value) -> String {
    let filter = criterion.get("valueFilter").map(|filter| value(texts, filter)).unwrap_or_default();
    if criterion.get("context").and_then(Value::as_str) == Some("age") {
        return texts.fill("explain-age", "range", &filter);
    }
    let name = name(texts, criterion);
    if filter.is_empty() { name } else { format!("{name} {filter}") }
}

/// The word of the form for the codes, else the question's own word, else the codes.
fn name(texts: &Texts, criterion: &Value) -> String {
    let codes = criterion.get("termCodes").and_then(Value::as_array).into_iter().flatten();
    let text = |code: &Value, name: &str| code.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let mut names: Vec<String> = Vec::new();
    for code in codes {
        let (system, value, display) = (text(code, "system"), text(code, "code"), text(code, "display"));
        let name = match choices::by_code(&system, &value) {
            Some(choice) => texts.say(&format!("choice-{}", choice.key)),
            None if display.is_empty() => value,
            None => format!("{display} [{value}]"),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" / ")
}

/// `≥ 7.0 %`, `40–75`.
fn value(texts: &Texts, filter: &Value) -> String {
    let number = |name: &str| filter.get(name).and_then(Value::as_number).map(ToString::to_string);
    let unit = match filter.pointer("/unit/code").and_then(Value::as_str).unwrap_or("") {
        "a" => texts.say("explain-years"),
        other => other.to_owned(),
    };
    let text = match (number("value"), number("minValue"), number("maxValue")) {
        (Some(value), _, _) => {
            let code = filter.get("comparator").and_then(Value::as_str).unwrap_or("eq");
            let sign = match code {
                "ne" => "≠",
                _ => choices::COMPARATORS.iter().find(|(one, _)| *one == code).map_or("=", |(_, sign)| *sign),
            };
            format!("{sign} {value}")
        }
        (None, Some(low), Some(high)) => format!("{low}–{high}"),
        (None, Some(low), None) => format!("≥ {low}"),
        (None, None, Some(high)) => format!("≤ {high}"),
        (None, None, None) => return String::new(),
    };
    format!("{text} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;

    #[test]
    fn a_question_reads_as_a_sentence() {
        let question: Value = serde_json::from_str(
            r#"{"inclusion":[[{"context":"age","valueFilter":{"type":"quantity-range","minValue":40,"maxValue":75,"unit":{"code":"a"}}}],
                [{"context":"observation","termCodes":[{"system":"http://loinc.org","code":"4548-4"}],
                  "valueFilter":{"comparator":"ge","value":7.0,"unit":{"code":"%"}}},
                 {"context":"condition","termCodes":[{"system":"x","code":"C34","display":"Lung cancer"}]}]],
               "exclusion":[[{"context":"medication","termCodes":[{"system":"http://www.whocc.no/atc","code":"A10BA02"}]}]]}"#,
        )
        .unwrap();
        assert_eq!(
            sentence(Texts::of(Language::En), &question),
            "Patients with age 40–75 years and (HbA1c ≥ 7.0 % or Lung cancer [C34]), but without metformin."
        );
        let japanese = sentence(Texts::of(Language::Ja), &question);
        assert!(japanese.contains("40–75 歳") && japanese.contains("7.0 %"), "{japanese}");
    }
}
