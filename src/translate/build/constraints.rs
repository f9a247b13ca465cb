//! Invariants of R4 that no single row can see. What breaks one is taken out again and booked as dropped: a resource that
//! a server refuses would lose everything else with it.

use crate::fhir::tree::{Map, Value, json};

use super::context::Work;
use super::resources::Instance;
use crate::fhir::systems;

/// Makes a resource hold its invariants.
pub(crate) fn hold(work: &Work<'_>, instance: &mut Instance<'_>) {
    let number = instance.number;
    let withdraw = |path: &str, reason: &str| work.ledger.withdraw(number, path, reason);
    hold_body(&instance.row.resource_type, &mut instance.body, &withdraw);
}

/// Makes the body of a resource of type `kind` hold its invariants; `withdraw` is told what is taken out.
pub(crate) fn hold_body(kind: &str, body: &mut Map, withdraw: Withdraw<'_>) {
    match kind {
        "Condition" => condition(body, withdraw),
        "AllergyIntolerance" => allergy(body, withdraw),
        "Observation" => vital_sign(body),
        _ => {}
    }
    choices(body, kind, withdraw);
    if runs_backwards(body) {
        in_members(body, &Way { name: kind, from: None }, withdraw);
    }
}

/// Told the element path that is taken out, and why.
pub(crate) type Withdraw<'a> = &'a dyn Fn(&str, &str);

fn status_code<'a>(body: &'a Map, element: &str) -> Option<&'a str> {
    body.get(element)?.pointer("/coding/0/code")?.as_str()
}

/// con-4: an abated condition is not active. con-5: one entered in error has no clinical status.
fn condition(body: &mut Map, withdraw: Withdraw<'_>) {
    let in_error = status_code(body, "verificationStatus") == Some("entered-in-error");
    if in_error && body.remove("clinicalStatus").is_some() {
        withdraw("Condition.clinicalStatus", "a condition entered in error has no clinical status in FHIR");
    }
    let ended = matches!(status_code(body, "clinicalStatus"), None | Some("inactive" | "resolved" | "remission"));
    if !ended && body.remove("abatementDateTime").is_some() {
        withdraw("Condition.abatementDateTime", "an end date contradicts the status, which says the condition goes on");
    }
    if body.contains_key("onsetDateTime") && body.remove("onsetString").is_some() {
        withdraw("Condition.onsetString", "the onset is given as a date already");
    }
}

/// ait-2: an allergy entered in error has no clinical status.
fn allergy(body: &mut Map, withdraw: Withdraw<'_>) {
    if status_code(body, "verificationStatus") == Some("entered-in-error") && body.remove("clinicalStatus").is_some() {
        withdraw("AllergyIntolerance.clinicalStatus", "an allergy entered in error has no clinical status in FHIR");
    }
    if body.contains_key("onsetDateTime") && body.remove("onsetString").is_some() {
        withdraw("AllergyIntolerance.onsetString", "the onset is given as a date already");
    }
}

/// LOINC codes that R4 itself binds to its vital signs profiles (<https://hl7.org/fhir/R4/observation-vitalsigns.html>).
const VITAL_SIGNS: [&str; 13] = [
    "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7", "39156-5", "85354-9",
    "8480-6", "8462-4",
];

fn is_vital_sign(observation: &Map) -> bool {
    let mut codings = observation.get("code").into_iter().flat_map(crate::fhir::tree::codings);
    codings.any(|(system, code)| system == systems::LOINC && VITAL_SIGNS.contains(&code))
}

/// A vital sign says that it is one, when it was measured, and if it has no value that it has none.
fn vital_sign(body: &mut Map) {
    if !is_vital_sign(body) {
        return;
    }
    let category = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]});
    match body.get_mut("category") {
        Some(Value::Array(categories)) if categories.contains(&category) => {}
        Some(Value::Array(categories)) => categories.push(category),
        _ => drop(body.insert("category", json!([category]))),
    }
    if !body.keys().any(|element| element.starts_with("effective")) {
        let absent = json!({"extension": [{"url": systems::DATA_ABSENT_REASON, "valueCode": "unknown"}]});
        body.insert("_effectiveDateTime", absent);
    }
    if !body
        .keys()
        .any(|element| element.starts_with("value") || element == "component" || element == "dataAbsentReason")
    {
        let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
        body.insert("dataAbsentReason", json!({"coding": [{"system": system, "code": "unknown"}]}));
    }
}

/// Elements that have one of several forms.
const CHOICES: [&str; 6] = ["effective", "medication", "occurrence", "onset", "performed", "value"];

/// Which of the choices an element is a form of.
fn choice_of(element: &str) -> Option<usize> {
    CHOICES.iter().position(|choice| {
        let form = element.strip_prefix(choice).and_then(|form| form.bytes().next());
        form.is_some_and(|first| first.is_ascii_uppercase())
    })
}

/// An element has one form only: the first that the rows filled stays.
fn choices(body: &mut Map, kind: &str, withdraw: Withdraw<'_>) {
    if body.keys().filter(|element| choice_of(element).is_some()).count() < 2 {
        return;
    }
    let mut is_taken = [false; CHOICES.len()];
    body.retain(|element, _| {
        let Some(choice) = choice_of(element) else { return true };
        let stays = !std::mem::replace(&mut is_taken[choice], true);
        if !stays {
            withdraw(&format!("{kind}.{element}"), "the element has another form already");
        }
        stays
    });
}

/// The elements on the way to one.
struct Way<'a> {
    name: &'a str,
    from: Option<&'a Way<'a>>,
}

impl Way<'_> {
    fn path(&self) -> String {
        match self.from {
            Some(from) => format!("{}.{}", from.path(), self.name),
            None => self.name.to_owned(),
        }
    }
}

/// per-1: a period does not end before it starts. Which of the two is wrong nobody knows; the end goes.
fn periods(value: &mut Value, way: &Way<'_>, withdraw: Withdraw<'_>) {
    match value {
        Value::Object(map) => in_members(map, way, withdraw),
        Value::Array(items) => items.iter_mut().for_each(|item| periods(item, way, withdraw)),
        _ => {}
    }
}

/// Whether a period somewhere in it ends before it starts. What recurs in many messages holds codes and no periods.
fn runs_backwards(map: &Map) -> bool {
    if map.is_frozen() {
        return false;
    }
    ends_before_it_starts(map) || map.values().any(is_backwards)
}

fn is_backwards(value: &Value) -> bool {
    match value {
        Value::Object(map) => runs_backwards(map),
        Value::Array(items) => items.iter().any(is_backwards),
        _ => false,
    }
}

fn ends_before_it_starts(map: &Map) -> bool {
    match (map.get("end").and_then(Value::as_str), map.get("start").and_then(Value::as_str)) {
        (Some(end), Some(start)) => is_after(start, end),
        _ => false,
    }
}

fn in_members(map: &mut Map, way: &Way<'_>, withdraw: Withdraw<'_>) {
    if ends_before_it_starts(map) {
        map.remove("end");
        withdraw(&format!("{}.end", way.path()), "the period would end before it starts");
    }
    for (name, inner) in map.iter_mut() {
        periods(inner, &Way { name, from: Some(way) }, withdraw);
    }
}

/// Compares two dateTimes: as instants where both are, else by the date they share.
fn is_after(start: &str, end: &str) -> bool {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (instant(start), instant(end)) {
        (Some(start), Some(end)) => start > end,
        _ => {
            let length = start.len().min(end.len()).min(10);
            start.get(..length) > end.get(..length)
        }
    }
}
