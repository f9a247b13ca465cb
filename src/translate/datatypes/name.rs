//! XPN → HumanName, and the name part of XCN.
//!
//! JAHIS sends one person's name up to three times: component 8 says ideographic, phonetic or alphabetic (table 0465), and
//! FHIR carries that as the extension `iso21090-EN-representation`.

use crate::fhir::tree::{Map, Text, Value, json};

use super::text::clean;
use super::time;
use crate::fhir::systems;
use crate::translate::build::{Context, Piece};

/// Where the parts of a name stand.
struct Layout {
    /// Family name; given name and the rest follow it.
    family: usize,
    kind: usize,
    representation: usize,
    range: usize,
    effective: usize,
    professional: usize,
}

const XPN: Layout = Layout { family: 1, kind: 7, representation: 8, range: 10, effective: 12, professional: 14 };
const XCN: Layout = Layout { family: 2, kind: 10, representation: 15, range: 17, effective: 19, professional: 21 };

/// XPN.15.
const CALLED_BY: usize = 15;

/// XPN → HumanName.
pub(crate) fn xpn(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let name = human_name(context, piece, &XPN);
    if name.is_none() {
        piece.drop_all("a name without any part of a name");
    }
    name
}

/// XPN → the name, and beside it what the person is called by (HL7 v2-to-FHIR guide, XPN.15).
pub(crate) fn xpns(context: &Context<'_>, piece: &Piece<'_>) -> impl Iterator<Item = Value> {
    let name = if piece.is_empty() { None } else { xpn(context, piece) };
    let called = name.as_ref().and_then(|_| piece.take(CALLED_BY)).and_then(|text| clean(&text));
    name.into_iter().chain(called.map(|given| json!({"use": "nickname", "given": [given]})))
}

/// The name in an XCN.
pub(crate) fn of_xcn(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    human_name(context, piece, &XCN)
}

fn human_name(context: &Context<'_>, piece: &Piece<'_>, at: &Layout) -> Option<Value> {
    let take = |part: usize| piece.take(part).and_then(|text| clean(&text));
    // A name inside a component (CNN) has its family name as a plain part.
    let family = piece.component(at.family).take(1).or_else(|| piece.take(at.family)).and_then(|text| clean(&text));
    let given: Vec<Text> = [take(at.family + 1), take(at.family + 2)].into_iter().flatten().collect();
    let suffix: Vec<Text> =
        [take(at.family + 3), take(at.family + 5), take(at.professional)].into_iter().flatten().collect();
    let prefix = take(at.family + 4);
    if family.is_none() && given.is_empty() {
        return None;
    }
    let mut name = Map::new();
    if let Some(code) = representation(piece, at.representation) {
        name.insert("extension", json!([{"url": systems::EN_REPRESENTATION, "valueCode": code}]));
        // Family name first and nothing but names: how a Japanese name is written.
        let text: Vec<&str> = family.as_deref().into_iter().chain(given.iter().map(Text::as_str)).collect();
        name.insert("text", json!(text.join(" ")));
    }
    if let Some(kind) = name_use(piece, at.kind) {
        name.insert("use", json!(kind));
    }
    if let Some(family) = family {
        name.insert("family", json!(family));
    }
    for (element, parts) in [("given", given), ("prefix", prefix.into_iter().collect()), ("suffix", suffix)] {
        if !parts.is_empty() {
            name.insert(element, json!(parts));
        }
    }
    let period = time::bounds(context, piece, at.effective, at.effective + 1)
        .or_else(|| time::bounds(context, &piece.component(at.range), 1, 2));
    if let Some(period) = period {
        name.insert("period", period);
    }
    Some(Value::Object(name))
}

fn representation(piece: &Piece<'_>, part: usize) -> Option<&'static str> {
    let code = match piece.get(part)?.as_ref() {
        "I" => "IDE",
        "P" => "SYL",
        "A" => "ABC",
        _ => return None,
    };
    piece.book(part);
    Some(code)
}

/// Table 0200.
fn name_use(piece: &Piece<'_>, part: usize) -> Option<&'static str> {
    let code = match piece.get(part)?.as_ref() {
        "L" | "R" => "official",
        "D" => "usual",
        "M" => "maiden",
        "N" => "nickname",
        "S" | "MSK" => "anonymous",
        "T" | "TEMP" => "temp",
        "BAD" => "old",
        _ => return None,
    };
    piece.book(part);
    Some(code)
}
