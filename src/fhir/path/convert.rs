//! From one type to another: <http://hl7.org/fhirpath/N1/#conversion>.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::expression::Function;
use super::item::Item;
use super::moment::{Moment, MomentKind};
use super::quantity::Quantity;
use crate::fhir::structure::Node;

/// An item as another type; `None` where there is no way.
pub(super) fn convert<'a, N: Node>(function: Function, item: &Item<'a, N>, unit: Option<&str>) -> Option<Item<'a, N>> {
    let item = item.plain();
    match function {
        Function::ToBoolean | Function::ConvertsToBoolean => truth(&item).map(Item::Truth),
        Function::ToInteger | Function::ConvertsToInteger => match item {
            Item::Whole(number) => Some(Item::Whole(number)),
            Item::Truth(truth) => Some(Item::Whole(i64::from(truth))),
            Item::Text(text) => text.parse::<i32>().ok().map(|number| Item::Whole(number.into())),
            _ => None,
        },
        Function::ToDecimal | Function::ConvertsToDecimal => match item {
            Item::Truth(truth) => Some(Item::Decimal(decimal_of(truth))),
            Item::Text(text) => Decimal::read(&text).map(Item::Decimal),
            other => other.decimal().map(Item::Decimal),
        },
        Function::ToString | Function::ConvertsToString => match item {
            Item::Element(_) => None,
            other => other.shown().map(|text| Item::Text(Cow::Owned(text))),
        },
        Function::ToQuantity | Function::ConvertsToQuantity => quantity(&item, unit).map(Item::Quantity),
        Function::ToDate | Function::ConvertsToDate => moment(&item, MomentKind::Date),
        Function::ToDateTime | Function::ConvertsToDateTime => moment(&item, MomentKind::DateTime),
        _ => moment(&item, MomentKind::Time),
    }
}

fn truth<N: Node>(item: &Item<'_, N>) -> Option<bool> {
    match item {
        Item::Truth(truth) => Some(*truth),
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        other => match other.decimal()?.to_whole()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

fn decimal_of(truth: bool) -> Decimal {
    Decimal { places: 1, ..Decimal::whole(i64::from(truth)) }
}

fn quantity<'a, N: Node>(item: &Item<'a, N>, unit: Option<&str>) -> Option<Quantity<'a>> {
    let read = match item {
        Item::Truth(truth) => Quantity::of(decimal_of(*truth), "1"),
        Item::Text(text) => Quantity::read(text)?,
        other => match other.quantity() {
            Some(quantity) => quantity,
            None => Quantity::of(other.decimal()?, "1"),
        },
    };
    match unit {
        Some(unit) if read.unit != unit => {
            let none = Quantity::of(Decimal::whole(0), unit.to_owned());
            none.plus(&read, 1)
        }
        _ => Some(read),
    }
}

fn moment<'a, N: Node>(item: &Item<'a, N>, kind: MomentKind) -> Option<Item<'a, N>> {
    let moment = match item {
        Item::Text(text) => match kind {
            MomentKind::Date => Moment::read(MomentKind::DateTime, text)?,
            _ => Moment::read(kind, text)?,
        },
        Item::Moment(moment) => *moment,
        _ => return None,
    };
    match (moment.kind, kind) {
        (MomentKind::Time, MomentKind::Time) => Some(moment),
        (MomentKind::Time, _) | (_, MomentKind::Time) => None,
        (_, MomentKind::Date) => Some(moment.day()),
        _ => Some(moment.with_kind(kind)),
    }
    .map(Item::Moment)
}
