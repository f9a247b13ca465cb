//! A text of a tree: a constant of the program, one shared with the mapping rows, or its own.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use compact_str::CompactString;

/// Bytes that need no memory of their own.
const INLINE: usize = size_of::<CompactString>();

/// A text: a constant or a short one of up to 24 bytes needs no memory of its own, a shared one is counted.
#[derive(Clone)]
pub enum Text {
    /// A constant of the program, or its own.
    Plain(CompactString),
    /// Shared, with the mapping rows as a rule.
    Shared(Arc<str>),
}

impl Text {
    /// A constant of the program: nothing is copied.
    pub const fn constant(text: &'static str) -> Self {
        Self::Plain(CompactString::const_new(text))
    }

    /// A copy of a text.
    pub fn copied(text: &str) -> Self {
        Self::Plain(CompactString::new(text))
    }

    /// A text that goes into many places: clones of it copy nothing.
    pub fn shared(text: &str) -> Self {
        if text.len() <= INLINE { Self::copied(text) } else { Self::Shared(text.into()) }
    }

    /// The same text, to go into many places.
    pub fn frozen(&self) -> Self {
        match self {
            Self::Plain(text) if text.is_heap_allocated() => Self::Shared(text.as_str().into()),
            other => other.clone(),
        }
    }

    /// Adds to the end.
    pub fn push_str(&mut self, more: &str) {
        match self {
            Self::Plain(text) => text.push_str(more),
            Self::Shared(text) => *self = Self::Plain([text, more].concat().into()),
        }
    }

    /// Adds the digits of a number to the end.
    pub fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        let digit = char::from_digit((number % 10) as u32, 10).unwrap_or('0');
        self.push_str(digit.encode_utf8(&mut [0; 4]));
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        self
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::constant("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other)
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

/// A constant is not copied; other texts come as [`String`].
impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::constant(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::copied(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Plain(text.into())
    }
}

impl From<CompactString> for Text {
    fn from(text: CompactString) -> Self {
        Self::Plain(text)
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Plain(text.into())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Self::Shared(Arc::clone(text))
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}
