//! Any bytes as an HL7 v2 message, in both countries: split, header, acknowledgement, translation.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use watari::config::Country;
use watari::translate::hl7v2::{self, Complaint};
use watari::translate::{Mappings, Setting};

fuzz_target!(|bytes: &[u8]| {
    static MAPPINGS: OnceLock<Mappings> = OnceLock::new();
    let mappings = MAPPINGS.get_or_init(|| Mappings::builtin().expect("the built-in rows compile"));
    for message in hl7v2::split_batch(bytes) {
        if let Some(header) = hl7v2::header(message) {
            let complaint = Complaint::new(Complaint::DATA_TYPE, "refused");
            let _ = hl7v2::acknowledge(&header, "AE", Some(&complaint), jiff::Timestamp::UNIX_EPOCH);
        }
        for country in [Country::Ca, Country::Jp] {
            let _ = hl7v2::translate(mappings, &Setting::anonymous(country), message);
        }
    }
});
