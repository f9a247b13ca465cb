//! FHIR as it is being built: JSON values whose texts may be constants or shared, and whose objects are short lists.
//!
//! The translator makes thousands of small objects out of the same few element names and system addresses.
//! `serde_json::Value` copies every name and hashes it; here a name is a pointer, an object of a handful of members is
//! searched from front to back, and the whole is written as JSON text without another representation in between. Members
//! keep their order; numbers keep their digits (`1.50` stays `1.50`). The interface is that of `serde_json` wherever it can
//! be; [`From`] goes both ways where a part of the house needs the other.

mod convert;
mod macros;
mod map;
mod text;
mod write;

use std::ops::{Index, IndexMut};

pub(crate) use macros::json;
pub use map::{Entry, Map};
pub use serde_json::Number;
pub use text::Text;

/// A JSON value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// `null`: in FHIR only beside extensions in a list.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A text.
    String(Text),
    /// A list.
    Array(Vec<Value>),
    /// An element with members.
    Object(Map),
}

/// What a missing member reads as.
static NULL: Value = Value::Null;

impl Value {
    /// A text that is a constant of the program: nothing is copied.
    pub const fn constant(text: &'static str) -> Self {
        Self::String(Text::constant(text))
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The number as a whole number, if it is one.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The number as a whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&Vec<Value>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The list, if it is one.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The members, if it has any.
    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The members, if it has any.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Whether it is an element with members.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// The same value, to stand in many resources: see [`Map::frozen`].
    pub fn frozen(&self) -> Self {
        match self {
            Self::String(text) => Self::String(text.frozen()),
            Self::Array(items) => Self::Array(items.iter().map(Self::frozen).collect()),
            Self::Object(map) => Self::Object(map.frozen()),
            other => other.clone(),
        }
    }

    /// Takes the value and leaves `null`.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// A member by name, or an item by position.
    pub fn get<P: Position>(&self, at: P) -> Option<&Value> {
        at.of(self)
    }

    /// A member by name, or an item by position.
    pub fn get_mut<P: Position>(&mut self, at: P) -> Option<&mut Value> {
        at.of_mut(self)
    }

    /// The value at a JSON pointer (RFC 6901; element names of FHIR need no escapes): `/coding/0/code`.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        })
    }

    /// As [`Value::pointer`].
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Self::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            other => other.get_mut(step),
        })
    }
}

fn steps(pointer: &str) -> Option<impl Iterator<Item = &str>> {
    (pointer.is_empty() || pointer.starts_with('/')).then(|| pointer.split('/').skip(1))
}

/// What a value is asked by: the name of a member or the position of an item.
pub trait Position {
    /// What stands there.
    fn of(self, value: &Value) -> Option<&Value>;
    /// What stands there.
    fn of_mut(self, value: &mut Value) -> Option<&mut Value>;
}

impl Position for usize {
    fn of(self, value: &Value) -> Option<&Value> {
        value.as_array()?.get(self)
    }

    fn of_mut(self, value: &mut Value) -> Option<&mut Value> {
        value.as_array_mut()?.get_mut(self)
    }
}

impl Position for &str {
    fn of(self, value: &Value) -> Option<&Value> {
        value.as_object()?.get(self)
    }

    fn of_mut(self, value: &mut Value) -> Option<&mut Value> {
        value.as_object_mut()?.get_mut(self)
    }
}

impl Position for &String {
    fn of(self, value: &Value) -> Option<&Value> {
        self.as_str().of(value)
    }

    fn of_mut(self, value: &mut Value) -> Option<&mut Value> {
        self.as_str().of_mut(value)
    }
}

/// A member that is not there reads as `null`.
impl<P: Position> Index<P> for Value {
    type Output = Value;

    fn index(&self, at: P) -> &Value {
        at.of(self).unwrap_or(&NULL)
    }
}

/// Writing to a member makes it, and makes the element that holds it out of anything else.
impl IndexMut<&str> for Value {
    fn index_mut(&mut self, name: &str) -> &mut Value {
        if !self.is_object() {
            *self = Self::Object(Map::new());
        }
        match self {
            Self::Object(map) => map.member(name),
            other => other,
        }
    }
}

/// `resourceType` of a resource, if it has one.
pub fn resource_type(resource: &Value) -> Option<&str> {
    resource.get("resourceType")?.as_str()
}

/// Logical `id` of a resource, if it has one.
pub fn id(resource: &Value) -> Option<&str> {
    resource.get("id")?.as_str()
}

/// The entries of a bundle (none, if it has none).
pub fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle.get("entry").and_then(Value::as_array).into_iter().flatten()
}

/// A bundle of `kind` (`transaction`, `message`, …) from finished entries.
pub fn bundle(kind: &'static str, entries: Vec<Value>) -> Value {
    let mut bundle = Map::with_capacity(3);
    bundle.push("resourceType", Value::constant("Bundle"));
    bundle.push("type", Value::constant(kind));
    if !entries.is_empty() {
        bundle.push("entry", Value::Array(entries));
    }
    Value::Object(bundle)
}

/// The codings of a CodeableConcept (an absent or malformed one has none).
pub fn codings(concept: &Value) -> impl Iterator<Item = (&str, &str)> {
    concept.get("coding").and_then(Value::as_array).into_iter().flatten().filter_map(|coding| {
        Some((coding.get("system").and_then(Value::as_str).unwrap_or(""), coding.get("code")?.as_str()?))
    })
}

#[cfg(test)]
mod tests {
    use super::{Map, Value, json};

    #[test]
    fn values_are_built_read_and_written_in_order() {
        let (code, number) = ("2345-7".to_owned(), "1.50".parse::<super::Number>().unwrap());
        let mut value = json!({"z": {"coding": [{"code": code, "flag": true}]}, "a": number, "none": null, "list": []});
        assert_eq!(value.pointer("/z/coding/0/code").and_then(Value::as_str), Some("2345-7"));
        assert_eq!(value["z"]["coding"][0]["flag"], true);
        assert!(value["missing"]["deeper"].is_null() && value.pointer("/z/coding/1").is_none());
        value["b"]["c"] = json!("d");
        assert_eq!(
            value.to_string(),
            r#"{"z":{"coding":[{"code":"2345-7","flag":true}]},"a":1.50,"none":null,"list":[],"b":{"c":"d"}}"#
        );
    }

    #[test]
    fn text_is_escaped_as_serde_json_does() {
        for letter in (0..=0xff_u8).map(char::from) {
            for at in 0..20 {
                let text = format!("{}{letter}{}", "x".repeat(at), "~".repeat(19 - at));
                assert_eq!(json!(&text).to_string(), serde_json::Value::from(text).to_string());
            }
        }
        let text = "a\"b\\c\n\t\r\u{8}\u{c}\u{1}\u{1f}\u{7f}日本 é\u{2028}";
        assert_eq!(json!(text).to_string(), serde_json::Value::from(text).to_string());
    }

    #[test]
    fn both_representations_are_one_value() {
        let text = r#"{"a":[1.50,-0.0,12345678901234567890123,"x",null,true],"b":{"c":"d"}}"#;
        let other: serde_json::Value = serde_json::from_str(text).unwrap();
        let value = Value::from(other.clone());
        assert_eq!(value.to_string(), text);
        assert_eq!(serde_json::Value::from(value.clone()), other);
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    #[test]
    fn what_is_frozen_is_changed_in_copies_only() {
        let value = json!({"code": {"coding": [{"code": "a \"long\" code of more than twenty-four bytes"}]}, "n": 1});
        let frozen = value.frozen();
        let mut copy = frozen.clone();
        copy.pointer_mut("/code/coding/0").unwrap()["display"] = json!("d");
        copy["n"] = json!(2);
        assert_eq!(frozen, value);
        assert_eq!(frozen.to_string(), value.to_string());
        assert_eq!(copy["code"]["coding"][0]["display"], "d");
        assert!(copy.to_string().ends_with(r#""display":"d"}]},"n":2}"#), "{copy}");
        let mut map = frozen.as_object().cloned().unwrap();
        assert_eq!(map.remove("n"), Some(json!(1)));
        assert_eq!(frozen["n"], json!(1));
    }

    #[test]
    fn members_keep_their_place() {
        let mut map: Map = json!({"a": 1, "b": 2, "c": 3}).as_object().cloned().unwrap();
        assert_eq!(map.insert("b", json!(4)), Some(json!(2)));
        assert_eq!(map.remove("a"), Some(json!(1)));
        map.entry("b").or_insert(json!(5));
        map.entry("d").or_insert(json!(6));
        assert_eq!(Value::Object(map).to_string(), r#"{"b":4,"c":3,"d":6}"#);
    }
}
