//! Every value of other people's samples is in the loss report. Runs only where `WATARI_CONFORMANCE` names the folder that
//! holds them. The values are counted here by plain splitting, without anything of the translation.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use watari::config::Country;
use watari::translate::csv::{self, CsvMapping};
use watari::translate::losses::LossReport;
use watari::translate::{Mappings, Setting, hl7v2, ssmix2};

use super::conformance_mutations::{SYNTHEA_PATIENTS, files, samples};

/// A value: segment, which of that name, field, repetition and how many there are, component.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    segment: String,
    occurrence: usize,
    field: usize,
    repetition: usize,
    repetitions: usize,
    component: usize,
}

/// The values of a message by plain splitting at the delimiters that MSH names.
fn leaves(text: &str) -> Vec<Leaf> {
    let text = &text[text.find("MSH").unwrap_or(0)..];
    let mut delimiters = text.chars().skip(3);
    let field_sign = delimiters.next().unwrap();
    let signs: Vec<char> = delimiters.take(4).collect();
    let mut found = Vec::new();
    let mut seen = BTreeMap::<String, usize>::new();
    for line in text.split(['\r', '\n']).filter(|line| line.trim().len() >= 3) {
        let mut fields = line.split(field_sign);
        let segment = fields.next().unwrap().trim().to_owned();
        let occurrence = *seen.entry(segment.clone()).and_modify(|count| *count += 1).or_insert(1);
        let is_header = segment == "MSH";
        for (at, field) in fields.enumerate() {
            let number = at + 1 + usize::from(is_header);
            if is_header && number == 2 {
                let segment = segment.clone();
                found.push(Leaf { segment, occurrence, field: 2, repetition: 1, repetitions: 1, component: 1 });
                continue;
            }
            let repetitions: Vec<&str> = field.split(signs[1]).collect();
            for (repetition, text) in repetitions.iter().enumerate() {
                for (component, text) in text.split(signs[0]).enumerate() {
                    if text.chars().any(|c| c != signs[3] && !c.is_whitespace()) {
                        found.push(Leaf {
                            segment: segment.clone(),
                            occurrence,
                            field: number,
                            repetition: repetition + 1,
                            repetitions: repetitions.len(),
                            component: component + 1,
                        });
                    }
                }
            }
        }
    }
    found
}

/// Values that no entry of the report speaks of.
fn unaccounted(leaves: Vec<Leaf>, report: &LossReport) -> Vec<Leaf> {
    let told: BTreeSet<(&str, usize)> =
        report.entries.iter().map(|entry| (entry.source.as_str(), entry.occurrence)).collect();
    let is_told = |leaf: &Leaf| {
        let field = match leaf.repetitions {
            1 => format!("{}-{}", leaf.segment, leaf.field),
            _ => format!("{}-{}[{}]", leaf.segment, leaf.field, leaf.repetition),
        };
        let component = format!("{field}.{}", leaf.component);
        [field, component].iter().any(|source| told.contains(&(source.as_str(), leaf.occurrence)))
    };
    leaves.into_iter().filter(|leaf| !is_told(leaf)).collect()
}

/// How many values were counted and found in the reports.
#[derive(Default)]
struct Account {
    messages: usize,
    values: usize,
}

impl Account {
    fn take(&mut self, name: &Path, text: &str, report: &LossReport) {
        let leaves = leaves(text);
        self.messages += 1;
        self.values += leaves.len();
        let missing = unaccounted(leaves, report);
        assert!(missing.is_empty(), "{}: {missing:?}", name.display());
        let totals = report.totals;
        assert_eq!(totals.mapped + totals.kept_raw + totals.dropped, report.entries.len());
        for entry in &report.entries {
            let reasoned = entry.reason.as_ref().is_some_and(|reason| !reason.is_empty());
            assert_eq!(reasoned, entry.targets.is_empty(), "{}: {entry:?}", name.display());
        }
    }
}

#[test]
fn every_value_of_a_message_is_in_its_report() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let mut account = Account::default();
    let mut all: Vec<PathBuf> = Vec::new();
    for group in ["pairs/data", "samples/hl7v2-linuxforhealth", "samples/v2-to-fhir/samples"] {
        all.extend(files(&folder.join(group)));
    }
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        for (country, message) in
            hl7v2::split_batch(&bytes).iter().flat_map(|message| [(Country::Ca, *message), (Country::Jp, *message)])
        {
            if let Ok(translated) = hl7v2::translate(&mappings, &Setting::anonymous(country), message)
                && let Ok(text) = std::str::from_utf8(message)
            {
                account.take(&path, text, &translated.losses);
            }
        }
    }
    assert!(account.messages >= 50 && account.values > 5_000, "{} {}", account.messages, account.values);
}

#[test]
fn every_value_of_a_storage_file_is_in_its_report() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let root = folder.join("samples/jp-ssmix2-nho/sampleData");
    let mut account = Account::default();
    for path in files(&root) {
        let bytes = std::fs::read(&path).unwrap();
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let result = ssmix2::parse_path(relative)
            .and_then(|place| ssmix2::translate(&mappings, &Setting::anonymous(Country::Jp), &place, &bytes));
        if let Ok(translated) = result {
            let text = encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0;
            account.take(&path, &text, &translated.losses);
        }
    }
    assert!(account.messages >= 3, "{}", account.messages);
}

#[test]
fn every_cell_of_a_table_is_in_its_report() {
    let Some(folder) = samples() else { return };
    let mapping = CsvMapping::load(SYNTHEA_PATIENTS, "synthea.toml").unwrap();
    let bytes = std::fs::read(folder.join("samples/synthea-csv/csv/patients.csv")).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let mut cells = 0;
    for row in csv::translate(&mapping, &Setting::anonymous(Country::Ca), &bytes) {
        let raw = String::from_utf8(row.raw).unwrap();
        let values: Vec<&str> = raw.lines().nth(1).unwrap().split(',').collect();
        assert_eq!(values.len(), header.len(), "this plain splitting holds while no cell is quoted");
        let losses = row.result.unwrap().losses;
        for (name, _) in header.iter().zip(values).filter(|(_, value)| !value.trim().is_empty()) {
            cells += 1;
            let told = losses.entries.iter().any(|entry| *entry.source == *format!("column {name}"));
            assert!(told, "{name}");
        }
    }
    assert!(cells > 1_000, "{cells}");
}
