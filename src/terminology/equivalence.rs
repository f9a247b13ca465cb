//! Which other codes say the same, for asking a store whose records carry harmonised codes beside their own.

use super::{Terminology, icd10};
use crate::fhir::systems;

/// The code itself and every code that names the same thing, without repeats: LOINC and JLAC10 of one analyte,
/// spellings and editions of one ICD-10 code, older addresses of the system.
pub fn expand(terminology: &Terminology, system: &str, code: &str) -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    let mut add = |system: &str, code: &str| {
        let pair = (system.to_owned(), code.to_owned());
        if !codes.contains(&pair) {
            codes.push(pair);
        }
    };
    let present = terminology.systems.present(system);
    for system in terminology.systems.all(system) {
        add(system, code);
    }
    if let Some(analyte) = terminology.analytes.by_code(present, code)
        && analyte.crosses_codes()
    {
        for (system, code) in analyte.codes() {
            add(system, code);
        }
    }
    if icd10::is_icd10(present)
        && let Some(read) = icd10::read(code)
    {
        let dotted = match (&read.subcategory, code.trim().len()) {
            (Some(subcategory), _) => Some(subcategory.clone()),
            (None, 3) => Some(read.category.clone()),
            _ => None,
        };
        if let Some(dotted) = dotted {
            let plain = dotted.replace('.', "");
            for system in [systems::ICD10, systems::ICD10_JP, systems::ICD10_CA] {
                add(system, &dotted);
                add(system, &plain);
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(system: &str, code: &str) -> Vec<(String, String)> {
        expand(&Terminology::builtin().unwrap(), system, code)
    }

    #[test]
    fn an_analyte_is_found_under_all_its_codes() {
        let codes = expanded(systems::LOINC, "2345-7");
        for pair in [(systems::LOINC, "14749-6"), (systems::JLAC10, "3D010000002327101")] {
            assert!(codes.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?}");
        }
        assert!(!codes.iter().any(|(_, code)| code == "1558-6"), "fasting glucose is its own analyte");
        let old = expanded("urn:oid:1.2.392.200119.4.504", "3D010000002226101");
        assert!(old.contains(&(systems::LOINC.to_owned(), "2345-7".to_owned())), "the method digits do not count");
    }

    #[test]
    fn alkaline_phosphatase_stays_in_its_own_code_system() {
        assert_eq!(expanded(systems::LOINC, "6768-6").len(), 2, "LOINC under its URL and its OID, nothing else");
    }

    #[test]
    fn icd10_spellings_are_one_code_and_national_additions_are_not() {
        let codes = expanded(systems::ICD10_JP, "K297");
        assert!(codes.contains(&(systems::ICD10_CA.to_owned(), "K29.7".to_owned())));
        assert!(expanded(systems::ICD10_CA, "E11.52").iter().all(|(system, _)| system == systems::ICD10_CA));
    }
}
