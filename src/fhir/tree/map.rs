//! The members of an object, in the order they came.

use super::{Text, Value};

/// Members by name. Objects of FHIR have a handful, so a name is looked for from front to back.
#[derive(Debug, Clone, Default)]
pub struct Map {
    members: Vec<(Text, Value)>,
}

impl Map {
    /// Without members.
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// Without members yet, with room for some.
    pub fn with_capacity(members: usize) -> Self {
        Self { members: Vec::with_capacity(members) }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// A member.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.members.iter_mut().find(|(known, _)| **known == *name).map(|(_, value)| value)
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
        self.members.push((name, value));
        None
    }

    /// Puts a member behind the others that is known not to be there.
    pub fn push(&mut self, name: impl Into<Text>, value: Value) {
        self.members.push((name.into(), value));
    }

    /// Puts a member at a place; one of that name elsewhere is taken out.
    pub fn shift_insert(&mut self, at: usize, name: impl Into<Text>, value: Value) -> Option<Value> {
        let name = name.into();
        let old = self.remove(&name);
        self.members.insert(at.min(self.members.len()), (name, value));
        old
    }

    /// The place of a member, to be filled if it is not there.
    pub fn entry(&mut self, name: impl Into<Text>) -> Entry<'_> {
        let name = name.into();
        let at = self.members.iter().position(|(known, _)| *known == name);
        Entry { members: &mut self.members, name, at }
    }

    /// A member, made as `null` if it is not there.
    pub fn member(&mut self, name: &str) -> &mut Value {
        let at = self.members.iter().position(|(known, _)| **known == *name).unwrap_or(self.members.len());
        if at == self.members.len() {
            self.push(Text::copied(name), Value::Null);
        }
        &mut self.members[at].1
    }

    /// Takes a member out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(known, _)| **known == *name)?;
        Some(self.members.remove(at).1)
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.members.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.members.iter().map(|(_, value)| value)
    }

    /// The values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.members.iter().map(|(name, value)| (name, value))
    }

    /// Names and values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Text, &mut Value)> {
        self.members.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Keeps the members that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &mut Value) -> bool) {
        self.members.retain_mut(|(name, value)| keep(name, value));
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

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Text, Value);
    type IntoIter = std::slice::Iter<'a, (Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.iter()
    }
}
