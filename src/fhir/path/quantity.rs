//! Quantities of FHIRPath: a decimal and a unit, of UCUM or of the calendar.

use std::borrow::Cow;
use std::cmp::Ordering;

use octofhir_ucum::{AdvancedConversionContext, Number};

use super::decimal::{Decimal, Rounding};
use super::moment::Unit;

/// A quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity<'a> {
    /// How much.
    pub value: Decimal,
    /// A unit of UCUM (`mg`), a word of the calendar (`week`), or a unit that only equals itself.
    pub unit: Cow<'a, str>,
    /// Whether the unit is a word of the calendar.
    pub is_calendar: bool,
}

impl<'a> Quantity<'a> {
    /// Of a unit of UCUM.
    pub(super) fn of(value: Decimal, unit: impl Into<Cow<'a, str>>) -> Self {
        Self { value, unit: unit.into(), is_calendar: false }
    }

    /// Reads `10 'mg'`, `4 days` or `10`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, unit) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (value, unit) = (Decimal::read(number)?, unit.trim());
        if unit.is_empty() {
            return Some(Self::of(value, "1"));
        }
        if let Some(unit) = unit.strip_prefix('\'').and_then(|unit| unit.strip_suffix('\'')) {
            return Some(Self::of(value, unit.to_owned()));
        }
        Unit::named(unit)?;
        Some(Self { value, unit: unit.to_owned().into(), is_calendar: true })
    }

    /// As FHIRPath writes it.
    pub(super) fn text(&self) -> Option<String> {
        let quote = if self.is_calendar { "" } else { "'" };
        Some(format!("{} {quote}{}{quote}", self.value.text()?, self.unit))
    }

    /// Which is less; `None` where their units have no way between them.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.value.number.cmp(&other.number_in(self)?))
    }

    /// Whether they are the same to the places of the less exact one.
    pub(super) fn is_about(&self, other: &Self) -> Option<bool> {
        let places = self.value.places.min(other.value.places);
        let theirs = Decimal { number: other.number_in(self)?, places };
        let one = self.value.rounded(places, Rounding::HalfAway)?;
        Some(one.order(theirs.rounded(places, Rounding::HalfAway)?) == Ordering::Equal)
    }

    /// The number of this quantity in the unit of another.
    fn number_in(&self, other: &Self) -> Option<Number> {
        if self.unit == other.unit && self.is_calendar == other.is_calendar {
            return Some(self.value.number);
        }
        let (own, wanted) = (self.calendar(), other.calendar());
        if let (Some(own), Some(wanted)) = (own, wanted) {
            if own == wanted {
                return Some(self.value.number);
            }
            match (own, wanted) {
                (Unit::Year, Unit::Month) => return self.value.number.checked_mul(Number::from_i64(12)),
                (Unit::Month, Unit::Year) => return self.value.number.checked_div(Number::from_i64(12)),
                _ => {}
            }
        }
        convert(self.value.number, self.ucum()?, other.ucum()?)
    }

    fn calendar(&self) -> Option<Unit> {
        if self.is_calendar { Unit::named(&self.unit) } else { None }
    }

    fn ucum(&self) -> Option<&str> {
        if self.is_calendar { Unit::named(&self.unit)?.ucum() } else { Some(&self.unit) }
    }

    /// Whether there is a way from one unit to the other.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        self.number_in(other).is_some()
    }

    /// What it adds to a date: a whole count of a unit of the calendar.
    pub(super) fn span(&self) -> Option<(i64, Unit)> {
        let unit = Unit::named(&self.unit).or_else(|| Unit::of_ucum(&self.unit))?;
        Some((self.value.integral(Rounding::Truncate)?, unit))
    }

    /// The sum in the unit of the first.
    pub(super) fn plus(&self, other: &Self, sign: i64) -> Option<Quantity<'a>> {
        let theirs = other.number_in(self)?.checked_mul(Number::from_i64(sign))?;
        let value = Decimal::computed(self.value.number.checked_add(theirs)?);
        Some(Self { value, ..self.clone() })
    }

    /// The product, in base units.
    pub(super) fn times(&self, other: &Self) -> Option<Quantity<'a>> {
        let product = octofhir_ucum::unit_multiply(self.ucum()?, other.ucum()?).ok()?;
        let number = self.value.number.checked_mul(other.value.number)?.checked_mul(product.factor)?;
        Some(Self::of(Decimal::computed(number), base_units(&product.expression)?))
    }

    /// The quotient, in base units.
    pub(super) fn over(&self, other: &Self) -> Option<Quantity<'a>> {
        let quotient = octofhir_ucum::unit_divide(self.ucum()?, other.ucum()?).ok()?;
        let number = self.value.number.checked_div(other.value.number)?.checked_mul(quotient.factor)?;
        Some(Self::of(Decimal::computed(number), base_units(&quotient.expression)?))
    }
}

fn base_units(expression: &str) -> Option<String> {
    Some(octofhir_ucum::get_canonical_units(expression).ok()?.unit)
}

/// From one unit of UCUM to another, temperatures with their offset.
fn convert(value: Number, from: &str, to: &str) -> Option<Number> {
    let way = octofhir_ucum::convert_with_context(1.0, from, to, &AdvancedConversionContext::default()).ok()?;
    value.checked_mul(way.factor?)?.checked_add(way.offset?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_compared_where_there_is_a_way() {
        let order = |one: &str, two: &str| Quantity::read(one).unwrap().order(&Quantity::read(two).unwrap());
        assert_eq!(order("4 'g'", "4000 'mg'"), Some(Ordering::Equal));
        assert_eq!(order("7 days", "1 'wk'"), Some(Ordering::Equal));
        assert_eq!(order("12 months", "1 year"), Some(Ordering::Equal));
        assert_eq!(order("1 'mo'", "1 month"), None);
        assert_eq!(order("1 'cm'", "1 's'"), None);
    }
}
