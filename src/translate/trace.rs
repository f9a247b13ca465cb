//! Who made which element of a translation. Noted only where somebody asks (`watari mapping explain`): each step's doing is
//! told by comparing the resource before and after it, so that no data type has to tell by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fhir::tree::{Map, Value};

use super::rows::Origin;

/// What made an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The sort of thing.
    pub by: By,
    /// The field it read, `PID-5`, and which segment of that name, from 1.
    pub source: Option<(String, usize)>,
    /// Where the row stands; line 0 where code made it.
    pub origin: Origin,
}

/// Sorts of makers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A row with a field.
    Row,
    /// What a resource row says always.
    Fixed,
    /// What a resource row says where no field did.
    Default,
    /// A link of a resource row.
    Link,
    /// The identity of a resource row.
    Identity,
    /// The code that reads what several fields say together, and holds the invariants of R4.
    Meaning,
    /// The code that states which profile a resource conforms to.
    Profile,
    /// The code that harmonises: units, codes, names, dates.
    Harmonising,
    /// The code that writes where the record came from.
    Provenance,
    /// The code of the translation.
    Code,
}

impl Maker {
    /// A maker without a field.
    pub(crate) fn of(by: By, origin: Origin) -> Self {
        Self { by, source: None, origin }
    }
}

/// The notes of translations. One trace may follow several.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    made: Vec<Made>,
    /// Resources by address, with their number and the row that made them.
    resources: Vec<(String, usize, Origin)>,
    /// A resource that went into another one of the same identity.
    joined: Vec<(usize, usize)>,
    /// Practitioners and Locations by address.
    parties: Vec<(String, Maker)>,
    at_work: Option<Maker>,
}

#[derive(Debug)]
struct Made {
    number: usize,
    path: String,
    value: Value,
    maker: Maker,
}

/// Does one step on a resource, and notes what it changed if anybody watches.
pub(crate) fn step<T>(
    trace: Option<&Trace>,
    number: usize,
    body: &mut Map,
    maker: impl FnOnce() -> Maker,
    act: impl FnOnce(&mut Map) -> T,
) -> T {
    let Some(trace) = trace else { return act(body) };
    let before = body.clone();
    let maker = maker();
    trace.notes().at_work = Some(maker.clone());
    let done = act(body);
    let mut notes = trace.notes();
    notes.at_work = None;
    for (path, value) in leaves(body) {
        if at(&before, &path) != Some(value) {
            notes.made.push(Made { number, path, value: value.clone(), maker: maker.clone() });
        }
    }
    done
}

impl Trace {
    /// A person or place was met by the step at work.
    pub(crate) fn party(&self, full_url: &str) {
        let mut notes = self.notes();
        if let Some(maker) = notes.at_work.clone() {
            notes.parties.push((full_url.to_owned(), maker));
        }
    }

    /// A resource went into another of the same identity.
    pub(crate) fn join(&self, number: usize, into: usize) {
        self.notes().joined.push((number, into));
    }

    /// A finished resource.
    pub(crate) fn finished(&self, full_url: &str, number: usize, origin: Origin) {
        self.notes().resources.push((full_url.to_owned(), number, origin));
    }

    /// What made a leaf of the resource at `full_url`.
    pub(crate) fn maker(&self, full_url: &str, path: &str, value: &Value) -> Option<Maker> {
        let notes = self.notes();
        if let Some((_, maker)) = notes.parties.iter().find(|(url, _)| url == full_url) {
            return Some(maker.clone());
        }
        let (_, number, origin) = notes.resources.iter().find(|(url, ..)| url == full_url)?;
        let parts: Vec<usize> = notes.joined.iter().filter(|(_, into)| into == number).map(|(part, _)| *part).collect();
        let of_it = |made: &&Made| (made.number == *number || parts.contains(&made.number)) && made.value == *value;
        let last = |fits: &dyn Fn(&Made) -> bool| {
            notes.made.iter().rev().filter(of_it).find(|made| fits(made)).map(|made| made.maker.clone())
        };
        // A list may have been sorted or grown since, so what holds the same value at the same element is the next best.
        let found = last(&|made| made.path == path).or_else(|| last(&|made| plain(&made.path) == plain(path)));
        let is_identity = || path.starts_with("identifier[").then(|| Maker::of(By::Identity, *origin));
        found.or_else(is_identity)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `name[0].family` → `name.family`.
pub(crate) fn plain(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// The values of a resource that are no objects or lists, with their paths.
pub(crate) fn leaves(body: &Map) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, value) in body {
        collect(name.to_string(), value, &mut found);
    }
    found
}

fn collect<'a>(path: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| collect(format!("{path}.{name}"), inner, found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, inner)| collect(format!("{path}[{n}]"), inner, found));
        }
        Value::Null => {}
        leaf => found.push((path, leaf)),
    }
}

/// The value at a path written as [`leaves`] writes it.
pub(crate) fn at<'a>(body: &'a Map, path: &str) -> Option<&'a Value> {
    let mut steps = path.split(['.', '[']);
    let mut value = body.get(steps.next()?)?;
    for step in steps {
        value = match step.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?)?,
            None => value.get(step)?,
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use crate::fhir::tree::json;

    use super::*;

    #[test]
    fn what_a_step_changed_is_its_work_wherever_it_moves() {
        let trace = Trace::default();
        let mut body = json!({"name": [{"family": "A"}]}).as_object().cloned().unwrap();
        let maker = |line| Maker::of(By::Row, Origin { file: 1, line });
        step(
            Some(&trace),
            7,
            &mut body,
            || maker(3),
            |body| {
                body.member("name").as_array_mut().unwrap().push(json!({"family": "B"}));
            },
        );
        trace.finished("urn:uuid:1", 7, Origin { file: 1, line: 9 });
        let made = |path: &str, value: Value| trace.maker("urn:uuid:1", path, &value).map(|maker| maker.origin.line);
        assert_eq!(made("name[1].family", json!("B")), Some(3));
        assert_eq!(made("name[0].family", json!("B")), Some(3), "the list was sorted since");
        assert_eq!(made("name[0].family", json!("A")), None, "it was there before");
        assert_eq!(made("identifier[0].value", json!("x")), Some(9));
    }
}
