//! OBX-5 by the type in OBX-2 → value[x].
//!
//! A number that is written with a comparator, as `< 0.5` or `0.5未満`, becomes a Quantity with it (`fhir::spelled`).
//! Anything that is not plainly a number stays the text it was: `1+` is not 1. Several values become components of the same
//! code; none is lost.

use std::sync::LazyLock;

use crate::fhir::tree::{Map, Number, Text, Value, json};

use super::quantity::Unit;
use super::text::clean;
use super::{Placed, attachment, coded, name, number, party, time};
use crate::config::Country;
use crate::fhir::spelled::{self, Spelled};
use crate::fhir::systems;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;
use crate::translate::rows::reference::FieldRefs;

/// Where the unit of a result stands.
static UNIT: LazyLock<FieldRefs> = LazyLock::new(|| "OBX-6".parse().unwrap_or_default());

/// One cell of a table that holds a result.
pub(crate) fn result(row: &Row, context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Placed> {
    let unit = row.unit.clone().unwrap_or_default();
    let piece = pieces.iter().find(|piece| !piece.is_empty());
    piece
        .and_then(|piece| numeric(context, piece, &unit))
        .map(|(element, value)| placed(element, value))
        .into_iter()
        .collect()
}

/// The values of an OBX.
pub(crate) fn values(context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Placed> {
    let kind = context.text("OBX", 2).unwrap_or_default();
    let pieces: Vec<&Piece<'_>> = pieces.iter().filter(|piece| !piece.is_empty()).collect();
    if is_text(&kind) {
        if let [piece] = pieces.as_slice()
            && kind == "ST"
            && is_quantity_in_text(context, piece, &UNIT)
        {
            return numeric(context, piece, &UNIT).map(|(element, value)| placed(element, value)).into_iter().collect();
        }
        // Repetitions of text are lines of one text.
        let lines: Vec<Text> =
            pieces.iter().filter_map(|piece| piece.take_whole().and_then(|text| clean(&text))).collect();
        return if lines.is_empty() { Vec::new() } else { vec![placed("valueString", json!(lines.join("\n")))] };
    }
    let mut found: Vec<(&'static str, Value)> =
        pieces.iter().filter_map(|piece| value(context, piece, &kind, &UNIT)).collect();
    if found.len() == 1 {
        return found.pop().map(|(element, value)| placed(element, value)).into_iter().collect();
    }
    let code = context.observation_code();
    found
        .into_iter()
        .map(|(element, value)| {
            let mut component = Map::new();
            component.insert("code", code.clone());
            component.insert(element, value);
            placed("component[]", Value::Object(component))
        })
        .collect()
}

fn placed(path: &'static str, value: Value) -> Placed {
    Placed { path: Some(path), value }
}

fn is_text(kind: &str) -> bool {
    matches!(kind, "ST" | "TX" | "FT")
}

fn value(context: &Context<'_>, piece: &Piece<'_>, kind: &str, unit: &FieldRefs) -> Option<(&'static str, Value)> {
    match kind {
        "NM" => numeric(context, piece, unit),
        "SN" => structured(context, piece, unit),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => coded_value(context, piece, kind),
        "DT" | "TS" | "DTM" => match time::date_time(context, piece) {
            Some(time) => Some(("valueDateTime", time)),
            None => text(piece),
        },
        "DR" => time::period(context, piece).map(|period| ("valuePeriod", period)),
        // A person: the name says who it was; a number alone says it to the sender only.
        "XCN" | "XPN" => person(context, piece, kind).or_else(|| text(piece)),
        "ED" => attachment::ed(piece).map(|_| ("valueString", json!("(attachment)"))),
        _ => text(piece),
    }
}

fn text(piece: &Piece<'_>) -> Option<(&'static str, Value)> {
    piece.take_whole().and_then(|text| clean(&text)).map(|text| ("valueString", json!(text)))
}

fn person(context: &Context<'_>, piece: &Piece<'_>, kind: &str) -> Option<(&'static str, Value)> {
    let name = if kind == "XCN" { name::of_xcn(context, piece) } else { name::xpn(context, piece) }?;
    let id = (kind == "XCN").then(|| piece.take(1)).flatten();
    let words = party::display_name(&name);
    let text = id.map_or_else(|| words.clone(), |id| format!("{words} ({id})"));
    Some(("valueString", json!(text)))
}

fn coded_value(context: &Context<'_>, piece: &Piece<'_>, kind: &str) -> Option<(&'static str, Value)> {
    if matches!(kind, "IS" | "ID") {
        return piece
            .take_whole()
            .and_then(|text| clean(&text))
            .map(|text| ("valueCodeableConcept", json!({"text": text})));
    }
    coded::plain_concept(context, piece).map(|concept| ("valueCodeableConcept", concept))
}

/// NM. Japanese senders put SN-style text, and words, where a number should be.
fn numeric(context: &Context<'_>, piece: &Piece<'_>, unit: &FieldRefs) -> Option<(&'static str, Value)> {
    let source = piece.take_whole()?;
    let thousands = context.setting.country == Country::Jp;
    match spelled::read(&source, thousands) {
        Spelled::Number { comparator: None, digits } => {
            if let Some(value) = number::parse(&digits) {
                return Some(("valueQuantity", unit_at(context, unit).quantity(value)));
            }
        }
        Spelled::Number { comparator: Some(comparator), digits } => {
            if let Some(value) = number::parse(&digits) {
                return Some(("valueQuantity", with_comparator(context, unit, comparator, value)));
            }
        }
        Spelled::Coded(code) => {
            let coding = json!({"system": format!("{}0078", systems::V2), "code": code});
            return Some(("valueCodeableConcept", json!({"coding": [coding], "text": clean(&source)?})));
        }
        Spelled::Grade(_) | Spelled::Other => {}
    }
    clean(&source).map(|text| ("valueString", json!(text)))
}

/// ST. Japanese senders write bounds (`0.5未満`) and numbers as text beside a unit; with the unit they are quantities.
fn is_quantity_in_text(context: &Context<'_>, piece: &Piece<'_>, unit: &FieldRefs) -> bool {
    context.setting.country == Country::Jp
        && context.with_piece(unit, |piece| !piece.is_empty()).unwrap_or_default()
        && piece.len() == 1
        && piece.get(1).is_some_and(|text| matches!(spelled::read(&text, true), Spelled::Number { .. }))
}

/// SN: comparator, number, separator, number.
fn structured(context: &Context<'_>, piece: &Piece<'_>, unit: &FieldRefs) -> Option<(&'static str, Value)> {
    let part = |n: usize| piece.get(n);
    let (first, second) =
        (part(2).and_then(|text| number::parse(&text)), part(4).and_then(|text| number::parse(&text)));
    let comparator = part(1).filter(|sign| sign != "=");
    let result = match (comparator.as_deref(), first, part(3).as_deref(), second) {
        (None, Some(value), None, None) => Some(("valueQuantity", unit_at(context, unit).quantity(value))),
        (Some(sign @ ("<" | ">" | "<=" | ">=")), Some(value), None, None) => {
            Some(("valueQuantity", with_comparator(context, unit, sign, value)))
        }
        (None, Some(low), Some("-"), Some(high)) => {
            let unit = unit_at(context, unit);
            Some(("valueRange", json!({"low": unit.quantity(low), "high": unit.quantity(high)})))
        }
        (None, Some(numerator), Some(":" | "/"), Some(denominator)) => {
            Some(("valueRatio", json!({"numerator": {"value": numerator}, "denominator": {"value": denominator}})))
        }
        _ => None,
    };
    if result.is_some() {
        piece.book_all();
        return result;
    }
    // `2+`, or one component that holds it all with spaces: read it as the text it makes.
    if piece.len() == 1 {
        return numeric(context, piece, unit);
    }
    let text: String = (1..=piece.len()).filter_map(part).collect();
    piece.book_all();
    clean(&text).map(|text| ("valueString", json!(text)))
}

fn unit_at(context: &Context<'_>, fields: &FieldRefs) -> Unit {
    context.with_piece(fields, |piece| Unit::read(context, &piece)).unwrap_or_default()
}

fn with_comparator(context: &Context<'_>, unit: &FieldRefs, sign: &str, value: Number) -> Value {
    let mut quantity = Map::new();
    quantity.insert("value", Value::Number(value));
    quantity.insert("comparator", json!(sign));
    unit_at(context, unit).write(&mut quantity);
    Value::Object(quantity)
}
