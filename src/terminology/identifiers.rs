//! Health cards and other numbers that people type: their forms and check digits. A number that does not fit is doubtful,
//! never refused: published example numbers fail their own checks, and an old card may follow an older rule.

use rustc_hash::FxHashMap;

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use super::TableError;

/// Identifier systems with a known form.
#[derive(Debug)]
pub struct Identifiers {
    rules: Vec<Rule>,
    by_system: FxHashMap<String, usize>,
}

#[derive(Debug)]
struct Rule {
    system: String,
    name: String,
    /// `#` a digit, `@` a letter, `*` anything up to the next sign, else the sign itself.
    forms: Vec<String>,
    check: Check,
    /// One or two letters may follow: the version of the card.
    versioned: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Check {
    /// None is known.
    #[default]
    #[serde(rename = "")]
    None,
    /// Double every second digit from the right; insurers and institutions of Japan use it too.
    Luhn,
    /// British Columbia: weights modulo 11.
    Bc,
    /// Quebec: letters as two digits each, the century of birth, weights modulo 10.
    Ramq,
    /// The insurer's number before the first colon.
    InsurerPart,
}

/// What speaks against an identifier. Never carries the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Too long, too short, or other signs than the issuer uses.
    Form,
    /// The check digit does not fit.
    CheckDigit,
    /// The version of the card stands behind the number, where it hides that two numbers are the same.
    Version,
    /// The system is written by an older or mistaken address; `Identifiers::present` knows the right one.
    Address,
}

impl Doubt {
    /// The doubt in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Form => "the number does not have the issuer's form",
            Self::CheckDigit => "the check digit does not fit the number",
            Self::Version => "the card's version code stands behind the number",
            Self::Address => "the identifier system is written by another address",
        }
    }
}

impl Identifiers {
    /// Reads the table.
    pub fn read(table: &str, text: &str) -> Result<Self, TableError> {
        let (mut rules, mut by_system) = (Vec::new(), FxHashMap::default());
        for (line, row) in super::rows::<Row>(table, text)? {
            for system in row.also.split_whitespace().chain([row.system.as_str()]) {
                if by_system.insert(system.to_owned(), rules.len()).is_some() {
                    let message = format!("{system} is written twice");
                    return Err(TableError { table: table.to_owned(), line, message });
                }
            }
            rules.push(Rule {
                system: row.system,
                name: row.name,
                forms: row.forms.split_whitespace().map(str::to_owned).collect(),
                check: row.check,
                versioned: row.version.as_deref() == Some("yes"),
            });
        }
        Ok(Self { rules, by_system })
    }

    /// Issuer and kind of a system's numbers, in words.
    pub fn name(&self, system: &str) -> Option<&str> {
        Some(&self.rule(system)?.name)
    }

    /// The published address of a system.
    pub fn present<'a>(&'a self, system: &'a str) -> &'a str {
        self.rule(system).map_or(system, |rule| &rule.system)
    }

    /// What speaks against a number of a system; nothing of a system without a known form.
    pub fn doubts(&self, system: &str, value: &str) -> Vec<Doubt> {
        let Some(rule) = self.rule(system) else { return Vec::new() };
        let mut doubts = Vec::new();
        if rule.system != system {
            doubts.push(Doubt::Address);
        }
        let mut number = plain(value);
        if rule.versioned {
            let bare = number.trim_end_matches(|c: char| c.is_ascii_uppercase());
            if (1..=2).contains(&(number.len() - bare.len())) {
                doubts.push(Doubt::Version);
                number.truncate(bare.len());
            }
        }
        if !rule.forms.iter().any(|form| fits(form, &number)) {
            doubts.push(Doubt::Form);
        } else if !rule.check.holds(&number) {
            doubts.push(Doubt::CheckDigit);
        }
        doubts
    }

    fn rule(&self, system: &str) -> Option<&Rule> {
        self.rules.get(*self.by_system.get(system)?)
    }
}

#[derive(Deserialize)]
struct Row {
    system: String,
    also: String,
    name: String,
    forms: String,
    check: Check,
    version: Option<String>,
}

/// In half width and capitals, without spaces and hyphens.
fn plain(value: &str) -> String {
    value.nfkc().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '−')).flat_map(char::to_uppercase).collect()
}

fn fits(form: &str, number: &str) -> bool {
    let (mut form, mut number) = (form.chars().peekable(), number.chars().peekable());
    while let Some(sign) = form.next() {
        if sign == '*' {
            let end = form.peek().copied();
            while number.next_if(|letter| Some(*letter) != end).is_some() {}
            continue;
        }
        let Some(letter) = number.next() else { return false };
        let same = match sign {
            '#' => letter.is_ascii_digit(),
            '@' => letter.is_ascii_uppercase(),
            other => letter == other,
        };
        if !same {
            return false;
        }
    }
    number.next().is_none()
}

impl Check {
    fn holds(self, number: &str) -> bool {
        match self {
            Self::None => true,
            Self::Luhn => luhn(number),
            Self::Bc => british_columbia(number),
            Self::Ramq => quebec(number),
            Self::InsurerPart => number.split(':').next().is_some_and(luhn),
        }
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

fn luhn(number: &str) -> bool {
    let Some(digits) = digits(number) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

/// Weights over the second to the ninth digit, each product modulo 11; the tenth makes the sum a multiple of 11.
fn british_columbia(number: &str) -> bool {
    const WEIGHTS: [u32; 8] = [2, 4, 8, 5, 10, 9, 7, 3];
    let digits = digits(number).unwrap_or_default();
    let [_, body @ .., check] = digits.as_slice() else { return false };
    let sum: u32 = body.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight % 11).sum();
    body.len() == WEIGHTS.len() && (11 - sum % 11) % 11 == *check
}

/// Three letters of the family name and one of the given name, date of birth with 50 added to the month of women, a
/// counter and the check digit. The century of birth is not written; either may fit.
fn quebec(number: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 1, 1, 3, 9, 7, 3, 9, 5, 3, 1, 3, 5, 7, 6, 9, 1];
    let (Some(name), Some(rest)) = (number.get(..4), number.get(4..).and_then(digits)) else { return false };
    let Some((check, body)) = rest.split_last() else { return false };
    // A to R count from 1 on, S to Z from 20 on: the code leaves out 19.
    let letters: Vec<u32> = name
        .bytes()
        .map(|letter| u32::from(letter.saturating_sub(b'A')) + if letter < b'S' { 1 } else { 2 })
        .flat_map(|code| [code / 10, code % 10])
        .collect();
    [[1, 9], [2, 0]].iter().any(|century| {
        let all = letters.iter().chain(century).chain(body);
        let sum: u32 = all.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
        sum % 10 == *check
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-";
    const JP: &str = "http://jpfhir.jp/fhir/core/mhlw/IdSystem/";

    fn doubts(system: &str, value: &str) -> Vec<Doubt> {
        let table = Identifiers::read("t", include_str!("../../config/codes/identifiers.csv")).unwrap();
        table.doubts(system, value)
    }

    #[test]
    fn numbers_that_fit_raise_no_doubt() {
        for (system, value) in [
            (format!("{CA}on-patient-hcn"), "9876543217"),
            (format!("{CA}on-patient-hcn"), "9876-543-217"),
            (format!("{CA}bc-patient-healthcare-id"), "9698 658 215"),
            (format!("{CA}qc-patient-healthcare-id"), "AAAA 0101 0112"),
            (format!("{CA}ab-patient-healthcare-id"), "12345-6789"),
            (format!("{CA}nt-patient-healthcare-id"), "N1234567"),
            (format!("{JP}InsurerNumber"), "33120015"),
            (format!("{JP}InsurerNumber"), "０１１３００１２"),
            ("http://jpfhir.jp/fhir/core/IdSystem/insurance-medical-institution-no".to_owned(), "0110113719"),
            ("http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID".to_owned(), "33120015:あいう:１８７:05"),
            ("https://toronto.example/mrn".to_owned(), "anything"),
        ] {
            assert_eq!(doubts(&system, value), [], "{system} {value}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_doubtful() {
        for (system, value, wanted) in [
            (format!("{CA}on-patient-hcn"), "9876543210", Doubt::CheckDigit),
            (format!("{CA}on-patient-hcn"), "987654321", Doubt::Form),
            (format!("{CA}on-patient-hcn"), "9876543217AB", Doubt::Version),
            (format!("{CA}bc-patient-healthcare-id"), "9698648215", Doubt::CheckDigit),
            (format!("{CA}bc-patient-healthcare-id"), "1698658215", Doubt::Form),
            (format!("{CA}bc-patient-hcn"), "9698658215", Doubt::Address),
            (format!("{CA}qc-patient-healthcare-id"), "AAAA01010119", Doubt::CheckDigit),
            (format!("{CA}pe-patient-healthcare-id"), "1234567890", Doubt::Form),
            (format!("{CA}nu-patient-healthcare-id"), "212345678", Doubt::Form),
            (format!("{JP}InsurerNumber"), "33120016", Doubt::CheckDigit),
            (format!("{JP}MedicalOrganizationID"), "123", Doubt::Form),
            (
                "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID".to_owned(),
                "33120016:1:2:05",
                Doubt::CheckDigit,
            ),
            ("http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID".to_owned(), "33120015:1:2", Doubt::Form),
        ] {
            assert_eq!(doubts(&system, value), [wanted], "{system} {value}");
        }
        assert_eq!(doubts(&format!("{CA}qc-patient-healthcare-id"), "ÉAAA01010112"), [Doubt::Form]);
    }
}
