//! The analyte table: which codes name one laboratory analyte, in which units it is reported, and by which rule a value
//! goes from one unit to another.

use rustc_hash::FxHashMap;

use octofhir_ucum::Number;
use serde::Deserialize;

use super::TableError;
use crate::fhir::systems;

/// One analyte in one material.
#[derive(Debug, Clone)]
pub struct Analyte {
    /// Short id, e.g. `glucose-fasting`.
    pub id: String,
    /// English working name; not a published display.
    pub name_en: String,
    /// Japanese working name; not a published display.
    pub name_ja: String,
    /// How values cross between the two unit systems.
    pub rule: Rule,
    /// Charge of the ion, where milliequivalents are in use.
    pub valence: Option<Number>,
    /// The conventional (mass) side.
    pub conventional: Side,
    /// The SI (amount) side.
    pub si: Side,
    /// A 17-digit JLAC10 code that stands for the analyte; its method digits are an example.
    pub jlac10: Option<String>,
    /// Why the rule refuses, where it does.
    pub reason: String,
    other_loinc: Vec<String>,
    jlac10_patterns: Vec<String>,
}

/// One way of reporting an analyte.
#[derive(Debug, Clone)]
pub struct Side {
    /// LOINC code of this property.
    pub loinc: Option<String>,
    /// UCUM code.
    pub unit: String,
    /// Decimal places in which laboratories report it; converted values are rounded to them.
    pub places: Option<i32>,
}

/// How values of an analyte cross between unit systems.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Units of one kind; UCUM suffices.
    Ucum,
    /// By molar mass, g/mol.
    Molar(Number),
    /// By the mass of nitrogen in a mole of urea. One mmol/L is the same of urea and of urea nitrogen, a mass is not: its
    /// code must say that nitrogen is meant.
    MolarNitrogen(Number),
    /// By a published factor from the conventional to the SI unit.
    Factor(Number),
    /// By the charge of the ion.
    Valence,
    /// IFCC master equation between NGSP percent and IFCC mmol/mol.
    HbA1c,
    /// The former Japanese scale of HbA1c.
    HbA1cJds,
    /// Alkaline phosphatase, whose Japanese method changed.
    AlkalinePhosphatase,
    /// Never.
    Refused,
}

impl Analyte {
    /// All codes that name it, LOINC first, then the standing JLAC10 code. ALP and refused analytes keep the code
    /// systems apart: one name for two scales would pool what cannot be compared.
    pub fn codes(&self) -> Vec<(&'static str, &str)> {
        let mut codes: Vec<(&'static str, &str)> = Vec::new();
        let loinc = [self.conventional.loinc.as_deref(), self.si.loinc.as_deref()];
        for code in loinc.into_iter().flatten().chain(self.other_loinc.iter().map(String::as_str)) {
            if !codes.contains(&(systems::LOINC, code)) {
                codes.push((systems::LOINC, code));
            }
        }
        if self.crosses_codes()
            && let Some(code) = &self.jlac10
        {
            codes.push((systems::JLAC10, code));
        }
        codes
    }

    /// Whether it is HbA1c, whose values are on one of three scales.
    pub fn is_hba1c(&self) -> bool {
        matches!(self.rule, Rule::HbA1c | Rule::HbA1cJds)
    }

    /// Whether LOINC and JLAC10 codes of it may stand beside each other.
    pub fn crosses_codes(&self) -> bool {
        !matches!(self.rule, Rule::AlkalinePhosphatase | Rule::Refused | Rule::HbA1cJds)
    }
}

/// The analyte table.
#[derive(Debug)]
pub struct Analytes {
    analytes: Vec<Analyte>,
    by_loinc: FxHashMap<String, usize>,
    /// By what of a JLAC10 code counts: the twelve digits before and the two behind those of the method.
    by_jlac10: FxHashMap<String, usize>,
}

impl Analytes {
    /// Reads the table.
    pub fn read(table: &str, text: &str) -> Result<Self, TableError> {
        let mut analytes = Vec::new();
        let (mut by_loinc, mut by_jlac10) = (FxHashMap::default(), FxHashMap::default());
        for (line, row) in super::rows::<Row>(table, text)? {
            let error = |message: String| TableError { table: table.to_owned(), line, message };
            let analyte = row.analyte().map_err(error)?;
            let index = analytes.len();
            for (system, code) in analyte.codes() {
                if system == systems::LOINC && by_loinc.insert(code.to_owned(), index).is_some() {
                    return Err(error(format!("LOINC {code} names two analytes")));
                }
            }
            for pattern in &analyte.jlac10_patterns {
                let key = without_method(pattern).filter(|_| pattern.get(12..15) == Some("..."));
                let key = key.ok_or_else(|| error(format!("{pattern} is not a JLAC10 code without its method")))?;
                if by_jlac10.insert(key, index).is_some() {
                    return Err(error(format!("JLAC10 {pattern} names two analytes")));
                }
            }
            analytes.push(analyte);
        }
        Ok(Self { analytes, by_loinc, by_jlac10 })
    }

    /// All analytes, in the order of the table.
    pub fn all(&self) -> &[Analyte] {
        &self.analytes
    }

    /// The analyte that a code names. JLAC10 codes are compared by analyte, identification, material and result digits;
    /// the three method digits differ between hospitals and do not count. A hospital's own 15 digits, without those of the
    /// result, name an analyte of which the table has one result alone.
    pub fn by_code(&self, system: &str, code: &str) -> Option<&Analyte> {
        match system {
            systems::LOINC => self.by_loinc.get(code).and_then(|index| self.analytes.get(*index)),
            systems::JLAC10 => self.by_jlac10.get(&without_method(code)?).and_then(|index| self.analytes.get(*index)),
            local if is_local_jlac10(local) && code.len() == 15 => self.by_test(code),
            _ => None,
        }
    }

    /// By analyte, identification and material, where one pattern alone begins with them.
    fn by_test(&self, code: &str) -> Option<&Analyte> {
        let digits = code.get(..12)?;
        let mut found = self.analytes.iter().flat_map(|analyte| {
            analyte.jlac10_patterns.iter().filter(|pattern| pattern.starts_with(digits)).map(move |_| analyte)
        });
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// A hospital's name for JLAC10 in its own namespace, which is where codes of another length than the list's stand.
fn is_local_jlac10(system: &str) -> bool {
    ["/CodeSystem/JC10", "/CodeSystem/JLAC10"].iter().any(|name| system.ends_with(name))
}

/// A 17-digit JLAC10 code without the three digits of its method.
fn without_method(code: &str) -> Option<String> {
    let shaped = code.len() == 17 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    shaped.then(|| [&code[..12], &code[15..]].concat())
}

#[derive(Deserialize)]
struct Row {
    analyte: String,
    name_en: String,
    name_ja: String,
    rule: String,
    number: Option<String>,
    valence: Option<String>,
    loinc_conventional: Option<String>,
    unit_conventional: String,
    places_conventional: Option<i32>,
    loinc_si: Option<String>,
    unit_si: String,
    places_si: Option<i32>,
    loinc_other: String,
    jlac10: Option<String>,
    jlac10_patterns: String,
    reason: String,
}

impl Row {
    fn analyte(self) -> Result<Analyte, String> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for unit in [&self.unit_conventional, &self.unit_si] {
            octofhir_ucum::validate(unit).map_err(|cause| format!("{unit} is not UCUM: {cause}"))?;
        }
        Ok(Analyte {
            rule: rule(&self.rule, self.number.as_deref())?,
            valence: self.valence.as_deref().map(|text| number(Some(text))).transpose()?,
            id: self.analyte,
            name_en: self.name_en,
            name_ja: self.name_ja,
            conventional: Side {
                loinc: self.loinc_conventional,
                unit: self.unit_conventional,
                places: self.places_conventional,
            },
            si: Side { loinc: self.loinc_si, unit: self.unit_si, places: self.places_si },
            jlac10: self.jlac10,
            reason: self.reason,
            other_loinc: words(&self.loinc_other),
            jlac10_patterns: words(&self.jlac10_patterns),
        })
    }
}

fn rule(name: &str, amount: Option<&str>) -> Result<Rule, String> {
    Ok(match name {
        "ucum" => Rule::Ucum,
        "molar" => Rule::Molar(number(amount)?),
        "molar-nitrogen" => Rule::MolarNitrogen(number(amount)?),
        "factor" => Rule::Factor(number(amount)?),
        "valence" => Rule::Valence,
        "hba1c" => Rule::HbA1c,
        "jds" => Rule::HbA1cJds,
        "alp" => Rule::AlkalinePhosphatase,
        "refused" => Rule::Refused,
        other => return Err(format!("unknown rule {other:?}")),
    })
}

fn number(text: Option<&str>) -> Result<Number, String> {
    let text = text.unwrap_or_default();
    match Number::parse(text) {
        Some(number) if !number.is_zero() && !number.is_negative() => Ok(number),
        _ => Err(format!("{text:?} is not a positive number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_digits_of_a_hospital_name_an_analyte_of_one_result() {
        let analytes = Analytes::read("t", include_str!("../../config/codes/analytes.csv")).unwrap();
        let id = |system: &str, code: &str| analytes.by_code(system, code).map(|analyte| analyte.id.as_str());
        let local = "https://kyoto.example/fhir/CodeSystem/JC10";
        assert_eq!(id(local, "3D0100000023271"), Some("glucose"));
        assert_eq!(id(local, "3C0150000023999"), Some("creatinine"));
        // The blood count has its quantities in the digits that are missing; so has HbA1c its two results.
        for code in ["2A9900000019309", "3D0460000019062", "3D01000000232", "3D010000002327101", "３D01000000232"] {
            assert_eq!(id(local, code), None, "{code}");
        }
        assert_eq!(id(systems::JLAC10, "3D0100000023271"), None);
        assert_eq!(id(systems::JLAC10, "3D010000002327101"), Some("glucose"));
        assert_eq!(id(systems::LOINC, "17856-6"), Some("hba1c"));
        assert_eq!(id(systems::LOINC, "18262-6"), Some("cholesterol-ldl"));
    }
}
