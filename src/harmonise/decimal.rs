//! Decimals as text. Values are computed with 28 significant digits in base ten and written to stated places; binary
//! floating point never touches what is stored or sent.

use octofhir_ucum::Number;

/// Digits beyond this say nothing in a laboratory result and only serve to exhaust.
const LONGEST: usize = 40;
/// Places a result may have after the point.
const MOST_PLACES: i32 = 12;

/// A FHIR decimal with the precision in which it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal {
    /// Its value.
    pub number: Number,
    /// Digits after the point, as written (negative when an exponent swallowed digits before it).
    pub places: i32,
    /// Significant digits, as written; all digits of a whole number count.
    pub significant: i32,
}

/// Reads a decimal of FHIR R4: sign, digits without leading zeros, fraction, exponent.
pub fn parse(text: &str) -> Option<Decimal> {
    if text.len() > LONGEST {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() <= 30)?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (unsigned, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let canonical = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
    if !canonical || !digits(whole) || !digits(fraction) {
        return None;
    }
    let leading = whole.bytes().chain(fraction.bytes()).take_while(|digit| *digit == b'0').count();
    let significant = (whole.len() + fraction.len() - leading).max(1) as i32;
    Some(Decimal { number: Number::parse(text)?, places: fraction.len() as i32 - exponent, significant })
}

/// Writes a number with `places` digits after the point, rounded half away from zero; `None` when it is too large.
pub fn write(number: Number, places: i32) -> Option<String> {
    let places = places.clamp(0, MOST_PLACES);
    let (digits, exponent) = number.to_integer_and_exponent();
    let scaled = scale(digits, exponent.checked_add(places)?)?;
    let text = scaled.unsigned_abs().to_string();
    if text.len() > 30 {
        return None;
    }
    let sign = if scaled < 0 { "-" } else { "" };
    if places == 0 {
        return Some(format!("{sign}{text}"));
    }
    let text = format!("{text:0>width$}", width = places as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - places as usize);
    Some(format!("{sign}{whole}.{fraction}"))
}

/// The places that show `significant` digits of a number.
pub fn places_for(number: Number, significant: i32) -> i32 {
    let (digits, exponent) = number.to_integer_and_exponent();
    let magnitude = exponent + digits.unsigned_abs().to_string().len() as i32 - 1;
    (significant - 1 - magnitude).max(0)
}

/// The exponent, if a number is a power of ten.
pub fn power_of_ten(number: Number) -> Option<i32> {
    match number.to_integer_and_exponent() {
        (1, exponent) => Some(exponent),
        _ => None,
    }
}

fn scale(digits: i128, shift: i32) -> Option<i128> {
    let power = |exponent: u32| 10_i128.checked_pow(exponent);
    if shift >= 0 {
        return digits.checked_mul(power(shift.unsigned_abs())?);
    }
    let Some(divisor) = power(shift.unsigned_abs()) else { return Some(0) };
    let rest = digits % divisor;
    let away = i128::from(rest.unsigned_abs() >= divisor.unsigned_abs() / 2 && rest != 0) * digits.signum();
    Some(digits / divisor + away)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fhir_decimals_are_read() {
        for good in ["0", "1.50", "-0.05", "120", "1e3", "1.20E-2"] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "+1", "1,5", "1e99", "NaN", "１", &"9".repeat(41)] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert_eq!(parse("0.050").unwrap().significant, 2);
        assert_eq!(parse("1.50").unwrap().places, 2);
    }

    #[test]
    fn rounding_is_half_away_from_zero_in_base_ten() {
        let write = |text: &str, places| super::write(Number::parse(text).unwrap(), places).unwrap();
        assert_eq!(write("2.675", 2), "2.68");
        assert_eq!(write("-0.5", 0), "-1");
        assert_eq!(write("0.049", 1), "0.0");
        assert_eq!(write("0.005", 3), "0.005");
        assert_eq!(write("1234.5", 0), "1235");
        assert_eq!(write("0.0000000001", 0), "0");
    }
}
