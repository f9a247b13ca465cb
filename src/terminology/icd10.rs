//! ICD-10 in its national editions. The three-character categories are WHO's in all of them; a fourth character is
//! compared as the same ICD-10 code; what a national edition adds beyond is not compared.

use crate::fhir::systems;

/// Whether `system` is ICD-10 or a national edition of it.
pub fn is_icd10(system: &str) -> bool {
    matches!(system, systems::ICD10 | systems::ICD10_JP | systems::ICD10_CA)
}

/// A code read as ICD-10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icd10 {
    /// Three characters, e.g. `K29`.
    pub category: String,
    /// Category, dot, fourth character, e.g. `K29.7`, if the code has exactly four characters.
    pub subcategory: Option<String>,
}

/// Reads `K297`, `K29.7`, `k29` or a longer national code; anything else is `None`.
pub fn read(code: &str) -> Option<Icd10> {
    let plain: String = code.trim().chars().filter(|c| *c != '.').map(|c| c.to_ascii_uppercase()).collect();
    let bytes = plain.as_bytes();
    let shaped = (3..=7).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2..].iter().all(u8::is_ascii_alphanumeric)
        && bytes[2].is_ascii_digit();
    // The dot, if there is one, stands behind the category.
    if !shaped || code.trim().find('.').is_some_and(|place| place != 3) {
        return None;
    }
    let category = plain[..3].to_owned();
    let subcategory = (bytes.len() == 4).then(|| format!("{category}.{}", &plain[3..]));
    Some(Icd10 { category, subcategory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_code_are_one_code() {
        assert_eq!(read("K297"), read("k29.7"));
        assert_eq!(read("E11").unwrap().subcategory, None);
        assert_eq!(read("E1152").unwrap(), Icd10 { category: "E11".into(), subcategory: None });
        for wrong in ["", "E1", "11E", "E.11", "44054006", "K2.97", "É11"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
