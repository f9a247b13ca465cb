//! `is`, `as`, `ofType` and `type()`: <http://hl7.org/fhirpath/N1/#types>.

use std::borrow::Cow;

use super::evaluate::{Given, Items, one};
use super::expression::{TypeName, TypeTest};
use super::item::Item;
use super::moment::MomentKind;
use super::{PathError, evaluation};
use crate::fhir::structure::{Kind, Node};

/// The types of FHIRPath itself.
const SYSTEM: [&str; 8] = ["Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity"];

/// Asks a collection for its type.
pub(super) fn test<'a, N: Node>(test: TypeTest, named: &TypeName, of: Items<'a, N>) -> Given<'a, N> {
    let wanted = wanted(named)?;
    match test {
        TypeTest::Is => Ok(one(of)?.map(|item| Item::Truth(is_a(&item, wanted))).into_iter().collect()),
        TypeTest::As => Ok(one(of)?.filter(|item| is_as(item, wanted)).into_iter().collect()),
        TypeTest::OfType => Ok(of.into_iter().filter(|item| is_as(item, wanted)).collect()),
    }
}

/// A type, of FHIRPath itself or of FHIR or of either.
#[derive(Clone, Copy)]
struct Wanted<'n> {
    is_system: bool,
    is_fhir: bool,
    name: &'n str,
}

fn wanted(named: &TypeName) -> Result<Wanted<'_>, PathError> {
    let name = &*named.name;
    let is_known_fhir = Kind::named(name).is_some();
    let is_known_system = SYSTEM.contains(&name);
    match named.namespace.as_deref() {
        Some("System") => Ok(Wanted { is_system: true, is_fhir: false, name }),
        Some("FHIR") => Ok(Wanted { is_system: false, is_fhir: true, name }),
        None if is_known_fhir || is_known_system => {
            Ok(Wanted { is_system: is_known_system, is_fhir: is_known_fhir, name })
        }
        _ => Err(evaluation("a type that is not known")),
    }
}

fn is_a<N: Node>(item: &Item<'_, N>, wanted: Wanted<'_>) -> bool {
    match item {
        Item::Element(element) => wanted.is_fhir && element.kind.is_some_and(|kind| kind.is_a(wanted.name)),
        _ => (wanted.is_system || wanted.name == "Quantity") && system_name(item) == wanted.name,
    }
}

/// As [`is_a`], but a `code` is not given as a `string`: FHIR's primitives keep their own type.
fn is_as<N: Node>(item: &Item<'_, N>, wanted: Wanted<'_>) -> bool {
    match item {
        Item::Element(element) if element.kind.is_some_and(Kind::is_primitive) => {
            wanted.is_fhir && element.kind.is_some_and(|kind| kind.name() == wanted.name)
        }
        _ => is_a(item, wanted),
    }
}

fn system_name<N: Node>(item: &Item<'_, N>) -> &'static str {
    match item {
        Item::Truth(_) => "Boolean",
        Item::Whole(_) => "Integer",
        Item::Decimal(_) => "Decimal",
        Item::Text(_) => "String",
        Item::Moment(moment) => match moment.kind {
            MomentKind::Date => "Date",
            MomentKind::DateTime => "DateTime",
            MomentKind::Time => "Time",
        },
        Item::Quantity(_) => "Quantity",
        Item::Element(_) | Item::Type(..) => "",
    }
}

/// What `type()` gives.
pub(super) fn type_of<'a, N: Node>(item: &Item<'a, N>) -> Item<'a, N> {
    match item {
        Item::Element(element) => {
            let name = element.kind.map_or("", Kind::name);
            Item::Type("FHIR", Cow::Borrowed(if name.contains('.') { "BackboneElement" } else { name }))
        }
        other => Item::Type("System", Cow::Borrowed(system_name(other))),
    }
}
