//! Whether a JSON value is the FHIR R4 resource it says it is: elements, cardinality, JSON kinds, formats of primitives,
//! required value sets, types that references lead to, invariants, narrative. For all resource types of R4, from one table
//! (`config/standards/fhir-r4-structure.txt`, made by the script beside it).
//!
//! [`check`] walks a value once. On the good path it allocates nothing, but for the texts of a bundle's addresses. Texts of
//! findings name elements and what is allowed there, never what a value was: it may be a patient's.

mod bundle;
mod contained;
mod content;
mod dates;
mod evaluate;
mod kinds;
mod node;
mod primitive;
mod rule;
mod table;
mod walk;
mod xhtml;

use std::collections::HashMap;
use std::fmt;

pub use kinds::{Child, Kind, checks_invariant, value_set_has};
pub use node::{Members, Node, View, same};
pub use xhtml::check as check_narrative;

/// Findings reported of one resource; whoever made more has to start with these.
const MOST_ISSUES: usize = 32;

/// One thing that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// FHIRPath of the element, from the resource: `Patient.name[0].given`.
    pub place: String,
    /// Code from the value set <https://hl7.org/fhir/R4/valueset-issue-type.html>.
    pub code: &'static str,
    /// What is wrong and what would be right. Holds no value of the resource.
    pub text: String,
}

/// Why a value is not a resource of its type: at least one [`Issue`], in the order of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct StructureError {
    /// What is wrong, at most [`MOST_ISSUES`].
    pub issues: Vec<Issue>,
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.issues.first() else { return f.write_str("no issue") };
        write!(f, "{} {}", first.place, first.text)?;
        match self.issues.len() {
            0 | 1 => Ok(()),
            all => write!(f, " (and {} more)", all - 1),
        }
    }
}

/// The types of a transaction's entries by their `fullUrl`: what its references may lead to.
pub type Entries<'a> = HashMap<&'a str, &'a str>;

/// Checks a resource that stands by itself.
pub fn check<N: Node>(resource: &N) -> Result<(), StructureError> {
    walk::check(resource, None)
}

/// Checks the resource of one entry of a transaction: its references to other entries lead to the right types.
pub fn check_entry<N: Node>(resource: &N, entries: &Entries<'_>) -> Result<(), StructureError> {
    walk::check(resource, Some(entries))
}

/// The resource types of R4, sorted.
pub fn types() -> &'static [&'static str] {
    &table::table().resources
}

/// Whether a type of R4 has an element of this name, as JSON spells it (`valueQuantity`).
pub fn has_element(kind: &str, name: &str) -> bool {
    table::table().named(kind).is_some_and(|kind| kind.key(name).is_some())
}

/// An element as a type's definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// What it holds: data types, `Resource`, or the type that a group of elements is (`Patient.contact`).
    pub types: Vec<&'static str>,
    /// Whether it is a list in JSON.
    pub is_list: bool,
    /// Whether the name is that of a choice of types (`value`), which JSON does not spell so.
    pub is_choice: bool,
}

/// The element of a type, or of a group of elements, by its name in JSON (`valueQuantity`, `_birthDate`) or as a choice of
/// types (`value`).
pub fn element(kind: &str, name: &str) -> Option<Defined> {
    let table = table::table();
    let kind = table.named(kind)?;
    if let Some(key) = kind.key(name) {
        let is_list = kind.element(key)?.is_list;
        return Some(Defined { types: vec![table.type_name(key.content)?], is_list, is_choice: false });
    }
    if let Some(primitive) = name.strip_prefix('_').and_then(|name| kind.key(name)) {
        // What a primitive has beside its value.
        let is_list = kind.element(primitive)?.is_list;
        let is_primitive = matches!(primitive.content, table::Content::Primitive(_));
        return is_primitive.then(|| Defined { types: vec!["Element"], is_list, is_choice: false });
    }
    let (types, is_list) = kind.choice(name)?;
    let types = types.iter().filter_map(|content| table.type_name(*content)).collect();
    Some(Defined { types, is_list, is_choice: true })
}

/// Whether R4 has a resource type of this name.
pub fn is_type(name: &str) -> bool {
    types().binary_search(&name).is_ok()
}
