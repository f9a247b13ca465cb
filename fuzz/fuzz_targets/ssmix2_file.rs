//! Any path and bytes as an SS-MIX2 storage file; the first line is the path.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use watari::config::Country;
use watari::translate::{Mappings, Setting, ssmix2};

fuzz_target!(|bytes: &[u8]| {
    static MAPPINGS: OnceLock<Mappings> = OnceLock::new();
    let mappings = MAPPINGS.get_or_init(|| Mappings::builtin().expect("the built-in rows compile"));
    let (path, content) = bytes.split_at(bytes.iter().position(|b| *b == b'\n').unwrap_or(0));
    if let Ok(place) = ssmix2::parse_path(&String::from_utf8_lossy(path)) {
        let _ = ssmix2::translate(mappings, &Setting::anonymous(Country::Jp), &place, content);
    }
});
