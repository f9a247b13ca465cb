//! Makes the resources of a message and links them.

use rustc_hash::FxHashSet;

use crate::fhir::tree::{Map, Text, Value};

use super::content::{self, Content};
use super::context::Work;
use super::identity::{self, Place};
use super::missing_patient;
use super::repeats;
use crate::translate::rows::file::{Repeated, ResourceRow};
use crate::translate::{Cleared, Refused, RefusedCode};

/// A resource being made.
pub(crate) struct Instance<'a> {
    pub row: &'a ResourceRow,
    /// Its number in the account.
    pub number: usize,
    pub group: usize,
    /// The segment it is made for, or the first of its group.
    pub segment: Option<usize>,
    pub body: Map,
    /// Elements that the source deletes.
    pub cleared: Vec<Cleared>,
    /// Elements that hold a default which replaces nothing.
    pub weak: Vec<String>,
    /// `urn:uuid:…`.
    pub full_url: Text,
    /// System and value of the identifier it is found by.
    pub key: (Text, Text),
}

/// Makes all resources, the Patient first.
pub(crate) fn make<'a>(work: &'a Work<'a>) -> Result<Vec<Instance<'a>>, Refused> {
    let mut instances: Vec<Instance<'a>> = Vec::new();
    let mut patients = Vec::new();
    let mut used: FxHashSet<Text> = FxHashSet::default();
    let mut number = 0;
    for name in &work.order.row.resources {
        let Some(row) = work.order.rules.resources.get(name) else { continue };
        let places = identity::places(work, row);
        if places.is_empty() {
            continue;
        }
        let system = Text::shared(&work.order.setting.identifier_system(&kebab(&row.resource_type)));
        for Place { group, segment, identity } in places {
            number += 1;
            let Content { body, cleared, weak } = content::content(work, row, number, group, segment);
            let patient = patient_of(work, &instances, &patients, group);
            let key = match patient {
                None => patient_key(work, &body)?,
                Some(_) if row.resource_type == "Patient" => match patient_key(work, &body) {
                    Ok(key) => key,
                    Err(_) => continue,
                },
                Some(patient) => (system.clone(), clinical_key(work, row, &identity, patient, &used)),
            };
            if !used.insert(key.1.clone())
                && let Some(known) = instances.iter_mut().find(|known| known.key == key)
            {
                if let Some(trace) = work.order.trace {
                    trace.join(number, known.number);
                }
                match row.repeated {
                    Repeated::Numbered | Repeated::First => {}
                    Repeated::Last => repeats::replace(&mut known.body, body),
                    Repeated::Joined => repeats::join(&mut known.body, body)?,
                }
                continue;
            }
            let full_url = full_url(work, row, &key);
            let segment = segment.or_else(|| work.groups[group].segments.first().copied());
            if row.resource_type == "Patient" {
                patients.push(instances.len());
            }
            instances.push(Instance { row, number, group, segment, body, cleared, weak, full_url, key });
            // Where groups do not tell whose segments are whose, a message is about its first patient only.
            if instances.len() == 1 && group == 0 {
                break;
            }
        }
        if instances.is_empty() {
            return Err(missing_patient());
        }
    }
    Ok(instances)
}

/// The patient a resource of this group is about: the group's, or the one before it. `patients` are their places among the
/// instances.
fn patient_of<'i, 'a>(
    work: &Work<'_>,
    instances: &'i [Instance<'a>],
    patients: &[usize],
    group: usize,
) -> Option<&'i Instance<'a>> {
    let mut level = Some(group);
    while let Some(at) = level {
        if let Some(found) = patients.iter().map(|patient| &instances[*patient]).find(|patient| patient.group == at) {
            return Some(found);
        }
        level = work.groups[at].parent;
    }
    patients.first().map(|patient| &instances[*patient])
}

fn full_url(work: &Work<'_>, row: &ResourceRow, (system, value): &(Text, Text)) -> Text {
    Text::Shared(crate::ids::derived_urn(&[&work.order.setting.namespace, &row.resource_type, system, value]))
}

/// The identifier a Patient is found by: a medical record number of the institution, else a typed one, else the first.
fn patient_key(work: &Work<'_>, body: &Map) -> Result<(Text, Text), Refused> {
    let identifiers: Vec<&Value> = body.get("identifier").and_then(Value::as_array).into_iter().flatten().collect();
    let system = |identifier: &Value| identifier.get("system").and_then(Value::as_str).map(str::to_owned);
    let own = work.order.setting.patient_system();
    let kind =
        |identifier: &Value| identifier.pointer("/type/coding/0/code").and_then(Value::as_str).map(str::to_owned);
    let chosen = identifiers
        .iter()
        .find(|identifier| system(identifier).as_ref() == Some(&own))
        .or_else(|| identifiers.iter().find(|identifier| matches!(kind(identifier).as_deref(), Some("MR" | "PI"))))
        .or_else(|| identifiers.first())
        .ok_or_else(missing_patient)?;
    let (Some(system), Some(value)) = (system(chosen), chosen.get("value").and_then(Value::as_str)) else {
        return Err(missing_patient());
    };
    if value.chars().count() > 200 {
        return Err(
            Refused::new(RefusedCode::Invalid, "the patient identifier is longer than 200 characters").at("PID-3")
        );
    }
    Ok((Text::from(system), Text::copied(value)))
}

/// The identifier of any other resource: derived from patient, type and the identity fields, so that it says nothing
/// about the patient. A second thing with the same identity in one message is numbered where the row says that it is one.
fn clinical_key(
    work: &Work<'_>,
    row: &ResourceRow,
    parts: &[Text],
    patient: &Instance<'_>,
    used: &FxHashSet<Text>,
) -> Text {
    let mut all = Vec::with_capacity(parts.len() + 8);
    all.extend([work.order.setting.namespace.as_str(), &row.resource_type]);
    if !is_shared(&row.resource_type) {
        all.extend([patient.key.0.as_str(), &patient.key.1]);
    }
    all.extend(parts.iter().map(Text::as_str));
    if let Some(history) = work.order.history {
        all.extend(["history", history]);
    }
    let mut value = Text::Shared(crate::ids::derived_shared(&all));
    let mut count = 1;
    while row.repeated == Repeated::Numbered && used.contains(&value) {
        count += 1;
        let ordinal = count.to_string();
        let mut numbered = all.clone();
        numbered.push(&ordinal);
        value = Text::Shared(crate::ids::derived_shared(&numbered));
    }
    value
}

/// Things that are nobody's in particular: two patients may have the same insurer.
fn is_shared(kind: &str) -> bool {
    matches!(kind, "Organization" | "Practitioner" | "Location" | "Device" | "MessageHeader")
}

/// `AllergyIntolerance` → `allergy-intolerance`.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
