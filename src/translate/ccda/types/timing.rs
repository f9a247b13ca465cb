//! PIVL_TS, EIVL_TS → Timing (R4 datatypes, Timing.repeat).

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::{child, time, type_of};
use crate::translate::ccda::work::Work;
use crate::translate::datatypes::number;

/// → Timing; `None` where the rhythm is not told.
pub(crate) fn timing<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut repeat = Map::new();
    match type_of(node) {
        "EIVL_TS" => event(work, node, &mut repeat)?,
        "PIVL_TS" => periodic(work, node, &mut repeat)?,
        _ => return time::date_time(work, node).map(|moment| json!({"event": [moment]})),
    }
    work.attribute(node, "operator");
    Some(json!({"repeat": repeat}))
}

fn periodic<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, repeat: &mut Map) -> Option<()> {
    let period = child(node, "period")?;
    let (from, to) = (child(period, "low"), child(period, "high"));
    let least = if period.attribute("value").is_some() { period } else { from.or(to)? };
    let unit = least.attribute("unit").filter(|unit| matches!(*unit, "s" | "min" | "h" | "d" | "wk" | "mo" | "a"))?;
    repeat.insert("frequency", json!(1));
    repeat.insert("period", Value::Number(number::parse(least.attribute("value")?)?));
    work.attribute(least, "value");
    work.attribute(least, "unit");
    if let Some(most) = to.filter(|most| *most != least && most.attribute("unit") == Some(unit))
        && let Some(value) = most.attribute("value").and_then(number::parse)
    {
        repeat.insert("periodMax", Value::Number(value));
        work.attribute(most, "value");
        work.attribute(most, "unit");
    }
    repeat.insert("periodUnit", json!(unit));
    // Whether the institution chooses the clock times is a way of saying "2 times a day" rather than "every 12 hours".
    work.attribute(node, "institutionSpecified");
    if let Some(phase) = child(node, "phase").and_then(|phase| time::period(work, phase)) {
        repeat.insert("boundsPeriod", phase);
    }
    Some(())
}

/// Event codes of TimingEvent are those of FHIR's event-timing.
fn event<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, repeat: &mut Map) -> Option<()> {
    const EVENTS: [&str; 14] =
        ["HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"];
    let event = child(node, "event")?;
    let code = event.attribute("code").filter(|code| EVENTS.contains(code))?;
    work.attribute(event, "code");
    repeat.insert("when", json!([code]));
    Some(())
}
