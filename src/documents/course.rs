//! Whether a medication's own dates say that it is over. The recorded status is not touched: many systems leave an old
//! prescription `active`, and a reader must still see that its days have passed.
//!
//! Nothing is concluded from silence. A dosage without an end has none; an order that may be dispensed again can outlast
//! the days of one supply; and days of use that are spread out (every other day) are no span.

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;

use super::dosage::{dosages, period_of_use};

/// The last day of a medication that was over at `at`, at the precision of the record.
pub fn ended(resource: &Value, at: &str) -> Option<String> {
    let (day, shown) = last_day(resource)?;
    // Over everywhere: the hospital's zone is not known here, and the westernmost one is twelve hours behind UTC.
    let at: Timestamp = at.parse().ok()?;
    let today = at.checked_sub(SignedDuration::from_hours(12)).ok()?.to_zoned(TimeZone::UTC).date();
    (day < today).then_some(shown)
}

/// Whether a medication belongs behind the current ones: over by its dates or by its status.
pub fn is_past(resource: &Value, at: &str) -> bool {
    let status = resource.get("status").and_then(Value::as_str);
    matches!(status, Some("completed" | "stopped")) || ended(resource, at).is_some()
}

fn last_day(resource: &Value) -> Option<(Date, String)> {
    let whole = resource.pointer("/effectivePeriod/end").and_then(Value::as_str).and_then(end);
    let is_repeated = resource
        .pointer("/dispenseRequest/numberOfRepeatsAllowed")
        .and_then(Value::as_u64)
        .is_some_and(|repeats| repeats > 0);
    let start = resource.pointer("/effectivePeriod/start").and_then(Value::as_str);
    let parts: Vec<Option<(Date, String)>> =
        dosages(resource).map(|dosage| dosage_end(dosage, start, is_repeated)).collect();
    let latest = parts.iter().flatten().max().cloned();
    match (whole, latest) {
        (Some(whole), Some(latest)) => Some(whole.max(latest)),
        (Some(whole), None) => Some(whole),
        // One part without an end keeps the whole going.
        (None, latest) => latest.filter(|_| parts.iter().all(Option::is_some)),
    }
}

fn dosage_end(dosage: &Value, whole_start: Option<&str>, is_repeated: bool) -> Option<(Date, String)> {
    let bounds = dosage.pointer("/timing/repeat/boundsPeriod");
    let of = |period: Option<&Value>, name: &str| Some(period?.get(name)?.as_str()?.to_owned());
    let stated = [period_of_use(dosage), bounds].into_iter().find_map(|period| of(period, "end"));
    if let Some(stated) = stated {
        return end(&stated);
    }
    if is_repeated || is_spread(dosage) {
        return None;
    }
    let start = [period_of_use(dosage), bounds].into_iter().find_map(|period| of(period, "start"));
    let start = start.or_else(|| whole_start.map(str::to_owned))?;
    let first: Date = start.get(..10)?.parse().ok()?;
    let after = first.checked_add(length(dosage.pointer("/timing/repeat/boundsDuration")?)?).ok()?;
    let last = after.yesterday().ok()?;
    Some((last, last.to_string()))
}

/// JAMI usage supplements of the kinds `I` (interval of days) and `W` (days of the week): the days counted are days of
/// use, which lie apart.
fn is_spread(dosage: &Value) -> bool {
    let supplements = dosage.get("additionalInstruction").and_then(Value::as_array).into_iter().flatten();
    let has_days = dosage.pointer("/timing/repeat/dayOfWeek").is_some();
    has_days || supplements.flat_map(crate::fhir::codings).any(|(_, code)| code.starts_with(['I', 'W']))
}

fn length(duration: &Value) -> Option<Span> {
    let number: i64 = duration.get("value")?.to_string().parse().ok().filter(|number| (1..=36_500).contains(number))?;
    match duration.get("code").and_then(Value::as_str)? {
        "d" => Some(number.days()),
        "wk" => Some(number.weeks()),
        "mo" => Some(number.months()),
        _ => None,
    }
}

/// The last day of a date of any precision.
fn end(text: &str) -> Option<(Date, String)> {
    let day = match text.len() {
        4 => Date::new(text.parse().ok()?, 12, 31).ok()?,
        7 => format!("{text}-01").parse::<Date>().ok()?.last_of_month(),
        _ => text.get(..10)?.parse().ok()?,
    };
    Some((day, text.get(..10).unwrap_or(text).to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-03-03T14:00:00.000Z";

    fn used(start: &str, dosage: Value) -> Value {
        let mut dosage = dosage;
        dosage["extension"] = json!([{
            "url": "https://watari.dev/fhir/StructureDefinition/period-of-use", "valuePeriod": {"start": start}
        }]);
        json!({"resourceType": "MedicationRequest", "status": "active", "dosageInstruction": [dosage]})
    }

    fn days(number: u32) -> Value {
        json!({"timing": {"repeat": {"boundsDuration": {"value": number, "code": "d"}}}})
    }

    #[test]
    fn start_and_days_give_the_last_day() {
        assert_eq!(ended(&used("2026-01-05", days(14)), NOW).as_deref(), Some("2026-01-18"));
        // The last day itself, wherever the hospital is, is not yet over.
        assert_eq!(ended(&used("2026-03-01", days(3)), "2026-03-04T11:59:00Z"), None);
        assert_eq!(ended(&used("2026-03-01", days(3)), "2026-03-04T12:01:00Z").as_deref(), Some("2026-03-03"));
    }

    #[test]
    fn a_stated_end_counts_at_its_precision() {
        let until = |end: &str| json!({"resourceType": "MedicationStatement", "effectivePeriod": {"end": end}});
        assert_eq!(ended(&until("2026-02"), NOW).as_deref(), Some("2026-02"));
        assert_eq!(ended(&until("2026-03"), NOW), None);
        assert_eq!(ended(&until("2026"), NOW), None);
        assert_eq!(ended(&until("2026-02-01T10:00:00+09:00"), NOW).as_deref(), Some("2026-02-01"));
    }

    #[test]
    fn silence_ends_nothing() {
        assert_eq!(ended(&used("2026-01-05", json!({})), NOW), None);
        assert_eq!(ended(&used("2026", days(14)), NOW), None);
        let no_start = json!({"authoredOn": "2020-01-01", "dosageInstruction": [days(14)]});
        assert_eq!(ended(&no_start, NOW), None);
        let mut open = used("2026-01-05", days(14));
        open["dosageInstruction"].as_array_mut().unwrap().push(json!({"text": "then one a day"}));
        assert_eq!(ended(&open, NOW), None);
    }

    #[test]
    fn refills_and_days_apart_are_no_span() {
        let mut refilled = used("2026-01-05", days(30));
        refilled["dispenseRequest"] = json!({"numberOfRepeatsAllowed": 3});
        assert_eq!(ended(&refilled, NOW), None);
        let mut spread = days(14);
        spread["additionalInstruction"] = json!([{"coding": [{"code": "I1100000", "display": "１日おき"}]}]);
        assert_eq!(ended(&used("2026-01-05", spread), NOW), None);
    }

    #[test]
    fn what_was_stopped_is_past_without_dates() {
        assert!(is_past(&json!({"status": "stopped"}), NOW));
        assert!(!is_past(&json!({"status": "active"}), NOW));
    }
}
