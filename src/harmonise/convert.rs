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
        None => same_kind(&from, &to, None).go(&value),
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
    if analyte.is_hba1c() {
        return super::scale::convert(analyte, scale.unwrap_or(Scale::of_unit(analyte, from)), value, from, to);
    }
    way(analyte, from, to).go(value)
}

/// All ways from one unit of an analyte, reckoned once: into the analyte's own spelling of the unit, and into the units of
/// both countries. HbA1c has targets, but no way: its scale is the record's affair.
#[derive(Debug)]
pub(super) struct Ways {
    /// The unit in the analyte's own spelling.
    pub(super) own: String,
    /// Units, each once, and the way into it.
    pub(super) targets: Vec<(String, Option<Way>)>,
}

impl Ways {
    /// From a UCUM unit.
    pub(super) fn from(analyte: &Analyte, unit: &str) -> Self {
        let own = fitted(analyte, unit);
        let mut targets: Vec<(String, Option<Way>)> = Vec::new();
        for target in [&own, &analyte.conventional.unit, &analyte.si.unit] {
            if !targets.iter().any(|(known, _)| known == target) {
                let way = (!analyte.is_hba1c()).then(|| way(analyte, &own, target));
                targets.push((target.clone(), way));
            }
        }
        Self { own, targets }
    }
}

/// A conversion before it has a value.
#[derive(Debug)]
pub(super) enum Way {
    /// No rule allows it; why.
    Refused(String),
    /// By multiplication.
    Straight(Straight),
}

/// A conversion by multiplication.
#[derive(Debug)]
pub(super) struct Straight {
    ratio: Ratio,
    /// The power of ten it is, which leaves the digits as they are.
    power: Option<i32>,
    /// Places in which laboratories report the target.
    reported: Option<i32>,
    to: String,
    rule: String,
}

/// A factor kept as a quotient, so that a value is rounded once.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    times: Number,
    by: Number,
}

impl Ratio {
    const ONE: Self = Self { times: Number::ONE, by: Number::ONE };

    fn times(self, factor: Number) -> Option<Self> {
        Some(Self { times: self.times.checked_mul(factor)?, ..self })
    }

    fn by(self, divisor: Number) -> Option<Self> {
        Some(Self { by: self.by.checked_mul(divisor)?, ..self })
    }

    fn of(self, value: Number) -> Option<Number> {
        let product = value.checked_mul(self.times)?;
        if self.by == Number::ONE { Some(product) } else { product.checked_div(self.by) }
    }
}

impl Way {
    /// Goes it with a value.
    pub(super) fn go(&self, value: &Decimal) -> Conversion {
        match self {
            Self::Refused(why) => refuse(why),
            Self::Straight(way) => {
                finish(value, way.ratio.of(value.number), way.power, &way.to, way.reported, way.rule.clone())
            }
        }
    }

    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

/// The way between UCUM units of an analyte other than HbA1c.
fn way(analyte: &Analyte, from: &str, to: &str) -> Way {
    match &analyte.rule {
        Rule::AlkalinePhosphatase if from != to => Way::refused(&analyte.reason),
        _ if factor(from, to).is_some() => same_kind(from, to, reported_places(analyte, to)),
        Rule::Molar(_) | Rule::MolarNitrogen(_) | Rule::Factor(_) | Rule::Valence => across(analyte, from, to),
        Rule::Refused if !analyte.reason.is_empty() => Way::refused(&analyte.reason),
        _ => Way::refused(format!("{from} does not convert to {to}")),
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

fn same_kind(from: &str, to: &str, reported: Option<i32>) -> Way {
    let Some(factor) = factor(from, to) else { return Way::refused(format!("{from} does not convert to {to}")) };
    let rule = if from == to { "same unit".to_owned() } else { format!("UCUM {from} to {to}") };
    let ratio = Ratio { times: factor, by: Number::ONE };
    Way::Straight(Straight { ratio, power: decimal::power_of_ten(factor), reported, to: to.to_owned(), rule })
}

fn across(analyte: &Analyte, from: &str, to: &str) -> Way {
    let Some((into, (rule, keeps_digits))) = into_si(analyte, from).zip(rule_across(analyte, from, to)) else {
        return Way::refused(format!("{from} is not a unit of {}", analyte.id));
    };
    let Some(ratio) = out_of_si(analyte, into, to) else {
        return Way::refused(format!("{to} is not a unit of {}", analyte.id));
    };
    let power = keeps_digits.then_some(0);
    Way::Straight(Straight { ratio, power, reported: reported_places(analyte, to), to: to.to_owned(), rule })
}

/// Into the analyte's SI unit, from any unit of either side or from equivalents.
fn into_si(analyte: &Analyte, from: &str) -> Option<Ratio> {
    if let Some(direct) = factor(from, &analyte.si.unit) {
        return Ratio::ONE.times(direct);
    }
    if let (Some(to_meq), Some(valence)) = (factor(from, "meq/L"), analyte.valence) {
        return Ratio::ONE.times(to_meq)?.by(valence)?.times(factor("mmol/L", &analyte.si.unit)?);
    }
    let to_conventional = Ratio::ONE.times(factor(from, &analyte.conventional.unit)?)?;
    let across = conventional_to_si(analyte)?;
    to_conventional.times(across.times)?.by(across.by)
}

/// The reverse of [`into_si`], behind `ratio`.
fn out_of_si(analyte: &Analyte, ratio: Ratio, to: &str) -> Option<Ratio> {
    if let Some(direct) = factor(&analyte.si.unit, to) {
        return ratio.times(direct);
    }
    if let (Some(from_meq), Some(valence)) = (factor("meq/L", to), analyte.valence) {
        return ratio.times(factor(&analyte.si.unit, "mmol/L")?)?.times(valence)?.times(from_meq);
    }
    let across = conventional_to_si(analyte)?;
    ratio.by(across.times)?.times(across.by)?.times(factor(&analyte.conventional.unit, to)?)
}

fn conventional_to_si(analyte: &Analyte) -> Option<Ratio> {
    match &analyte.rule {
        Rule::Molar(mass) | Rule::MolarNitrogen(mass) => Ratio::ONE
            .times(factor(&analyte.conventional.unit, "g/L")?)?
            .by(*mass)?
            .times(factor("mol/L", &analyte.si.unit)?),
        Rule::Factor(factor) => Ratio::ONE.times(*factor),
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

/// Places in which laboratories report an analyte in a unit, if the table says.
pub(super) fn reported_places(analyte: &Analyte, unit: &str) -> Option<i32> {
    [&analyte.conventional, &analyte.si].into_iter().find(|side| side.unit == unit).and_then(|side| side.places)
}

/// Rounds and writes a result; see the head of this file.
pub(super) fn finish(
    original: &Decimal,
    result: Option<Number>,
    exact_power: Option<i32>,
    to: &str,
    reported: Option<i32>,
    rule: String,
) -> Conversion {
    let Some(result) = result else { return refuse("the value is out of range") };
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
