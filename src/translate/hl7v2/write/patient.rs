//! Patient → PID.

use serde_json::Value;

use super::fields::{ce, cx, escaped, list, repeated, text, time, xad, xpn, xtn};
use super::{Cover, Segment};

/// PID, with every name in every script and every number that came along.
pub(super) fn pid(cover: &Cover, patient: &Value) -> Segment {
    let home = |point: &&Value| text(point, "/use") != "work";
    let language = list(patient, "communication").find(|one| one.get("preferred") == Some(&Value::Bool(true)));
    let language = language.or_else(|| list(patient, "communication").next());
    let deceased = patient.get("deceasedDateTime");
    let is_dead = deceased.is_some() || patient.get("deceasedBoolean") == Some(&Value::Bool(true));
    let sex = match text(patient, "/gender") {
        "male" => "M",
        "female" => "F",
        "other" => "O",
        "unknown" => "U",
        _ => "",
    };
    Segment::new("PID")
        .set(1, "1")
        .set(3, repeated(own_first(cover, patient).into_iter().map(|one| cx(cover, one))))
        .set(5, repeated(list(patient, "name").map(|name| xpn(cover, name))))
        .set(7, time(patient.get("birthDate")))
        .set(8, sex)
        .set(11, repeated(list(patient, "address").map(|address| xad(cover, address))))
        .set(13, repeated(list(patient, "telecom").filter(home).map(xtn)))
        .set(14, repeated(list(patient, "telecom").filter(|point| !home(point)).map(xtn)))
        .set(15, ce(cover, language.and_then(|one| one.get("language"))))
        .set(29, time(deceased))
        .set(30, escaped(if is_dead { "Y" } else { "" }))
}

/// The institution's own numbers before all others: local systems look at the first.
fn own_first<'a>(cover: &Cover, patient: &'a Value) -> Vec<&'a Value> {
    let is_other = |one: &&Value| {
        let system = text(one, "/system");
        !(system == cover.patient_system || system.starts_with(&format!("{}/", cover.namespace)))
    };
    let mut found: Vec<&Value> = list(patient, "identifier").filter(|one| !text(one, "/value").is_empty()).collect();
    found.sort_by_key(is_other);
    found
}
