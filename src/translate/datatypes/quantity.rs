//! NM with a unit, CQ, durations, reference ranges.
//!
//! A unit gets a UCUM code only where its text is one for certain (table `ucum`, exact case): `ML` is a megalitre, `U/L`
//! is not `u/l`. Everything else keeps its unit as text; harmonising it is another part's work.

use std::borrow::Cow;

use crate::fhir::tree::{Map, Number, Text, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use super::number;
use super::text::clean;
use crate::fhir::systems;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// A unit as the elements of a Quantity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    text: Option<Text>,
    coded: Option<(Text, Text)>,
}

impl Unit {
    /// CWE, or subcomponents of one: code, text, system. OBX-6 of JAHIS is `ASCII^display^system`.
    pub(crate) fn read(context: &Context<'_>, piece: &Piece<'_>) -> Self {
        if let Some(text) = power(piece.get(1), piece.get(2)).and_then(|text| clean(&text)) {
            piece.book(1);
            piece.book(2);
            return Self { text: Some(text), coded: None };
        }
        if piece.get(1).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit())) {
            // A number is no unit: the sign between its parts was something that cannot be told from here.
            return Self { text: piece.take_whole().and_then(|text| clean(&text)), coded: None };
        }
        let code = piece.take(1).and_then(|text| clean(&text));
        let text = piece.take(2).and_then(|text| clean(&text));
        let system = piece.take(3);
        let ucum = code.as_ref().and_then(|code| context.rules.table("ucum")?.codes.get(code.as_str()).cloned());
        let coded = match (ucum, &code, system) {
            (Some(code), _, _) => Some((Text::constant(systems::UCUM), code)),
            // A unit of a published code list (MERIT-9 for medicines) keeps its code.
            (None, Some(code), Some(system)) => {
                context.rules.system(&system, code).filter(|url| *url != systems::UCUM).map(|url| (url, code.clone()))
            }
            _ => None,
        };
        Self { text: text.or(code), coded }
    }

    /// A Quantity.
    pub(crate) fn quantity(&self, value: Number) -> Value {
        let mut quantity = Map::new();
        quantity.insert("value", Value::Number(value));
        self.write(&mut quantity);
        Value::Object(quantity)
    }

    /// Adds `unit`, `system` and `code`.
    pub(crate) fn write(&self, quantity: &mut Map) {
        if let Some(text) = &self.text {
            quantity.insert("unit", json!(text));
        }
        if let Some((system, code)) = &self.coded {
            quantity.insert("system", json!(system));
            quantity.insert("code", json!(code));
        }
    }
}

/// `10^3/uL`, `mL/min/1.73m^2`: a power whose sign, not escaped by the sender, was read as the end of the component.
fn power(base: Option<Cow<'_, str>>, exponent: Option<Cow<'_, str>>) -> Option<String> {
    let (base, exponent) = (base?, exponent?);
    let digits = exponent.strip_prefix('-').unwrap_or(&exponent);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let begins_with_digits = rest.len() < digits.len();
    let folded: String = base.nfkc().filter(|c| !c.is_whitespace()).collect();
    let is_ten = folded.strip_prefix(['x', 'X', '×', '*', '.', '・']).unwrap_or(&folded) == "10";
    let is_unit = folded.ends_with(|c: char| c.is_ascii_alphabetic()) && (rest.is_empty() || rest.starts_with('/'));
    (begins_with_digits && (is_ten || is_unit)).then(|| format!("{base}^{exponent}"))
}

/// NM with its unit in another field → Quantity.
pub(crate) fn with_unit_field(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Value::Number(value) = number::decimal(piece)? else { return None };
    Some(unit_at(row, context).quantity(value))
}

fn unit_at(row: &Row, context: &Context<'_>) -> Unit {
    row.unit
        .as_ref()
        .and_then(|fields| context.with_piece(fields, |piece| Unit::read(context, &piece)))
        .unwrap_or_default()
}

/// CQ → Quantity: `3^TAB&錠&MR9P`.
pub(crate) fn cq(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Value::Number(value) = number::decimal(piece)? else { return None };
    Some(Unit::read(context, &piece.component(2)).quantity(value))
}

/// CQ → Duration. FHIR wants a UCUM unit of time; a unit that is none cannot be a Duration.
pub(crate) fn duration(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let unit = piece.component(2);
    let code = unit.get(1).and_then(|unit| context.rules.table("time-unit")?.codes.get(&unit.to_lowercase()).cloned());
    let Some(code) = code else {
        piece.drop_all("its unit is no unit of time that is known here");
        return None;
    };
    let Value::Number(value) = number::decimal(piece)? else { return None };
    let source = unit.take(1);
    let text = unit.take(2).or(source).and_then(|text| clean(&text)).unwrap_or_else(|| code.clone());
    unit.book(3);
    Some(json!({"value": value, "unit": text, "system": systems::UCUM, "code": code}))
}

/// OBX-7 → referenceRange: the text always, low and high where the text is plainly two numbers.
pub(crate) fn reference_range(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let text = piece.take_whole().and_then(|text| clean(&text))?;
    let mut range = Map::new();
    if let Some((low, high)) = two_numbers(&text) {
        let unit = context.other("OBX", 6).map(|piece| Unit::read(context, &piece)).unwrap_or_default();
        range.insert("low", unit.quantity(low));
        range.insert("high", unit.quantity(high));
    }
    range.insert("text", json!(text));
    Some(Value::Object(range))
}

/// `6.70-8.3`, `4.3 to 6.2`, `1.2～2.0`. Two signs in a row or a third number are left as text.
fn two_numbers(text: &str) -> Option<(Number, Number)> {
    let (low, high) = ["〜", "～", "~", " to ", "–"]
        .iter()
        .find_map(|separator| text.split_once(separator))
        .or_else(|| text.get(1..)?.find('-').map(|at| (&text[..=at], &text[at + 2..])))?;
    let (low, high) = (number::parse(low)?, number::parse(high)?);
    let ordered = matches!((low.as_f64(), high.as_f64()), (Some(low), Some(high)) if low <= high);
    ordered.then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::{power, two_numbers};

    #[test]
    fn an_unescaped_sign_of_power_is_joined_again() {
        let read = |base: &str, exponent: &str| power(Some(base.into()), Some(exponent.into()));
        for (base, exponent) in
            [("10", "3/uL"), ("x10", "9/L"), ("×10", "4/μL"), ("x 10", "12/L"), ("mL/min/1.73m", "2"), ("kg/m", "2")]
        {
            assert_eq!(read(base, exponent), Some(format!("{base}^{exponent}")));
        }
        for (code, text) in [("mg/dL", "mg/dL"), ("TAB", "1錠"), ("10", "ten"), ("7", "3/uL"), ("%", "2")] {
            assert_eq!(read(code, text), None, "{code}^{text}");
        }
    }

    #[test]
    fn only_plain_ranges_become_numbers() {
        let read = |text: &str| two_numbers(text).map(|(low, high)| (low.to_string(), high.to_string()));
        let pair = |low: &str, high: &str| Some((low.to_owned(), high.to_owned()));
        assert_eq!(read("6.70-8.3"), pair("6.70", "8.3"));
        assert_eq!(read("4.3 to 6.2"), pair("4.3", "6.2"));
        assert_eq!(read("-5 - 10"), pair("-5", "10"));
        assert_eq!(read("1.2～2.0"), pair("1.2", "2.0"));
        for text in ["<5", "10-5", "M 3-5", "negative", "-", "2.0-", "1-2-3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
