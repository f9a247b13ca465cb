//! A resource as the units that a source speaks of, each with the time of the last word on it.
//!
//! A unit is an element, a part of one (`period.end`), or the items of a list that one subject has (work numbers, the
//! identifiers of one system). When a unit's word is older than the resource's event, its time is kept in
//! `meta.extension`, so that messages in any order come to the same record.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The extension of `meta` that holds the times, a line for each unit: time, space, unit.
const TIMES: &str = "https://watari.dev/fhir/StructureDefinition/element-times";
/// The line for all units.
const ALL: &str = "*";
/// Elements with alternatives, of which a resource has one.
const CHOICES: [&str; 4] = ["deceased", "multipleBirth", "occurrence", "onset"];
/// Elements whose parts come from several fields.
const PARTS: [&str; 2] = ["hospitalization", "period"];

/// The last word on a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Age {
    /// A default, which any word replaces.
    Weak,
    /// Nobody knows when.
    Unknown,
    /// RFC 3339, UTC.
    At(String),
}

/// A unit: its members, by element or part; none where the source deleted it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub members: Vec<(String, Value)>,
    pub age: Age,
}

/// Units by key, in the order of the resource.
pub(super) type Units = Vec<(String, Unit)>;

impl Age {
    pub(super) fn of(time: Option<&str>) -> Self {
        time.map_or(Self::Unknown, |time| Self::At(time.to_owned()))
    }

    /// Whether this word replaces one of that age. An unknown time never loses: it may be newer.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::At(new), Self::At(old)) => new >= old,
            (Self::Weak, Self::At(_) | Self::Unknown) => false,
            _ => true,
        }
    }
}

/// The unit that an element, or a part or item of one, belongs to: `birthDate`, `period.end`, `telecom/work`.
fn key(element: &str) -> String {
    let plain = element.strip_prefix('_').unwrap_or(element);
    CHOICES.iter().copied().find(|choice| plain.starts_with(choice)).unwrap_or(plain).to_owned()
}

/// `period.end` as element and part.
fn part(unit: &str) -> Option<(&str, &str)> {
    unit.split_once('.').filter(|(element, _)| PARTS.contains(element))
}

/// Takes a resource apart; `age` is that of units of which `meta` does not say.
pub(super) fn units(resource: &Map<String, Value>, age: &Age) -> Units {
    let mut units: Units = Vec::new();
    let times = times(resource);
    let mut put = |key: String, member: &str, value: Value| {
        let at = units.iter().position(|(known, _)| *known == key);
        let members = match at {
            Some(at) => &mut units[at].1.members,
            None => {
                let age = times.get(&key).or(times.get(ALL)).unwrap_or(age).clone();
                units.push((key, Unit { members: Vec::new(), age }));
                match units.last_mut() {
                    Some((_, unit)) => &mut unit.members,
                    None => return,
                }
            }
        };
        match (members.iter_mut().find(|(name, _)| name == member), value) {
            (Some((_, Value::Array(items))), Value::Array(more)) => items.extend(more),
            (_, value) => members.push((member.to_owned(), value)),
        }
    };
    for (element, value) in resource {
        match (element.as_str(), value) {
            ("resourceType" | "id" | "meta" | "text", _) => {}
            (name, Value::Object(parts)) if PARTS.contains(&name) => {
                parts.iter().for_each(|(part, value)| put(format!("{name}.{part}"), part, value.clone()));
            }
            (name, Value::Array(items)) if subject_of(name).is_some() => {
                for item in items {
                    let subject = subject_of(name).and_then(|subject| subject(item)).unwrap_or_default();
                    put(format!("{name}/{subject}"), name, json!([item]));
                }
            }
            (name, value) => put(key(name), name, value.clone()),
        }
    }
    let known: Vec<String> = units.iter().map(|(key, _)| key.clone()).collect();
    let deleted = times.into_iter().filter(|(key, _)| !known.contains(key) && key != ALL);
    units.extend(deleted.map(|(key, age)| (key, Unit { members: Vec::new(), age })));
    units
}

/// Puts a resource together again: `head` is what is nobody's word (type and id), `latest` the resource's event.
pub(super) fn resource(head: Map<String, Value>, mut units: Units, latest: &Age) -> Map<String, Value> {
    forward(&mut units);
    // What was said last stands first in a list.
    units.sort_by(|(_, one), (_, other)| rank(&other.age).cmp(&rank(&one.age)));
    let mut resource = head;
    let mut lines: Vec<String> = Vec::new();
    let is_mention = units.iter().all(|(_, unit)| unit.age == Age::Weak);
    for (key, unit) in units {
        if unit.age != *latest || unit.members.is_empty() {
            let time = match &unit.age {
                Age::Weak => "-",
                Age::Unknown => "?",
                Age::At(time) => time,
            };
            lines.push(format!("{time} {key}"));
        }
        for (member, value) in unit.members {
            if let Some((element, _)) = part(&key) {
                let parts = resource.entry(element.to_owned()).or_insert_with(|| json!({}));
                if let Value::Object(parts) = parts {
                    parts.insert(member, value);
                }
            } else {
                match (resource.get_mut(&member), value) {
                    (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
                    (_, value) => drop(resource.insert(member, value)),
                }
            }
        }
    }
    lines.sort();
    if is_mention {
        lines = vec![format!("- {ALL}")];
    }
    set_times(&mut resource, &lines);
    resource
}

fn rank(age: &Age) -> (u8, &str) {
    match age {
        Age::Weak => (0, ""),
        Age::Unknown => (1, ""),
        Age::At(time) => (2, time),
    }
}

/// A period does not end before it starts: what was said of it earlier goes.
fn forward(units: &mut Units) {
    let day = |name: &str| {
        let (_, unit) = units.iter().find(|(key, _)| key == &format!("period.{name}"))?;
        let text = unit.members.first()?.1.as_str()?.get(..10)?.to_owned();
        Some((text, unit.age.clone()))
    };
    if let (Some((start, said)), Some((end, ended))) = (day("start"), day("end"))
        && start > end
    {
        let gone = if ended.replaces(&said) { "period.start" } else { "period.end" };
        units.retain(|(key, _)| key != gone);
    }
}

fn times(resource: &Map<String, Value>) -> BTreeMap<String, Age> {
    let extensions = resource.get("meta").and_then(|meta| meta.get("extension")).and_then(Value::as_array);
    let own = extensions.into_iter().flatten().find(|extension| extension["url"] == TIMES);
    let lines = own.and_then(|extension| extension["valueString"].as_str()).unwrap_or("").lines();
    let read = |line: &str| {
        let (time, key) = line.split_once(' ')?;
        let age = match time {
            "-" => Age::Weak,
            "?" => Age::Unknown,
            time => Age::At(time.to_owned()),
        };
        Some((key.to_owned(), age))
    };
    lines.filter_map(read).collect()
}

fn set_times(resource: &mut Map<String, Value>, lines: &[String]) {
    let mut meta = resource.shift_remove("meta").filter(Value::is_object).unwrap_or_else(|| json!({}));
    if let Value::Object(meta) = &mut meta {
        let mut extensions = match meta.shift_remove("extension") {
            Some(Value::Array(extensions)) => extensions,
            _ => Vec::new(),
        };
        extensions.retain(|extension| extension["url"] != TIMES);
        if !lines.is_empty() {
            extensions.push(json!({"url": TIMES, "valueString": lines.join("\n")}));
        }
        if !extensions.is_empty() {
            meta.insert("extension".to_owned(), Value::Array(extensions));
        }
        if !meta.is_empty() {
            resource.insert("meta".to_owned(), Value::Object(std::mem::take(meta)));
        }
    }
}

/// Whether the source deletes the unit with what it deletes: all of an element, a part of it, or one subject's items.
pub(super) fn is_deleted(unit: &str, element: &str, usage: Option<&str>) -> bool {
    let of_list = unit.split_once('/');
    // An extension is one of many: `extension.valueString` does not say which, and so deletes none.
    if element == "extension" || element.starts_with("extension.") {
        return false;
    }
    match (of_list, usage) {
        (Some((list, subject)), Some(usage)) => list == element && (usage == "work") == (subject == "work"),
        (Some((list, _)), None) => list == element || element.split_once('.').is_some_and(|(first, _)| first == list),
        (None, _) if part(unit).is_some() => unit == element || part(unit).is_some_and(|(all, _)| all == element),
        (None, _) => {
            let first = element.split_once('.').map_or(element, |(first, _)| first);
            !PARTS.contains(&first) && unit == key(first)
        }
    }
}

/// The units that a deletion speaks of, recorded or not.
pub(super) fn deleted_key(element: &str, usage: Option<&str>) -> Option<String> {
    let first = element.split_once('.').map_or(element, |(first, _)| first);
    match (subject_of(first), usage) {
        _ if first == "extension" => None,
        (Some(_), Some("work")) => Some(format!("{first}/work")),
        (Some(_), _) => Some(format!("{first}/")),
        (None, _) if PARTS.contains(&first) => Some(element.to_owned()),
        (None, _) => Some(key(first)),
    }
}

type Subject = fn(&Value) -> Option<String>;

/// What the items of a list speak of, for lists that several fields fill.
fn subject_of(element: &str) -> Option<Subject> {
    match element {
        "identifier" => Some(|item| item.get("system").and_then(Value::as_str).map(str::to_owned)),
        "telecom" => {
            Some(|item| item.get("use").and_then(Value::as_str).filter(|usage| *usage == "work").map(str::to_owned))
        }
        "name" => Some(|item| item.get("use").and_then(Value::as_str).map(str::to_owned)),
        "extension" => Some(|item| item.get("url").and_then(Value::as_str).map(str::to_owned)),
        // A visit's people are told by their part in it; those of an appointment by what they are.
        "participant" => Some(|item| {
            let part = item.pointer("/type/0/coding/0/code").and_then(Value::as_str);
            let sort = || item.pointer("/actor/reference")?.as_str()?.split('/').next();
            part.or_else(sort).map(str::to_owned)
        }),
        _ => None,
    }
}
