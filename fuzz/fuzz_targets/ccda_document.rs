//! Any bytes as a C-CDA document, in both countries.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use watari::config::Country;
use watari::translate::{Mappings, Setting, ccda};

fuzz_target!(|bytes: &[u8]| {
    static MAPPINGS: OnceLock<Mappings> = OnceLock::new();
    let mappings = MAPPINGS.get_or_init(|| Mappings::builtin().expect("the built-in rows compile"));
    for country in [Country::Ca, Country::Jp] {
        let _ = ccda::translate(mappings, &Setting::anonymous(country), bytes);
    }
});
