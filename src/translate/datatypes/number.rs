//! NM → decimal and positiveInt. The digits stay as they were written; no number passes through binary.

use std::borrow::Cow;

use crate::fhir::tree::{Map, Number, Value, json};

use crate::translate::build::Piece;

/// A FHIR decimal from HL7 NM text: a plus sign, leading zeros and a bare point are HL7's but not FHIR's and are written
/// the FHIR way; every significant and trailing digit stays. `None` if it is no number, or has more than 18 digits.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let text = text.trim();
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (sign, unsigned) = unsigned.strip_prefix('-').map_or(("", unsigned), |rest| ("-", rest));
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_none_or(str::is_empty)) || !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.filter(|fraction| !fraction.is_empty());
    if whole.len() + fraction.map_or(0, str::len) > 18 {
        return None;
    }
    let parts = [sign, whole, if fraction.is_some() { "." } else { "" }, fraction.unwrap_or("")];
    let number = parts.concat();
    // Nothing but a sign, digits and a point: a JSON number by what was checked above.
    Some(Number::from_string_unchecked(number))
}

/// The first part as a decimal.
pub(crate) fn decimal(piece: &Piece<'_>) -> Option<Value> {
    let number = piece.get(1).and_then(|text| parse(&text));
    match number {
        Some(number) => {
            piece.book(1);
            Some(Value::Number(number))
        }
        None => {
            piece.drop_all("it is not a number");
            None
        }
    }
}

/// CP, MO → Money: amount and currency, in the subcomponents of the first component or in the first two.
pub(crate) fn money(piece: &Piece<'_>) -> Option<Value> {
    let amount = piece.component(1);
    let inner = amount.get(2).is_some();
    let Value::Number(number) = decimal(if inner { &amount } else { piece })? else { return None };
    let mut money = Map::new();
    money.insert("value", Value::Number(number));
    let is_currency = |text: &Cow<'_, str>| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    let part = if inner { amount } else { piece.component(2) };
    let at = if inner { 2 } else { 1 };
    if part.get(at).as_ref().is_some_and(is_currency)
        && let Some(currency) = part.take(at)
    {
        money.insert("currency", json!(currency));
    }
    Some(Value::Object(money))
}

/// The first part as a positiveInt.
pub(crate) fn positive_int(piece: &Piece<'_>) -> Option<Value> {
    let number = piece.get(1).and_then(|text| text.parse::<u32>().ok()).filter(|n| (1..=2_147_483_647).contains(n));
    match number {
        Some(number) => {
            piece.book(1);
            Some(Value::from(number))
        }
        None => {
            piece.drop_all("it is not a whole number from 1");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn digits_stay_as_written() {
        let read = |text: &str| parse(text).map(|number| number.to_string());
        for (text, number) in [
            ("1.50", "1.50"),
            ("7.0", "7.0"),
            ("007.20", "7.20"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+3", "3"),
            ("-0.10", "-0.10"),
            (" 98 ", "98"),
        ] {
            assert_eq!(read(text).as_deref(), Some(number), "{text}");
        }
        for text in ["", ".", "-", "1,5", "<5", "1e3", "1 2", "--1", "1.2.3", "12345678901234567890", "１２"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
