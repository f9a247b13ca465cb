//! TS, IVL_TS → date, dateTime, Period.

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::{Placed, child};
use crate::translate::ccda::query::Hit;
use crate::translate::ccda::work::Work;
use crate::translate::datatypes::time::{Moment, read};

/// The moment in `@value`, booked.
pub(crate) fn moment<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Moment> {
    let text = node.attribute("value").map(str::trim).filter(|text| !text.is_empty())?;
    match read(text, &work.setting.zone) {
        Some(moment) => {
            work.attribute(node, "value");
            work.note_time(&moment);
            Some(moment)
        }
        None => {
            work.dropped(&Hit { node, attribute: None }, "it is not a date or time of the calendar");
            None
        }
    }
}

/// The moment, or where an interval begins, else its centre, else its end.
fn point<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Moment> {
    if let Some(moment) = moment(work, node) {
        return Some(moment);
    }
    ["low", "center"].iter().find_map(|part| child(node, part).and_then(|part| moment(work, part)))
}

/// → dateTime.
pub(crate) fn date_time<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    point(work, node).map(|moment| json!(moment.date_time()))
}

/// → instant; `None` for a moment without a time of day.
pub(crate) fn instant<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let text = node.attribute("value")?;
    read(text, &work.setting.zone)?.instant()?;
    moment(work, node).map(|moment| json!(moment.date_time()))
}

/// → date.
pub(crate) fn date<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    point(work, node).map(|moment| json!(moment.date()))
}

/// → Period. A single moment is where it begins and ends.
pub(crate) fn period<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut period = Map::new();
    if let Some(moment) = moment(work, node) {
        let text = moment.date_time();
        return Some(json!({"start": &text, "end": text}));
    }
    for (part, element) in [("low", "start"), ("high", "end")] {
        if let Some(moment) = child(node, part).and_then(|part| moment(work, part)) {
            period.insert(element.to_owned(), json!(moment.date_time()));
        }
    }
    (!period.is_empty()).then_some(Value::Object(period))
}

/// → dateTime for a moment, Period for an interval.
pub(crate) fn when<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Placed> {
    if let Some(moment) = moment(work, node).or_else(|| child(node, "center").and_then(|node| moment(work, node))) {
        return Some(Placed { suffix: "DateTime", value: json!(moment.date_time()) });
    }
    period(work, node).map(|value| Placed { suffix: "Period", value })
}
