//! The members of an object, in the order they came.

use std::sync::Arc;

use super::{Text, Value};

/// Members by name. Objects of FHIR have a handful, so a name is looked for from front to back.
#[derive(Debug, Clone)]
pub struct Map(Members);

type Member = (Text, Value);

#[derive(Debug, Clone)]
enum Members {
    Own(Vec<Member>),
    /// Stands in many resources; whoever changes it takes a copy.
    Frozen(Arc<Frozen>),
}

/// Members that do not change any more, with their JSON text.
#[derive(Debug)]
struct Frozen {
    members: Vec<Member>,
    text: Box<str>,
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl Map {
    /// Without members.
    pub const fn new() -> Self {
        Self(Members::Own(Vec::new()))
    }

    /// Without members yet, with room for some.
    pub fn with_capacity(members: usize) -> Self {
        Self(Members::Own(Vec::with_capacity(members)))
    }

    /// The same members, to stand in many resources: clones copy nothing, and the JSON text is written once. A clone that
    /// is changed becomes its own.
    pub fn frozen(&self) -> Self {
        if let Members::Frozen(_) = self.0 {
            return self.clone();
        }
        let members: Vec<Member> = self.iter().map(|(name, value)| (name.frozen(), value.frozen())).collect();
        let own = Self(Members::Own(members));
        let mut text = String::new();
        own.write_to(&mut text);
        let Members::Own(members) = own.0 else { return own };
        Self(Members::Frozen(Arc::new(Frozen { members, text: text.into() })))
    }

    /// Whether the members stand in many resources: see [`Map::frozen`].
    pub fn is_frozen(&self) -> bool {
        matches!(self.0, Members::Frozen(_))
    }

    /// The JSON text, if the members are frozen.
    pub(super) fn frozen_text(&self) -> Option<&str> {
        match &self.0 {
            Members::Own(_) => None,
            Members::Frozen(frozen) => Some(&frozen.text),
        }
    }

    fn members(&self) -> &[Member] {
        match &self.0 {
            Members::Own(members) => members,
            Members::Frozen(frozen) => &frozen.members,
        }
    }

    /// The members to be changed.
    fn own(&mut self) -> &mut Vec<Member> {
        loop {
            match self.0 {
                Members::Own(ref mut members) => return members,
                Members::Frozen(ref frozen) => self.0 = Members::Own(frozen.members.clone()),
            }
        }
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.members().iter().position(|(known, _)| **known == *name)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members().iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// A member.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.place_of(name)?;
        self.own().get_mut(at).map(|(_, value)| value)
    }

    /// Whether a member is there.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a member where it stands, or behind the others; gives what it held.
    pub fn insert(&mut self, name: impl Into<Text>, value: Value) -> Option<Value> {
        let name = name.into();
        if let Some(old) = self.get_mut(&name) {
            return Some(std::mem::replace(old, value));
        }
        self.own().push((name, value));
        None
    }

    /// Puts a member behind the others that is known not to be there.
    pub fn push(&mut self, name: impl Into<Text>, value: Value) {
        self.own().push((name.into(), value));
    }

    /// Puts a member at a place; one of that name elsewhere is taken out.
    pub fn shift_insert(&mut self, at: usize, name: impl Into<Text>, value: Value) -> Option<Value> {
        let name = name.into();
        let old = self.remove(&name);
        let members = self.own();
        members.insert(at.min(members.len()), (name, value));
        old
    }

    /// The place of a member, to be filled if it is not there.
    pub fn entry(&mut self, name: impl Into<Text>) -> Entry<'_> {
        let name = name.into();
        let at = self.place_of(&name);
        Entry { members: self.own(), name, at }
    }

    /// A member, made as `null` if it is not there.
    pub fn member(&mut self, name: &str) -> &mut Value {
        let at = self.place_of(name).unwrap_or(self.len());
        let members = self.own();
        if at == members.len() {
            members.push((Text::copied(name), Value::Null));
        }
        &mut members[at].1
    }

    /// Takes a member out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.place_of(name)?;
        Some(self.own().remove(at).1)
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.members().iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.members().iter().map(|(_, value)| value)
    }

    /// The values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.own().iter_mut().map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.members().iter().map(|(name, value)| (name, value))
    }

    /// Names and values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Text, &mut Value)> {
        self.own().iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Keeps the members that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &mut Value) -> bool) {
        self.own().retain_mut(|(name, value)| keep(name, value));
    }
}

/// The place of a member.
pub struct Entry<'a> {
    members: &'a mut Vec<(Text, Value)>,
    name: Text,
    at: Option<usize>,
}

impl<'a> Entry<'a> {
    /// The member, made if it is not there.
    pub fn or_insert_with(self, make: impl FnOnce() -> Value) -> &'a mut Value {
        let at = self.at.unwrap_or(self.members.len());
        if self.at.is_none() {
            self.members.push((self.name, make()));
        }
        &mut self.members[at].1
    }

    /// The member, `value` if it is not there.
    pub fn or_insert(self, value: Value) -> &'a mut Value {
        self.or_insert_with(|| value)
    }
}

/// A member that is not there reads as `null`.
impl std::ops::Index<&str> for Map {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&super::NULL)
    }
}

/// Two objects are the same whatever the order of their members, as in JSON.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Extend<(Text, Value)> for Map {
    fn extend<I: IntoIterator<Item = (Text, Value)>>(&mut self, members: I) {
        for (name, value) in members {
            self.insert(name, value);
        }
    }
}

impl Extend<(String, Value)> for Map {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, members: I) {
        for (name, value) in members {
            self.insert(name, value);
        }
    }
}

impl<T: Into<Text>> FromIterator<(T, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (T, Value)>>(members: I) -> Self {
        let mut map = Self::new();
        for (name, value) in members {
            map.insert(name, value);
        }
        map
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(self.own()).into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Text, Value);
    type IntoIter = std::slice::Iter<'a, (Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members().iter()
    }
}
