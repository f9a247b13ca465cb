//! XCN, NDL → PractitionerRole: a person in the part they had, with the place and the time where these are told.
//!
//! A role is told by its code, its person, its place and its time: the same person in the same part is the same role.

use crate::fhir::tree::{Map, Value, json};

use super::party::{practitioners, told_beside};
use super::{place, time};
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// The repetitions of a field → one reference per person. `value` of the row says the `code` (a Coding), `form = "NDL"` where
/// the field is one, and the field that tells the place (`location = "SCH-15"`).
///
/// A person of whom only the name is known and no place stays a name: a role of nobody says nothing.
pub(crate) fn roles(row: &Row, context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Value> {
    let asked = |name: &str| row.value.as_ref().and_then(|value| value.get(name));
    let code = asked("code");
    if asked("form").and_then(Value::as_str) == Some("NDL") {
        return pieces.iter().filter(|piece| !piece.is_empty()).filter_map(|ndl| of_ndl(context, code, ndl)).collect();
    }
    let place = told_beside(row, context, "location", |field| place::of_pl(context, field));
    let role = |person| of(context, code, Some(person), place.clone(), None);
    practitioners(row, context, pieces).into_iter().filter_map(role).collect()
}

/// NDL: name, beginning, end, place.
fn of_ndl(context: &Context<'_>, code: Option<&Value>, ndl: &Piece<'_>) -> Option<Value> {
    let named = [ndl.component(1)];
    let person = super::party::people(context, &named).into_iter().next();
    let period = time::bounds(context, ndl, 2, 3);
    of(context, code, person, place::of_ndl(context, ndl), period)
}

fn of(
    context: &Context<'_>,
    code: Option<&Value>,
    person: Option<Value>,
    place: Option<Value>,
    period: Option<Value>,
) -> Option<Value> {
    let text = |value: Option<&Value>, member: &str| {
        value.and_then(|value| value.get(member)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let known = text(person.as_ref(), "reference");
    if place.is_none() && known.is_empty() {
        return person;
    }
    let told = if known.is_empty() { text(person.as_ref(), "display") } else { known };
    let (part, at) = (text(code, "code"), text(place.as_ref(), "reference"));
    let (start, end) = (text(period.as_ref(), "start"), text(period.as_ref(), "end"));
    let key = crate::ids::derived(&[&context.setting.namespace, "PractitionerRole", &part, &told, &at, &start, &end]);
    let system = context.setting.identifier_system("practitioner-role");
    let mut reference = Map::new();
    let mut role = Map::new();
    role.insert("resourceType", json!("PractitionerRole"));
    role.insert("identifier", json!([{"system": &system, "value": &key}]));
    role.extend(period.map(|period| ("period".to_owned(), period)));
    if let Some(person) = person {
        reference.extend(person.get("display").map(|display| ("display".to_owned(), display.clone())));
        role.insert("practitioner", person);
    }
    role.extend(code.map(|code| ("code".to_owned(), json!([{"coding": [code]}]))));
    role.extend(place.map(|place| ("location".to_owned(), json!([place]))));
    reference.insert("reference", json!(context.party(Value::Object(role), &system, &key)));
    Some(Value::Object(reference))
}
