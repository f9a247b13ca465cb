//! A Timing in parts (<https://hl7.org/fhir/R4/datatypes.html#Timing>): when a drug is taken, how often, for how long.

use serde_json::Value;

use super::concept::words;
use super::dosage::named;
use super::labels::{count, label, word};
use super::quantity::{period, quantity, range};

/// The parts of a Timing, as recorded.
pub(super) fn timing(language: &str, timing: &Value) -> Vec<String> {
    let mut parts: Vec<String> = timing.get("code").and_then(words).into_iter().collect();
    let events = texts(timing.get("event"));
    if !events.is_empty() {
        parts.push(events.join(", "));
    }
    let Some(repeat) = timing.get("repeat") else { return parts };
    parts.extend(frequency(language, repeat));
    parts.extend(moments(language, repeat));
    parts
        .extend(span(repeat, "duration").map(|(amount, unit)| {
            named(language, "lasting", &format!("{amount} {}", count(language, &unit, &amount)))
        }));
    parts.extend(between(repeat, "count").map(|number| named(language, "count", &number)));
    let length = repeat.get("boundsDuration").and_then(quantity).or_else(|| range(repeat.get("boundsRange")?));
    parts.extend(length.map(|length| named(language, "duration", &length)));
    parts.extend(repeat.get("boundsPeriod").and_then(period).map(|period| named(language, "period", &period)));
    parts
}

/// `2 times / day`; a period without a frequency is an interval: how often within it is not said.
fn frequency(language: &str, repeat: &Value) -> Option<String> {
    let often = between(repeat, "frequency").map(|number| format!("{number} {}", count(language, "time", &number)));
    let every = span(repeat, "period").map(|(amount, unit)| {
        let unit = count(language, &unit, &amount);
        if amount == "1" { unit } else { format!("{amount} {unit}") }
    });
    match (often, every) {
        (Some(often), Some(every)) => Some(format!("{often} / {every}")),
        (Some(often), None) => Some(often),
        (None, every) => every.map(|every| named(language, "interval", &every)),
    }
}

/// Days of the week, times of the day, meals and sleep.
fn moments(language: &str, repeat: &Value) -> Option<String> {
    let coded = |name: &str| texts(repeat.get(name)).into_iter().map(|code| word(language, "when", &code));
    let mut shown: Vec<String> = coded("dayOfWeek").collect();
    shown.extend(texts(repeat.get("timeOfDay")));
    shown.extend(coded("when"));
    if let Some(minutes) = repeat.get("offset") {
        shown.push(format!("{} {minutes} {}", label(language, "offset"), count(language, "min", &minutes.to_string())));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// An amount of time with the code of its unit.
fn span(repeat: &Value, name: &str) -> Option<(String, String)> {
    let unit = repeat.get(format!("{name}Unit")).and_then(Value::as_str).unwrap_or("");
    Some((between(repeat, name)?, unit.to_owned()))
}

/// `2`, or `2–3` where a maximum stands beside it.
fn between(repeat: &Value, name: &str) -> Option<String> {
    let number = |name: &str| match repeat.get(name) {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match (number(name), number(&format!("{name}Max"))) {
        (Some(least), Some(most)) => Some(format!("{least}–{most}")),
        (one, None) => one,
        (None, Some(most)) => Some(format!("≤ {most}")),
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let listed = list.and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeat_is_read_in_three_languages() {
        let twice = json!({"repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "when": ["PCM", "PCV"]}});
        assert_eq!(timing("en", &twice), ["2 times / day", "after breakfast, after dinner"]);
        assert_eq!(timing("fr", &twice), ["2 fois / jour", "après le petit-déjeuner, après le souper"]);
        assert_eq!(timing("ja", &twice), ["2 回 / 日", "朝食後, 夕食後"]);
    }

    #[test]
    fn ranges_days_and_bounds_are_read() {
        let weekly = json!({"code": {"text": "weekly"}, "repeat": {"frequency": 1, "frequencyMax": 2, "period": 8,
            "periodUnit": "h", "dayOfWeek": ["mon"], "timeOfDay": ["08:00:00"], "count": 10, "duration": 30, "durationUnit": "min",
            "boundsPeriod": {"start": "2026-01-05", "end": "2026-02-01"}}});
        assert_eq!(
            timing("en", &weekly),
            [
                "weekly",
                "1–2 times / 8 hours",
                "Monday, 08:00:00",
                "each over: 30 min",
                "number of times: 10",
                "period: 2026-01-05 – 2026-02-01"
            ]
        );
    }

    #[test]
    fn a_frequency_that_is_not_given_is_not_supposed() {
        assert_eq!(timing("en", &json!({"repeat": {"period": 3, "periodUnit": "wk"}})), ["interval: 3 weeks"]);
        assert_eq!(timing("en", &json!({"repeat": {"when": ["XYZ"]}})), ["XYZ"]);
    }
}
