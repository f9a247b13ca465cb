//! Whatever bytes come, translation answers: it never panics, and what it builds holds together.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use watari::config::Country;
use watari::translate::{Mappings, Setting, hl7v2};

fn mappings() -> &'static Mappings {
    static MAPPINGS: std::sync::OnceLock<Mappings> = std::sync::OnceLock::new();
    MAPPINGS.get_or_init(|| Mappings::builtin().unwrap())
}

const KINDS: [&str; 9] =
    ["ADT^A01", "ADT^A04", "ADT^A08", "ADT^A28", "ADT^A60", "ORU^R01", "OUL^R22", "RDE^O11", "PPR^ZD1"];
const SEGMENTS: [&str; 20] = [
    "PID", "PV1", "PV2", "NK1", "AL1", "IAM", "DG1", "PRB", "ORC", "OBR", "OBX", "NTE", "SPM", "RXE", "RXR", "RXC",
    "TQ1", "EVN", "ZZZ", "MSH",
];

/// Fields of all sorts: numbers, codes, dates, delimiters in odd places, Japanese, escapes, nulls.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("\"\"".to_owned()),
        "[0-9]{1,16}",
        "[0-9]{0,3}\\.[0-9]{0,4}",
        "(NM|SN|CWE|ST|ED|TS|DT|TX|RP)",
        "[A-Z]{1,3}",
        "[ -~]{0,20}",
        "[a-zA-Z0-9^&~ ]{0,30}",
        "[漢字ｶﾅ患者^〜未満陰性０-９]{0,8}",
        "\\\\[A-Z.a-z0-9]{0,6}\\\\",
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9]([0-2][0-9][0-5][0-9])?([+-][01][0-9]00)?",
    ]
}

fn message() -> impl Strategy<Value = String> {
    let segment = (prop::sample::select(&SEGMENTS[..]), prop::collection::vec(field(), 0..30))
        .prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")));
    (prop::sample::select(&KINDS[..]), prop::collection::vec(segment, 0..14)).prop_map(|(kind, segments)| {
        format!("MSH|^~\\&|A|B|C|D|20260101||{kind}|1|P|2.5\rPID|1||77^^^B^MR\r{}\r", segments.join("\r"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for country in [Country::Ca, Country::Jp] {
            let setting = Setting::anonymous(country);
            let _ = hl7v2::translate(mappings(), &setting, &bytes);
            let mut headed = b"MSH|^~\\&|A|B|||20260101||ORU^R01|1|P|2.5\rPID|1||7\rOBX|".to_vec();
            headed.extend_from_slice(&bytes);
            let _ = hl7v2::translate(mappings(), &setting, &headed);
        }
        let _ = hl7v2::header(&bytes);
        let split: usize = hl7v2::split_batch(&bytes).iter().map(|message| message.len()).sum();
        prop_assert!(split <= bytes.len());
    }

    #[test]
    fn a_readable_message_makes_a_bundle_that_holds_together(text in message()) {
        for country in [Country::Ca, Country::Jp] {
            let setting = Setting::anonymous(country);
            let Ok(first) = hl7v2::translate(mappings(), &setting, text.as_bytes()) else { continue };
            let again = hl7v2::translate(mappings(), &setting, text.as_bytes()).unwrap();
            prop_assert_eq!(&first.bundle, &again.bundle);
            let mut urls = Vec::new();
            let mut bundle = serde_json::Value::from(&first.bundle);
            let entries = bundle.clone();
            for entry in watari::fhir::bundle::entries(&entries) {
                let url = entry["fullUrl"].as_str().unwrap();
                prop_assert!(!urls.contains(&url), "twice: {url}");
                urls.push(url);
                prop_assert!(entry["resource"].get("id").is_none());
                let replaced = entry.to_string().contains(char::REPLACEMENT_CHARACTER);
                prop_assert!(!replaced, "a character was lost");
            }
            let mut broken = Vec::new();
            watari::fhir::reference::rewrite(&mut bundle, &mut |reference| {
                if reference.starts_with("urn:uuid:") && !urls.contains(&reference) {
                    broken.push(reference.to_owned());
                }
                None
            });
            prop_assert!(broken.is_empty(), "{broken:?}");
            let totals = first.losses.totals;
            prop_assert_eq!(totals.mapped + totals.kept_raw + totals.dropped, first.losses.entries.len());
        }
    }
}
