//! Text as it is compared, never as it is stored or shown.

use std::collections::HashMap;
use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds for search: compatibility forms and width (NFKC), case, accents of Latin letters, hiragana to katakana. Variant
/// characters (異体字) stay apart: 渡邉 and 渡辺 are different names of possibly different people.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let lower = text.nfkc().flat_map(char::to_lowercase).filter(|letter| !is_variation_selector(*letter));
    for letter in lower {
        match letter {
            '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309E}' => {
                folded.extend(char::from_u32(letter as u32 + 0x60));
            }
            '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => {
                folded.extend(std::iter::once(letter).nfd().filter(|part| !is_combining_mark(*part)));
            }
            _ => folded.push(letter),
        }
    }
    folded
}

/// The key under which candidates of the same person are gathered: [`fold`], and a short list of variant characters
/// read as the common one. A match by this key is a question to a person, never an identity.
pub fn variant_key(text: &str) -> String {
    let variants = variants();
    fold(text).chars().map(|letter| variants.get(&letter).copied().unwrap_or(letter)).collect()
}

/// The keys under which a text is indexed and looked for: [`fold`], and [`variant_key`] where it differs. So 高橋 finds 髙橋
/// and the other way round; who is meant is for a person to say.
pub fn search_keys(text: &str) -> Vec<String> {
    let folded = fold(text);
    let key = variant_key(text);
    if key == folded { vec![folded] } else { vec![folded, key] }
}

fn variants() -> &'static HashMap<char, char> {
    static VARIANTS: OnceLock<HashMap<char, char>> = OnceLock::new();
    VARIANTS.get_or_init(|| {
        let rows = include_str!("../../config/codes/name_variants.csv").lines().skip(1);
        rows.filter_map(|row| {
            let (variant, common) = row.split_once(',')?;
            Some((variant.chars().next()?, common.trim().chars().next()?))
        })
        .collect()
    })
}

/// Variation selectors choose a glyph of the same character.
fn is_variation_selector(letter: char) -> bool {
    matches!(letter, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_kana_and_accents_fold() {
        assert_eq!(fold("ﾜﾀﾅﾍﾞ"), fold("わたなべ"));
        assert_eq!(fold("Ｔｒｅｍｂｌａｙ"), "tremblay");
        assert_eq!(fold("Bélanger"), fold("BE\u{301}LANGER"));
        assert_eq!(fold("ガ"), "ガ", "voicing marks are not accents");
        assert_eq!(fold("葛\u{E0100}西"), "葛西");
    }

    #[test]
    fn variant_characters_stay_apart_except_as_candidates() {
        assert_ne!(fold("渡邉"), fold("渡辺"));
        let keys: Vec<_> = ["渡邉", "渡邊", "渡辺"].map(variant_key).into();
        assert!(keys.iter().all(|key| *key == keys[0]));
        for (one, other) in [("髙橋", "高橋"), ("山﨑", "山崎"), ("齋藤", "斉藤"), ("黒澤", "黒沢"), ("廣田", "広田")]
        {
            assert_eq!(variant_key(one), variant_key(other));
        }
        assert_ne!(variant_key("渡部"), variant_key("渡辺"));
    }

    #[test]
    fn a_search_looks_under_both_keys() {
        assert_eq!(search_keys("髙橋"), ["髙橋", "高橋"]);
        assert_eq!(search_keys("高橋"), ["高橋"]);
        assert_eq!(search_keys(""), [""]);
    }

    #[test]
    fn the_list_of_variants_is_well_formed() {
        let text = include_str!("../../config/codes/name_variants.csv");
        assert_eq!(variants().len(), text.lines().skip(1).count(), "one row, one variant");
        assert!(variants().values().all(|common| !variants().contains_key(common)), "no chains");
    }
}
