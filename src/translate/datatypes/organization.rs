//! XON, HD, CWE → Organization. Without an id it is told by its name: within one institution's messages, the same name is
//! the same organization.

use crate::fhir::tree::{Map, Text, Value, json};

use super::address::xad;
use super::coded::{is_code, is_oid, system_address};
use super::identifier::{authority, cx, typed};
use super::name::xpn;
use super::party::told_beside;
use super::telecom::xtn;
use super::text::clean;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// → Reference(Organization). `value` of the row names the type where it is not XON: `HD`, `CWE`; or it is a table with the
/// type as `form` and the fields that tell more of the organization: its `country`, `address` (XAD), `telecom` (XTN), further
/// `number` (CX), and whom to ask there: `contact` (XPN), `contact_telecom`, `contact_address`.
pub(crate) fn organization(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let form = row.value.as_ref().map(|value| value.get("form").unwrap_or(value));
    match form.and_then(Value::as_str) {
        Some("HD") => named(context, piece, || more(row, context)),
        Some("CWE") => of_code(row, context, piece),
        _ => of_xon(row, context, piece),
    }
}

/// What other fields tell of the organization.
fn more(row: &Row, context: &Context<'_>) -> Map {
    let mut more = Map::new();
    let country = |field: &Piece<'_>| Some(json!({"country": clean(&field.take(1)?)?}));
    let address = told_beside(row, context, "address", |field| xad(context, field));
    let address = address.or_else(|| told_beside(row, context, "country", country));
    let telecom = told_beside(row, context, "telecom", |field| xtn(row, context, field));
    for (element, value) in [("telecom", telecom), ("address", address), ("contact", contact(row, context))] {
        if let Some(value) = value {
            more.insert(element, json!([value]));
        }
    }
    more
}

fn contact(row: &Row, context: &Context<'_>) -> Option<Value> {
    let name = told_beside(row, context, "contact", |field| xpn(context, field));
    let telecom = told_beside(row, context, "contact_telecom", |field| xtn(row, context, field));
    let address = told_beside(row, context, "contact_address", |field| xad(context, field));
    let telecom = telecom.map(|telecom| json!([telecom]));
    let parts = [("name", name), ("telecom", telecom), ("address", address)];
    let contact: Map = parts.into_iter().filter_map(|(element, part)| Some((element, part?))).collect();
    (!contact.is_empty()).then_some(Value::Object(contact))
}

/// XON: name, …, number, …, authority, type, …, id.
fn of_xon(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let name = piece.take(1).and_then(|text| clean(&text));
    let id = piece.take(10).or_else(|| piece.take(3)).and_then(|text| clean(&text));
    let kind = id.as_ref().and_then(|_| piece.take(7));
    let system = id.as_ref().map(|_| {
        piece.book(6);
        authority(context, &piece.component(6)).unwrap_or_else(|| context.setting.identifier_system("organization-id"))
    });
    let identifier = id.zip(system).map(|(id, system)| {
        let mut identifier = typed(context, kind.as_deref());
        identifier.insert("system", json!(system));
        identifier.insert("value", json!(id));
        identifier
    });
    reference(row, context, identifier, name)
}

/// CWE: a code of an organization, as of a manufacturer of vaccines.
fn of_code(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let code = piece.take(1).and_then(|text| clean(&text));
    let name = piece.take(2).and_then(|text| clean(&text));
    let system = piece.take(3).map(|system| system_address(context, &system, ""));
    let identifier = code.clone().zip(system).map(|(code, system)| {
        let mut identifier = Map::new();
        identifier.insert("system", json!(system));
        identifier.insert("value", json!(code));
        identifier
    });
    reference(row, context, identifier, name.or(code))
}

/// HD: the application, facility or authority of that name.
pub(crate) fn of_hd(context: &Context<'_>, hd: &Piece<'_>) -> Option<Value> {
    named(context, hd, Map::new)
}

fn named(context: &Context<'_>, hd: &Piece<'_>, more: impl FnOnce() -> Map) -> Option<Value> {
    let name = hd.take(1).and_then(|text| clean(&text));
    let universal = universal(context, hd);
    if name.is_none() && universal.is_none() {
        return None;
    }
    let local = context.setting.identifier_system("authority");
    let mut identifiers = Vec::new();
    if let Some(name) = &name {
        identifiers.push(json!({"system": local, "value": name}));
    }
    identifiers.extend(universal);
    let key = |member: &str| identifiers[0][member].as_str().unwrap_or("").to_owned();
    let (system, value) = (key("system"), key("value"));
    let display = name.unwrap_or_else(|| Text::copied(&value));
    let resource = json!({"resourceType": "Organization", "identifier": identifiers, "name": &display});
    let reference = context.party(with(resource, more()), &system, &value);
    Some(json!({"reference": reference, "display": display}))
}

fn with(mut resource: Value, more: Map) -> Value {
    if let Value::Object(resource) = &mut resource {
        resource.extend(more);
    }
    resource
}

/// HD-2 and HD-3 as an Identifier: an address where it is one, else a value of its kind.
pub(crate) fn universal(context: &Context<'_>, hd: &Piece<'_>) -> Option<Value> {
    let universal = hd.take(2).and_then(|text| clean(&text))?;
    let kind = hd.take(3);
    let mut identifier = Map::new();
    if let Some(kind) = kind.as_deref().filter(|kind| is_code(kind)) {
        identifier.insert("type", json!({"coding": [super::coded::table_coding(context, "0301", kind)]}));
    }
    let is_address = universal.starts_with("http://") || universal.starts_with("https://");
    let address = if is_oid(&universal) {
        Some(Text::from(format!("urn:oid:{universal}")))
    } else if uuid::Uuid::try_parse(&universal).is_ok() {
        Some(Text::from(format!("urn:uuid:{}", universal.to_ascii_lowercase())))
    } else {
        is_address.then(|| universal.clone())
    };
    if let Some(address) = address {
        identifier.insert("system", json!("urn:ietf:rfc:3986"));
        identifier.insert("value", json!(address));
    } else {
        identifier.insert("value", json!(universal));
    }
    Some(Value::Object(identifier))
}

fn reference(row: &Row, context: &Context<'_>, identifier: Option<Map>, name: Option<Text>) -> Option<Value> {
    let (system, value, identifier) = match identifier {
        Some(identifier) => {
            let text = |member: &str| identifier.get(member).and_then(Value::as_str).unwrap_or("").to_owned();
            (text("system"), text("value"), Value::Object(identifier))
        }
        None => {
            let system = context.setting.identifier_system("organization");
            let value = crate::ids::derived(&[&context.setting.namespace, "Organization", name.as_deref()?]);
            (system.clone(), value.clone(), json!({"system": system, "value": value}))
        }
    };
    let number = told_beside(row, context, "number", |field| cx(row, context, field));
    let identifiers: Vec<Value> = [Some(identifier), number].into_iter().flatten().collect();
    let mut resource = json!({"resourceType": "Organization", "identifier": identifiers});
    if let Some(name) = &name {
        resource["name"] = json!(name);
    }
    let mut reference = json!({"reference": context.party(with(resource, more(row, context)), &system, &value)});
    if let Some(name) = name {
        reference["display"] = json!(name);
    }
    Some(reference)
}
