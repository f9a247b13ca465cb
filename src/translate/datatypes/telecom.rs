//! XTN → ContactPoint. The number stands in component 1 (old), 12 (JAHIS and new) or in parts.

use crate::fhir::tree::{Map, Text, Value, json};

use super::text::clean;
use super::{number, time};
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// XTN → ContactPoint. `value` of the row is the use of a number that names none (PID-13 is for home numbers); a number that
/// names another use, as JAHIS's `EMR` for emergencies, gets none of FHIR's.
pub(crate) fn xtn(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let take = |part: usize| piece.take(part).and_then(|text| clean(&text));
    let equipment = piece.get(3).map(|text| text.to_ascii_uppercase());
    let usage = piece.get(2).map(|text| text.to_ascii_uppercase());
    let is_mail = matches!(equipment.as_deref(), Some("INTERNET" | "X.400")) || usage.as_deref() == Some("NET");
    let mail = piece.get(4).filter(|text| text.contains('@')).and_then(|_| take(4));
    let value = match mail {
        Some(mail) if is_mail || piece.get(1).is_none() => Some(mail),
        _ => take(12).or_else(|| take(1)).or_else(|| in_parts(piece)),
    };
    let Some(value) = value else {
        piece.drop_all("a telephone number or address without a value");
        return None;
    };
    let system = match equipment.as_deref() {
        _ if value.contains('@') => "email",
        Some("FX") => "fax",
        Some("BP") => "pager",
        Some("MD" | "TDD" | "TTY") => "other",
        Some("INTERNET") if value.contains("://") => "url",
        _ => "phone",
    };
    piece.book(3);
    let mut point = Map::new();
    point.insert("system", json!(system));
    point.insert("value", json!(value));
    if let Some(code) = usage_code(usage.as_deref(), equipment.as_deref()) {
        piece.book(2);
        point.insert("use", json!(code));
    } else if usage.is_none()
        && let Some(usual) = row.value.as_ref().filter(|value| value.is_string())
    {
        point.insert("use", usual.clone());
    }
    if let Some(period) = time::bounds(context, piece, 13, 14) {
        point.insert("period", period);
    }
    if let Some(rank) = number::positive_int(&piece.component(18)) {
        point.insert("rank", rank);
    }
    Some(Value::Object(point))
}

/// Country, area, local number, extension.
fn in_parts(piece: &Piece<'_>) -> Option<Text> {
    let local = piece.get(7)?;
    let mut number = String::new();
    if let Some(country) = piece.take(5) {
        number.push_str(&format!("+{} ", country.trim_start_matches('+')));
    }
    if let Some(area) = piece.take(6) {
        number.push_str(&format!("({area}) "));
    }
    number.push_str(&local);
    piece.book(7);
    if let Some(extension) = piece.take(8) {
        number.push_str(&format!(" x{extension}"));
    }
    clean(&number)
}

/// Tables 0201 and 0202.
fn usage_code(usage: Option<&str>, equipment: Option<&str>) -> Option<&'static str> {
    match (usage, equipment) {
        (_, Some("CP")) => Some("mobile"),
        (Some("PRN" | "ORN" | "VHN"), _) => Some("home"),
        (Some("WPN" | "BPN"), _) => Some("work"),
        (Some("PRS"), _) => Some("mobile"),
        _ => None,
    }
}
