//! Any text as a hospital's own file of mapping rows: compiled or refused with a place, and what compiles translates.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use watari::config::Country;
use watari::translate::{Mappings, Setting, hl7v2};

const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|C|D|20260105093000||ADT^A08|1|P|2.5\r\
    EVN||20260105093000\rPID|1||1^^^H^MR||DOE^JANE||19700101|F\rPV1|1|O|||||||||||||||||7\rZX1|1|a^b&c~d\r";

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    if let Ok(mappings) = Mappings::with_folders(&[file.path().to_owned()]) {
        for country in [Country::Ca, Country::Jp] {
            let _ = hl7v2::translate(&mappings, &Setting::anonymous(country), MESSAGE);
        }
    }
});
