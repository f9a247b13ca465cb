//! CX, EI → Identifier, and the addresses of identifier systems.

use serde_json::{Map, Value, json};

use super::coded::{is_code, is_oid};
use super::text::clean;
use super::time;
use crate::fhir::systems;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// CX → Identifier.
pub(crate) fn cx(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Some(value) = piece.take(1).and_then(|text| clean(&text)) else {
        piece.drop_all("an identifier without a value");
        return None;
    };
    let kind = piece.take(5);
    let issuers: Vec<String> =
        [piece.component(9).get(1), piece.component(10).get(1), piece.component(4).get(1), piece.component(6).get(1)]
            .into_iter()
            .flatten()
            .collect();
    let mut identifier = Map::new();
    if let Some(version) = health_card_version(piece, kind.as_deref()) {
        identifier.insert("extension".to_owned(), json!([version]));
    }
    if let Some(kind) = kind.as_deref().filter(|kind| is_code(kind)) {
        let coding = json!({"system": format!("{}0203", systems::V2), "code": kind});
        identifier.insert("type".to_owned(), json!({"coding": [coding]}));
    }
    identifier.insert("system".to_owned(), json!(cx_system(context, piece, kind.as_deref(), &issuers)));
    identifier.insert("value".to_owned(), json!(value));
    if let Some(period) = time::bounds(context, piece, 7, 8) {
        identifier.insert("period".to_owned(), period);
    }
    if let Some(assigner) = piece.component(6).take(1).and_then(|text| clean(&text)) {
        identifier.insert("assigner".to_owned(), json!({"display": assigner}));
    }
    Some(Value::Object(identifier))
}

/// The system of a CX: a published one by type and issuer, the issuer's own, or the institution's.
fn cx_system(context: &Context<'_>, piece: &Piece<'_>, kind: Option<&str>, issuers: &[String]) -> String {
    if let Some(kind) = kind {
        let mut issuers = issuers.to_vec();
        // A health card that names no issuer is the province's the hospital stands in.
        if issuers.is_empty() {
            issuers.extend(context.setting.province.clone());
        }
        if let Some(system) = context.rules.identifier_system(kind, &issuers) {
            for part in [4, 9, 10] {
                piece.book(part);
            }
            return system.to_owned();
        }
    }
    piece.book(4);
    authority(context, &piece.component(4)).unwrap_or_else(|| context.setting.patient_system())
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
    let inner = piece.component(1);
    let value = inner.take(1).and_then(|text| clean(&text))?;
    // EIP has the placer's identifier, issuer and all, inside its first component.
    let issuer = if inner.get(2).is_some() || inner.get(3).is_some() { inner } else { *piece };
    let hd = [issuer.get(2), issuer.get(3), issuer.get(4)];
    let system = match (&row.value, &hd) {
        (_, [_, Some(universal), kind]) if is_oid(universal) && kind.as_deref().is_none_or(|kind| kind == "ISO") => {
            format!("urn:oid:{universal}")
        }
        (Some(Value::String(address)), _) if address.contains(':') => address.clone(),
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
