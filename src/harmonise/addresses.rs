//! Addresses in the form of their country, beside what was written: Japanese prefectures out of the text, Canadian
//! provinces as codes, postal codes in the official form. What the text does not say is not added; a prefecture is never
//! guessed from a city or a postal code, of which some cross borders.

use crate::fhir::tree::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::{HarmoniseSetting, Notes, Outcome};
use crate::config::Country;
use crate::fhir::systems::HARMONISED_ADDRESS;

/// The prefectures in the order of their JIS numbers, 01 to 47.
const PREFECTURES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// Canada Post's codes, English and French names and common short forms folded, and the first letters of postal codes.
const PROVINCES: [(&str, &[&str], &str); 13] = [
    ("AB", &["alberta", "alta"], "T"),
    ("BC", &["british columbia", "colombie-britannique"], "V"),
    ("MB", &["manitoba", "man"], "R"),
    ("NB", &["new brunswick", "nouveau-brunswick"], "E"),
    ("NL", &["newfoundland and labrador", "newfoundland", "terre-neuve-et-labrador", "nf", "nfld"], "A"),
    ("NS", &["nova scotia", "nouvelle-ecosse"], "B"),
    ("NT", &["northwest territories", "territoires du nord-ouest"], "X"),
    ("NU", &["nunavut"], "X"),
    ("ON", &["ontario", "ont"], "KLMNP"),
    ("PE", &["prince edward island", "ile-du-prince-edouard", "pei"], "C"),
    ("QC", &["quebec", "que", "pq"], "GHJ"),
    ("SK", &["saskatchewan", "sask"], "S"),
    ("YT", &["yukon", "yukon territory", "yk"], "Y"),
];

/// The addresses of a person or an institution.
pub(super) fn addresses(setting: &HarmoniseSetting, resource: &mut Value, notes: &mut Notes<'_>) {
    match resource.get_mut("address") {
        Some(Value::Array(addresses)) => {
            addresses.iter_mut().for_each(|address| one(setting, address, notes));
        }
        Some(address) => one(setting, address, notes),
        None => {}
    }
}

fn one(setting: &HarmoniseSetting, address: &mut Value, notes: &mut Notes<'_>) {
    forget(address);
    let Some(country) = country(setting.country, address) else { return };
    let found = match country {
        Country::Jp => Found { state: prefecture(address), postal_code: japanese_code(address) },
        Country::Ca => {
            let found = Found { state: province(address), postal_code: canadian_code(address) };
            doubts(address, &found, notes);
            found
        }
    };
    let mut parts = Vec::new();
    for (element, value) in [("state", found.state), ("postalCode", found.postal_code)] {
        if let Some(value) = value.filter(|value| address[element] != value.as_str()) {
            parts.push(json!({"url": element, "valueString": value}));
        }
    }
    if parts.is_empty() || !address.is_object() {
        return;
    }
    let rule = match country {
        Country::Jp => "prefecture and postal code as Japan writes them",
        Country::Ca => "province and postal code as Canada Post writes them",
    };
    parts.push(json!({"url": "rule", "valueString": rule}));
    notes.add("address", rule, Outcome::Added, "parts of the address");
    let extension = json!({"url": HARMONISED_ADDRESS, "extension": parts});
    match address.get_mut("extension").and_then(Value::as_array_mut) {
        Some(extensions) => extensions.push(extension),
        None => address["extension"] = json!([extension]),
    }
}

struct Found {
    state: Option<String>,
    postal_code: Option<String>,
}

/// What an earlier pass added.
fn forget(address: &mut Value) {
    let Some(extensions) = address.get_mut("extension").and_then(Value::as_array_mut) else { return };
    extensions.retain(|extension| extension["url"] != HARMONISED_ADDRESS);
    if extensions.is_empty()
        && let Some(members) = address.as_object_mut()
    {
        members.remove("extension");
    }
}

/// Of the address if it names one of the two, of the institution if it names none.
fn country(own: Country, address: &Value) -> Option<Country> {
    let Some(written) = address["country"].as_str() else { return Some(own) };
    match folded(written).as_str() {
        "ca" | "can" | "canada" | "カナダ" => Some(Country::Ca),
        "jp" | "jpn" | "japan" | "日本" | "日本国" => Some(Country::Jp),
        _ => None,
    }
}

fn folded(text: &str) -> String {
    super::fold(text.trim()).trim_end_matches('.').to_owned()
}

/// The prefecture at the beginning of the text, or of the first line, behind a postal code.
fn prefecture(address: &Value) -> Option<String> {
    let texts = [&address["state"], &address["text"], &address["line"][0]];
    let starts = texts.into_iter().filter_map(Value::as_str).map(|text| {
        let plain: String = text.nfkc().filter(|letter| !letter.is_whitespace()).collect();
        plain.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '〒' | '-' | '−' | '‐')).to_owned()
    });
    let mut found = starts.filter_map(|text| PREFECTURES.iter().find(|name| text.starts_with(**name)));
    let first = found.next()?;
    // Two texts that name two prefectures leave it open.
    found.all(|other| other == first).then(|| (*first).to_owned())
}

/// `NNN-NNNN`.
fn japanese_code(address: &Value) -> Option<String> {
    let written = address["postalCode"].as_str()?;
    let digits: String =
        written.nfkc().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '−' | '‐' | 'ー' | '〒')).collect();
    let shaped = digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_digit());
    shaped.then(|| format!("{}-{}", &digits[..3], &digits[3..]))
}

fn province(address: &Value) -> Option<String> {
    let written = folded(address["state"].as_str()?).replace("  ", " ");
    let short = written.replace('.', "");
    let found = PROVINCES.iter().find(|(code, names, _)| {
        short.eq_ignore_ascii_case(code) || names.contains(&written.as_str()) || names.contains(&short.as_str())
    })?;
    Some(found.0.to_owned())
}

/// `ANA NAN` in capitals. D, F, I, O, Q and U are not used, and no code begins with W or Z.
fn canadian_code(address: &Value) -> Option<String> {
    let written = address["postalCode"].as_str()?;
    let plain: String =
        written.nfkc().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_uppercase).collect();
    let fits = plain.len() == 6
        && plain.bytes().enumerate().all(|(place, byte)| match place % 2 {
            0 => byte.is_ascii_uppercase() && !b"DFIOQU".contains(&byte),
            _ => byte.is_ascii_digit(),
        });
    (fits && !plain.starts_with(['W', 'Z'])).then(|| format!("{} {}", &plain[..3], &plain[3..]))
}

fn doubts(address: &Value, found: &Found, notes: &mut Notes<'_>) {
    let written = |element: &str| address[element].as_str().is_some_and(|text| !text.trim().is_empty());
    let mut doubt = |detail: &str| notes.add("address", "Canadian address", Outcome::Doubtful, detail);
    if written("postalCode") && found.postal_code.is_none() {
        doubt("the postal code does not have the form A1A 1A1");
    }
    if let (Some(state), Some(code)) = (&found.state, &found.postal_code) {
        let letters = PROVINCES.iter().find(|(province, ..)| province == state).map(|(.., letters)| letters);
        if letters.is_some_and(|letters| !code.starts_with(|first| letters.contains(first))) {
            doubt("the postal code belongs to another province");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefectures_come_from_the_text_alone() {
        for (address, wanted) in [
            (json!({"text": "静岡県静岡市登呂１−３−５"}), Some("静岡県")),
            (json!({"text": "〒４２２−８０３３　静岡県静岡市"}), Some("静岡県")),
            (json!({"line": ["京都府京都市左京区"]}), Some("京都府")),
            (json!({"text": "京都市左京区"}), None),
            (json!({"text": "東京都府中市", "state": "大阪府"}), None),
            (json!({"postalCode": "4228033"}), None),
        ] {
            assert_eq!(prefecture(&address).as_deref(), wanted, "{address}");
        }
    }

    #[test]
    fn provinces_are_read_in_both_languages() {
        for (written, code) in [
            ("Ontario", Some("ON")),
            ("on", Some("ON")),
            ("Québec", Some("QC")),
            ("QUE.", Some("QC")),
            ("P.E.I.", Some("PE")),
            ("Île-du-Prince-Édouard", Some("PE")),
            ("Nouvelle-Écosse", Some("NS")),
            ("NFLD", Some("NL")),
            ("Washington", None),
        ] {
            assert_eq!(province(&json!({"state": written})).as_deref(), code, "{written}");
        }
    }

    #[test]
    fn postal_codes_take_the_form_of_their_country() {
        let canadian = |text: &str| canadian_code(&json!({"postalCode": text}));
        assert_eq!(canadian("m5g-2c4").as_deref(), Some("M5G 2C4"));
        for wrong in ["M5G 2C", "D5G 2C4", "M5O 2C4", "W1A 1A1", "12345", "É5G2C4"] {
            assert_eq!(canadian(wrong), None, "{wrong}");
        }
        let japanese = |text: &str| japanese_code(&json!({"postalCode": text}));
        assert_eq!(japanese("〒４２２８０３３").as_deref(), Some("422-8033"));
        assert_eq!(japanese("422"), None);
    }
}
