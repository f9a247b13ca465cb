//! Arithmetic and the functions of numbers: <http://hl7.org/fhirpath/N1/#math>. What has no result in the range of numbers is
//! empty.

use std::borrow::Cow;

use octofhir_ucum::Number;

use super::decimal::{Decimal, MOST_PLACES, Rounding};
use super::evaluate::Given;
use super::expression::{Function, Operator};
use super::item::Item;
use super::{PathError, evaluation};
use crate::fhir::structure::Node;

/// The numbers, but for their sign.
pub(super) fn negative<'a, N: Node>(items: &[Item<'a, N>]) -> Given<'a, N> {
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        found.push(match item.plain() {
            Item::Whole(number) => match number.checked_neg() {
                Some(number) => Item::Whole(number),
                None => return Ok(Vec::new()),
            },
            Item::Decimal(number) => Item::Decimal(Decimal { number: -number.number, ..number }),
            other => match other.quantity() {
                Some(mut quantity) => {
                    quantity.value.number = -quantity.value.number;
                    Item::Quantity(quantity)
                }
                None => return Err(evaluation("a sign stands before what is no number")),
            },
        });
    }
    Ok(found)
}

/// Two operands and what they give.
pub(super) fn arithmetic<'a, N: Node>(
    operator: Operator,
    left: &Item<'a, N>,
    right: &Item<'a, N>,
) -> Result<Option<Item<'a, N>>, PathError> {
    let (left, right) = (left.plain(), right.plain());
    if let (Item::Whole(one), Item::Whole(other)) = (&left, &right)
        && operator != Operator::Over
    {
        return Ok(match operator {
            Operator::Plus => one.checked_add(*other),
            Operator::Minus => one.checked_sub(*other),
            Operator::Times => one.checked_mul(*other),
            Operator::Div => one.checked_div(*other),
            _ => one.checked_rem(*other),
        }
        .filter(|number| i32::try_from(*number).is_ok())
        .map(Item::Whole));
    }
    if let (Some(one), Some(other)) = (left.decimal(), right.decimal()) {
        return Ok(decimals(operator, one, other));
    }
    match (&left, &right, operator) {
        (Item::Text(one), Item::Text(other), Operator::Plus) => {
            return Ok(Some(Item::Text(Cow::Owned(format!("{one}{other}")))));
        }
        (Item::Moment(moment), _, Operator::Plus | Operator::Minus) => {
            let sign = if operator == Operator::Plus { 1 } else { -1 };
            let quantity = right.quantity().ok_or_else(|| evaluation("a date moves by a quantity of time only"))?;
            let (count, unit) =
                quantity.span().ok_or_else(|| evaluation("a date moves by units of the calendar only"))?;
            return Ok(count.checked_mul(sign).and_then(|count| moment.plus(count, unit)).map(Item::Moment));
        }
        _ => {}
    }
    let quantity =
        |item: &Item<'a, N>| item.quantity().or_else(|| item.decimal().map(|number| super::Quantity::of(number, "1")));
    let (Some(one), Some(other)) = (quantity(&left), quantity(&right)) else {
        return Err(evaluation("numbers are wanted"));
    };
    Ok(match operator {
        Operator::Plus => one.plus(&other, 1),
        Operator::Minus => one.plus(&other, -1),
        Operator::Times => one.times(&other),
        Operator::Over => one.over(&other),
        _ => return Err(evaluation("quantities are not divided so")),
    }
    .map(Item::Quantity))
}

fn decimals<'a, N: Node>(operator: Operator, one: Decimal, other: Decimal) -> Option<Item<'a, N>> {
    let places = one.places.max(other.places);
    let with = |number: Number, places: i32| {
        let least = Decimal::computed(number);
        Item::Decimal(Decimal { places: least.places.max(places), ..least })
    };
    match operator {
        Operator::Plus => Some(with(one.number.checked_add(other.number)?, places)),
        Operator::Minus => Some(with(one.number.checked_sub(other.number)?, places)),
        Operator::Times => Some(with(one.number.checked_mul(other.number)?, 0)),
        Operator::Over => Some(with(one.number.checked_div(other.number)?, 0)),
        Operator::Div => {
            Decimal::computed(one.number.checked_div(other.number)?).integral(Rounding::Truncate).map(Item::Whole)
        }
        _ => {
            let whole = Decimal::computed(one.number.checked_div(other.number)?).rounded(0, Rounding::Truncate)?;
            Some(with(one.number.checked_sub(whole.number.checked_mul(other.number)?)?, 0))
        }
    }
}

/// A function of one number, perhaps with another.
pub(super) fn function<'a, N: Node>(
    function: Function,
    item: &Item<'a, N>,
    argument: Option<&Item<'a, N>>,
) -> Result<Option<Item<'a, N>>, PathError> {
    if let (Function::Abs, Some(mut quantity)) = (function, item.quantity()) {
        quantity.value.number = quantity.value.number.abs();
        return Ok(Some(Item::Quantity(quantity)));
    }
    let number = item.decimal().ok_or_else(|| evaluation("a number is wanted"))?;
    let argument = argument.map(|item| item.decimal().ok_or_else(|| evaluation("a number is wanted"))).transpose()?;
    let is_whole = matches!(item.plain(), Item::Whole(_));
    let real = number.number.to_f64();
    Ok(match function {
        Function::Abs if is_whole => Decimal { number: number.number.abs(), ..number }.to_whole().map(Item::Whole),
        Function::Abs => Some(Item::Decimal(Decimal { number: number.number.abs(), ..number })),
        Function::Ceiling => number.integral(Rounding::Ceiling).map(Item::Whole),
        Function::Floor => number.integral(Rounding::Floor).map(Item::Whole),
        Function::Truncate => number.integral(Rounding::Truncate).map(Item::Whole),
        Function::Round => {
            let places = argument.map_or(Some(0), Decimal::to_whole).and_then(|places| i32::try_from(places).ok());
            let places = places.filter(|places| (0..=MOST_PLACES).contains(places));
            let places = places.ok_or_else(|| evaluation("a number is rounded to 0 to 28 places"))?;
            number.rounded(places, Rounding::HalfAway).map(Item::Decimal)
        }
        Function::Exp => Decimal::approximate(real.exp()).map(Item::Decimal),
        Function::Ln => Decimal::approximate(real.ln()).map(Item::Decimal),
        Function::Sqrt => Decimal::approximate(real.sqrt()).map(Item::Decimal),
        Function::Log => {
            argument.and_then(|base| Decimal::approximate(real.log(base.number.to_f64()))).map(Item::Decimal)
        }
        _ => argument.and_then(|exponent| power(number, exponent, is_whole)),
    })
}

fn power<'a, N: Node>(number: Decimal, exponent: Decimal, is_whole: bool) -> Option<Item<'a, N>> {
    let whole = exponent.to_whole().and_then(|exponent| i32::try_from(exponent).ok());
    if let Some(exponent) = whole.filter(|exponent| exponent.abs() <= 4096) {
        let power = Decimal::computed(number.number.checked_powi(exponent)?);
        return match power.to_whole().filter(|_| is_whole) {
            Some(whole) => Some(Item::Whole(whole)),
            None => Some(Item::Decimal(power)),
        };
    }
    Decimal::approximate(number.number.to_f64().powf(exponent.number.to_f64())).map(Item::Decimal)
}
