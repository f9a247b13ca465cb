//! C-CDA documents: what they become by cases (`tests/fixtures/translate/ccda`), what is never shown as if it were so, what
//! hostile documents get, and the whole road into the record. `UPDATE_FIXTURES=1` writes the expected files.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use watari::config::Country;
use watari::fhir::bundle;
use watari::translate::{Mappings, Refused, RefusedCode, Setting, Translated, ccda};

use super::process::Site;
use super::translate::{check, shown_with};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translate/ccda")
}

fn mappings() -> &'static Mappings {
    static MAPPINGS: std::sync::OnceLock<Mappings> = std::sync::OnceLock::new();
    MAPPINGS.get_or_init(|| Mappings::builtin().unwrap())
}

fn translate(raw: &[u8]) -> Result<Translated, Refused> {
    ccda::translate(mappings(), &Setting::anonymous(Country::Ca), raw)
}

fn input(case: &str) -> String {
    std::fs::read_to_string(fixtures().join(case).join("input.xml")).unwrap()
}

#[test]
fn ccda_cases() {
    let mut count = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let folder = entry.unwrap().path();
        let result = translate(&std::fs::read(folder.join("input.xml")).unwrap());
        check(&folder.join("expected.json"), &shown_with(&result, |entry| entry.source.to_string()));
        count += 1;
    }
    assert!(count >= 7, "only {count} cases");
}

fn of(translated: &Translated, kind: &str) -> Vec<Value> {
    let bundle = Value::from(&translated.bundle);
    bundle::resources(&bundle).filter(|resource| resource["resourceType"] == kind).cloned().collect()
}

fn with_code(translated: &Translated, kind: &str, code: &str) -> Value {
    let found = of(translated, kind).into_iter().find(|resource| resource.to_string().contains(&format!("\"{code}\"")));
    found.unwrap_or_else(|| panic!("no {kind} of {code}"))
}

#[test]
fn what_is_negated_is_never_shown_as_so() {
    let ccd = translate(input("ccd").as_bytes()).unwrap();
    assert_eq!(with_code(&ccd, "Condition", "195967001")["verificationStatus"]["coding"][0]["code"], "refuted");
    assert_eq!(with_code(&ccd, "MedicationStatement", "197361")["status"], "not-taken");
    let refused = with_code(&ccd, "Immunization", "139");
    assert_eq!(
        (&refused["status"], &refused["statusReason"]["coding"][0]["code"]),
        (&json!("not-done"), &json!("PATOBJ"))
    );
    let none = translate(input("referral-note").as_bytes()).unwrap();
    assert_eq!(of(&none, "AllergyIntolerance")[0]["code"]["coding"][0]["code"], "716186003");
    // A result has no such place: it becomes nothing, and the report says so.
    let negated = input("ccd").replace(
        "<observation classCode=\"OBS\" moodCode=\"EVN\">\n                  <templateId root=\"2.16.840.1.113883.10.20.22.4.2\"/>",
        "<observation classCode=\"OBS\" moodCode=\"EVN\" negationInd=\"true\">\n                  <templateId root=\"2.16.840.1.113883.10.20.22.4.2\"/>",
    );
    let negated = translate(negated.as_bytes()).unwrap();
    assert!(!of(&negated, "Observation").iter().any(|result| result.to_string().contains("4548-4")));
    assert!(negated.warnings.iter().any(|warning| warning.contains("negated")), "{:?}", negated.warnings);
}

#[test]
fn digits_units_and_missing_values_stay_what_they_are() {
    let ccd = translate(input("ccd").as_bytes()).unwrap();
    let result = with_code(&ccd, "Observation", "4548-4");
    assert_eq!(result["valueQuantity"]["value"].to_string(), "7.20");
    assert_eq!(result["referenceRange"][0]["high"]["value"].to_string(), "6.00");
    let missing = with_code(&ccd, "Observation", "11579-0");
    assert_eq!(missing["dataAbsentReason"]["coding"][0]["code"], "not-asked");
    assert!(missing.get("valueQuantity").is_none());
    assert_eq!(with_code(&ccd, "Observation", "1988-5")["valueQuantity"]["comparator"], "<");
}

#[test]
fn the_same_document_again_is_the_same_resources() {
    let text = input("ccd");
    let first = translate(text.as_bytes()).unwrap();
    let again = translate(text.as_bytes()).unwrap();
    assert_eq!(first.bundle, again.bundle);
    // A later version of it says more of the same problem.
    let later = text.replace("7f0c6a52-2a55-4f0f-9d31-5a4b1c9e0002", "7f0c6a52-2a55-4f0f-9d31-5a4b1c9e0099");
    let later = translate(later.as_bytes()).unwrap();
    let problem = |translated: &Translated| {
        bundle::entries(&Value::from(&translated.bundle))
            .find(|entry| entry["resource"].to_string().contains("\"44054006\""))
            .map(|entry| entry["request"]["url"].clone())
    };
    assert_eq!(problem(&first), problem(&later));
    assert!(problem(&first).is_some());
}

/// Every attribute and text outside pure structure, by its path, is under an entry of the report.
pub(crate) fn assert_all_accounted(name: &str, text: &str, translated: &Translated) {
    let document = roxmltree::Document::parse(text).unwrap();
    let sources: std::collections::HashSet<&str> =
        translated.losses.entries.iter().map(|entry| entry.source.as_str()).collect();
    let mut leaves = 0;
    for node in document.descendants() {
        let structure =
            node.ancestors().any(|around| matches!(around.tag_name().name(), "templateId" | "typeId" | "realmCode"));
        if structure {
            continue;
        }
        let mut paths = Vec::new();
        if node.is_text() && !node.text().unwrap_or("").trim().is_empty() {
            paths.push("text()".to_owned());
        }
        for attribute in node.attributes() {
            let structural = [
                "typeCode",
                "classCode",
                "moodCode",
                "determinerCode",
                "contextConductionInd",
                "contextControlCode",
                "inversionInd",
                "type",
                "schemaLocation",
                "mediaType",
                "ID",
            ];
            if !structural.contains(&attribute.name()) {
                paths.push(format!("@{}", attribute.name()));
            }
        }
        let element = if node.is_text() { node.parent_element().unwrap() } else { node };
        for leaf in paths {
            leaves += 1;
            let path = path(element);
            let own = format!("{path}/{leaf}");
            let mut around = path.as_str();
            let found = sources.contains(own.as_str())
                || loop {
                    if sources.contains(around) {
                        break true;
                    }
                    match around.rsplit_once('/') {
                        Some((outer, _)) => around = outer,
                        None => break false,
                    }
                };
            assert!(found, "{name}: {own} is not accounted for");
        }
    }
    assert!(leaves > 20, "{name}: only {leaves} leaves");
}

fn path(element: roxmltree::Node<'_, '_>) -> String {
    let name = element.tag_name().name();
    let Some(parent) = element.parent_element() else { return name.to_owned() };
    let twins: Vec<_> =
        parent.children().filter(|other| other.is_element() && other.tag_name().name() == name).collect();
    let at = twins.iter().position(|other| *other == element).unwrap() + 1;
    if twins.len() > 1 { format!("{}/{name}[{at}]", path(parent)) } else { format!("{}/{name}", path(parent)) }
}

#[test]
fn every_leaf_is_accounted_for() {
    for case in ["ccd", "referral-note", "discharge-summary", "care-plan", "operative-note", "unstructured"] {
        let text = input(case);
        let translated = translate(text.as_bytes()).unwrap();
        assert_all_accounted(case, &text, &translated);
        let unmapped = translated.losses.totals.kept_raw + translated.losses.totals.dropped;
        assert_eq!(translated.losses.entries.len(), translated.losses.totals.mapped + unmapped);
    }
}

#[test]
fn references_lead_to_entries_of_the_bundle() {
    for case in ["ccd", "referral-note", "discharge-summary", "care-plan", "operative-note", "unstructured"] {
        let translated = translate(input(case).as_bytes()).unwrap();
        let mut all = Value::from(&translated.bundle);
        let written = all.clone();
        let known: Vec<&str> = bundle::entries(&written).filter_map(|entry| entry["fullUrl"].as_str()).collect();
        let unique: std::collections::HashSet<&&str> = known.iter().collect();
        assert_eq!(unique.len(), known.len(), "{case}: an address twice");
        watari::fhir::reference::rewrite(&mut all, &mut |reference| {
            assert!(reference.starts_with('#') || known.contains(&reference), "{case}: {reference}");
            None
        });
    }
}

/// PAR-10 of the threat list: entities are refused unexpanded, at once.
#[test]
fn par_10_entity_bombs_are_refused_before_they_are_read() {
    let body = input("unstructured");
    let body = body.split_once("?>").unwrap().1;
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10))).collect();
    let bombs = [
        format!("<?xml version=\"1.0\"?><!DOCTYPE d [<!ENTITY a0 \"ha\">{laughs}]>{body}"),
        format!("<?xml version=\"1.0\"?><!DOCTYPE d [<!ENTITY q \"{}\">]>{body}", "q".repeat(1_000_000)),
        format!("<?xml version=\"1.0\"?><!DOCTYPE d [<!ENTITY % p SYSTEM \"file:///etc/hostname\">%p;]>{body}"),
    ];
    for bomb in bombs {
        // The quickest of some tries: a busy machine may hold up any one of them.
        let quickest = (0..8).map(|_| {
            let started = Instant::now();
            let refused = translate(bomb.as_bytes()).unwrap_err();
            assert_eq!(refused.code, RefusedCode::Invalid, "{refused:?}");
            started.elapsed()
        });
        let quickest = quickest.min().unwrap();
        assert!(quickest < Duration::from_millis(50), "{quickest:?}");
    }
}

/// PAR-11: nothing outside the document is opened, and an encoding is what the bytes are.
#[test]
fn par_11_external_entities_and_odd_encodings_reach_nobody() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = trap.local_addr().unwrap();
    let body = input("unstructured");
    let body = body.split_once("?>").unwrap().1;
    for declaration in [
        format!("<!DOCTYPE d SYSTEM \"http://{address}/d.dtd\">"),
        format!("<!DOCTYPE d [<!ENTITY x SYSTEM \"http://{address}/x\">]>"),
        "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>".to_owned(),
    ] {
        let text = format!("<?xml version=\"1.0\"?>{declaration}{body}");
        assert_eq!(translate(text.as_bytes()).unwrap_err().code, RefusedCode::Invalid);
    }
    for encoding in ["UTF-7", "UTF-16", "no-such-thing"] {
        let text = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{body}");
        assert_eq!(translate(text.as_bytes()).unwrap_err().code, RefusedCode::Encoding, "{encoding}");
    }
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain(format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{body}").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(translate(&wide).is_ok(), "honest UTF-16 is read");
    assert!(trap.accept().is_err(), "somebody knocked");
}

/// PAR-12: depth is limited, a document without its namespace is none, and no script comes through.
#[test]
fn par_12_depth_namespace_and_script() {
    let (before, after) = ("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">", "</ClinicalDocument>");
    let deep = format!("{before}{}{}{after}", "<section>".repeat(100_000), "</section>".repeat(100_000));
    let started = Instant::now();
    assert_eq!(translate(deep.as_bytes()).unwrap_err().code, RefusedCode::TooLarge);
    assert!(started.elapsed() < Duration::from_millis(200));
    let bare = input("ccd").replace(" xmlns=\"urn:hl7-org:v3\"", "");
    assert_eq!(translate(bare.as_bytes()).unwrap_err().code, RefusedCode::Unreadable);
    let hostile = input("ccd").replace(
        "<paragraph>128/82</paragraph>",
        "<paragraph onload=\"x()\">128/82<script>alert(1)</script></paragraph><linkHtml href=\"JAVASCRIPT:x()\">go</linkHtml>",
    );
    let text = translate(hostile.as_bytes()).unwrap().bundle.to_string().to_lowercase();
    assert!(
        text.contains("128/82")
            && !["<script", "javascript", "onload", "alert(1)"].iter().any(|bad| text.contains(bad))
    );
}

#[test]
fn truncated_or_damaged_documents_are_answered() {
    let text = input("discharge-summary");
    let bytes = text.as_bytes();
    for end in (0..bytes.len()).step_by(64) {
        assert!(translate(&bytes[..end]).is_err(), "cut at {end}");
    }
    for seed in 0..400_usize {
        let mut damaged = bytes.to_vec();
        for step in 0..4_usize {
            let at = seed.wrapping_mul(2_654_435_761).wrapping_add(step * 7919) % damaged.len();
            damaged[at] = damaged[at].wrapping_add(u8::try_from(seed % 251).unwrap() + 1);
        }
        let _ = translate(&damaged);
    }
}

/// What repeats the narrative by reference, itself by identifier, or one element without end stays within bounds.
#[test]
fn documents_made_to_grow_do_not() {
    let ccd = input("ccd");
    let long = "x".repeat(15_000);
    let entry = ccd.split("<entry ").nth(1).unwrap().split("</entry>").next().unwrap();
    let entries: String = (0..2000)
        .map(|n| {
            format!("<entry {}</entry>", entry.replace("00000000-0000-4000-8000-", &format!("{n:08x}-0000-4000-8000-")))
        })
        .collect();
    let wide = ccd.replace("Diabetes, type 2 (since 2014)", &long).replacen("<entry ", &format!("{entries}<entry "), 1);
    let started = Instant::now();
    let translated = translate(wide.as_bytes()).unwrap();
    assert!(
        translated.bundle.to_string().len() < 8 * wide.len(),
        "{} of {}",
        translated.bundle.to_string().len(),
        wide.len()
    );
    // One identifier for all of them, and each says something else.
    let twins: String = (0..2000)
        .map(|n| {
            format!(
                "<entry {}</entry>",
                entry.replace("value=\"2014\"", &format!("value=\"2014\"/><width value=\"{n}\""))
            )
        })
        .collect();
    let twins = ccd.replacen("<entry ", &format!("{twins}<entry "), 1);
    translate(twins.as_bytes()).unwrap();
    let flat = ccd.replacen("<author>", &format!("{}<author>", "<author/>".repeat(20_000)), 1);
    assert_eq!(translate(flat.as_bytes()).unwrap_err().code, RefusedCode::TooLarge);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn a_hospitals_rows_count_and_wrong_rows_name_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let row = "[[statement]]\nname = \"site-form\"\ntype = \"Observation\"\nelement = [\"act\"]\ntemplate = [\"2.16.124.9.999.1\"]\n\
               fixed = { status = \"final\" }\nrows = [{ from = \"code\", path = \"code\", type = \"CodeableConcept\" }]\n";
    std::fs::write(&file, row).unwrap();
    let rows = Mappings::with_folders(std::slice::from_ref(&file)).unwrap();
    let setting = Setting::anonymous(Country::Ca);
    let translated = ccda::translate(&rows, &setting, input("discharge-summary").as_bytes()).unwrap();
    assert_eq!(with_code(&translated, "Observation", "FORM-7")["status"], "final");
    for (wrong, line) in [
        (row.replace("CodeableConcept\" }", "Code\", table = \"none\" }"), 7),
        (row.replace("from = \"code\"", "from = \"co de\""), 7),
        (row.replace("type = \"Observation\"", "also = [\"nobody\"]"), 1),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let error = Mappings::with_folders(std::slice::from_ref(&file)).unwrap_err().to_string();
        assert!(error.contains("site.toml") && error.contains(&format!("line {line}")), "{error}");
    }
}

#[test]
fn documents_enter_the_record_and_wrong_ones_are_kept_aside() {
    let site = Site::canada("toronto");
    let folder = site.path().join("documents");
    std::fs::create_dir_all(&folder).unwrap();
    for case in ["ccd", "discharge-summary", "no-patient-number"] {
        std::fs::write(folder.join(format!("{case}.xml")), input(case)).unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "not a document").unwrap();
    let first = site.run(&["import", "ccda", folder.to_str().unwrap()]);
    assert_eq!(first.code, 3, "done, with one quarantined: {first:?}");
    let first = first.json();
    let counts = ["received", "translated", "quarantined", "skipped"].map(|name| first[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 1, 1], "{first}");
    assert!(first["resources"].as_u64().unwrap() > 30, "{first}");
    let aside = site.quarantined();
    assert!(aside[0].reason.as_deref().unwrap().contains("patientRole/id"), "{aside:?}");
    let patients = site.read(watari::records::find::all_patients);
    assert_eq!(patients.len(), 1, "both documents are of one patient");
    let record = site.read(|view| view.compartment(patients.first().unwrap()));
    let result = record.iter().find(|one| one.json.contains("\"4548-4\"")).unwrap();
    assert!(result.json.contains("7.20"), "7.20 stays 7.20");
    let again = site.run(&["import", "ccda", folder.to_str().unwrap()]).json();
    assert_eq!(again["resources"], 0, "the same documents again change nothing");
}

#[path = "../../benches/ccda_document/mod.rs"]
mod ccda_document;

#[test]
fn a_document_of_a_megabyte_is_translated_whole() {
    let text = ccda_document::document(1_000_000);
    assert!((1_000_000..1_100_000).contains(&text.len()), "{}", text.len());
    let translated = translate(text.as_bytes()).unwrap();
    let results = of(&translated, "Observation").len();
    assert!(results > 200, "{results}");
    let one = translate(input("ccd").as_bytes()).unwrap();
    assert!(translated.losses.entries.len() > one.losses.entries.len());
}
