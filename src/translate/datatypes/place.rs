//! PL, HD, DLD → Location: one for each level, from the facility down to the bed, each part of the one above it.
//!
//! A place is told by its whole path, so that bed 1 of one ward is not bed 1 of another. The reference is to the smallest
//! place (HL7 v2-to-FHIR guide, PL[Location]).

use std::sync::Arc;

use crate::fhir::tree::{Map, Value, json};

use super::text::clean;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

const PHYSICAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
/// Components of PL from the largest place to the smallest, and what sort of place each is. A point of care is a ward or
/// clinic, for which the code system has no code that always fits.
const LEVELS: [(usize, Option<&str>); 6] =
    [(4, Some("si")), (7, Some("bu")), (8, Some("lvl")), (1, None), (2, Some("ro")), (3, Some("bd"))];

/// Components of NDL before those of PL: the name, the beginning and the end.
const NDL_OFFSET: usize = 3;

/// PL.1.
const POINT_OF_CARE: usize = 1;

/// → Reference(Location). `value` of the row names the type where it is not PL: `HD`, `DLD`.
pub(crate) fn location(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    match row.value.as_ref().and_then(Value::as_str) {
        Some("HD") => site(context, piece, 1),
        Some("DLD") => named_code(context, &piece.component(1)),
        _ => of_pl(context, piece),
    }
}

/// PL → Reference(Location).
pub(crate) fn of_pl(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    of_levels(context, piece, 0)
}

/// Where the person of an NDL was: PL's parts behind a name and two times.
pub(crate) fn of_ndl(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let holds = LEVELS.iter().any(|(part, _)| piece.component(part + NDL_OFFSET).get(1).is_some());
    if holds { of_levels(context, piece, NDL_OFFSET) } else { None }
}

/// The levels of a PL whose parts stand `offset` components further on.
fn of_levels(context: &Context<'_>, piece: &Piece<'_>, offset: usize) -> Option<Value> {
    let description = piece.component(9 + offset).take(1).and_then(|text| clean(&text));
    piece.book(5 + offset);
    let mut kind = piece.component(6 + offset).take(1).filter(|code| super::coded::is_code(code));
    let mut path: Vec<String> = Vec::new();
    let mut above: Option<Arc<str>> = None;
    let last = LEVELS.iter().rposition(|(part, _)| piece.component(part + offset).get(1).is_some());
    for (at, (part, sort)) in LEVELS.iter().enumerate() {
        let hd = piece.component(part + offset);
        let Some(name) = hd.take(1).and_then(|text| clean(&text)) else { continue };
        path.push(format!("{part}\u{1f}{name}"));
        let mut place = Map::new();
        if Some(at) == last
            && let Some(text) = &description
        {
            place.insert("description", json!(text));
        }
        if let Some(universal) = super::organization::universal(context, &hd) {
            place.insert("identifier", json!([universal]));
        }
        // PL.6 says what the point of care is (table 0305); without one, what the smallest place is.
        if (*part == POINT_OF_CARE || Some(at) == last)
            && let Some(code) = kind.take()
        {
            place.insert("type", json!([{"coding": [super::coded::table_coding(context, "0305", &code)]}]));
        }
        above = Some(made(context, &path.join("\u{1e}"), &name, *sort, above, place));
    }
    let names: Vec<String> = path.iter().filter_map(|step| step.split('\u{1f}').nth(1)).map(str::to_owned).collect();
    match (above, description) {
        (Some(reference), _) => Some(json!({"reference": reference, "display": names.join(" ")})),
        (None, Some(text)) => {
            let reference = made(context, &text, &text, None, None, Map::new());
            Some(json!({"reference": reference, "display": text}))
        }
        (None, None) => {
            piece.drop_all("a location without any part of a location");
            None
        }
    }
}

/// HD, or the code of DLD: a place of which only the name is known.
fn site(context: &Context<'_>, piece: &Piece<'_>, part: usize) -> Option<Value> {
    let code = piece.take(part).and_then(|text| clean(&text))?;
    let universal = super::organization::universal(context, piece);
    let mut place = Map::new();
    if let Some(universal) = universal {
        place.insert("identifier", json!([universal]));
    }
    let reference = made(context, &code, &code, Some("si"), None, place);
    Some(json!({"reference": reference, "display": code}))
}

/// The code of DLD with its name.
fn named_code(context: &Context<'_>, cwe: &Piece<'_>) -> Option<Value> {
    let code = cwe.take(1).and_then(|text| clean(&text));
    let name = cwe.take(2).and_then(|text| clean(&text));
    let system = cwe.take(3);
    let mut place = Map::new();
    if let (Some(code), Some(system)) = (&code, &system) {
        let system = super::coded::system_address(context, system, code);
        place.insert("identifier", json!([{"system": system, "value": code}]));
    }
    let path = format!("{}\u{1f}{}", code.as_deref().unwrap_or(""), system.as_deref().unwrap_or(""));
    let name = name.or(code)?;
    let reference = made(context, &path, &name, Some("si"), None, place);
    Some(json!({"reference": reference, "display": name}))
}

/// One level as a resource; its address.
fn made(
    context: &Context<'_>,
    path: &str,
    name: &str,
    sort: Option<&str>,
    above: Option<Arc<str>>,
    more: Map,
) -> Arc<str> {
    let system = context.setting.identifier_system("location");
    let key = crate::ids::derived(&[&context.setting.namespace, "Location", path]);
    let mut identifiers = vec![json!({"system": &system, "value": &key})];
    let mut more = more;
    if let Some(Value::Array(own)) = more.remove("identifier") {
        identifiers.extend(own);
    }
    let mut place = json!({"resourceType": "Location", "identifier": identifiers, "name": name});
    if let Value::Object(place) = &mut place {
        place.extend(more);
        place.insert("mode", json!("instance"));
        if let Some(sort) = sort {
            place.insert("physicalType", json!({"coding": [{"system": PHYSICAL_TYPE, "code": sort}]}));
        }
        if let Some(above) = above {
            place.insert("partOf", json!({"reference": above}));
        }
    }
    context.party(place, &system, &key)
}
