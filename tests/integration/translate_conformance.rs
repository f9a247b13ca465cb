//! Translation of other people's samples. Runs only where `WATARI_CONFORMANCE` names the folder that holds them; a folder
//! that is named and not there is a failure.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use watari::config::Country;
use watari::translate::{Mappings, RefusedCode, Setting, Translated, hl7v2, ssmix2};

fn samples() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("WATARI_CONFORMANCE")?);
    assert!(folder.is_dir(), "WATARI_CONFORMANCE names {}, which is not a folder", folder.display());
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|_| panic!("{} is missing", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Counts the filled fields of a message by plain splitting and looks each up in the loss report.
fn assert_all_accounted(name: &str, text: &str, translated: &Translated) {
    let accounted: BTreeSet<(String, usize)> = translated
        .losses
        .entries
        .iter()
        .map(|entry| (entry.source.split(['[', '.']).next().unwrap().to_owned(), entry.occurrence))
        .collect();
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut wanted = BTreeSet::new();
    for line in text.split(['\r', '\n']).filter(|line| line.len() >= 3) {
        let mut fields = line.split('|');
        let segment = fields.next().unwrap().trim_start_matches('\u{feff}').trim().to_owned();
        let occurrence = seen.entry(segment.clone()).or_default();
        *occurrence += 1;
        let shift = usize::from(segment == "MSH") + 1;
        for (at, field) in fields.enumerate() {
            if field.chars().any(|c| !matches!(c, '^' | '&' | '~' | ' ')) {
                wanted.insert((format!("{segment}-{}", at + shift), *occurrence));
            }
        }
    }
    assert!(!wanted.is_empty());
    let missing: Vec<_> = wanted.difference(&accounted).collect();
    assert!(missing.is_empty(), "{name}: {missing:?}");
}

#[test]
fn every_hl7v2_sample_is_translated_or_refused_for_a_known_reason() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    for (group, country, at_least) in [("ms-hl7v2", Country::Ca, 16), ("jp-jahis", Country::Jp, 11)] {
        let setting = Setting::anonymous(country);
        let mut translated = 0;
        let all: Vec<PathBuf> = files(&folder.join("pairs/data").join(group))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "hl7"))
            .collect();
        assert!(all.len() >= at_least);
        for path in all {
            let bytes = std::fs::read(&path).unwrap();
            let messages = hl7v2::split_batch(&bytes);
            assert_eq!(messages.len(), 1, "{}", path.display());
            match hl7v2::translate(&mappings, &setting, messages[0]) {
                Ok(result) => {
                    translated += 1;
                    assert_all_accounted(&path.display().to_string(), std::str::from_utf8(&bytes).unwrap(), &result);
                }
                Err(refused) => {
                    assert_eq!(refused.code, RefusedCode::UnsupportedType, "{}: {refused:?}", path.display())
                }
            }
        }
        assert!(translated >= at_least, "{group}: {translated}");
    }
}

#[test]
fn the_ssmix2_storage_is_translated_or_refused_file_by_file() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let setting = Setting::anonymous(Country::Jp);
    let root = folder.join("samples/jp-ssmix2-nho/sampleData");
    let mut codes = std::collections::BTreeMap::new();
    for path in files(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let result =
            ssmix2::parse_path(relative).and_then(|place| ssmix2::translate(&mappings, &setting, &place, &bytes));
        if let Ok(translated) = &result {
            let text = encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0.into_owned();
            assert_all_accounted(relative, &text, translated);
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let place =
            if relative.contains("ADT-31") { "corrupt".to_owned() } else { name.split('_').nth(2).unwrap().to_owned() };
        codes.insert(place, result.map(|translated| translated.kind).map_err(|refused| refused.code));
    }
    // Stored under another patient's number, as the samples come.
    for misplaced in ["ADT-61", "PPR-01", "OML-11", "OMD", "OMG-01", "OMG-02", "OMG-03", "OMG-11", "OMG-12", "OMG-13"] {
        assert_eq!(codes[misplaced], Err(RefusedCode::WrongFolder), "{misplaced}");
    }
    assert_eq!(codes["corrupt"], Err(RefusedCode::WrongFolder));
    assert_eq!(codes["ADT-00"], Ok("ADT^A08".to_owned()));
    assert_eq!(codes["OMP-01"], Ok("RDE^O11".to_owned()));
    for (kind, event) in [("OML-01", "OML^O33"), ("OMP-02", "RDE^O11"), ("OMP-11", "RAS^O17"), ("OMP-12", "RAS^O17")] {
        assert_eq!(codes[kind], Ok(event.to_owned()), "{kind}");
    }
    // The misplaced ones are whole messages: as a feed, by their own patient number, they translate.
    for path in files(&root).into_iter().filter(|path| {
        ["ADT-61", "PPR-01", "OML-11", "OMD", "OMG-01", "OMG-02", "OMG-03", "OMG-11", "OMG-12", "OMG-13"]
            .iter()
            .any(|kind| path.to_str().unwrap().contains(&format!("_{kind}_")))
    }) {
        let translated = hl7v2::translate(&mappings, &setting, &std::fs::read(&path).unwrap());
        assert!(translated.is_ok(), "{}", path.display());
    }
    // And the two stray bytes are no message.
    let corrupt = files(&root).into_iter().find(|path| path.to_str().unwrap().contains("ADT-31")).unwrap();
    let refused = hl7v2::translate(&mappings, &setting, &std::fs::read(corrupt).unwrap()).unwrap_err();
    assert!(matches!(refused.code, RefusedCode::Encoding | RefusedCode::Unreadable), "{refused:?}");
}
