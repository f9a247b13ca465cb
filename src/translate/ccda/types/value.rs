//! ANY → value[x], by its `xsi:type`.

use crate::fhir::tree::Value;
use roxmltree::Node;

use super::text::referenced;
use super::{Placed, child, coded, quantity, time, type_of};
use crate::translate::ccda::work::Work;
use crate::translate::datatypes::number;

/// The value of an observation. A value of a type that R4 has no place for stays raw.
pub(crate) fn any<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Placed> {
    let placed = |suffix, value: Option<Value>| value.map(|value| Placed { suffix, value });
    match type_of(node) {
        "CD" | "CE" | "CV" | "CO" | "CS" | "CR" => placed("CodeableConcept", coded::concept(work, node)),
        "PQ" => placed("Quantity", quantity::quantity(work, node)).or_else(|| translated(work, node)),
        "INT" => placed("Integer", quantity::integer(work, node)),
        "REAL" | "MO" => placed("Quantity", quantity::quantity(work, node)),
        "IVL_PQ" | "IVL_INT" | "IVL_REAL" => quantity::amount(work, node),
        "ST" | "ED" => placed("String", referenced(work, node).map(Value::from)),
        "BL" => {
            let value = work.attribute(node, "value").and_then(|text| text.parse::<bool>().ok());
            placed("Boolean", value.map(Value::Bool))
        }
        "TS" => placed("DateTime", time::date_time(work, node)),
        "IVL_TS" => placed("Period", time::period(work, node)),
        "RTO" | "RTO_PQ_PQ" | "RTO_QTY_QTY" => placed("Ratio", quantity::ratio(work, node)),
        "" if node.attribute("code").is_some() => placed("CodeableConcept", coded::concept(work, node)),
        "" if node.attribute("value").is_some_and(|text| number::parse(text).is_some()) => {
            placed("Quantity", quantity::quantity(work, node))
        }
        "" => placed("String", referenced(work, node).map(Value::from)),
        _ => None,
    }
}

/// A quantity that has no value of its own may say in words what it is.
fn translated<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Placed> {
    let text = child(node, "translation")
        .and_then(|translation| child(translation, "originalText"))
        .or_else(|| child(node, "originalText"))?;
    referenced(work, text).map(|text| Placed { suffix: "String", value: Value::from(text) })
}
