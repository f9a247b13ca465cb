//! What the check needs of a JSON tree, so that it reads any.

use serde_json::{Map, Value};

use crate::fhir::tree;

/// A JSON value.
pub trait Node: Sized {
    /// The members of an object.
    type Members: Members<Self>;

    /// What it is.
    fn view(&self) -> View<'_, Self>;

    /// The text, if it is one.
    fn text(&self) -> Option<&str> {
        if let View::Text(text) = self.view() { Some(text) } else { None }
    }

    /// The items, if it is an array.
    fn items(&self) -> Option<&[Self]> {
        if let View::Items(items) = self.view() { Some(items) } else { None }
    }

    /// The members, if it is an object.
    fn members(&self) -> Option<&Self::Members> {
        if let View::Members(members) = self.view() { Some(members) } else { None }
    }

    /// A member of an object.
    fn member(&self, name: &str) -> Option<&Self> {
        self.members()?.find(name)
    }
}

/// The members of an object, each name once.
pub trait Members<N> {
    /// How many there are.
    fn count(&self) -> usize;

    /// One by name.
    fn find(&self, name: &str) -> Option<&N>;

    /// All, in order.
    fn each<'a>(&'a self) -> impl Iterator<Item = (&'a str, &'a N)>
    where
        N: 'a;
}

/// A JSON value, looked at.
pub enum View<'a, N: Node> {
    /// `null`
    Null,
    /// `true` or `false`
    Truth(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A text.
    Text(&'a str),
    /// An array.
    Items(&'a [N]),
    /// An object.
    Members(&'a N::Members),
}

impl Node for Value {
    type Members = Map<String, Value>;

    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(value) => View::Truth(*value),
            Self::Number(number) => View::Number(number.as_str()),
            Self::String(text) => View::Text(text),
            Self::Array(items) => View::Items(items),
            Self::Object(members) => View::Members(members),
        }
    }
}

impl Members<Value> for Map<String, Value> {
    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }

    fn each<'a>(&'a self) -> impl Iterator<Item = (&'a str, &'a Value)>
    where
        Value: 'a,
    {
        self.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl Node for tree::Value {
    type Members = tree::Map;

    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(value) => View::Truth(*value),
            Self::Number(number) => View::Number(number.as_str()),
            Self::String(text) => View::Text(text),
            Self::Array(items) => View::Items(items),
            Self::Object(members) => View::Members(members),
        }
    }
}

impl Members<tree::Value> for tree::Map {
    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, name: &str) -> Option<&tree::Value> {
        self.get(name)
    }

    fn each<'a>(&'a self) -> impl Iterator<Item = (&'a str, &'a tree::Value)>
    where
        tree::Value: 'a,
    {
        self.iter().map(|(name, value)| (&**name, value))
    }
}

/// Whether two values are the same, numbers by their digits.
pub fn same<N: Node>(one: &N, other: &N) -> bool {
    match (one.view(), other.view()) {
        (View::Null, View::Null) => true,
        (View::Truth(one), View::Truth(other)) => one == other,
        (View::Number(one), View::Number(other)) | (View::Text(one), View::Text(other)) => one == other,
        (View::Items(one), View::Items(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (View::Members(one), View::Members(other)) => {
            one.count() == other.count()
                && one.each().all(|(name, value)| other.find(name).is_some_and(|found| same(value, found)))
        }
        _ => false,
    }
}
