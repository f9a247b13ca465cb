//! Makes the resources of a message and links them.

use std::collections::HashSet;

use crate::fhir::tree::{Map, Text, Value, json};

use super::context::{Context, Work};
use super::identity::{self, Place};
use super::ledger::{Leaf, NULL, Target};
use super::missing_patient;
use super::piece::Piece;
use super::repeats;
use crate::translate::datatypes::{self, Kind, party};
use crate::translate::hl7v2::few::Few;
use crate::translate::rows::file::{DefaultRow, Repeated, Repetitions, ResourceRow, Row};
use crate::translate::rows::path::{self, Slots};
use crate::translate::trace::{self, By, Maker};
use crate::translate::{Cleared, Refused, RefusedCode};

const FILLED: &str = "the element holds one value, and an earlier field filled it";

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
    let mut used: HashSet<Text> = HashSet::new();
    let mut number = 0;
    for name in &work.order.row.resources {
        let Some(row) = work.order.rules.resources.get(name) else { continue };
        let system = Text::from(work.order.setting.identifier_system(&kebab(&row.resource_type)));
        for Place { group, segment, identity } in identity::places(work, row) {
            number += 1;
            let Content { body, cleared, weak } = content(work, row, number, group, segment);
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
    Text::Shared(crate::ids::derived_urn(&[&work.order.setting.namespace, &row.resource_type, system, value]).into())
}

/// Applies the rows of all segments, then what holds always and what holds otherwise.
fn content(work: &Work<'_>, row: &ResourceRow, number: usize, group: usize, segment: Option<usize>) -> Content {
    let mut content = Content::default();
    let Content { body, cleared, weak } = &mut content;
    body.insert("resourceType", json!(&row.resource_type));
    let trace = work.order.trace;
    let fixed = || Maker::of(By::Fixed, row.origin);
    trace::step(trace, number, body, fixed, |body| body.extend(row.fixed.clone()));
    let target = Target { resource: number, path: Text::copied(&row.resource_type) };
    let context = Context::new(work, group, segment, &target);
    for always in &row.always {
        let maker = || Maker::of(By::Default, always.origin);
        trace::step(trace, number, body, maker, |body| fill(&context, always, body));
    }
    for clear in row.clear.iter().filter(|clear| clear.when.iter().all(|condition| context.holds(condition))) {
        cleared.push(Cleared { element: clear.element.clone(), usage: None });
    }
    for from in &row.from {
        for index in sources(work, from, group, segment) {
            let mut slots = Slots::new();
            let name = &work.order.message.segments[index].name;
            let site = Site { work, number, group, segment: index };
            let holds = |field: &&Row| !work.order.message.segments[index].field(usize::from(field.field)).is_empty();
            for field in work.order.rules.rows(name, &row.resource_type).iter().filter(holds) {
                if is_nulled(work, index, field) {
                    cleared.push(deleted(field));
                }
                trace::step(trace, number, body, || site.maker(field), |body| apply(&site, field, body, &mut slots));
            }
        }
    }
    for default in &row.default {
        let maker = || Maker::of(By::Default, default.origin);
        let filled = trace::step(trace, number, body, maker, |body| fill(&context, default, body));
        if filled && default.weak {
            weak.push(default.path.first().to_owned());
        }
    }
    content
}

/// Applies the rows of all segments of these names to a resource that stands for the message.
pub(crate) fn fill_from(work: &Work<'_>, kind: &str, names: &[&str], body: &mut Map) {
    for (segment, content) in work.order.message.segments.iter().enumerate() {
        if names.contains(&content.name.as_str()) {
            let (site, mut slots) = (Site { work, number: 0, group: 0, segment }, Slots::new());
            for row in work.order.rules.rows(&content.name, kind) {
                apply(&site, row, body, &mut slots);
            }
        }
    }
}

/// What the segments make of a resource.
#[derive(Default)]
struct Content {
    body: Map,
    cleared: Vec<Cleared>,
    weak: Vec<String>,
}

/// Whether a field holds the explicit null and nothing else.
fn is_nulled(work: &Work<'_>, segment: usize, row: &Row) -> bool {
    let repetitions = work.order.message.segments[segment].field(usize::from(row.field));
    let mut texts = repetitions.iter().flatten().flatten().map(|text| text.trim()).filter(|text| !text.is_empty());
    // An identifier is what the record is found by; a null beside it takes none of the others away.
    let is_element = !row.path.is_empty() && row.component.is_none() && row.path.first() != "identifier";
    is_element && texts.next() == Some(NULL) && texts.all(|text| text == NULL)
}

fn deleted(row: &Row) -> Cleared {
    let usage = row.value.as_ref().filter(|_| row.kind == Kind::XTN).and_then(Value::as_str);
    Cleared { element: row.path.plain(), usage: usage.map(str::to_owned) }
}

/// Segments named by `from`: `OBX` of the group (or the one the resource is for), `^OBR` of the groups around it if it has
/// none of its own, `>OBX` of the groups within it, `*EVN` of the whole message.
fn sources(work: &Work<'_>, from: &str, group: usize, segment: Option<usize>) -> Few<usize> {
    if let Some(name) = from.strip_prefix('*') {
        let segments = work.order.message.segments.iter().enumerate();
        return segments.filter(|(_, segment)| segment.is(name)).map(|(index, _)| index).collect();
    }
    if let Some(name) = from.strip_prefix('^') {
        let has_own = work.own(group, name).next().is_some();
        return work.above(group, name).filter(|_| !has_own).into_iter().collect();
    }
    if let Some(name) = from.strip_prefix('>') {
        return work.below(group, name).into();
    }
    match segment.filter(|index| work.order.message.segments[*index].is(from)) {
        Some(index) => Few::one(index),
        // A site's own segment stands in no group of the standard's, and then speaks for all of them.
        None if from.starts_with('Z') && work.own(group, from).next().is_none() => work.own(0, from).collect(),
        None => work.own(group, from).collect(),
    }
}

/// The resource and segment that a row is applied to.
pub(crate) struct Site<'a> {
    pub work: &'a Work<'a>,
    pub number: usize,
    pub group: usize,
    pub segment: usize,
}

impl Site<'_> {
    /// A row at work here, for those who ask what made an element.
    fn maker(&self, row: &Row) -> Maker {
        let segments = &self.work.order.message.segments;
        let name = &segments[self.segment].name;
        let occurrence = segments[..=self.segment].iter().filter(|segment| segment.name == *name).count();
        let component = row.component.map_or_else(String::new, |component| format!(".{component}"));
        let source = (self.work.order.column)(usize::from(row.field))
            .unwrap_or_else(|| format!("{name}-{}{component}", row.field));
        Maker { by: By::Row, source: Some((source, occurrence)), origin: row.origin }
    }
}

/// Applies one row. An element that holds one value keeps the first it got.
pub(crate) fn apply(site: &Site<'_>, row: &Row, body: &mut Map, slots: &mut Slots) {
    let Site { work, number, group, segment: index } = *site;
    let repetitions = work.order.message.segments[index].field(usize::from(row.field));
    if repetitions.is_empty() {
        return;
    }
    let target = Target { resource: number, path: row.account.clone() };
    let context = Context::new(work, group, Some(index), &target);
    if !row.when.iter().all(|condition| context.holds(condition)) {
        return;
    }
    let wanted = |at: usize| match row.repetition {
        None => true,
        Some(Repetitions::First) => at == 0,
        Some(Repetitions::Others) => at > 0,
    };
    let pieces: Few<Piece<'_>> = repetitions
        .iter()
        .enumerate()
        .filter(|(at, _)| wanted(*at))
        .map(|(at, repetition)| {
            let leaf = Leaf { segment: index, field: usize::from(row.field), repetition: at + 1, ..Leaf::default() };
            let piece = Piece::repetition(repetition, &work.ledger, leaf, &target);
            row.component.map_or(piece, |component| piece.component(usize::from(component)))
        })
        .collect();
    let taken = match row.kind {
        Kind::Varies | Kind::Text | Kind::Steer | Kind::Skip | Kind::AsNeeded => pieces.len(),
        _ if row.path.grows() => pieces.len(),
        Kind::Practitioner => party::first_person(&pieces),
        _ => pieces.len().min(1),
    };
    let taken = if row.path.is_filled(body, slots) { 0 } else { taken };
    for piece in &pieces[taken..] {
        piece.drop_all(FILLED);
    }
    for placed in datatypes::convert(row, &context, &pieces[..taken]) {
        match placed.path {
            Some(element) if element.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                path::merge(body.member(element), placed.value);
            }
            Some(path) => {
                if let Some(path) = datatypes::path_of(path) {
                    path.place(body, placed.value, None, slots);
                }
            }
            None => row.path.place_around(body, placed.value, row.with.as_ref(), row.around.as_ref(), slots),
        }
    }
}

/// Whether the default was needed.
fn fill(context: &Context<'_>, default: &DefaultRow, body: &mut Map) -> bool {
    let slots = Slots::new();
    let absent = !default.path.is_filled(body, &slots);
    let wanted = default.with.as_ref().is_none_or(|path| path.is_filled(body, &slots));
    let needed = absent && wanted && default.when.iter().all(|condition| context.holds(condition));
    if needed {
        default.path.place(body, default.value.clone(), None, &mut Slots::new());
    }
    needed
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
    used: &HashSet<Text>,
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
    let mut value = Text::from(crate::ids::derived(&all));
    let mut count = 1;
    while row.repeated == Repeated::Numbered && used.contains(&value) {
        count += 1;
        let ordinal = count.to_string();
        let mut numbered = all.clone();
        numbered.push(&ordinal);
        value = crate::ids::derived(&numbered).into();
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
