//! Decimals of FHIRPath: base ten, 28 significant digits, and the places they were written with (`1.50` has two).

use std::cmp::Ordering;

use octofhir_ucum::Number;

/// Significant digits that are computed with.
const MOST_DIGITS: usize = 28;
/// Places a rounded number may have.
pub(super) const MOST_PLACES: i32 = 28;

/// A decimal number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal {
    /// Its value.
    pub number: Number,
    /// Digits after the point, as written.
    pub places: i32,
}

impl Decimal {
    /// Reads digits with sign, fraction and exponent as JSON has them; `None` for more digits than are computed with.
    pub fn read(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent = exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= 64)?;
        let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || unsigned.ends_with('.') {
            return None;
        }
        let significant = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').count();
        if significant > MOST_DIGITS {
            return None;
        }
        let places = i32::try_from(fraction.len()).ok()? - exponent;
        Some(Self { number: Number::parse(text)?, places: places.max(0) })
    }

    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Self { number: Number::from_i64(number), places: 0 }
    }

    /// What arithmetic gives: as many places as it needs.
    pub(super) fn computed(number: Number) -> Self {
        let (_, exponent) = number.to_integer_and_exponent();
        Self { number, places: (-exponent).max(0) }
    }

    /// From a function that has no exact decimals (a logarithm).
    pub(super) fn approximate(value: f64) -> Option<Self> {
        Number::from_f64(value).map(Self::computed)
    }

    /// As FHIRPath writes it, with its places.
    pub fn text(&self) -> Option<String> {
        let (digits, exponent) = self.number.to_integer_and_exponent();
        let places = self.places.max(-exponent).clamp(0, 64);
        let shift = u32::try_from(exponent.checked_add(places)?).ok()?;
        let scaled = digits.checked_mul(10_i128.checked_pow(shift)?)?;
        let sign = if scaled < 0 { "-" } else { "" };
        let text = scaled.unsigned_abs().to_string();
        let places = usize::try_from(places).ok()?;
        if places == 0 {
            return Some(format!("{sign}{text}"));
        }
        let text = format!("{text:0>width$}", width = places + 1);
        let (whole, fraction) = text.split_at_checked(text.len() - places)?;
        Some(format!("{sign}{whole}.{fraction}"))
    }

    /// The number whole, if it is.
    pub(super) fn to_whole(self) -> Option<i64> {
        let (digits, exponent) = self.number.to_integer_and_exponent();
        let power = 10_i128.checked_pow(u32::try_from(exponent).ok()?)?;
        i64::try_from(digits.checked_mul(power)?).ok()
    }

    /// The number with so many places, in a direction.
    pub(super) fn rounded(self, places: i32, direction: Rounding) -> Option<Self> {
        let (digits, exponent) = self.number.to_integer_and_exponent();
        let Ok(drop) = u32::try_from(-(exponent.checked_add(places)?)) else { return Some(Self { places, ..self }) };
        // Beyond 10^38 nothing is left but the sign.
        let (kept, rest, half) = match 10_i128.checked_pow(drop) {
            Some(power) if drop > 0 => (digits / power, digits % power, power / 2),
            Some(_) => return Some(Self { places, ..self }),
            None => (0, digits, i128::MAX),
        };
        let sign = digits.signum();
        let away = match direction {
            Rounding::Truncate => false,
            Rounding::Floor => rest < 0,
            Rounding::Ceiling => rest > 0,
            Rounding::HalfAway => rest != 0 && rest.abs() >= half,
        };
        let kept = kept + if away { sign } else { 0 };
        let number = Number::parse(&format!("{kept}e{}", -places))?;
        Some(Self { number, places })
    }

    /// The number whole, in a direction.
    pub(super) fn integral(self, direction: Rounding) -> Option<i64> {
        self.rounded(0, direction)?.to_whole()
    }

    /// Half of a unit of the last place: what the number may be off.
    pub(super) fn tolerance(self) -> Option<Number> {
        Number::power_of_ten(-self.places).checked_mul(Number::parse("0.5")?)
    }

    /// Which is less.
    pub(super) fn order(self, other: Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

/// Where a number goes that lies between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Truncate,
    Floor,
    Ceiling,
    HalfAway,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_and_written() {
        for text in ["0", "1.50", "-0.05", "120", "1234567890987654321.0"] {
            assert_eq!(Decimal::read(text).unwrap().text().as_deref(), Some(text));
        }
        assert_eq!(Decimal::read("1e-3").unwrap().text().as_deref(), Some("0.001"));
        for bad in ["", ".", "1.", "x", "1e999", &"9".repeat(29)] {
            assert!(Decimal::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_rounded_in_each_direction() {
        let round = |text: &str, places, direction| {
            Decimal::read(text).unwrap().rounded(places, direction).unwrap().text().unwrap()
        };
        assert_eq!(round("1.587", 2, Rounding::HalfAway), "1.59");
        assert_eq!(round("-1.1", 0, Rounding::Ceiling), "-1");
        assert_eq!(round("-2.1", 0, Rounding::Floor), "-3");
        assert_eq!(round("1.5", 4, Rounding::Floor), "1.5000");
        assert_eq!(round("0.0000000000000000001", 0, Rounding::Ceiling), "1");
        assert_eq!(round("0.5", 0, Rounding::HalfAway), "1");
    }
}
