//! XCN → Practitioner.
//!
//! A person with an id becomes a resource of its own, made only where it is missing; without an id it stays a name beside
//! the reference, for a name alone does not tell two people apart.

use crate::fhir::tree::{Map, Text, Value, json};

use super::address::xad;
use super::identifier::{assigner, authority, typed};
use super::name::of_xcn;
use super::telecom::xtn;
use super::text::clean;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// The repetitions of an XCN field → one reference per person. `value` of the row names the fields with the `telecom` (XTN)
/// and the `address` (XAD) at which the person can be reached.
pub(crate) fn practitioners(row: &Row, context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Value> {
    let mut people = met(context, pieces);
    if let [person] = &mut people[..]
        && person.id.is_some()
    {
        person.telecom = told_beside(row, context, "telecom", |field| xtn(row, context, field));
        person.address = told_beside(row, context, "address", |field| xad(context, field));
    }
    people.into_iter().map(|person| person.reference(context)).collect()
}

/// As `practitioners`, for a field that nothing is told beside.
pub(crate) fn people(context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Value> {
    met(context, pieces).into_iter().map(|person| person.reference(context)).collect()
}

/// What another field tells, named by a member of the row's `value`.
pub(crate) fn told_beside(
    row: &Row,
    context: &Context<'_>,
    member: &str,
    read: impl FnOnce(&Piece<'_>) -> Option<Value>,
) -> Option<Value> {
    let field = row.value.as_ref()?.get(member)?.as_str()?.parse().ok()?;
    context.with_piece(&field, |piece| read(&piece))?
}

/// JAHIS repeats a person's name in another script: a phonetic or alphabetic repetition without an id belongs to the person
/// before it.
fn met(context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let id = piece.take(1).and_then(|text| clean(&text));
        let name = of_xcn(context, piece);
        let other_script = id.is_none() && matches!(piece.get(15).as_deref(), Some("P" | "A"));
        match people.last_mut() {
            Some(person) if other_script => person.names.extend(name),
            _ if id.is_none() && name.is_none() => piece.drop_all("neither an id nor a name of a person"),
            _ => {
                let system = id.as_ref().map(|_| {
                    piece.book(9);
                    authority(context, &piece.component(9))
                        .unwrap_or_else(|| context.setting.identifier_system("practitioner"))
                });
                let kind = id.as_ref().and_then(|_| piece.take(13)).map(Text::from);
                let assigner = id.as_ref().and_then(|_| assigner(context, &piece.component(9)));
                let names = name.into_iter().collect();
                people.push(Person { id, system, kind, assigner, names, telecom: None, address: None });
            }
        }
    }
    people
}

/// How many repetitions are the first person's.
pub(crate) fn first_person(pieces: &[Piece<'_>]) -> usize {
    let other_script =
        |piece: &&Piece<'_>| piece.get(1).is_none() && matches!(piece.get(15).as_deref(), Some("P" | "A"));
    (1 + pieces.iter().skip(1).take_while(other_script).count()).min(pieces.len())
}

struct Person {
    id: Option<Text>,
    system: Option<String>,
    kind: Option<Text>,
    assigner: Option<Value>,
    names: Vec<Value>,
    telecom: Option<Value>,
    address: Option<Value>,
}

impl Person {
    fn reference(self, context: &Context<'_>) -> Value {
        let display = self.names.first().map(display_name);
        let mut reference = Map::new();
        if let (Some(id), Some(system)) = (&self.id, &self.system) {
            let mut identifier = typed(context, self.kind.as_deref());
            identifier.insert("system", json!(system));
            identifier.insert("value", json!(id));
            identifier.extend(self.assigner.clone().map(|assigner| ("assigner".to_owned(), assigner)));
            let mut resource = json!({"resourceType": "Practitioner", "identifier": [identifier]});
            if !self.names.is_empty() {
                resource["name"] = json!(self.names);
            }
            for (element, value) in [("telecom", self.telecom), ("address", self.address)] {
                if let Some(value) = value {
                    resource[element] = json!([value]);
                }
            }
            reference.insert("reference", json!(context.party(resource, system, id)));
        }
        if let Some(display) = display {
            reference.insert("display", json!(display));
        }
        Value::Object(reference)
    }
}

/// A name as one text.
pub(crate) fn display_name(name: &Value) -> String {
    if let Some(text) = name.get("text").and_then(Value::as_str) {
        return text.to_owned();
    }
    let list =
        |element: &str| name.get(element).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let family = name.get("family").and_then(Value::as_str);
    list("prefix").chain(list("given")).chain(family).collect::<Vec<_>>().join(" ")
}
