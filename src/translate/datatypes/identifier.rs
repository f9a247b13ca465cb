//! CX, EI → Identifier, and the addresses of identifier systems.

use std::borrow::Cow;

use crate::fhir::tree::{Map, Text, Value, json};

use super::coded::{is_code, is_oid};
use super::text::clean;
use super::time;
use crate::fhir::systems;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// CX → Identifier. `value` of the row names the system of numbers that name no issuer; without it they are patients'.
pub(crate) fn cx(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Some(value) = piece.take(1).and_then(|text| clean(&text)) else {
        piece.drop_all("an identifier without a value");
        return None;
    };
    let kind = piece.take(5);
    let issuers: Vec<Cow<'_, str>> =
        [piece.component(9).get(1), piece.component(10).get(1), piece.component(4).get(1), piece.component(6).get(1)]
            .into_iter()
            .flatten()
            .collect();
    let mut identifier = Map::new();
    if let Some(version) = health_card_version(piece, kind.as_deref()) {
        identifier.insert("extension", json!([version]));
    }
    identifier.extend(typed(context, kind.as_deref()));
    let (system, is_published) = cx_system(row, context, piece, kind.as_deref(), &issuers);
    identifier.insert("system", json!(system));
    identifier.insert("value", json!(value));
    if let Some(period) = time::bounds(context, piece, 7, 8) {
        identifier.insert("period", period);
    }
    let facility = piece.component(6).take(1).and_then(|text| clean(&text));
    let assigner = if is_published { None } else { assigner(context, &piece.component(4)) };
    match (assigner, facility) {
        (Some(assigner), facility) => {
            // The authority is who issued it; the facility is where.
            if facility.is_some() {
                piece.drop_part(6, "the element names the authority that issued the identifier (CX.4)");
            }
            identifier.insert("assigner", assigner);
        }
        (None, Some(facility)) => {
            identifier.insert("assigner", json!({"display": facility}));
        }
        (None, None) => {}
    }
    Some(Value::Object(identifier))
}

/// An identifier's type of table 0203, alone.
pub(crate) fn typed(context: &Context<'_>, kind: Option<&str>) -> Map {
    let mut identifier = Map::new();
    if let Some(kind) = kind.filter(|kind| is_code(kind)) {
        let system = format!("{}0203", systems::V2);
        let mut coding = json!({"system": &system, "code": kind});
        if let Some(display) = context.rules.display(&system, kind) {
            coding["display"] = json!(display);
        }
        identifier.insert("type", json!({"coding": [coding]}));
    }
    identifier
}

/// The authority that issued an identifier, as an Organization. Only where it has a name and an id of its own: either alone
/// is the system of the identifier already.
pub(crate) fn assigner(context: &Context<'_>, hd: &Piece<'_>) -> Option<Value> {
    hd.get(1).and(hd.get(2))?;
    super::organization::of_hd(context, hd)
}

/// DLN → Identifier: number, issuer, last day.
pub(crate) fn licence(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let value = piece.take(1).and_then(|text| clean(&text))?;
    let mut identifier = typed(context, Some("DL"));
    let issuer = piece.take(2).and_then(|text| clean(&text));
    let name = issuer.map_or("drivers-license".to_owned(), |issuer| format!("drivers-license-{issuer}"));
    identifier.insert("system", json!(context.setting.identifier_system(&name)));
    identifier.insert("value", json!(value));
    if let Some(period) = time::bounds(context, piece, 0, 3) {
        identifier.insert("period", period);
    }
    Some(Value::Object(identifier))
}

/// PLN → Identifier: number, type, issuer, last day.
pub(crate) fn provider_number(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let value = piece.take(1).and_then(|text| clean(&text))?;
    let mut identifier = typed(context, piece.take(2).as_deref());
    let issuer = piece.take(3).and_then(|text| clean(&text));
    let name = issuer.map_or("practitioner".to_owned(), |issuer| format!("practitioner-{issuer}"));
    identifier.insert("system", json!(context.setting.identifier_system(&name)));
    identifier.insert("value", json!(value));
    if let Some(period) = time::bounds(context, piece, 0, 4) {
        identifier.insert("period", period);
    }
    Some(Value::Object(identifier))
}

/// CWE → Identifier: code and system.
pub(crate) fn coded(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let value = piece.take(1).and_then(|text| clean(&text))?;
    let system = match piece.take(3) {
        Some(name) => super::coded::system_address(context, &name, &value),
        None => context.setting.identifier_system("resource").into(),
    };
    Some(json!({"system": system, "value": value}))
}

/// HD → uri: its own where it has one, else one within the institution's namespace.
pub(crate) fn uri(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let universal = super::organization::universal(context, piece);
    let value = universal.as_ref().and_then(|identifier| identifier.get("value").cloned());
    if universal.is_some_and(|identifier| identifier.get("system").is_some()) {
        return value;
    }
    // An id that is no address of its own, as a host name, is one of the institution's as well as a name is.
    let own = value.as_ref().and_then(Value::as_str).map(Text::copied);
    let name = piece.take(1).and_then(|text| clean(&text)).or(own)?;
    let kind = row.value.as_ref().and_then(Value::as_str).unwrap_or("application");
    Some(json!(context.setting.identifier_system(&format!("{kind}-{name}"))))
}

/// The system of a CX: a published one by type and issuer, the issuer's own, or the institution's.
/// Whether it is a published one comes with it.
fn cx_system(
    row: &Row,
    context: &Context<'_>,
    piece: &Piece<'_>,
    kind: Option<&str>,
    issuers: &[Cow<'_, str>],
) -> (String, bool) {
    if let Some(kind) = kind {
        let mut issuers = issuers.to_vec();
        // A health card that names no issuer is the province's the hospital stands in.
        if issuers.is_empty() {
            issuers.extend(context.setting.province.as_deref().map(Cow::Borrowed));
        }
        if let Some(system) = context.rules.identifier_system(kind, &issuers) {
            for part in [4, 9, 10] {
                piece.book(part);
            }
            return (system.to_owned(), true);
        }
    }
    piece.book(4);
    let named = row.value.as_ref().and_then(Value::as_str);
    let own = || named.map_or_else(|| context.setting.patient_system(), |name| context.setting.identifier_system(name));
    (authority(context, &piece.component(4)).unwrap_or_else(own), false)
}

/// HD → the address of a system: the universal id where it is one, else the name within the institution's namespace.
pub(crate) fn authority(context: &Context<'_>, hd: &Piece<'_>) -> Option<String> {
    let (name, universal, kind) = (hd.get(1), hd.get(2), hd.get(3));
    if let Some(universal) = universal {
        if is_oid(&universal) && kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("ISO")) {
            return Some(format!("urn:oid:{universal}"));
        }
        if uuid::Uuid::try_parse(&universal).is_ok() {
            return Some(format!("urn:uuid:{}", universal.to_ascii_lowercase()));
        }
        if name.is_none() {
            return Some(context.setting.identifier_system(&universal));
        }
    }
    name.map(|name| if is_oid(&name) { format!("urn:oid:{name}") } else { context.setting.identifier_system(&name) })
}

/// OLIS sends the version code of the health card in CX.11.
fn health_card_version(piece: &Piece<'_>, kind: Option<&str>) -> Option<Value> {
    if kind != Some("JHN") {
        return None;
    }
    let version = piece.take(11).and_then(|text| clean(&text))?;
    Some(json!({
        "url": "http://hl7.org/fhir/ca/baseline/StructureDefinition/ext-identifierversion",
        "valueString": version,
    }))
}

/// IPC-3 and its kind: a UID of DICOM → Identifier, as <https://hl7.org/fhir/R4/imagingstudy.html#notes> writes it.
pub(crate) fn dicom_uid(piece: &Piece<'_>) -> Option<Value> {
    let part = [1, 3, 2].into_iter().find(|part| piece.get(*part).is_some_and(|text| is_oid(&text)));
    let Some(uid) = part.and_then(|part| piece.take(part)) else {
        piece.drop_all("it is no unique identifier of DICOM");
        return None;
    };
    Some(json!({"system": "urn:dicom:uid", "value": format!("urn:oid:{uid}")}))
}

/// EI, EIP or a plain number → Identifier. The issuer of EI names the system; else `value` of the row does, as an address
/// or as a name within the institution's namespace.
pub(crate) fn ei(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    // A row for one identifier of EIP has its parts in hand.
    let inner = if row.component.is_some() { *piece } else { piece.component(1) };
    let value = inner.take(1).and_then(|text| clean(&text))?;
    // EIP has the placer's identifier, issuer and all, inside its first component.
    let issuer = if inner.get(2).is_some() || inner.get(3).is_some() { inner } else { *piece };
    let hd = [issuer.get(2), issuer.get(3), issuer.get(4)];
    let system = match (&row.value, &hd) {
        (_, [_, Some(universal), kind]) if is_oid(universal) && kind.as_deref().is_none_or(|kind| kind == "ISO") => {
            format!("urn:oid:{universal}")
        }
        (_, [_, Some(universal), _]) if uuid::Uuid::try_parse(universal).is_ok() => {
            format!("urn:uuid:{}", universal.to_ascii_lowercase())
        }
        (Some(Value::String(address)), _) if address.contains(':') => address.to_string(),
        (_, [Some(name), ..]) => context.setting.identifier_system(name),
        (Some(Value::String(name)), _) => context.setting.identifier_system(name),
        _ => context.setting.identifier_system("order"),
    };
    for (part, text) in hd.iter().enumerate() {
        if text.is_some() {
            issuer.book(part + 2);
        }
    }
    Some(json!({"system": system, "value": value}))
}
