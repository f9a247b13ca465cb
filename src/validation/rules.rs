//! A profile, compiled: what it says of each element, as a tree.

use serde_json::Value;

use crate::fhir::path::Path;

/// A compiled StructureDefinition.
#[derive(Debug)]
pub struct Profile {
    /// Its address.
    pub url: String,
    /// The type that it constrains.
    pub kind: String,
    /// Rules of the resource or the value as a whole.
    pub(super) root: Rules,
    /// What it is based on, where it was given without a snapshot and so does not repeat that.
    pub(super) base: Option<String>,
    /// For extensions: where they may stand.
    pub(super) contexts: Vec<Context>,
}

/// Where an extension may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Context {
    /// At an element or type: `Patient.name`, `Element`.
    Element(String),
    /// In another extension.
    Extension(String),
    /// As an expression says, which is not checked.
    Other,
}

/// What is said of an element.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// How often it must be there, and may; where that is said.
    pub(super) least: Option<u32>,
    pub(super) most: Option<u32>,
    pub(super) types: Vec<TypeRule>,
    pub(super) fixed: Option<Value>,
    pub(super) pattern: Option<Value>,
    pub(super) least_value: Option<Value>,
    pub(super) most_value: Option<Value>,
    pub(super) longest: Option<usize>,
    /// Address of a required value set.
    pub(super) binding: Option<String>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) children: Vec<Child>,
}

/// A type that an element may have.
#[derive(Debug, Clone)]
pub(super) struct TypeRule {
    pub(super) code: String,
    pub(super) profiles: Vec<String>,
    pub(super) targets: Vec<String>,
}

/// An invariant.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) key: String,
    pub(super) is_error: bool,
    /// What it says, for people.
    pub(super) human: String,
    /// Its expression, where that is understood.
    pub(super) path: Option<Path>,
}

/// An element within an element.
#[derive(Debug)]
pub(super) struct Child {
    /// Its name, without `[x]`.
    pub(super) name: String,
    pub(super) rules: Rules,
    pub(super) slicing: Option<Slicing>,
    pub(super) slices: Vec<Slice>,
}

/// How the values of an element are told apart.
#[derive(Debug, Clone)]
pub(super) struct Slicing {
    pub(super) discriminators: Vec<Discriminator>,
    pub(super) others: Others,
    pub(super) is_ordered: bool,
}

/// Whether values may be there that belong to no slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Anywhere,
    Nowhere,
    AtEnd,
}

/// What tells slices apart.
#[derive(Debug, Clone)]
pub(super) struct Discriminator {
    pub(super) by: By,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A fixed value, a pattern or a value set.
    Value,
    Type,
    Profile,
    Exists,
}

/// A step of a discriminator's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Extension(String),
    Resolve,
    OfType(String),
}

/// Some of the values of an element.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) name: String,
    pub(super) rules: Rules,
}

impl Rules {
    /// The child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.name == name)
    }
}
