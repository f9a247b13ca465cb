//! `lowBoundary()`, `highBoundary()`, `precision()` and `comparable()`, which FHIR's own invariants use on periods
//! (<http://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time>).

use super::decimal::{Decimal, MOST_PLACES, Rounding};
use super::item::Item;
use super::quantity::Quantity;
use crate::fhir::structure::Node;

/// Places of a boundary where none are asked for.
const PLACES: i32 = 8;

/// The least or greatest value that a value may stand for.
pub(super) fn boundary<'a, N: Node>(item: &Item<'a, N>, digits: Option<i64>, is_high: bool) -> Option<Item<'a, N>> {
    if let Some(quantity) = item.quantity() {
        let value = number(quantity.value, digits, is_high)?;
        return Some(Item::Quantity(Quantity { value, ..quantity }));
    }
    match item.plain() {
        Item::Moment(moment) => moment.boundary(digits, is_high).map(Item::Moment),
        other => number(other.decimal()?, digits, is_high).map(Item::Decimal),
    }
}

fn number(value: Decimal, digits: Option<i64>, is_high: bool) -> Option<Decimal> {
    let places = digits.map_or(Some(PLACES), |digits| i32::try_from(digits).ok())?;
    if !(0..=MOST_PLACES).contains(&places) {
        return None;
    }
    let tolerance = value.tolerance()?;
    let (bound, direction) = if is_high {
        (value.number.checked_add(tolerance)?, Rounding::Ceiling)
    } else {
        (value.number.checked_sub(tolerance)?, Rounding::Floor)
    };
    Decimal::computed(bound).rounded(places, direction)
}

/// How many digits a value was written with.
pub(super) fn precision<N: Node>(item: &Item<'_, N>) -> Option<i64> {
    match item.plain() {
        Item::Moment(moment) => Some(moment.digits()),
        other => other.decimal().map(|number| i64::from(number.places)),
    }
}
