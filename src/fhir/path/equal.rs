//! Whether items are the same, about the same, or which is less: <http://hl7.org/fhirpath/N1/#equality>.

use std::cmp::Ordering;

use super::decimal::Rounding;
use super::item::{Element, Item};
use super::moment::MomentKind;
use super::{PathError, evaluation};
use crate::fhir::structure::{Node, same};

/// Whether two items are the same; `None` where that cannot be told.
pub(super) fn equal<N: Node>(one: &Item<'_, N>, other: &Item<'_, N>) -> Option<bool> {
    match (one.plain(), other.plain()) {
        (Item::Truth(one), Item::Truth(other)) => Some(one == other),
        (Item::Whole(one), Item::Whole(other)) => Some(one == other),
        (Item::Text(one), Item::Text(other)) => Some(one == other),
        (Item::Moment(one), Item::Moment(other)) => {
            if (one.kind == MomentKind::Time) != (other.kind == MomentKind::Time) {
                return Some(false);
            }
            one.order(&other).map(Ordering::is_eq)
        }
        (Item::Type(space, one), Item::Type(other_space, other)) => Some(space == other_space && one == other),
        (Item::Element(one), Item::Element(other)) => match (one.quantity(), other.quantity()) {
            (Some(one), Some(other)) => one.order(&other).map(Ordering::is_eq),
            _ => Some(is_same(one, other)),
        },
        (one, other) => {
            if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
                return Some(one.order(other).is_eq());
            }
            match as_quantities(&one, &other) {
                Some((one, other)) => one.order(&other).map(Ordering::is_eq),
                None => Some(false),
            }
        }
    }
}

/// Two items as quantities, where one is: a number counts.
fn as_quantities<'a, N: Node>(
    one: &Item<'a, N>,
    other: &Item<'a, N>,
) -> Option<(super::quantity::Quantity<'a>, super::quantity::Quantity<'a>)> {
    use super::quantity::Quantity;
    let counted = |item: &Item<'a, N>| item.decimal().map(|number| Quantity::of(number, "1"));
    match (one.quantity(), other.quantity()) {
        (Some(one), Some(other)) => Some((one, other)),
        (Some(one), None) => Some((one, counted(other)?)),
        (None, Some(other)) => Some((counted(one)?, other)),
        (None, None) => None,
    }
}

fn is_same<N: Node>(one: Element<'_, N>, other: Element<'_, N>) -> bool {
    let is_same = |one: Option<&N>, other: Option<&N>| match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other) || same(one, other),
        (None, None) => true,
        _ => false,
    };
    is_same(one.value, other.value) && is_same(one.beside, other.beside)
}

/// Whether two items are about the same: texts without regard to case and spaces, numbers to the places of the less exact.
pub(super) fn equivalent<N: Node>(one: &Item<'_, N>, other: &Item<'_, N>) -> bool {
    match (one.plain(), other.plain()) {
        (Item::Text(one), Item::Text(other)) => folded(&one) == folded(&other),
        (Item::Moment(one), Item::Moment(other)) => one.order(&other).is_some_and(Ordering::is_eq),
        (one, other) => {
            if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
                let places = one.places.min(other.places);
                let rounded = |number: super::Decimal| number.rounded(places, Rounding::HalfAway);
                return matches!((rounded(one), rounded(other)), (Some(one), Some(other)) if one.order(other).is_eq());
            }
            match as_quantities(&one, &other) {
                Some((one, other)) => one.is_about(&other) == Some(true),
                None => equal(&one, &other) == Some(true),
            }
        }
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Which item is less; `None` where that cannot be told, an error where the two have no order.
pub(super) fn order<N: Node>(one: &Item<'_, N>, other: &Item<'_, N>) -> Result<Option<Ordering>, PathError> {
    let (one, other) = (one.plain(), other.plain());
    if let (Item::Text(one), Item::Text(other)) = (&one, &other) {
        return Ok(Some(one.cmp(other)));
    }
    if let (Item::Moment(one), Item::Moment(other)) = (&one, &other) {
        if (one.kind == MomentKind::Time) == (other.kind == MomentKind::Time) {
            return Ok(one.order(other));
        }
        return Err(evaluation("a time of day is compared with a date"));
    }
    if let (Some(one), Some(other)) = (one.decimal(), other.decimal()) {
        return Ok(Some(one.order(other)));
    }
    match as_quantities(&one, &other) {
        Some((one, other)) => Ok(one.order(&other)),
        None => Err(evaluation("values of two types are compared")),
    }
}
