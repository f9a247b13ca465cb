//! Profiles: which resources an implementation guide allows, beyond what R4 allows (`fhir/structure`).
//!
//! An operator gives FHIR packages (`watari package add`); they are read at start ([`package`]), their StructureDefinitions
//! compiled once ([`compile`]), and resources that declare one of them, or whose type is configured to have one, are held to it
//! ([`check`]). A profile is a stranger's program: it is read within limits and evaluated within limits.

pub mod archive;
mod bindings;
mod check;
mod compile;
mod constraints;
mod extensions;
mod on_write;
pub mod package;
mod rules;
mod slices;
mod value_sets;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

pub use on_write::{check_transaction, check_written};
pub use package::{PackageError, Summary};
pub use rules::Profile;

use value_sets::{CodeSystem, ValueSet};

/// What the packages of a node define. One for each node, made at start.
#[derive(Debug, Default)]
pub struct Library {
    profiles: HashMap<String, Arc<Profile>>,
    value_sets: HashMap<String, ValueSet>,
    code_systems: HashMap<String, CodeSystem>,
    /// Profiles that every resource of a type must meet, by type.
    required: BTreeMap<String, String>,
}

/// How much an issue weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The resource does not conform.
    Error,
    /// It may not, or it could not be told.
    Warning,
}

/// What a profile has against a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How much it weighs.
    pub severity: Severity,
    /// Code from the value set <https://hl7.org/fhir/R4/valueset-issue-type.html>.
    pub code: &'static str,
    /// FHIRPath of the element, from the resource.
    pub place: String,
    /// What is wrong and what would be right. Holds no value of the resource.
    pub text: String,
}

/// What is asked of a validation.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whether warnings are wanted: the rules that only warn are not evaluated otherwise.
    pub warnings: bool,
    /// Now, RFC 3339, for expressions that ask.
    pub now: &'a str,
}

impl Library {
    /// Takes a definition of a package; others than profiles, value sets and code systems are nothing to it. Tells what of it
    /// is not understood.
    pub fn take(&mut self, resource: &Value) -> Result<(), String> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let Some(url) = text("url") else { return Ok(()) };
        match text("resourceType") {
            Some("StructureDefinition") if text("kind") != Some("logical") => {
                let profile = compile::compile(resource)?;
                self.profiles.insert(url.to_owned(), Arc::new(profile));
            }
            Some("ValueSet") => {
                self.value_sets.insert(url.to_owned(), ValueSet::read(resource));
            }
            Some("CodeSystem") => {
                self.code_systems.insert(url.to_owned(), CodeSystem::read(resource));
            }
            _ => {}
        }
        Ok(())
    }

    /// Holds every resource of a type to a profile; false where the profile is not here.
    pub fn require(&mut self, kind: &str, profile: &str) -> bool {
        self.required.insert(kind.to_owned(), profile.to_owned());
        self.profile(profile).is_some_and(|found| found.kind == kind)
    }

    /// A profile by its address, a version behind it or not.
    pub fn profile(&self, canonical: &str) -> Option<&Profile> {
        self.profiles.get(without_version(canonical)).map(|profile| &**profile)
    }

    /// Whether no package is loaded.
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty() && self.value_sets.is_empty() && self.code_systems.is_empty()
    }

    /// The addresses of the profiles, sorted.
    pub fn addresses(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        all.sort_unstable();
        all
    }
}

/// Holds a resource to profiles by their addresses, and its extensions to their definitions. What R4 itself says of it is not
/// asked here: the resource has passed `fhir::structure`. Issues are in order, each once.
pub fn validate(library: &Library, resource: &Value, profiles: &[&str], asked: Asked<'_>) -> Vec<Issue> {
    check::validate(library, resource, profiles, asked)
}

/// A canonical address without `|version`.
fn without_version(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(url, _)| url)
}
