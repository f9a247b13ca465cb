//! Units as written in two countries, read as UCUM: a table of spellings first, then UCUM itself.
//!
//! UCUM alone would misread laboratory spellings that happen to be valid codes (`K/uL` is kelvin per microlitre, `u/L`
//! is daltons per litre), so a unit that was not declared UCUM may not contain such symbols.

use std::collections::HashMap;
use std::sync::Arc;

use octofhir_ucum::validate;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use super::memo::Memo;
use super::ucum::atoms;
pub use super::ucum::factor;
use crate::terminology::{self, TableError};

/// Symbols that are UCUM units, but in an undeclared laboratory unit more likely mean something else.
const MISLEADING: [&str; 14] = ["K", "C", "F", "G", "T", "u", "A", "V", "B", "R", "P", "a", "b", "M"];
/// Longest unit that is read.
const LONGEST: usize = 60;

/// The table of spellings.
#[derive(Debug)]
pub struct Units {
    exact: HashMap<String, Spelling>,
    any_case: HashMap<String, Spelling>,
    /// Units as written, by whether they were declared UCUM.
    declared: Memo<Reading>,
    undeclared: Memo<Reading>,
}

#[derive(Debug, Clone)]
enum Spelling {
    Ucum(Arc<str>),
    Refused(Arc<str>),
}

/// What a unit was read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// This UCUM code.
    Ucum(Arc<str>),
    /// It could mean two things, or is no unit; the reason tells which.
    Refused(Arc<str>),
    /// Neither UCUM nor a known spelling.
    Unknown,
}

#[derive(Deserialize)]
struct Row {
    written: String,
    case: String,
    ucum: String,
    reason: String,
}

impl Units {
    /// Reads the table.
    pub fn read_table(table: &str, text: &str) -> Result<Self, TableError> {
        let mut units = Self {
            exact: HashMap::new(),
            any_case: HashMap::new(),
            declared: Memo::default(),
            undeclared: Memo::default(),
        };
        for (line, row) in terminology::rows::<Row>(table, text)? {
            let error = |message: String| TableError { table: table.to_owned(), line, message };
            let spelling = if row.ucum.is_empty() {
                Spelling::Refused(row.reason.into())
            } else {
                validate(&row.ucum).map_err(|cause| error(format!("{} is not UCUM: {cause}", row.ucum)))?;
                Spelling::Ucum(row.ucum.into())
            };
            let key = fold(&row.written);
            let replaced = match row.case.as_str() {
                "exact" => units.exact.insert(key, spelling),
                "any" => units.any_case.insert(key.to_lowercase(), spelling),
                other => return Err(error(format!("case is `exact` or `any`, not {other:?}"))),
            };
            if replaced.is_some() {
                return Err(error(format!("{} is written twice", row.written)));
            }
        }
        Ok(units)
    }

    /// Reads a unit; `declared` says that its writer called it UCUM.
    pub fn read(&self, written: &str, declared: bool) -> Reading {
        if written.len() > LONGEST {
            return Reading::Unknown;
        }
        let memo = if declared { &self.declared } else { &self.undeclared };
        memo.of(written, || self.read_anew(written, declared))
    }

    fn read_anew(&self, written: &str, declared: bool) -> Reading {
        let folded = fold(written);
        if folded.is_empty() {
            return Reading::Unknown;
        }
        let found = self.exact.get(&folded).or_else(|| self.any_case.get(&folded.to_lowercase()));
        match found {
            Some(Spelling::Ucum(code)) => Reading::Ucum(code.clone()),
            // A declared code means what UCUM says it means.
            Some(Spelling::Refused(_)) if declared && validate(written).is_ok() => Reading::Ucum(written.into()),
            Some(Spelling::Refused(reason)) => Reading::Refused(reason.clone()),
            None if declared && validate(written).is_ok() => Reading::Ucum(written.into()),
            // `3/uL` is what is left of 10^3/uL when the sign is lost, not three per microlitre.
            None if begins_with_number(&folded) => {
                Reading::Refused(format!("{folded} begins with a number, which may be the rest of a power").into())
            }
            None if validate(&folded).is_err() => Reading::Unknown,
            None => match misleading(&folded) {
                Some(atom) => Reading::Refused(format!("{atom} in {folded} may not mean UCUM's {atom}").into()),
                None => Reading::Ucum(folded.into()),
            },
        }
    }
}

/// A bare number at the beginning, but for UCUM's own `10*` and `10^`.
fn begins_with_number(unit: &str) -> bool {
    let rest = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < unit.len() && !(unit.starts_with("10") && rest.starts_with(['*', '^']))
}

fn misleading(unit: &str) -> Option<&'static str> {
    MISLEADING.into_iter().find(|symbol| atoms(unit).any(|atom| atom == *symbol))
}

/// One spelling of letters: full width to half width, µ to u, × to x, raised digits behind `^`, no spaces.
fn fold(written: &str) -> String {
    let mut raised = String::with_capacity(written.len());
    let mut in_raised = false;
    for letter in written.chars() {
        let digit = match letter {
            '¹' => Some('1'),
            '²' => Some('2'),
            '³' => Some('3'),
            '⁰' => Some('0'),
            '⁴'..='⁹' => char::from_digit(letter as u32 - '⁰' as u32, 10),
            _ => None,
        };
        if let Some(digit) = digit {
            if !in_raised {
                raised.push('^');
            }
            raised.push(digit);
        } else {
            raised.push(letter);
        }
        in_raised = digit.is_some();
    }
    raised
        .nfkc()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| match letter {
            'μ' => 'u',
            '×' => 'x',
            _ => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Reading {
        let units = Units::read_table("t", include_str!("../../config/codes/unit_aliases.csv")).unwrap();
        units.read(written, false)
    }

    #[test]
    fn spellings_of_both_countries_are_read() {
        for (written, code) in [
            ("mg/dl", "mg/dL"),
            ("MG/DL", "mg/dL"),
            ("ｍｇ／ｄＬ", "mg/dL"),
            ("㎎/㎗", "mg/dL"),
            (".10*4/uL", "10*4/uL"),
            ("10⁴/µL", "10*4/uL"),
            ("×10³/μL", "10*3/uL"),
            ("万/μL", "10*4/uL"),
            ("meq/L", "meq/L"),
            ("mEq/L", "meq/L"),
            ("uiu/mL", "u[IU]/mL"),
            ("u/L", "U/L"),
            ("K/uL", "10*3/uL"),
            ("M/uL", "10*6/uL"),
            ("x 10^9/L", "10*9/L"),
            ("cel", "Cel"),
            ("℃", "Cel"),
            ("mm(hg)", "mm[Hg]"),
            ("mL/min/1.73m²", "mL/min/{1.73_m2}"),
            ("%", "%"),
            ("pg", "pg"),
            ("umol/L", "umol/L"),
        ] {
            assert_eq!(read(written), Reading::Ucum(code.into()), "{written}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for written in
            ["K", "G/L", "T/L", "K/L", "u/cm2", "C", "3/uL", "9/L", "2", "100", "10", "４/μL", ".", "(end_u)/mL"]
        {
            assert!(matches!(read(written), Reading::Refused(_)), "{written}: {:?}", read(written));
        }
        for written in ["", "klasse", "mg per dl"] {
            assert_eq!(read(written), Reading::Unknown, "{written}");
        }
    }
}
