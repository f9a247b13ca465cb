//! The documents a referral carries: the patient summary (IPS) and the reply of the institution asked.
//!
//! Both are FHIR document bundles: complete in themselves, with ids of their own, readable as text in English, French
//! or Japanese. Headings are translated; clinical words are shown as recorded, never translated here.

pub mod concept;
pub mod course;
pub mod dosage;
pub mod gather;
pub mod ips;
mod labels;
pub mod measured;
pub mod medication;
mod missing;
pub mod narrative;
pub mod own_ids;
pub mod particulars;
pub mod quantity;
pub mod reply;
mod sections;
mod timing;
mod words;

pub use gather::{Gathered, LeftOut, Reason, Record, gather};
pub use ips::{Summary, ips};
pub use own_ids::OwnIds;
pub use reply::{Reply, reply};

/// A language documents can be written in: `en`, `fr`, `ja`; anything else is English.
pub fn language(text: &str) -> &'static str {
    match text.get(..2) {
        Some("fr") => "fr",
        Some("ja") => "ja",
        _ => "en",
    }
}
