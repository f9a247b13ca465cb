//! UCUM (<https://ucum.org/ucum>) in exact decimals: which texts are units, their names, and values from one unit to
//! another. `octofhir-ucum` reads expressions and knows the units; what is sent or stored never passes through its binary
//! interface, except for units on a logarithmic or trigonometric scale, whose functions have no exact decimals.

use std::sync::OnceLock;

use octofhir_ucum::{AdvancedConversionContext, Number, evaluate, parse_expression};

use super::memo::PairMemo;

/// Whether a text is a UCUM code (case sensitive), and if not, why not.
pub fn validate(unit: &str) -> Result<(), String> {
    octofhir_ucum::validate(unit).map_err(|cause| cause.to_string())
}

/// The name of a unit in words, e.g. `(millimeter)`; none if it is no unit.
pub fn name(unit: &str) -> Option<String> {
    octofhir_ucum::display_name(unit).ok()
}

/// A measurement in another unit of the same dimension, temperatures with their offset; none if UCUM knows no way.
pub fn convert(value: Number, from: &str, to: &str) -> Option<Number> {
    let way = octofhir_ucum::convert_with_context(1.0, from, to, &AdvancedConversionContext::default()).ok()?;
    match (way.factor, way.offset) {
        (Some(factor), Some(offset)) => value.checked_mul(factor)?.checked_add(offset),
        _ => Number::from_f64(octofhir_ucum::convert(value.to_f64(), from, to).ok()?),
    }
}

/// The product of two quantities in base units (metre, second, gram, radian, kelvin, coulomb, candela).
pub fn multiply(one: (Number, &str), other: (Number, &str)) -> Option<(Number, String)> {
    let product = octofhir_ucum::unit_multiply(one.1, other.1).ok()?;
    Some((one.0.checked_mul(other.0)?.checked_mul(product.factor)?, base_units(&product.expression)?))
}

/// The quotient of two quantities in base units.
pub fn divide(one: (Number, &str), other: (Number, &str)) -> Option<(Number, String)> {
    let quotient = octofhir_ucum::unit_divide(one.1, other.1).ok()?;
    Some((one.0.checked_div(other.0)?.checked_mul(quotient.factor)?, base_units(&quotient.expression)?))
}

fn base_units(expression: &str) -> Option<String> {
    Some(octofhir_ucum::get_canonical_units(expression).ok()?.unit)
}

/// The factor from one unit to another of the same kind. Amounts of substance, equivalents and things that are counted are
/// kinds of their own here, though plain numbers to UCUM: `mmol/mol` is not a percentage of mass, `10*9/L` is not an
/// amount, and `{Log_copies}/mL` are not `{copies}/mL`.
pub fn factor(from: &str, to: &str) -> Option<Number> {
    static FACTORS: OnceLock<PairMemo<Option<Number>>> = OnceLock::new();
    FACTORS.get_or_init(PairMemo::default).of(from, to, || reckon_factor(from, to))
}

fn reckon_factor(from: &str, to: &str) -> Option<Number> {
    if kind(from) != kind(to) {
        return None;
    }
    let read = |unit: &str| evaluate(&parse_expression(unit).ok()?).ok().filter(|read| read.special.is_none());
    let (from, to) = (read(from)?, read(to)?);
    if !from.is_commensurable(&to) {
        return None;
    }
    from.factor.checked_div(to.factor)
}

/// What a unit counts besides its UCUM dimension.
#[derive(Debug, PartialEq, Eq)]
struct Kind<'a> {
    /// Powers of amount of substance; `mmol/mol` counts as 100 + 1, so that opposite signs do not vanish.
    amount: i32,
    /// Powers of equivalents.
    equivalents: i32,
    /// Annotations that stand alone as a factor, as `{copies}` does, each with the sign of its power, sorted.
    counted: Vec<(&'a str, i32)>,
}

fn kind(unit: &str) -> Kind<'_> {
    let mut kind = Kind { amount: 0, equivalents: 0, counted: Vec::new() };
    for (piece, sign) in pieces(unit) {
        let atom = atom(piece);
        if atom.is_empty() {
            if let Some(annotation) = piece.find('{').map(|start| &piece[start..]) {
                kind.counted.push((annotation, sign));
            }
        } else if atom.ends_with("mol") {
            kind.amount += if sign < 0 { 1 } else { 100 };
        } else if atom.ends_with("eq") {
            kind.equivalents += sign;
        }
    }
    kind.counted.sort_unstable();
    kind
}

/// Whether a unit is one of charge (`meq/L`).
pub(super) fn counts_equivalents(unit: &str) -> bool {
    kind(unit).equivalents != 0
}

/// The unit symbols of an expression, without annotations, numbers and powers.
pub(super) fn atoms(unit: &str) -> impl Iterator<Item = &str> {
    pieces(unit).into_iter().map(|(piece, _)| atom(piece)).filter(|atom| !atom.is_empty())
}

fn atom(piece: &str) -> &str {
    let symbol = &piece[..piece.find('{').unwrap_or(piece.len())];
    symbol.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
}

/// What stands between the operators, annotations included, each with the sign of its power. A sign holds for one piece,
/// or for all of a bracket.
fn pieces(unit: &str) -> Vec<(&str, i32)> {
    let mut pieces = Vec::new();
    // The sign outside of each open bracket, and of what comes next inside the innermost.
    let (mut outside, mut sign) = (vec![1], 1);
    let (mut start, mut in_annotation) = (0, false);
    for (place, letter) in unit.char_indices() {
        match letter {
            '{' => in_annotation = true,
            '}' => in_annotation = false,
            '/' | '.' | '(' | ')' if !in_annotation => {
                if start < place {
                    pieces.push((&unit[start..place], sign));
                }
                start = place + 1;
                match letter {
                    '/' => sign = -outside.last().copied().unwrap_or(1),
                    '(' => outside.push(sign),
                    ')' if outside.len() > 1 => {
                        outside.pop();
                    }
                    '.' => sign = outside.last().copied().unwrap_or(1),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    if start < unit.len() {
        pieces.push((&unit[start..], sign));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_percentages_do_not_mix() {
        assert!(factor("mmol/mol", "%").is_none());
        assert!(factor("mmol/mol", "umol/mol").is_some());
        assert!(factor("10*9/L", "mmol/L").is_none());
        assert!(factor("meq/L", "mmol/L").is_none());
        assert!(factor("mg/dL", "mmol/L").is_none());
        assert_eq!(factor("g/dL", "g/L"), Some(Number::from_i64(10)));
        assert_eq!(factor("pmol/mL/h", "pmol/(mL.h)"), Some(Number::ONE));
        assert!(factor("mmol/L", "L/mmol").is_none());
    }

    #[test]
    fn what_is_counted_is_a_kind_of_its_own() {
        assert!(factor("{Log_copies}/mL", "{copies}/mL").is_none());
        assert!(factor("{class}", "{titer}").is_none());
        assert!(factor("mL/min/{1.73_m2}", "mL/min").is_none());
        assert_eq!(factor("{copies}/mL", "{copies}/L"), Some(Number::from_i64(1000)));
        // Behind a symbol an annotation only tells what is measured.
        assert_eq!(factor("g{creat}/L", "g/L"), Some(Number::ONE));
    }

    #[test]
    fn temperatures_have_an_offset() {
        let convert = |value: &str, from, to| {
            let converted = convert(Number::parse(value).unwrap(), from, to)?;
            crate::harmonise::decimal::write(converted, 10)
        };
        assert_eq!(convert("98.6", "[degF]", "Cel").as_deref(), Some("37.0000000000"));
        assert_eq!(convert("37.0", "Cel", "K").as_deref(), Some("310.1500000000"));
        assert_eq!(convert("37", "Cel", "m"), None);
        assert_eq!(factor("Cel", "K"), None, "a factor alone would be wrong");
    }
}
