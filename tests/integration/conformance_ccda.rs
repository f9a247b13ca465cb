//! C-CDA documents of other people. Runs only where `WATARI_CONFORMANCE` names the folder that holds them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use watari::config::Country;
use watari::translate::{Mappings, RefusedCode, Setting, ccda};

use super::ccda::assert_all_accounted;
use super::process::Site;

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|_| panic!("{} is missing", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            found.push(path);
        }
    }
}

fn all() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("WATARI_CONFORMANCE")?);
    let mut found = Vec::new();
    documents(&folder.join("samples/ccda-hl7-examples"), &mut found);
    documents(&folder.join("pairs/data/ms-ccda"), &mut found);
    found.sort();
    assert!(found.len() >= 25, "{} documents", found.len());
    Some(found)
}

#[test]
fn every_sample_is_translated_and_every_leaf_accounted_for() {
    let Some(documents) = all() else { return };
    let mappings = Mappings::builtin().unwrap();
    let setting = Setting::anonymous(Country::Ca);
    for path in documents {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display().to_string();
        // One file is a stub without header and namespace, which names no patient.
        if name.contains("Intervention Planned Referral") {
            assert_eq!(ccda::translate(&mappings, &setting, &bytes).unwrap_err().code, RefusedCode::Unreadable);
            continue;
        }
        let translated =
            ccda::translate(&mappings, &setting, &bytes).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        let text = String::from_utf8(bytes).unwrap();
        assert_all_accounted(&name, text.trim_start_matches('\u{feff}'), &translated);
    }
}

#[test]
fn truncated_samples_are_answered() {
    let Some(documents) = all() else { return };
    let mappings = Mappings::builtin().unwrap();
    let setting = Setting::anonymous(Country::Ca);
    for path in documents {
        let bytes = std::fs::read(&path).unwrap();
        for end in (0..bytes.len()).step_by(64 * 16) {
            assert!(ccda::translate(&mappings, &setting, &bytes[..end]).is_err(), "{} cut at {end}", path.display());
        }
    }
}

/// All of them enter the record but the stub, and none is taken for two.
#[test]
fn every_sample_enters_the_record() {
    let Some(folder) = std::env::var_os("WATARI_CONFORMANCE").map(PathBuf::from) else { return };
    let site = Site::canada("guelph");
    for (part, aside) in [("samples/ccda-hl7-examples", 1), ("pairs/data/ms-ccda", 0)] {
        let done = site.run(&["import", "ccda", folder.join(part).to_str().unwrap()]).json();
        let reasons: Vec<_> = site.quarantined().into_iter().map(|message| (message.source, message.reason)).collect();
        assert_eq!(done["quarantined"], aside, "{done} {reasons:#?}");
    }
}
