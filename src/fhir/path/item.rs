//! What FHIRPath looks at: elements of a resource, and values.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::moment::{Moment, MomentKind};
use super::quantity::Quantity;
use crate::fhir::structure::{Kind, Members, Node, View};
use crate::fhir::systems::UCUM;

/// One item of a collection.
pub enum Item<'a, N: Node> {
    /// An element of a resource, or a resource.
    Element(Element<'a, N>),
    /// `true` or `false`
    Truth(bool),
    /// An integer.
    Whole(i64),
    /// A decimal.
    Decimal(Decimal),
    /// A text.
    Text(Cow<'a, str>),
    /// A date or time.
    Moment(Moment),
    /// A quantity.
    Quantity(Quantity<'a>),
    /// What `type()` gives: namespace and name.
    Type(&'static str, Cow<'a, str>),
}

/// An element of a resource. A primitive may have a value, something beside it (`_birthDate`), or both.
pub struct Element<'a, N> {
    /// Its value.
    pub value: Option<&'a N>,
    /// What a primitive has beside its value.
    pub beside: Option<&'a N>,
    /// Its type, where R4 has the element.
    pub kind: Option<Kind>,
}

impl<N> Clone for Element<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Element<'_, N> {}

impl<N: Node> Clone for Item<'_, N> {
    fn clone(&self) -> Self {
        match self {
            Self::Element(element) => Self::Element(*element),
            Self::Truth(truth) => Self::Truth(*truth),
            Self::Whole(number) => Self::Whole(*number),
            Self::Decimal(number) => Self::Decimal(*number),
            Self::Text(text) => Self::Text(text.clone()),
            Self::Moment(moment) => Self::Moment(*moment),
            Self::Quantity(quantity) => Self::Quantity(quantity.clone()),
            Self::Type(namespace, name) => Self::Type(namespace, name.clone()),
        }
    }
}

impl<'a, N: Node> Element<'a, N> {
    /// A resource, of the type that it names.
    pub fn resource(node: &'a N) -> Self {
        Self { value: Some(node), beside: None, kind: kind_of_resource(node) }
    }

    /// A value of a type.
    pub fn of(node: &'a N, kind: Option<Kind>) -> Self {
        let kind = if kind.is_some_and(Kind::is_any_resource) { kind_of_resource(node).or(kind) } else { kind };
        Self { value: Some(node), beside: None, kind }
    }

    /// Gives the elements of a name to `take`; one of several types by what their names have in common (`value`).
    pub fn each_named(&self, name: &str, take: &mut dyn FnMut(Element<'a, N>)) {
        let Some(kind) = self.kind else {
            return self.untyped(name, take);
        };
        if kind.is_primitive() {
            let Some(beside) = self.beside else { return };
            return Element::of(beside, Kind::named("Element")).each_named(name, take);
        }
        let Some(members) = self.value.and_then(Node::members) else { return };
        match kind.child(name) {
            Some(child) if child.choice.is_none() => each_of(members, name, Some(child.kind), take),
            Some(_) => {}
            None if kind.has_choice(name) => {
                let mut last = "";
                for (own, _) in members.each() {
                    let own = own.strip_prefix('_').unwrap_or(own);
                    let child = if own.starts_with(name) && own != last { kind.child(own) } else { None };
                    if let Some(child) = child.filter(|child| child.choice == Some(name)) {
                        each_of(members, own, Some(child.kind), take);
                        last = own;
                    }
                }
            }
            None => {}
        }
    }

    fn untyped(&self, name: &str, take: &mut dyn FnMut(Element<'a, N>)) {
        if let Some(members) = self.value.and_then(Node::members) {
            each_of(members, name, None, take);
        }
    }

    /// Gives all elements within to `take`.
    pub fn each_child(&self, take: &mut dyn FnMut(Element<'a, N>)) {
        if let Some(beside) = self.beside {
            Element::of(beside, Kind::named("Element")).each_child(take);
        }
        let Some(members) = self.value.and_then(Node::members) else { return };
        for (name, _) in members.each() {
            let own = match name.strip_prefix('_') {
                Some(own) if members.find(own).is_some() => continue,
                Some(own) => own,
                None => name,
            };
            if name != "resourceType" {
                let kind = self.kind.and_then(|kind| kind.child(own)).map(|child| child.kind);
                each_of(members, own, kind, take);
            }
        }
    }

    /// Whether R4 has an element of this name here.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let Some(kind) = self.kind else { return true };
        let kind = if kind.is_primitive() { Kind::named("Element").unwrap_or(kind) } else { kind };
        kind.child(name).map_or_else(|| kind.has_choice(name), |child| child.choice.is_none())
    }

    /// The value of a primitive.
    pub fn primitive(&self) -> Option<Item<'a, N>> {
        let name = self.kind.map_or("", Kind::name);
        Some(match self.value?.view() {
            View::Truth(truth) => Item::Truth(truth),
            View::Number(digits) => {
                let is_decimal = if self.kind.is_some() { name == "decimal" } else { digits.contains(['.', 'e', 'E']) };
                match digits.parse() {
                    Ok(number) if !is_decimal => Item::Whole(number),
                    _ => Item::Decimal(Decimal::read(digits)?),
                }
            }
            View::Text(text) => {
                let kind = match name {
                    "date" => Some(MomentKind::Date),
                    "dateTime" | "instant" => Some(MomentKind::DateTime),
                    "time" => Some(MomentKind::Time),
                    _ => None,
                };
                match kind.and_then(|kind| Moment::read(kind, text)) {
                    Some(moment) => Item::Moment(moment),
                    None => Item::Text(Cow::Borrowed(text)),
                }
            }
            View::Null | View::Items(_) | View::Members(_) => return None,
        })
    }

    /// A FHIR Quantity as one of FHIRPath; without a unit it counts.
    pub(super) fn quantity(&self) -> Option<Quantity<'a>> {
        if !self.kind?.is_a("Quantity") {
            return None;
        }
        let node = self.value?;
        let text = |name| node.member(name).and_then(Node::text);
        let View::Number(digits) = node.member("value")?.view() else { return None };
        let unit = match (text("system"), text("code"), text("unit")) {
            (Some(UCUM), Some(code), _) => code,
            (_, _, Some(unit)) => unit,
            (_, Some(code), None) => code,
            (_, None, None) => "1",
        };
        Some(Quantity::of(Decimal::read(digits)?, unit))
    }
}

impl<'a, N: Node> Item<'a, N> {
    /// The value of a primitive element; anything else as it is.
    pub(super) fn plain(&self) -> Self {
        match self {
            Self::Element(element) => element.primitive().unwrap_or_else(|| self.clone()),
            _ => self.clone(),
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self.plain() {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn truth(&self) -> Option<bool> {
        match self.plain() {
            Self::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub(super) fn decimal(&self) -> Option<Decimal> {
        match self.plain() {
            Self::Whole(number) => Some(Decimal::whole(number)),
            Self::Decimal(number) => Some(number),
            _ => None,
        }
    }

    /// The quantity, if it is one; of FHIR too.
    pub(super) fn quantity(&self) -> Option<Quantity<'a>> {
        match self {
            Self::Quantity(quantity) => Some(quantity.clone()),
            Self::Element(element) => element.quantity(),
            _ => None,
        }
    }

    /// The name of its type, for people and tests: `boolean`, `HumanName`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Element(element) => element.kind.map_or("", Kind::name),
            Self::Truth(_) => "boolean",
            Self::Whole(_) => "integer",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "string",
            Self::Moment(moment) => match moment.kind {
                MomentKind::Date => "date",
                MomentKind::DateTime => "dateTime",
                MomentKind::Time => "time",
            },
            Self::Quantity(_) => "Quantity",
            Self::Type(..) => "TypeInfo",
        }
    }

    /// The value as FHIRPath writes it as a text; `None` for what has none.
    pub fn shown(&self) -> Option<String> {
        match self.plain() {
            Self::Truth(truth) => Some(truth.to_string()),
            Self::Whole(number) => Some(number.to_string()),
            Self::Decimal(number) => number.text(),
            Self::Text(text) => Some(text.into_owned()),
            Self::Moment(moment) => Some(moment.text()),
            Self::Quantity(quantity) => quantity.text(),
            Self::Element(element) => element.quantity()?.text(),
            Self::Type(..) => None,
        }
    }
}

/// The type that a resource names.
fn kind_of_resource<N: Node>(node: &N) -> Option<Kind> {
    let name = node.member("resourceType").and_then(Node::text)?;
    Kind::named(name).filter(|kind| kind.is_resource())
}

/// The values of a member, each with what a primitive has beside it.
fn each_of<'a, N: Node>(members: &'a N::Members, name: &str, kind: Option<Kind>, take: &mut dyn FnMut(Element<'a, N>)) {
    let value = members.find(name);
    let is_primitive = kind.is_none_or(Kind::is_primitive);
    let beside = if is_primitive {
        members.each().find(|(own, _)| own.strip_prefix('_') == Some(name)).map(|(_, beside)| beside)
    } else {
        None
    };
    let is_there = |node: &&'a N| !matches!(node.view(), View::Null);
    let mut give = |value: Option<&'a N>, beside: Option<&'a N>| {
        let (value, beside) = (value.filter(is_there), beside.filter(is_there));
        match value {
            Some(value) => take(Element { beside, ..Element::of(value, kind) }),
            None if beside.is_some() => take(Element { value, beside, kind }),
            None => {}
        }
    };
    match (value.and_then(Node::items), beside.and_then(Node::items)) {
        (None, None) => give(value, beside),
        (values, besides) => {
            let (values, besides) = (values.unwrap_or(&[]), besides.unwrap_or(&[]));
            for at in 0..values.len().max(besides.len()) {
                give(values.get(at), besides.get(at));
            }
        }
    }
}
