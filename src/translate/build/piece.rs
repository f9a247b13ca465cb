//! A piece of the source in the hands of a data type: reading a part through [`Piece::take`] books it as mapped.

use std::borrow::Cow;

use super::ledger::{Leaf, Ledger, NULL, Target};
use crate::translate::hl7v2::message::{Component, Repetition};

/// A repetition of a field, or one component of it.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    parts: Parts<'a>,
    ledger: &'a Ledger,
    at: Leaf,
    target: &'a Target,
}

#[derive(Clone, Copy)]
enum Parts<'a> {
    Components(&'a Repetition),
    Subcomponents(&'a Component),
}

impl<'a> Piece<'a> {
    /// A whole repetition.
    pub(crate) fn repetition(repetition: &'a Repetition, ledger: &'a Ledger, at: Leaf, target: &'a Target) -> Self {
        Self { parts: Parts::Components(repetition), ledger, at: Leaf { component: 0, sub: 0, ..at }, target }
    }

    /// Component `number` as a piece whose parts are its subcomponents.
    pub(crate) fn component(self, number: usize) -> Self {
        static NONE: Component = Component::None;
        let component = match self.parts {
            Parts::Components(components) => number.checked_sub(1).and_then(|at| components.get(at)).unwrap_or(&NONE),
            Parts::Subcomponents(_) => &NONE,
        };
        Self { parts: Parts::Subcomponents(component), at: Leaf { component: number, sub: 0, ..self.at }, ..self }
    }

    /// Part `number`, trimmed; `None` if absent, empty or the explicit null. Subcomponents are joined by `&`.
    pub(crate) fn get(&self, number: usize) -> Option<Cow<'a, str>> {
        let at = number.checked_sub(1)?;
        match self.parts {
            Parts::Components(components) => value(components.get(at)?),
            Parts::Subcomponents(subs) => said(subs.get(at)?).map(Cow::Borrowed),
        }
    }

    /// Part `number`, booked as mapped.
    pub(crate) fn take(&self, number: usize) -> Option<Cow<'a, str>> {
        let text = self.get(number)?;
        self.book(number);
        Some(text)
    }

    /// All parts as one text in the usual delimiters, booked as mapped.
    pub(crate) fn take_whole(&self) -> Option<Cow<'a, str>> {
        let text = self.whole()?;
        self.ledger.mapped(self.at, self.target);
        Some(text)
    }

    /// All parts as one text in the usual delimiters.
    pub(crate) fn whole(&self) -> Option<Cow<'a, str>> {
        let components = match self.parts {
            Parts::Subcomponents(subs) => return value(subs),
            Parts::Components(components) => &components[..],
        };
        match components {
            [only] => value(only),
            components if components.iter().all(is_blank) => None,
            components => {
                let mut whole = String::new();
                for (at, component) in components.iter().enumerate() {
                    if at > 0 {
                        whole.push('^');
                    }
                    whole.push_str(&joined(component));
                }
                Some(Cow::Owned(whole.trim().to_owned()))
            }
        }
    }

    /// Books part `number` as mapped.
    pub(crate) fn book(&self, number: usize) {
        self.ledger.mapped(self.leaf(number), self.target);
    }

    /// Books everything as mapped.
    pub(crate) fn book_all(&self) {
        self.ledger.mapped(self.at, self.target);
    }

    /// Books part `number` as dropped.
    pub(crate) fn drop_part(&self, number: usize, reason: &str) {
        self.ledger.dropped(self.leaf(number), reason);
    }

    /// Books everything that is not mapped as dropped.
    pub(crate) fn drop_all(&self, reason: &str) {
        self.ledger.dropped(self.at, reason);
    }

    /// Whether all of it is empty or the explicit null.
    pub(crate) fn is_empty(&self) -> bool {
        let blank = |text: &str| text.chars().all(|c| matches!(c, '&' | '^') || c.is_whitespace());
        match self.parts {
            Parts::Components(components) => {
                let mut texts = components.iter().flatten();
                texts.all(|text| blank(text)) || matches!(&components[..], [only] if is_null(only))
            }
            Parts::Subcomponents(subs) => subs.iter().all(|text| blank(text)) || is_null(subs),
        }
    }

    /// How many parts there are.
    pub(crate) fn len(&self) -> usize {
        match self.parts {
            Parts::Components(components) => components.len(),
            Parts::Subcomponents(subs) => subs.len(),
        }
    }

    fn leaf(&self, number: usize) -> Leaf {
        match self.parts {
            Parts::Components(_) => Leaf { component: number, sub: 0, ..self.at },
            Parts::Subcomponents(_) => Leaf { sub: number, ..self.at },
        }
    }
}

/// A component as one text; `None` if it says nothing.
fn value(component: &Component) -> Option<Cow<'_, str>> {
    match &component[..] {
        [only] => said(only).map(Cow::Borrowed),
        _ if is_blank(component) => None,
        _ => Some(Cow::Owned(joined(component).trim().to_owned())),
    }
}

/// A text without white space around; `None` if nothing is left, or it is the explicit null.
fn said(text: &str) -> Option<&str> {
    let text = trimmed(text);
    (!text.is_empty() && text != NULL).then_some(text)
}

/// [`str::trim`], which most texts do not need.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

fn joined(component: &Component) -> Cow<'_, str> {
    match &component[..] {
        [only] => Cow::Borrowed(only),
        subs => Cow::Owned(subs.join("&")),
    }
}

fn is_blank(component: &Component) -> bool {
    component.iter().all(|sub| trimmed(sub).is_empty())
}

fn is_null(component: &Component) -> bool {
    matches!(&component[..], [only] if only.trim() == NULL)
}
