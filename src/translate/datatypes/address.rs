//! XAD → Address. JAHIS writes the whole address in component 8 and the postal code in component 5.

use crate::fhir::tree::{Map, Text, Value, json};

use super::text::clean;
use super::time;
use crate::config::Country;
use crate::translate::build::{Context, Piece};

const COUNTY: usize = 9;
const ADDRESSEE: usize = 19;

/// XAD → Address.
pub(crate) fn xad(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let take = |part: usize| piece.take(part).and_then(|text| clean(&text));
    let mut address = Map::new();
    if let Some((element, code)) = address_use(piece) {
        address.insert(element, json!(code));
    }
    if context.setting.country == Country::Jp
        && let Some(text) = take(8)
    {
        address.insert("text", json!(text));
    }
    let mut lines = street(piece);
    lines.extend(take(2));
    lines.extend((context.setting.country == Country::Ca).then(|| take(8)).flatten());
    // Whom to ask for there (HL7 v2-to-FHIR guide, XAD.19).
    lines.extend(take(ADDRESSEE));
    if !lines.is_empty() {
        address.insert("line", json!(lines));
    }
    let parts = [("city", 3), ("district", 9), ("state", 4), ("postalCode", 5), ("country", 6)];
    for (element, part) in parts {
        let text = if part == COUNTY { county(piece) } else { take(part) };
        if let Some(text) = text {
            address.insert(element, json!(text));
        }
    }
    let period = time::bounds(context, piece, 13, 14).or_else(|| time::bounds(context, &piece.component(12), 1, 2));
    if let Some(period) = period {
        address.insert("period", period);
    }
    let only_use = address.keys().all(|element| matches!(element.as_str(), "use" | "type"));
    if only_use {
        piece.drop_all("an address without any part of an address");
        return None;
    }
    Some(Value::Object(address))
}

/// SAD: street address, street name, dwelling number, each a line (HL7 v2-to-FHIR guide, SAD[Address]).
fn street(piece: &Piece<'_>) -> Vec<Text> {
    let sad = piece.component(1);
    (1..=sad.len()).filter_map(|part| sad.take(part)).filter_map(|text| clean(&text)).collect()
}

/// The county: since version 2.7 a code with its name. The name, else the code.
fn county(piece: &Piece<'_>) -> Option<Text> {
    let coded = piece.component(COUNTY);
    let text = coded.take(2).or_else(|| coded.take(1)).and_then(|text| clean(&text))?;
    coded.book_all();
    Some(text)
}

/// Table 0190.
fn address_use(piece: &Piece<'_>) -> Option<(&'static str, &'static str)> {
    let found = match piece.get(7)?.as_ref() {
        "H" | "P" => ("use", "home"),
        "B" | "O" => ("use", "work"),
        "C" => ("use", "temp"),
        "BA" => ("use", "old"),
        "BI" => ("use", "billing"),
        "M" => ("type", "postal"),
        _ => return None,
    };
    piece.book(7);
    Some(found)
}
