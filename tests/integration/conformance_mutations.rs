//! Other people's samples, cut off and damaged: whatever comes is answered in bounded time and memory, without a panic. Runs
//! only where `WATARI_CONFORMANCE` names the folder that holds them: a few damages of each file, or with `WATARI_LONG` every
//! cut at a multiple of 64 bytes and a hundred random changes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use watari::config::Country;
use watari::harmonise::{self, HarmoniseSetting};
use watari::translate::csv::{self, CsvMapping};
use watari::translate::{Mappings, Setting, Translated, ccda, hl7v2, ssmix2};

/// The longest a damaged sample may take, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
/// How much the memory of the whole process may grow over a group of samples, in kB.
const MOST_GROWTH: u64 = 512 * 1024;
/// Where the seconds of a short run would go into large files, only their beginning is damaged.
const MOST_BYTES: usize = 64 * 1024;
/// Of a table: its rows are read one by one, and the first show all that a damaged one can do.
const MOST_OF_A_TABLE: usize = 8 * 1024;

/// Patients as Synthea writes them.
pub const SYNTHEA_PATIENTS: &str = r#"
name = "synthea-patients"
demographics = true
required = ["Id"]

[[resource]]
name = "patient"
type = "Patient"
rows = [
  { column = "Id", path = "identifier[]", type = "CX" },
  { column = "BIRTHDATE", path = "birthDate", type = "date" },
  { column = "LAST", path = "name[0].family", type = "string" },
  { column = "FIRST", path = "name[0].given[]", type = "string" },
  { column = "GENDER", path = "gender", type = "code", table = "0001" },
  { column = "CITY", path = "address[0].city", type = "string" },
]
"#;

/// The folder of samples, if there is one.
pub fn samples() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("WATARI_CONFORMANCE")?);
    assert!(folder.is_dir(), "WATARI_CONFORMANCE names {}, which is not a folder", folder.display());
    Some(folder)
}

/// All files below a folder, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|_| panic!("{} is missing", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn is_long() -> bool {
    std::env::var_os("WATARI_LONG").is_some()
}

/// A small generator with a seed (xorshift*), so that a finding can be had again.
struct Chance(u64);

impl Chance {
    /// Seeded by the name of the file.
    fn of(name: &str) -> Self {
        Self(
            name.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit.max(1)
    }
}

/// The damaged versions of a file, one at a time: cut at multiples of 64, and with bytes changed, doubled and left out.
fn damaged(name: &str, bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let long = is_long();
    let mut chance = Chance::of(name);
    let mut cuts: Vec<usize> = (64..bytes.len()).step_by(64).collect();
    if !long {
        cuts = (0..4).filter_map(|_| cuts.get(chance.below(cuts.len())).copied()).collect();
    }
    let cut = cuts.into_iter().map(|at| bytes[..at].to_vec());
    cut.chain((0..if long { 100 } else { 4 }).map(move |_| changed(&mut chance, bytes)))
}

/// A copy with a few random changes.
fn changed(chance: &mut Chance, bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=chance.below(12) {
        let at = chance.below(changed.len());
        match chance.below(4) {
            0 if !changed.is_empty() => changed[at] = u8::try_from(chance.below(256)).unwrap(),
            1 if !changed.is_empty() => changed[at] = b"|^~\\&\r\n\"<>{}[],:\x1b\x0b\x1c\x00"[chance.below(20)],
            2 if !changed.is_empty() => drop(changed.remove(at)),
            _ => {
                let part: Vec<u8> = changed[at..(at + 64).min(changed.len())].to_vec();
                changed.splice(at..at, part);
            }
        }
    }
    changed
}

/// The most memory this process ever had, in kB, where the system tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Damages every file and lets `read` answer.
fn all_are_answered(group: &str, files: &[PathBuf], mut read: impl FnMut(&Path, &[u8])) {
    let most = if group == "CSV" {
        MOST_OF_A_TABLE
    } else if is_long() {
        usize::MAX
    } else {
        MOST_BYTES
    };
    assert!(!files.is_empty(), "{group} has no samples");
    let before = peak();
    let mut count = 0;
    for path in files {
        let mut whole = std::fs::read(path).unwrap();
        whole.truncate(most);
        for bytes in damaged(&path.display().to_string(), &whole) {
            let start = Instant::now();
            read(path, &bytes);
            let took = start.elapsed();
            assert!(took < LONGEST, "{} damaged to {} bytes took {took:?}", path.display(), bytes.len());
            count += 1;
        }
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "{group}: memory grew by {grown} kB");
    assert!(count >= files.len() * 4, "{group}: {count} damages of {} files", files.len());
}

/// What a translation answers with holds together as far as a reader relies on it.
fn holds_together(country: Country, mut translated: Translated) {
    let totals = translated.losses.totals;
    assert_eq!(totals.mapped + totals.kept_raw + totals.dropped, translated.losses.entries.len());
    let setting = HarmoniseSetting { country, namespace: "https://hospital.example/fhir".to_owned() };
    harmonise::harmonise_tree(harmonise::builtin().unwrap(), &setting, &mut translated.bundle);
    assert!(translated.bundle["entry"].as_array().is_some_and(|entries| !entries.is_empty()));
}

fn with_extension(folder: &Path, wanted: &str) -> Vec<PathBuf> {
    let all = files(folder).into_iter();
    all.filter(|path| path.extension().is_some_and(|extension| extension == wanted)).collect()
}

#[test]
fn damaged_hl7v2_messages_are_answered() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let mut all = with_extension(&folder.join("pairs/data"), "hl7");
    all.extend(with_extension(&folder.join("samples/hl7v2-linuxforhealth"), "hl7"));
    all.extend(with_extension(&folder.join("samples/v2-to-fhir/samples/messages"), "txt"));
    all_are_answered("HL7 v2", &all, |path, bytes| {
        let country = if path.display().to_string().contains("jahis") { Country::Jp } else { Country::Ca };
        for message in hl7v2::split_batch(bytes) {
            if let Some(header) = hl7v2::header(message) {
                let answer = hl7v2::acknowledge(&header, "AE", None, jiff::Timestamp::UNIX_EPOCH);
                assert!(!answer.is_empty());
            }
            if let Ok(translated) = hl7v2::translate(&mappings, &Setting::anonymous(country), message) {
                holds_together(country, translated);
            }
        }
    });
}

#[test]
fn damaged_ssmix2_files_are_answered() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let root = folder.join("samples/jp-ssmix2-nho/sampleData");
    all_are_answered("SS-MIX2", &files(&root), |path, bytes| {
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let result = ssmix2::parse_path(relative)
            .and_then(|place| ssmix2::translate(&mappings, &Setting::anonymous(Country::Jp), &place, bytes));
        if let Ok(translated) = result {
            holds_together(Country::Jp, translated);
        }
    });
}

#[test]
fn damaged_ccda_documents_are_answered() {
    let Some(folder) = samples() else { return };
    let mappings = Mappings::builtin().unwrap();
    let mut all = Vec::new();
    for group in ["pairs/data/ms-ccda", "samples/ccda-hl7-examples"] {
        for extension in ["xml", "ccda"] {
            all.extend(with_extension(&folder.join(group), extension));
        }
    }
    all_are_answered("C-CDA", &all, |_, bytes| {
        if let Ok(translated) = ccda::translate(&mappings, &Setting::anonymous(Country::Ca), bytes) {
            holds_together(Country::Ca, translated);
        }
    });
}

#[test]
fn damaged_tables_are_answered() {
    let Some(folder) = samples() else { return };
    let mapping = CsvMapping::load(SYNTHEA_PATIENTS, "synthea.toml").unwrap();
    let all = with_extension(&folder.join("samples/synthea-csv/csv"), "csv");
    all_are_answered("CSV", &all, |_, bytes| {
        for row in csv::translate(&mapping, &Setting::anonymous(Country::Ca), bytes) {
            if let Ok(translated) = row.result {
                holds_together(Country::Ca, translated);
            }
        }
    });
}

#[test]
fn damaged_fhir_is_answered() {
    let Some(folder) = samples() else { return };
    let mut all = Vec::new();
    for group in ["fhir-r4-examples", "ips-examples", "jp-clins-examples", "synthea-blaze-r4"] {
        all.extend(with_extension(&folder.join("samples").join(group), "json"));
    }
    let setting = HarmoniseSetting { country: Country::Jp, namespace: "https://hospital.example/fhir".to_owned() };
    all_are_answered("FHIR", &all, |_, bytes| {
        if let Ok(mut content) = watari::fhir::json::parse(bytes) {
            harmonise::harmonise_bundle(harmonise::builtin().unwrap(), &setting, &mut content);
            harmonise::harmonise_resource(harmonise::builtin().unwrap(), &setting, &mut content);
            let _ = watari::fhir::structure::check(&content);
        }
    });
}
