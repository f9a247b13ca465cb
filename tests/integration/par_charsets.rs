//! PAR-04, PAR-05: character sets of HL7 v2 are read as declared or not at all, and every script comes through.

use proptest::prelude::*;
use serde_json::Value;
use watari::config::Country;
use watari::translate::hl7v2::{self, Charset, encode_exactly};
use watari::translate::{Mappings, Refused, RefusedCode, Setting, Translated};

fn message(charset: &str, name: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("MSH|^~\\&|HIS|A|||20260101||ADT^A08|1|P|2.5||||||{charset}\rEVN|A08|20260101\rPID|1||7700001||")
            .into_bytes();
    bytes.extend_from_slice(name);
    bytes.push(b'\r');
    bytes
}

fn translate(charset: &str, name: &[u8]) -> Result<Translated, Refused> {
    let mut setting = Setting::anonymous(Country::Jp);
    setting.charset_binds = true;
    hl7v2::translate(&Mappings::builtin().unwrap(), &setting, &message(charset, name))
}

fn names(translated: &Translated) -> Vec<Value> {
    let bundle = Value::from(&translated.bundle);
    let patient =
        watari::fhir::bundle::resources(&bundle).find(|resource| resource["resourceType"] == "Patient").unwrap();
    patient["name"].as_array().cloned().unwrap_or_default()
}

fn family(charset: &str, name: &[u8]) -> String {
    names(&translate(charset, name).unwrap())[0]["family"].as_str().unwrap().to_owned()
}

#[test]
fn par_04_bytes_of_another_set_than_declared_are_refused_and_never_guessed() {
    let sjis = encoding_rs::SHIFT_JIS.encode("渡邉^花子").0.into_owned();
    let jis = encode_exactly("渡邉^花子", Charset::Iso2022Jp).unwrap();
    let euc = encoding_rs::EUC_JP.encode("渡邉^花子").0.into_owned();
    for (declared, bytes) in [
        ("~ISO IR87", &sjis),
        ("UNICODE UTF-8", &sjis),
        ("UNICODE UTF-8", &euc),
        ("ASCII", &sjis),
        ("~ISO IR87", &euc),
        ("~ISO IR87", &"渡邉^花子".as_bytes().to_vec()),
        ("", &sjis),
        ("GB 18030-2000", &sjis),
        ("KS X 1001", &jis),
    ] {
        let refused = translate(declared, bytes).unwrap_err();
        assert_eq!(refused.code, RefusedCode::Encoding, "{declared}: {refused:?}");
        assert!(!refused.reason.contains('渡') && !refused.reason.contains('\u{fffd}'));
    }
    // Seven-bit text that claims to be UTF-8 is UTF-8, escape bytes and all; as a name that is none.
    assert_eq!(family("UNICODE UTF-8", "渡邉^花子".as_bytes()), "渡邉");
    assert_eq!(family("~ISO IR87", &jis), "渡邉");
    assert_eq!(family("CP932", &sjis), "渡邉");
}

#[test]
fn par_04_half_an_escape_sequence_is_refused_with_its_place() {
    for half in [&b"\x1b"[..], b"\x1b$", b"\x1b$B", b"\x1b$BEO", b"\x1b$BE\x1b(B^x", b"\x1b$BEO\rPV1|1"] {
        let refused = translate("~ISO IR87", half).unwrap_err();
        assert_eq!(refused.code, RefusedCode::Encoding, "{half:?}");
        assert!(refused.reason.contains("byte "), "{refused:?}");
    }
}

#[test]
fn par_04_a_byte_order_mark_is_no_character() {
    let bytes = [b"\xef\xbb\xbf".as_slice(), &message("UNICODE UTF-8", "渡邉".as_bytes())].concat();
    let translated = hl7v2::translate(&Mappings::builtin().unwrap(), &Setting::anonymous(Country::Jp), &bytes).unwrap();
    assert_eq!(names(&translated)[0]["family"], "渡邉");
}

#[test]
fn par_05_the_three_writings_of_a_name_come_through_and_half_width_kana_stay() {
    let text = "渡邉^花子^^^^^L^I~ﾜﾀﾅﾍﾞ^ﾊﾅｺ^^^^^L^P~WATANABE^HANAKO^^^^^L^A";
    for (charset, bytes) in [
        ("UNICODE UTF-8", text.as_bytes().to_vec()),
        ("~ISO IR87~ISO IR13", encode_exactly(text, Charset::Kana).unwrap()),
        ("CP932", encode_exactly(text, Charset::ShiftJis).unwrap()),
        ("EUC-JP", encode_exactly(text, Charset::EucJp).unwrap()),
    ] {
        let written: Vec<String> = names(&translate(charset, &bytes).unwrap())
            .iter()
            .map(|name| name["family"].as_str().unwrap().to_owned())
            .collect();
        for expected in ["渡邉", "ﾜﾀﾅﾍﾞ", "WATANABE"] {
            assert!(written.iter().any(|name| name == expected), "{charset}: {written:?}");
        }
    }
}

#[test]
fn par_05_vendor_characters_supplementary_kanji_and_variants_are_kept_and_private_ones_told_of() {
    assert_eq!(family("CP932", &encoding_rs::SHIFT_JIS.encode("髙橋①㈱").0), "髙橋①㈱");
    assert_eq!(family("~ISO IR87~ISO IR159", b"\x1b$(D0!\x1b(B"), "丂");
    let variant = "葛\u{e0100}西";
    assert_eq!(family("UNICODE UTF-8", variant.as_bytes()), variant);
    let private = translate("CP932", b"\xf0\x40").unwrap();
    assert_eq!(names(&private)[0]["family"], "\u{e000}");
    assert!(private.warnings.iter().any(|warning| warning.contains("外字")), "{:?}", private.warnings);
    assert!(translate("CP932", b"\x82\xa0").unwrap().warnings.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// What can be written in a set is read back as it was.
    #[test]
    fn par_05_every_set_reads_back_what_it_writes(
        text in "[ -~ぁ-んァ-ヶ一-鿐ｦ-ﾟÀ-ÿΑ-Ωа-я①-⑳]{0,24}",
    ) {
        let text = text.replace(['|', '^', '~', '\\', '&', '"'], "");
        let text = format!("x{}x", text.trim());
        for (charset, name) in [
            (Charset::Utf8, "UNICODE UTF-8"), (Charset::Iso2022Jp, "~ISO IR87"), (Charset::ShiftJis, "CP932"),
            (Charset::EucJp, "EUC-JP"), (Charset::Latin1, "8859/1"), (Charset::Latin(5), "8859/5"),
            (Charset::Latin(7), "8859/7"), (Charset::Latin(15), "8859/15"),
        ] {
            let kept: String =
                text.chars().filter(|c| encode_exactly(c.encode_utf8(&mut [0; 4]), charset).is_ok()).collect();
            let bytes = encode_exactly(&kept, charset).unwrap();
            let translated = translate(name, &bytes);
            prop_assert!(translated.is_ok(), "{name}: {:?} {translated:?}", kept);
            let name_read = names(&translated.unwrap())[0]["family"].as_str().unwrap().to_owned();
            prop_assert_eq!(name_read, kept, "{}", name);
        }
    }

    /// Any bytes under any name: text or a refusal, no panic, no replacement character.
    #[test]
    fn par_04_any_bytes_under_any_name(bytes in prop::collection::vec(any::<u8>(), 0..80), set in 0usize..8) {
        let declared = ["", "~ISO IR87", "ISO IR13", "CP932", "UNICODE UTF-8", "8859/1", "EUC-JP", "8859/8"][set];
        if let Ok(translated) = translate(declared, &bytes) {
            let is_senders = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains('\u{fffd}'));
            let is_replaced = translated.bundle.to_string().contains('\u{fffd}');
            prop_assert!(is_senders || !is_replaced);
        }
    }
}
