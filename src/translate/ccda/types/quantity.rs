//! PQ, IVL_PQ, RTO, INT → Quantity, Range, Ratio, Age, positiveInt. Units are UCUM by the definition of PQ.

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::{Placed, child, type_of};
use crate::fhir::systems;
use crate::translate::ccda::query::Hit;
use crate::translate::ccda::work::Work;
use crate::translate::datatypes::number;

/// → Quantity. An interval with one end is that end with a comparator; with two it is no Quantity.
pub(crate) fn quantity<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    if node.attribute("value").is_some() {
        return simple(work, node, None);
    }
    match (bound(node, "low"), bound(node, "high")) {
        (Some(low), None) => simple(work, low, Some(if is_open(low) { ">" } else { ">=" })),
        (None, Some(high)) => simple(work, high, Some(if is_open(high) { "<" } else { "<=" })),
        (None, None) => {
            let translation = child(node, "translation").or_else(|| child(node, "center"))?;
            simple(work, translation, None)
        }
        _ => None,
    }
}

fn is_open(node: Node<'_, '_>) -> bool {
    node.attribute("inclusive") == Some("false")
}

fn bound<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    child(node, name).filter(|end| end.attribute("value").is_some())
}

fn simple<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, comparator: Option<&str>) -> Option<Value> {
    let text = node.attribute("value")?;
    let Some(value) = number::parse(text) else {
        work.dropped(&Hit { node, attribute: None }, "it is not a number");
        return None;
    };
    work.attribute(node, "value");
    let mut quantity = Map::new();
    quantity.insert("value", Value::Number(value));
    if let Some(comparator) = comparator {
        work.attribute(node, "inclusive");
        quantity.insert("comparator", json!(comparator));
    }
    // The default unit of PQ is 1: a pure number.
    if let Some(unit) = work.attribute(node, "unit").filter(|unit| *unit != "1") {
        quantity.insert("unit", json!(unit));
        if unit.bytes().all(|b| (33..127).contains(&b)) {
            quantity.insert("system", json!(systems::UCUM));
            quantity.insert("code", json!(unit));
        }
    }
    Some(Value::Object(quantity))
}

/// → Range.
pub(crate) fn range<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut range = Map::new();
    for end in ["low", "high"] {
        if let Some(quantity) = bound(node, end).and_then(|end| simple(work, end, None)) {
            range.insert(end.to_owned(), quantity);
        }
    }
    (!range.is_empty()).then_some(Value::Object(range))
}

/// → Quantity for a value, Range for an interval of two ends.
pub(crate) fn amount<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Placed> {
    if bound(node, "low").is_some() && bound(node, "high").is_some() {
        return range(work, node).map(|value| Placed { suffix: "Range", value });
    }
    quantity(work, node).map(|value| Placed { suffix: "Quantity", value })
}

/// → Ratio.
pub(crate) fn ratio<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let numerator = child(node, "numerator").and_then(|part| simple(work, part, None))?;
    let denominator = child(node, "denominator").and_then(|part| simple(work, part, None))?;
    Some(json!({"numerator": numerator, "denominator": denominator}))
}

/// → Age: a quantity of time.
pub(crate) fn age<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let quantity = simple(work, node, None)?;
    let is_time = matches!(quantity["unit"].as_str(), Some("a" | "mo" | "wk" | "d" | "h" | "min"));
    if !is_time {
        work.dropped(&Hit { node, attribute: None }, "an age is told in a unit of time");
    }
    is_time.then_some(quantity)
}

/// → positiveInt.
pub(crate) fn positive_int<'a>(work: &mut Work<'a>, hit: &Hit<'a>) -> Option<Value> {
    let text = match &hit.attribute {
        Some(attribute) => {
            work.book(hit.node, attribute);
            attribute.value()
        }
        None => work.attribute(hit.node, "value")?,
    };
    text.trim().parse::<u32>().ok().filter(|number| (1..=2_147_483_647).contains(number)).map(|number| json!(number))
}

/// INT as a value: → integer.
pub(crate) fn integer<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    debug_assert!(type_of(node) != "PQ");
    let number: i32 = node.attribute("value")?.trim().parse().ok()?;
    work.attribute(node, "value");
    Some(json!(number))
}
