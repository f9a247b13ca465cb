//! Any bytes as a table of each worked mapping.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use watari::config::Country;
use watari::translate::Setting;
use watari::translate::csv::{self, CsvMapping};

fuzz_target!(|bytes: &[u8]| {
    static MAPPINGS: OnceLock<Vec<CsvMapping>> = OnceLock::new();
    let mappings = MAPPINGS.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/mappings/csv");
        let files = std::fs::read_dir(folder).expect("the worked mappings").map(|entry| entry.expect("a file").path());
        files
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("a mapping");
                CsvMapping::load(&text, &path.display().to_string()).expect("the worked mappings compile")
            })
            .collect()
    });
    for mapping in mappings {
        let _ = mapping.fits(bytes);
        for country in [Country::Ca, Country::Jp] {
            let _ = csv::translate(mapping, &Setting::anonymous(country), bytes);
        }
    }
});
