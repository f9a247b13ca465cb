//! A value in another unit. The analyte decides whether and how; what no rule covers is not convertible, which is a
//! result and never a guess.
//!
//! Precision: a conversion by a power of ten keeps exactly the digits that were written. Any other result is rounded to
//! the places in which laboratories report that unit (table `analytes.csv`), but shows at least two significant digits;
//! in a unit the table does not name it gets one significant digit more than the original.

use octofhir_ucum::Number;

use super::decimal::{self, Decimal};
use super::ucum::counts_equivalents;
use super::units::{Reading, factor};
use super::{Catalog, scale::Scale};
use crate::terminology::analytes::{Analyte, Rule};

/// What became of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversion {
    /// A value in the wanted unit.
    Converted {
        /// Decimal text.
        value: String,
        /// UCUM code.
        unit: String,
        /// The rule, for people.
        rule: String,
    },
    /// No rule allows it.
    NotConvertible {
        /// Why not.
        why: String,
    },
}

/// Converts `value` in `unit` (UCUM or a known spelling) of the analyte that `codes` name into the UCUM unit `to_unit`.
/// A percentage of HbA1c is taken as NGSP; records whose scale is in doubt are judged by [`super::harmonise_resource`].
pub fn convert(catalog: &Catalog, codes: &[(&str, &str)], value: &str, unit: &str, to_unit: &str) -> Conversion {
    let Some(value) = decimal::parse(value) else { return refuse("the value is not a decimal") };
    let (from, to) = match (catalog.units.read(unit, false), catalog.units.read(to_unit, true)) {
        (Reading::Ucum(from), Reading::Ucum(to)) => (from, to),
        (Reading::Refused(why), _) | (_, Reading::Refused(why)) => return refuse(&*why),
        _ => return refuse("the unit is not known"),
    };
    match catalog.analyte(codes) {
        Some(analyte) => convert_analyte(analyte, None, &value, &from, &to),
        None => same_kind(&value, &from, &to, None),
    }
}

/// Converts between UCUM units of one analyte. `scale` is the HbA1c scale where a record decides it.
pub(super) fn convert_analyte(
    analyte: &Analyte,
    scale: Option<Scale>,
    value: &Decimal,
    from: &str,
    to: &str,
) -> Conversion {
    let (from, to) = (&fitted(analyte, from), &fitted(analyte, to));
    match &analyte.rule {
        Rule::HbA1c | Rule::HbA1cJds => {
            super::scale::convert(analyte, scale.unwrap_or(Scale::of_unit(analyte, from)), value, from, to)
        }
        Rule::AlkalinePhosphatase if from != to => refuse(&analyte.reason),
        _ if factor(from, to).is_some() => same_kind(value, from, to, Some(analyte)),
        Rule::Molar(_) | Rule::MolarNitrogen(_) | Rule::Factor(_) | Rule::Valence => across(analyte, value, from, to),
        Rule::Refused if !analyte.reason.is_empty() => refuse(&analyte.reason),
        _ => refuse(format!("{from} does not convert to {to}")),
    }
}

/// Enzyme activities are written in U or IU, which are the same for enzymes; hormones by activity in IU or U. UCUM keeps
/// the two apart, so the analyte's own spelling is taken.
pub fn fitted(analyte: &Analyte, unit: &str) -> String {
    let own = &analyte.conventional.unit;
    if own.contains("[IU]") {
        if unit.contains("[IU]") { unit.to_owned() } else { unit.replace("U/", "[IU]/") }
    } else if own.contains("U/") {
        unit.replace("[IU]", "U")
    } else {
        unit.to_owned()
    }
}

fn same_kind(value: &Decimal, from: &str, to: &str, analyte: Option<&Analyte>) -> Conversion {
    let Some(factor) = factor(from, to) else { return refuse(format!("{from} does not convert to {to}")) };
    let rule = if from == to { "same unit".to_owned() } else { format!("UCUM {from} to {to}") };
    finish(value, value.number.checked_mul(factor), decimal::power_of_ten(factor), to, analyte, rule)
}

fn across(analyte: &Analyte, value: &Decimal, from: &str, to: &str) -> Conversion {
    let Some((amount, rule)) = into_si(analyte, value.number, from).zip(rule_across(analyte, from, to)) else {
        return refuse(format!("{from} is not a unit of {}", analyte.id));
    };
    let Some(result) = out_of_si(analyte, amount, to) else {
        return refuse(format!("{to} is not a unit of {}", analyte.id));
    };
    let exact = (rule.1).then_some(0);
    finish(value, Some(result), exact, to, Some(analyte), rule.0)
}

/// The value in the analyte's SI unit, from any unit of either side or from equivalents.
fn into_si(analyte: &Analyte, value: Number, from: &str) -> Option<Number> {
    if let Some(direct) = factor(from, &analyte.si.unit) {
        return value.checked_mul(direct);
    }
    if let (Some(to_meq), Some(valence)) = (factor(from, "meq/L"), analyte.valence) {
        return value.checked_mul(to_meq)?.checked_div(valence)?.checked_mul(factor("mmol/L", &analyte.si.unit)?);
    }
    value.checked_mul(factor(from, &analyte.conventional.unit)?)?.checked_mul(conventional_to_si(analyte)?)
}

/// The reverse of [`into_si`].
fn out_of_si(analyte: &Analyte, value: Number, to: &str) -> Option<Number> {
    if let Some(direct) = factor(&analyte.si.unit, to) {
        return value.checked_mul(direct);
    }
    if let (Some(from_meq), Some(valence)) = (factor("meq/L", to), analyte.valence) {
        return value.checked_mul(factor(&analyte.si.unit, "mmol/L")?)?.checked_mul(valence)?.checked_mul(from_meq);
    }
    value.checked_div(conventional_to_si(analyte)?)?.checked_mul(factor(&analyte.conventional.unit, to)?)
}

fn conventional_to_si(analyte: &Analyte) -> Option<Number> {
    match &analyte.rule {
        Rule::Molar(mass) | Rule::MolarNitrogen(mass) => factor(&analyte.conventional.unit, "g/L")?
            .checked_div(*mass)?
            .checked_mul(factor("mol/L", &analyte.si.unit)?),
        Rule::Factor(factor) => Some(*factor),
        _ => None,
    }
}

/// The rule in words, and whether it leaves the digits as they are.
fn rule_across(analyte: &Analyte, from: &str, to: &str) -> Option<(String, bool)> {
    let one = Some(Number::ONE);
    let equivalents = counts_equivalents(from) || counts_equivalents(to);
    if equivalents && let Some(valence) = analyte.valence {
        let text = format!("valence {}", decimal::write(valence, 0)?);
        // A single charge between meq/L and mmol/L leaves the number as it is.
        let same = analyte.valence == one && factor("meq/L", from).or(factor("meq/L", to)) == one;
        let massive = factor(&analyte.conventional.unit, from).or(factor(&analyte.conventional.unit, to)).is_some();
        return match &analyte.rule {
            Rule::Molar(mass) if massive => {
                let mass = decimal::write(*mass, 3).map(trim_zeros)?;
                Some((format!("{text}, molar mass {mass} g/mol"), false))
            }
            _ => Some((text, same)),
        };
    }
    match &analyte.rule {
        Rule::Molar(mass) => Some((format!("molar mass {} g/mol", decimal::write(*mass, 3).map(trim_zeros)?), false)),
        Rule::MolarNitrogen(mass) => {
            Some((format!("{} g of nitrogen per mol of urea", decimal::write(*mass, 3).map(trim_zeros)?), false))
        }
        Rule::Factor(factor) => {
            let factor = decimal::write(*factor, 6).map(trim_zeros)?;
            Some((format!("factor {factor} {} per {}", analyte.si.unit, analyte.conventional.unit), false))
        }
        _ => None,
    }
}

/// Rounds and writes a result; see the head of this file.
pub(super) fn finish(
    original: &Decimal,
    result: Option<Number>,
    exact_power: Option<i32>,
    to: &str,
    analyte: Option<&Analyte>,
    rule: String,
) -> Conversion {
    let Some(result) = result else { return refuse("the value is out of range") };
    let reported = analyte.and_then(|analyte| {
        [&analyte.conventional, &analyte.si].into_iter().find(|side| side.unit == to).and_then(|side| side.places)
    });
    let places = match (exact_power, reported) {
        (Some(power), _) => original.places - power,
        (None, Some(places)) => places.max(decimal::places_for(result, 2)),
        (None, None) => decimal::places_for(result, (original.significant + 1).max(2)),
    };
    match decimal::write(result, places) {
        Some(value) => Conversion::Converted { value, unit: to.to_owned(), rule },
        None => refuse("the value is out of range"),
    }
}

pub(super) fn refuse(why: impl Into<String>) -> Conversion {
    Conversion::NotConvertible { why: why.into() }
}

fn trim_zeros(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
