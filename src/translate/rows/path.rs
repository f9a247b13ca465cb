//! Element paths of rows: `name[]` adds an element per value, `contact[=]` is the element of this segment,
//! `extension[=race]` is one of several of this segment, `dosageInstruction[0]` a fixed one.

use crate::fhir::tree::{Map, Text, Value};

/// A parsed path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Shared with every resource that gets the element.
    name: Text,
    /// The names up to and with this one: which list is meant.
    prefix: Text,
    index: Index,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Index {
    /// Not a list.
    None,
    /// `[]`: a new element.
    New,
    /// `[=]`, `[=name]`: the element that belongs to the segment in hand, made on first use; names tell several apart.
    /// Holds what tells its list from others.
    Same(Text),
    /// `[n]`.
    At(usize),
}

/// A list may be addressed up to this index; more is an error in the row.
const MAX_INDEX: usize = 63;

/// Which list elements belong to the segment in hand.
pub(crate) type Slots = Vec<(Text, usize)>;

impl Path {
    /// The path without list positions, as the loss report shows it.
    pub fn plain(&self) -> String {
        self.steps.last().map_or_else(String::new, |step| step.prefix.to_string())
    }

    /// The elements on the way, and whether each is a list.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&str, bool)> {
        self.steps.iter().map(|step| (step.name.as_str(), step.index != Index::None))
    }

    /// The first element on the way.
    pub(crate) fn first(&self) -> &str {
        self.steps.first().map_or("", |step| &step.name)
    }

    /// The name of a path of one step that is no list: what a choice of elements begins with.
    pub(crate) fn choice(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step { name, index: Index::None, .. }] => Some(name),
            _ => None,
        }
    }

    /// The path of a chosen element: `value` with `Quantity` is `valueQuantity`.
    pub(crate) fn suffixed(&self, suffix: &str) -> Self {
        let mut path = self.clone();
        if let Some(last) = path.steps.last_mut() {
            last.name.push_str(suffix);
            last.prefix.push_str(suffix);
        }
        path
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the last list of the path grows with every value.
    pub(crate) fn grows(&self) -> bool {
        self.steps.iter().any(|step| step.index == Index::New)
    }

    /// Whether something is there already.
    pub(crate) fn is_filled(&self, resource: &Map, slots: &Slots) -> bool {
        let mut at: Option<&Map> = Some(resource);
        for (n, step) in self.steps.iter().enumerate() {
            let Some(value) = at.and_then(|map| map.get(&step.name)) else { return false };
            let value = match &step.index {
                Index::None => value,
                Index::New => return false,
                Index::At(index) => match value.get(*index) {
                    Some(value) => value,
                    None => return false,
                },
                Index::Same(list) => match slot(slots, list).and_then(|index| value.get(index)) {
                    Some(value) => value,
                    None => return false,
                },
            };
            if n + 1 == self.steps.len() {
                return !value.is_null();
            }
            at = value.as_object();
        }
        false
    }

    /// Puts `value` there; `beside` goes into the innermost list element on the way, or the object that holds the value.
    pub(crate) fn place(&self, resource: &mut Map, value: Value, beside: Option<&Value>, slots: &mut Slots) {
        self.place_around(resource, value, beside, None, slots);
    }

    /// Puts `value` there; `around` goes into the outermost list element on the way.
    pub(crate) fn place_around(
        &self,
        resource: &mut Map,
        value: Value,
        beside: Option<&Value>,
        around: Option<&Value>,
        slots: &mut Slots,
    ) {
        let lists = self.steps.iter().rposition(|step| step.index != Index::None);
        let outermost = self.steps.iter().position(|step| step.index != Index::None);
        let mut map = resource;
        let mut value = Some(value);
        for (n, step) in self.steps.iter().enumerate() {
            let last = n + 1 == self.steps.len();
            let slot = map.entry(step.name.clone()).or_insert(Value::Null);
            let cell = match &step.index {
                Index::None => slot,
                index => element(slot, index, slots),
            };
            if last {
                if let Some(value) = value.take() {
                    merge(cell, value);
                }
                if lists == Some(n) {
                    lay_beside(cell, beside);
                }
                return;
            }
            if !cell.is_object() {
                *cell = Value::Object(Map::new());
            }
            if outermost == Some(n) {
                lay_beside(cell, around);
            }
            if lists == Some(n) {
                lay_beside(cell, beside);
            }
            let Value::Object(inner) = cell else { return };
            map = inner;
        }
    }
}

/// The list element that belongs to the segment in hand.
fn slot(slots: &Slots, list: &Text) -> Option<usize> {
    slots.iter().find(|(known, _)| known == list).map(|(_, at)| *at)
}

fn element<'a>(list: &'a mut Value, index: &Index, slots: &mut Slots) -> &'a mut Value {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    match list {
        Value::Array(items) => {
            let at = match index {
                Index::At(at) => *at,
                Index::Same(list) => slot(slots, list).unwrap_or_else(|| {
                    slots.push((list.clone(), items.len()));
                    items.len()
                }),
                Index::None | Index::New => items.len(),
            };
            while items.len() <= at {
                items.push(Value::Null);
            }
            &mut items[at]
        }
        other => other,
    }
}

/// Objects grow together; anything else replaces.
pub(crate) fn merge(cell: &mut Value, value: Value) {
    match (cell, value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (cell, value) => *cell = value,
    }
}

fn lay_beside(cell: &mut Value, beside: Option<&Value>) {
    if let (Value::Object(map), Some(Value::Object(beside))) = (cell, beside) {
        for (name, value) in beside {
            map.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

impl std::str::FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut list = String::new();
        for step in text.split('.') {
            let (name, mut index) = parse_step(step, text)?;
            let prefix = steps.last().map_or_else(|| name.to_owned(), |last| format!("{}.{name}", last.prefix));
            list.push_str(name);
            if let Index::Same(key) = &mut index {
                list.push_str(key);
                *key = Text::shared(&list);
            }
            list.push('.');
            steps.push(Step { name: Text::shared(name), prefix: Text::shared(&prefix), index });
        }
        Ok(Self { steps })
    }
}

fn parse_step<'a>(step: &'a str, whole: &str) -> Result<(&'a str, Index), String> {
    let (name, index) = match step.split_once('[') {
        None => (step, Index::None),
        Some((name, "]")) => (name, Index::New),
        Some((name, same)) if same.starts_with('=') => {
            let key = same.trim_start_matches('=').strip_suffix(']').unwrap_or("?");
            if !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return Err(format!("path {whole:?}: {step:?} has no list position [], [=], [=name] or [n]"));
            }
            let key = if key.is_empty() { String::new() } else { format!("={key}") };
            (name, Index::Same(key.into()))
        }
        Some((name, number)) => {
            let number = number.strip_suffix(']').and_then(|digits| digits.parse().ok()).filter(|n| *n <= MAX_INDEX);
            (
                name,
                Index::At(
                    number.ok_or_else(|| format!("path {whole:?}: {step:?} has no list position [], [=] or [n]"))?,
                ),
            )
        }
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("path {whole:?}: {step:?} is no element name"));
    }
    Ok((name, index))
}

impl<'de> serde::Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Path {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "Element path: `name[]`, `contact[=].name`, `note[0].text`"})
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::tree::json;

    use super::*;

    fn place(path: &str, value: Value, beside: Option<Value>, into: &mut Map, slots: &mut Slots) {
        path.parse::<Path>().unwrap().place(into, value, beside.as_ref(), slots);
    }

    #[test]
    fn lists_grow_stay_or_are_addressed() {
        let mut resource = Map::new();
        let mut slots = Slots::new();
        place("name[].family", json!("A"), Some(json!({"use": "usual"})), &mut resource, &mut slots);
        place("name[].family", json!("B"), None, &mut resource, &mut slots);
        place("contact[=].name", json!({"text": "C"}), None, &mut resource, &mut slots);
        place("contact[=].gender", json!("male"), None, &mut resource, &mut slots);
        slots.clear();
        place("contact[=].gender", json!("female"), None, &mut resource, &mut slots);
        place("dosage[0].dose[0].unit", json!("mg"), None, &mut resource, &mut slots);
        place("dosage[0].dose[0].value", json!(1), None, &mut resource, &mut slots);
        assert_eq!(
            Value::Object(resource),
            json!({"name": [{"use": "usual", "family": "A"}, {"family": "B"}],
                   "contact": [{"name": {"text": "C"}, "gender": "male"}, {"gender": "female"}],
                   "dosage": [{"dose": [{"unit": "mg", "value": 1}]}]})
        );
    }

    #[test]
    fn named_elements_are_told_apart_and_keep_what_goes_around() {
        let (mut resource, mut slots) = (Map::new(), Slots::new());
        let mut put = |path: &str, value: Value, beside: Value, around: Value| {
            let path: Path = path.parse().unwrap();
            path.place_around(&mut resource, value, Some(&beside), Some(&around), &mut slots);
        };
        put("extension[=race].extension[].valueCode", json!("a"), json!({"url": "x"}), json!({"url": "race"}));
        put("extension[=race].extension[].valueCode", json!("b"), json!({"url": "x"}), json!({"url": "race"}));
        put("extension[=other].extension[].valueCode", json!("c"), json!({"url": "x"}), json!({"url": "other"}));
        let inner = |code: &str| json!({"url": "x", "valueCode": code});
        let expected = json!({"extension": [{"url": "race", "extension": [inner("a"), inner("b")]},
            {"url": "other", "extension": [inner("c")]}]});
        assert_eq!(Value::Object(resource), expected);
    }

    #[test]
    fn a_filled_element_is_seen() {
        let resource = json!({"code": {"text": "x"}, "note": [{"text": "y"}]});
        let resource = resource.as_object().unwrap();
        let filled = |path: &str| path.parse::<Path>().unwrap().is_filled(resource, &Slots::new());
        assert!(filled("code") && filled("code.text") && filled("note[0].text"));
        assert!(!filled("note[1].text") && !filled("note[].text") && !filled("note[=].text") && !filled("status"));
    }

    #[test]
    fn wrong_paths_are_errors() {
        for path in ["a..b", "a[", "a[=", "a[=b c]", "a[x]", "a[64]", "a b", "[]"] {
            assert!(path.parse::<Path>().is_err(), "{path}");
        }
    }
}
