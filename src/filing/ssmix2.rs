//! SS-MIX2 extended storage: `patient[0..3]/patient[3..6]/patient/date/type/content folder/main_document.hl7`, the content
//! folder named as a file of the standardised storage is. The transaction storage and the index database that the
//! specification also describes are not kept by this node.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::fhir;

/// Name of the main document in a content folder.
const MAIN: &str = "main_document.hl7";
/// LOINC codes of documents, by their Japanese names.
const TITLES: &[(&str, &str)] =
    &[("57133-1", "紹介状"), ("60591-5", "患者サマリー"), ("11488-4", "返書"), ("18842-5", "退院時サマリー")];
const UNREADABLE: &str = "-";

/// What a document's place is made of.
pub(super) struct Place<'a> {
    /// Patient number.
    pub patient: &'a str,
    /// The document (a FHIR document bundle).
    pub document: Option<&'a Value>,
    /// Our id of the filing; the order number is derived from it.
    pub id: &'a str,
    /// When it is filed.
    pub at: Timestamp,
    /// Zone of dates.
    pub zone: &'a TimeZone,
}

/// The path of the main document below the root.
pub(super) fn path(place: &Place<'_>) -> String {
    let patient = safe(place.patient);
    let letters: Vec<char> = patient.chars().collect();
    let part = |from: usize| {
        let part: String = letters.iter().skip(from).take(3).collect();
        if part.is_empty() { UNREADABLE.to_owned() } else { part }
    };
    let at = place.at.to_zoned(place.zone.clone());
    let date = place.document.and_then(|document| date(document, place.zone));
    let date = date.unwrap_or_else(|| at.strftime("%Y%m%d").to_string());
    let kind = kind(place.document);
    let stamp = format!("{}{:03}", at.strftime("%Y%m%d%H%M%S"), at.millisecond());
    let order = number(place.id);
    // Department unknown; 1: valid.
    let folder = format!("{patient}_{date}_{kind}_{order}_{stamp}_-_1");
    format!("{}/{}/{patient}/{date}/{kind}/{folder}/{MAIN}", part(0), part(3))
}

/// The number a patient of another institution is filed under until this one has given a number of its own: a letter, which
/// no number here begins with, and ten digits of the referral's id.
pub(super) fn foreign_number(referral: &str) -> String {
    let number = number(referral);
    format!("R{}", number.get(5..).unwrap_or(&number))
}

/// 15 digits derived from an id.
fn number(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let value = digest.iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{:015}", value % 1_000_000_000_000_000)
}

/// The document's own day, in the zone.
fn date(document: &Value, zone: &TimeZone) -> Option<String> {
    let text = composition(document)?.get("date")?.as_str()?;
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at.to_zoned(zone.clone()).strftime("%Y%m%d").to_string()),
        Err(_) => text.get(..10)?.parse::<jiff::civil::Date>().ok().map(|day| day.strftime("%Y%m%d").to_string()),
    }
}

fn composition(document: &Value) -> Option<&Value> {
    fhir::bundle::first(document, "Composition")
}

/// `^local name^^LOINC^name^LN`.
fn kind(document: Option<&Value>) -> String {
    let composition = document.and_then(composition);
    let coding = composition.and_then(|one| one.get("type")).and_then(|kind| fhir::codings(kind).next());
    let code = coding.map_or("", |(_, code)| code);
    let known = TITLES.iter().find(|(known, _)| *known == code).map(|(_, title)| *title);
    let title = composition.and_then(|one| one.get("title")).and_then(Value::as_str).unwrap_or("");
    let title = safe(known.unwrap_or(title));
    format!("^{title}^^{}^{title}^LN", safe(code))
}

/// As part of a file name: nothing that a path or the name's own pattern means something by.
fn safe(text: &str) -> String {
    let keep = |c: char| if c.is_control() || "/\\:*?\"<>|_^ ".contains(c) { '-' } else { c };
    let text: String = text.trim().chars().map(keep).take(40).collect();
    match text.trim_matches('.') {
        "" => UNREADABLE.to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_stands_where_the_storage_wants_it() {
        let document = json!({"resourceType": "Bundle", "entry": [{"resource": {
            "resourceType": "Composition", "date": "2026-11-23T20:00:00Z", "title": "x",
            "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]}}}]});
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let at = "2026-11-24T03:04:05.678Z".parse().unwrap();
        let place = Place { patient: "0012345678", document: Some(&document), id: "a", at, zone: &zone };
        let path = path(&place);
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!(parts[..5], ["001", "234", "0012345678", "20261124", "^返書^^11488-4^返書^LN"]);
        let name: Vec<&str> = parts[5].split('_').collect();
        assert_eq!((name[0], name[1], name[2]), ("0012345678", "20261124", "^返書^^11488-4^返書^LN"));
        assert!(name[3].len() == 15 && name[3].bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(name[4..], ["20261124120405678", "-", "1"]);
        assert_eq!(parts[6], "main_document.hl7");
    }

    #[test]
    fn a_patient_number_leads_nowhere_else() {
        let zone = TimeZone::UTC;
        for patient in ["../../etc", "..", "", "a/b", "\0"] {
            let path = path(&Place { patient, document: None, id: "a", at: Timestamp::UNIX_EPOCH, zone: &zone });
            assert_eq!(path.split('/').count(), 7, "{path}");
            assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{path}");
        }
        let foreign = foreign_number("r-1");
        assert!(foreign.len() == 11 && foreign.starts_with('R'));
    }
}
