//! Adds meaning beside the original, never replaces it: codes of the other country, units of the other system, names in
//! letters, dates of the other calendar. What a rule does not cover is left as it is and said so in a [`Note`].

mod addresses;
mod codes;
pub mod convert;
mod decimal;
mod extension;
pub mod fold;
mod identifiers;
mod meaning;
mod memo;
mod names;
mod results;
pub mod romaji;
mod scale;
mod texts;
pub mod ucum;
pub mod units;
mod unmapped;
pub mod wareki;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::fhir::tree::{self, Value};
use serde::Serialize;

pub use codes::CODE_MAPPING;
pub use convert::{Conversion, convert, fitted as fitted_unit};
pub use extension::comparable_quantities;
pub use fold::{fold, search_keys, variant_key};
pub use meaning::Meaning;
pub use scale::Scale;
pub use unmapped::{Ranked, Unmapped};

use crate::config::{Country, InstitutionConfig};
use crate::terminology::analytes::Analyte;
use crate::terminology::{TableError, Terminology, concept_maps};

/// Every table harmonising needs, read once at start.
#[derive(Debug)]
pub struct Catalog {
    /// Codes.
    pub terminology: Terminology,
    /// Spellings of units.
    pub units: units::Units,
    /// Japanese eras.
    pub eras: wareki::Eras,
    /// Ways from a unit of an analyte, by the analyte's id and the unit.
    ways: memo::PairMemo<Arc<convert::Ways>>,
}

impl Catalog {
    /// The tables that come with the program.
    pub fn builtin() -> Result<Self, TableError> {
        Ok(Self {
            terminology: Terminology::builtin()?,
            units: units::Units::read_table("unit_aliases.csv", include_str!("../../config/codes/unit_aliases.csv"))?,
            eras: wareki::Eras::read("eras.csv", include_str!("../../config/codes/eras.csv"))?,
            ways: memo::PairMemo::default(),
        })
    }

    /// The same with a hospital's own code map added (CSV, columns `system,code,target_system,target_code,equivalence`).
    /// `name` is what an error calls the table.
    pub fn with_site_map(mut self, name: &str, text: &str) -> Result<Self, TableError> {
        self.terminology.site.add(name, text)?;
        Ok(self)
    }

    /// The tables that come with the program, and a hospital's own code maps from folders or files: CSV tables as above, and
    /// FHIR ConceptMaps in JSON. Lives as long as the program; asked once at start.
    pub fn with_folders(folders: &[PathBuf]) -> Result<&'static Self, &'static TableError> {
        if folders.is_empty() {
            return builtin();
        }
        let read = || {
            let mut catalog = Self::builtin()?;
            for folder in folders {
                catalog.terminology.site.add_path(folder)?;
            }
            Ok(catalog)
        };
        read().map(|catalog| &*Box::leak(Box::new(catalog))).map_err(|error: TableError| &*Box::leak(Box::new(error)))
    }

    /// The ways from a UCUM unit of an analyte.
    fn ways(&self, analyte: &Analyte, unit: &str) -> Arc<convert::Ways> {
        self.ways.of(&analyte.id, unit, || Arc::new(convert::Ways::from(analyte, unit)))
    }

    /// All code maps as FHIR ConceptMaps: those of the program, then the hospital's.
    pub fn concept_maps(&self) -> Vec<serde_json::Value> {
        let mut maps = concept_maps::builtin(&self.terminology);
        maps.extend(self.terminology.site.resources().iter().cloned());
        maps
    }

    /// The analyte that codes name; none if they name none, or two different ones.
    pub fn analyte(&self, codes: &[(&str, &str)]) -> Option<&Analyte> {
        let mut found = codes.iter().filter_map(|(system, code)| {
            self.terminology.analytes.by_code(self.terminology.systems.present(system), code)
        });
        let first = found.next()?;
        found.all(|other| other.id == first.id).then_some(first)
    }
}

/// The catalogue that comes with the program, read at the first call.
pub fn builtin() -> Result<&'static Catalog, &'static TableError> {
    static CATALOG: OnceLock<Result<Catalog, TableError>> = OnceLock::new();
    CATALOG.get_or_init(Catalog::builtin).as_ref()
}

/// Where the records come from.
#[derive(Debug, Clone)]
pub struct HarmoniseSetting {
    /// Country whose habits an unmarked value follows.
    pub country: Country,
    /// Base of this institution's own code systems.
    pub namespace: String,
}

impl From<&InstitutionConfig> for HarmoniseSetting {
    fn from(institution: &InstitutionConfig) -> Self {
        Self { country: institution.country, namespace: institution.namespace.clone() }
    }
}

/// What harmonising did, or could not do, to one element. Carries codes and units, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// `fullUrl`, or type and id.
    pub resource: String,
    /// Element, e.g. `valueQuantity`.
    pub element: String,
    /// Rule that was applied or refused.
    pub rule: String,
    /// What came of it.
    pub outcome: Outcome,
    /// For people.
    pub detail: String,
}

/// What came of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Something stands beside the original now.
    Added,
    /// The value has no counterpart in the other system.
    NotConvertible,
    /// No table knows the code, unit or letter.
    Unmapped,
    /// It stays as it is, but a person should look: a number that fails its own check.
    Doubtful,
}

/// What people should be warned of, each once: the doubts among notes.
pub fn warnings(notes: &[Note]) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for note in notes.iter().filter(|note| note.outcome == Outcome::Doubtful) {
        let warning = format!("{}: {}", note.element, note.detail);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

/// Harmonises every resource of a bundle that is being built.
pub fn harmonise_tree(catalog: &Catalog, setting: &HarmoniseSetting, bundle: &mut Value) -> Vec<Note> {
    each(catalog, setting, bundle, false)
}

/// Harmonises every resource of a bundle and gives only what people should be warned of (see [`warnings`]): the same work
/// without writing down what was done, for a feed.
pub fn harmonise_feed(catalog: &Catalog, setting: &HarmoniseSetting, bundle: &mut Value) -> Vec<String> {
    warnings(&each(catalog, setting, bundle, true))
}

/// Doubts go without the name of their resource, which a warning does not tell.
fn each(catalog: &Catalog, setting: &HarmoniseSetting, bundle: &mut Value, only_doubts: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    for entry in bundle.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = entry.get("fullUrl").filter(|_| !only_doubts).and_then(Value::as_str).map(str::to_owned);
        if let Some(resource) = entry.get_mut("resource") {
            let name = name.unwrap_or_else(|| if only_doubts { String::new() } else { label(resource) });
            harmonise(catalog, setting, resource, &mut Notes { resource: name, only_doubts, notes: &mut notes });
        }
    }
    notes
}

/// Harmonises every resource of a bundle.
pub fn harmonise_bundle(catalog: &Catalog, setting: &HarmoniseSetting, bundle: &mut serde_json::Value) -> Vec<Note> {
    let mut tree = Value::from(bundle.take());
    let notes = harmonise_tree(catalog, setting, &mut tree);
    *bundle = tree.into();
    notes
}

/// Harmonises one resource. Doing it again changes nothing.
pub fn harmonise_resource(
    catalog: &Catalog,
    setting: &HarmoniseSetting,
    resource: &mut serde_json::Value,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut tree = Value::from(resource.take());
    let resource_name = label(&tree);
    let mut taken = Notes { resource: resource_name, only_doubts: false, notes: &mut notes };
    harmonise(catalog, setting, &mut tree, &mut taken);
    *resource = tree.into();
    notes
}

fn harmonise(catalog: &Catalog, setting: &HarmoniseSetting, resource: &mut Value, notes: &mut Notes<'_>) {
    identifiers::check(catalog, resource, notes);
    codes::addresses(catalog, setting, resource, notes);
    match tree::resource_type(resource).unwrap_or_default() {
        "Observation" => results::observation(catalog, setting, resource, notes),
        "Condition" => codes::condition(catalog, setting, resource, notes),
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            codes::medication(catalog, resource, "medicationCodeableConcept", notes);
        }
        "Medication" => codes::medication(catalog, resource, "code", notes),
        "Patient" | "Practitioner" | "RelatedPerson" | "Person" => {
            names::person(resource, notes);
            addresses::addresses(setting, resource, notes);
        }
        "Organization" | "Location" => addresses::addresses(setting, resource, notes),
        _ => {}
    }
}

fn label(resource: &Value) -> String {
    let kind = tree::resource_type(resource).unwrap_or("resource");
    tree::id(resource).map_or_else(|| kind.to_owned(), |id| format!("{kind}/{id}"))
}

/// Collects the notes of one resource.
struct Notes<'a> {
    resource: String,
    /// Nothing else is kept.
    only_doubts: bool,
    notes: &'a mut Vec<Note>,
}

impl Notes<'_> {
    fn add(&mut self, element: &str, rule: &str, outcome: Outcome, detail: impl Into<String>) {
        self.tell(element, rule, outcome, || detail.into());
    }

    fn tell(&mut self, element: &str, rule: &str, outcome: Outcome, detail: impl FnOnce() -> String) {
        if self.only_doubts && outcome != Outcome::Doubtful {
            return;
        }
        self.notes.push(Note {
            resource: self.resource.clone(),
            element: element.to_owned(),
            rule: rule.to_owned(),
            outcome,
            detail: detail(),
        });
    }
}
