//! CDA data types → FHIR data types. Each takes the parts it understands and books them; what it leaves is kept raw.

mod address;
mod coded;
mod identifier;
mod name;
mod quantity;
mod text;
mod time;
mod timing;
mod value;

use crate::fhir::tree::{Value, json};
use roxmltree::Node;

pub(crate) use coded::address as system_address;
pub(crate) use identifier::{identifier, system_and_value};
pub(crate) use text::plain;
pub(crate) use time::moment;

use super::query::Hit;
use super::rows::ElementRow;
use super::work::Work;

/// How a row's value is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum Kind {
    /// II → Identifier.
    Identifier,
    /// CD, CE, CV, CS → CodeableConcept with its translations as codings.
    CodeableConcept,
    /// The same → Coding, the first one.
    Coding,
    /// The same → code, through a table; without a table the code itself.
    Code,
    /// The same → CodeableConcept, through a table that names a system.
    TableConcept,
    /// A language code → CodeableConcept of BCP 47.
    Language,
    /// ST, ED, CD or a name → string.
    String,
    /// BL → boolean.
    Boolean,
    /// INT → positiveInt.
    PositiveInt,
    /// TS, or the start of an interval → dateTime.
    DateTime,
    /// The same → instant or dateTime, only where a time of day is given.
    Instant,
    /// The same → date.
    Date,
    /// IVL_TS → Period.
    Period,
    /// TS or IVL_TS → `…DateTime` or `…Period` of a choice.
    When,
    /// PQ, or the low end of an interval → Quantity.
    Quantity,
    /// IVL_PQ → Range.
    Range,
    /// RTO → Ratio.
    Ratio,
    /// PQ → Age.
    Age,
    /// ANY → `…Quantity`, `…CodeableConcept`, … of a choice, by its `xsi:type`.
    Value,
    /// PQ or IVL_PQ → `…Quantity` or `…Range` of a choice.
    Amount,
    /// PN → HumanName.
    HumanName,
    /// AD → Address.
    Address,
    /// TEL → ContactPoint.
    ContactPoint,
    /// ED → Attachment.
    Attachment,
    /// ED or ST → Annotation.
    Annotation,
    /// PIVL_TS, EIVL_TS → Timing.
    Timing,
    /// The element becomes the resource that `to` names, or that its template asks for; this is a reference to it.
    Reference,
    /// The element becomes a part of this resource by the rows that `to` names.
    Element,
    /// A constant, where the element is there.
    #[serde(rename = "fixed")]
    Fixed,
    /// It only steers the translation.
    #[serde(rename = "steer")]
    Steer,
    /// It is left out on purpose.
    #[serde(rename = "skip")]
    Skip,
}

/// A value, and what it adds to the name of a choice element: `Quantity`.
pub(crate) struct Placed {
    pub suffix: &'static str,
    pub value: Value,
}

impl From<Value> for Placed {
    fn from(value: Value) -> Self {
        Self { suffix: "", value }
    }
}

/// Reads what a row found.
pub(crate) fn convert<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>) -> Option<Placed> {
    let node = hit.node;
    let value = match row.kind {
        Kind::Identifier => identifier(work, node),
        Kind::CodeableConcept => coded::concept(work, node),
        Kind::Coding => coded::coding(work, node),
        Kind::Code => coded::code(work, row, hit),
        Kind::TableConcept => coded::table_concept(work, row, hit),
        Kind::Language => coded::language(work, hit),
        Kind::String => text::string(work, hit),
        Kind::Boolean => text::boolean(work, hit),
        Kind::PositiveInt => quantity::positive_int(work, hit),
        Kind::DateTime => time::date_time(work, node),
        Kind::Instant => time::instant(work, node),
        Kind::Date => time::date(work, node),
        Kind::Period => time::period(work, node),
        Kind::When => return time::when(work, node),
        Kind::Quantity => quantity::quantity(work, node),
        Kind::Range => quantity::range(work, node),
        Kind::Ratio => quantity::ratio(work, node),
        Kind::Age => quantity::age(work, node),
        Kind::Value => return value::any(work, node),
        Kind::Amount => return quantity::amount(work, node),
        Kind::HumanName => name::person(work, node),
        Kind::Address => address::postal(work, node),
        Kind::ContactPoint => address::telecom(work, node),
        Kind::Attachment => text::attachment(work, node),
        Kind::Annotation => text::string(work, hit).map(|text| json!({"text": text})),
        Kind::Timing => timing::timing(work, node),
        Kind::Fixed => row.value.clone(),
        Kind::Reference | Kind::Element | Kind::Steer | Kind::Skip => None,
    };
    value.map(Placed::from)
}

/// Reads an element outside the rows, as a string or a concept.
pub(crate) fn convert_plain<'a>(work: &mut Work<'a>, kind: Kind, hit: &Hit<'a>) -> Option<Value> {
    match kind {
        Kind::String => text::string(work, hit),
        Kind::CodeableConcept => coded::concept(work, hit.node),
        _ => None,
    }
}

/// The `xsi:type` of an element without its prefix.
pub(crate) fn type_of<'a>(node: Node<'a, 'a>) -> &'a str {
    let declared = node.attributes().find(|attribute| attribute.name() == "type" && attribute.namespace().is_some());
    let text = declared.map_or("", |attribute| attribute.value().trim());
    text.rsplit(':').next().unwrap_or(text)
}

/// The first child element of a name.
pub(crate) fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

/// The child elements of a name.
pub(crate) fn children<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}
