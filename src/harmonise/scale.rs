//! HbA1c: one analyte on three scales. The unit decides first, then the code, then the text, then country and date; a
//! Japanese percentage of the JDS years that does not say which scale it is on stays unconverted.
//!
//! IFCC master equation: NGSP (%) = 0.09148 x IFCC (mmol/mol) + 2.152. Japan reports NGSP since 2012-04-01; before,
//! JDS: NGSP = 1.02 x JDS + 0.25.

use crate::fhir::tree::Value;
use octofhir_ucum::Number;
use unicode_normalization::UnicodeNormalization;

use super::convert::{Conversion, finish, refuse, reported_places};
use super::decimal::Decimal;
use super::units::factor;
use crate::config::Country;
use crate::terminology::analytes::{Analyte, Rule};

/// Hospitals in Japan report NGSP from this day on.
const NGSP_IN_JAPAN: &str = "2012-04-01";

/// A scale of HbA1c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// National Glycohemoglobin Standardization Program, percent.
    Ngsp,
    /// International Federation of Clinical Chemistry, mmol/mol.
    Ifcc,
    /// Japan Diabetes Society, percent.
    Jds,
}

impl Scale {
    /// The scale that a unit implies when nothing else is known of the record.
    pub(super) fn of_unit(analyte: &Analyte, unit: &str) -> Self {
        match (&analyte.rule, factor(unit, "mmol/mol")) {
            (_, Some(_)) => Self::Ifcc,
            (Rule::HbA1cJds, None) => Self::Jds,
            _ => Self::Ngsp,
        }
    }

    /// The scale of a record, or why it is in doubt. `unit` is UCUM.
    pub(super) fn of_record(
        analyte: &Analyte,
        country: Country,
        record: &Value,
        day: Option<&str>,
        unit: &str,
    ) -> Result<Self, String> {
        if factor(unit, "mmol/mol").is_some() {
            return Ok(Self::Ifcc);
        }
        if analyte.rule == Rule::HbA1cJds {
            return Ok(Self::Jds);
        }
        let says_ngsp = crate::fhir::tree::codings(&record["code"])
            .any(|(system, code)| super::codes::is_jlac10(system) && code.starts_with("3D046"));
        let text = words(&record["code"]);
        match (says_ngsp || text.contains("NGSP"), text.contains("JDS")) {
            (true, true) => return Err("code and text name both NGSP and JDS".to_owned()),
            (true, false) => return Ok(Self::Ngsp),
            (false, true) => return Ok(Self::Jds),
            (false, false) if country == Country::Ca => return Ok(Self::Ngsp),
            (false, false) => {}
        }
        match day {
            None => Err("a percentage of HbA1c from Japan without a full date may be JDS or NGSP".to_owned()),
            Some(day) if day < NGSP_IN_JAPAN => {
                Err("a percentage of HbA1c from Japan before 2012-04 may be JDS or NGSP".to_owned())
            }
            Some(_) => Ok(Self::Ngsp),
        }
    }
}

/// Converts a value known to be on `scale` into `%` (always NGSP) or `mmol/mol`.
pub(super) fn convert(analyte: &Analyte, scale: Scale, value: &Decimal, from: &str, to: &str) -> Conversion {
    let own = if scale == Scale::Ifcc { "mmol/mol" } else { "%" };
    let (Some(into_own), to_ifcc) = (factor(from, own), factor("mmol/mol", to).is_some()) else {
        return refuse(format!("{from} is not a unit of HbA1c"));
    };
    if !to_ifcc && factor("%", to).is_none() {
        return refuse(format!("{to} is not a unit of HbA1c"));
    }
    let stays = (scale == Scale::Ifcc) == to_ifcc && scale != Scale::Jds;
    if stays {
        let Some(step) = factor(from, to) else { return refuse(format!("{from} does not convert to {to}")) };
        let power = super::decimal::power_of_ten(step);
        let rule = format!("UCUM {from} to {to}");
        return finish(value, value.number.checked_mul(step), power, to, reported_places(analyte, to), rule);
    }
    let result = value.number.checked_mul(into_own).and_then(|own| reckon(scale, own, to_ifcc));
    if result.is_none_or(|result| result.is_negative()) {
        return refuse("the value is outside the range of the equation");
    }
    let last = if to_ifcc { factor("mmol/mol", to) } else { factor("%", to) };
    let result = result.zip(last).and_then(|(result, last)| result.checked_mul(last));
    finish(value, result, None, to, reported_places(analyte, to), equation(scale, to_ifcc).to_owned())
}

fn reckon(scale: Scale, own: Number, to_ifcc: bool) -> Option<Number> {
    let (slope, offset) = (Number::parse("0.09148")?, Number::parse("2.152")?);
    let ngsp = match scale {
        Scale::Ngsp => own,
        Scale::Ifcc => own.checked_mul(slope)?.checked_add(offset)?,
        Scale::Jds => own.checked_mul(Number::parse("1.02")?)?.checked_add(Number::parse("0.25")?)?,
    };
    if to_ifcc { ngsp.checked_sub(offset)?.checked_div(slope) } else { Some(ngsp) }
}

fn equation(scale: Scale, to_ifcc: bool) -> &'static str {
    match (scale, to_ifcc) {
        (Scale::Jds, false) => "NGSP = 1.02 x JDS + 0.25",
        (Scale::Jds, true) => "NGSP = 1.02 x JDS + 0.25, IFCC = (NGSP - 2.152) / 0.09148",
        (_, true) => "IFCC = (NGSP - 2.152) / 0.09148",
        (_, false) => "NGSP = 0.09148 x IFCC + 2.152",
    }
}

/// Text and displays of a concept in half-width capitals.
pub(super) fn words(concept: &Value) -> String {
    let displays = concept["coding"].as_array().into_iter().flatten().filter_map(|coding| coding["display"].as_str());
    let all: Vec<&str> = concept["text"].as_str().into_iter().chain(displays).collect();
    all.join("\n").nfkc().collect::<String>().to_uppercase()
}
