//! The search parameters of R4 (<https://hl7.org/fhir/R4/searchparameter-registry.html>), as each resource type has them:
//! one table (`config/standards/fhir-r4-search.txt`, made by the script beside it) for indexing, for reading a query and for
//! the CapabilityStatement.

mod compile;

use std::sync::OnceLock;

pub use compile::{Data, Only, Reading, Step};

const TABLE: &str = include_str!("../../../config/standards/fhir-r4-search.txt");
/// Raised when what is taken from an element changes while the table stays.
const MANNER: u32 = 1;

/// Type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterType {
    /// Code, Coding, CodeableConcept, Identifier, boolean.
    Token,
    /// Text, matched by its start after folding.
    Text,
    /// Date, dateTime, instant, Period, Timing.
    Date,
    /// Reference, canonical.
    Reference,
    /// Quantity and what is like it.
    Quantity,
    /// A plain number.
    Number,
    /// An address, matched whole.
    Uri,
    /// Several values of one element together; not served.
    Composite,
    /// With a meaning of its own; not served.
    Special,
}

impl ParameterType {
    /// The word of the CapabilityStatement (value set `search-param-type`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Text => "string",
            Self::Date => "date",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
            Self::Number => "number",
            Self::Uri => "uri",
            Self::Composite => "composite",
            Self::Special => "special",
        }
    }

    /// Whether searches by it are answered.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::Composite | Self::Special)
    }
}

/// A search parameter of one resource type.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Name in a query.
    pub name: &'static str,
    /// Type.
    pub kind: ParameterType,
    /// Resource types that a reference may lead to; none: any.
    pub targets: Vec<&'static str>,
    /// Where its values stand in the index.
    pub places: Vec<Place>,
}

/// Where values of a parameter stand in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path of the rows (`store::records::IndexRow`).
    pub path: String,
    /// Only references that lead to this type.
    pub leads_to: Option<&'static str>,
    /// Only contacts of this system (`phone`).
    pub contact: Option<&'static str>,
    /// The system that codes have without saying so.
    pub code_system: Option<&'static str>,
}

/// What a resource type has.
#[derive(Debug, Default)]
pub struct OfType {
    /// By name, sorted.
    pub parameters: Vec<Parameter>,
    /// What is read from a resource to find it by.
    pub readings: Vec<Reading>,
}

/// The parameters of a resource type, sorted by name, those of every type included.
pub fn of(resource_type: &str) -> &'static [Parameter] {
    table().of_type(resource_type).map_or(&[], |found| &found.parameters)
}

/// What is read from resources of a type.
pub fn readings(resource_type: &str) -> &'static [Reading] {
    table().of_type(resource_type).map_or(&[], |found| &found.readings)
}

/// One parameter by name.
pub fn find(resource_type: &str, name: &str) -> Option<&'static Parameter> {
    let all = of(resource_type);
    all.binary_search_by(|parameter| parameter.name.cmp(name)).ok().and_then(|at| all.get(at))
}

/// The parameters by which resources of a type belong to a compartment (<https://hl7.org/fhir/R4/compartmentdefinition.html>);
/// none if they never do.
pub fn compartment(compartment: &str, resource_type: &str) -> Option<&'static [&'static str]> {
    let rows = &table().compartments.get(compartment)?;
    rows.iter().find(|(kind, _)| *kind == resource_type).map(|(_, names)| names.as_slice())
}

/// The resource types of a compartment; none if there is no such compartment here.
pub fn compartment_types(compartment: &str) -> Option<impl Iterator<Item = &'static str>> {
    table().compartments.get(compartment).map(|rows| rows.iter().map(|(kind, _)| *kind))
}

/// The elements of a type that `_summary=true` shows; `value*` is a choice.
pub fn summary(resource_type: &str) -> &'static [&'static str] {
    table().summaries.get(resource_type).map_or(&[], Vec::as_slice)
}

/// The elements that a type must have.
pub fn required(resource_type: &str) -> &'static [&'static str] {
    table().required.get(resource_type).map_or(&[], Vec::as_slice)
}

/// The edition of what resources are indexed by: another table, or another manner of reading, is another edition.
pub fn edition() -> u32 {
    static EDITION: OnceLock<u32> = OnceLock::new();
    // FNV-1a.
    *EDITION.get_or_init(|| {
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        TABLE.bytes().fold(0x811c_9dc5 ^ MANNER, mix)
    })
}

fn table() -> &'static compile::Table {
    static COMPILED: OnceLock<compile::Table> = OnceLock::new();
    COMPILED.get_or_init(|| compile::compile(TABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(kind: &str, name: &str) -> Vec<String> {
        find(kind, name).unwrap().places.iter().map(|place| place.path.clone()).collect()
    }

    #[test]
    fn parameters_that_read_the_same_elements_share_their_rows() {
        assert_eq!(paths("Observation", "patient"), paths("Observation", "subject"));
        assert_eq!(find("Observation", "patient").unwrap().places[0].leads_to, Some("Patient"));
        assert_eq!(paths("Observation", "combo-code"), ["code", "component.code"]);
        assert_eq!(paths("Patient", "phone"), paths("Patient", "telecom"));
        assert_eq!(find("Patient", "phone").unwrap().places[0].contact, Some("phone"));
        assert!(paths("Patient", "name").contains(&"name.family".to_owned()));
        assert_eq!(paths("Patient", "family"), ["name.family"]);
        assert_eq!(paths("Observation", "date"), ["effective"]);
    }

    #[test]
    fn every_type_has_what_all_types_have_and_compartments_are_known() {
        for kind in crate::fhir::structure::types() {
            for name in ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"] {
                assert!(find(kind, name).is_some(), "{kind} {name}");
            }
        }
        assert_eq!(compartment("Patient", "Observation"), Some(&["subject", "performer"][..]));
        assert_eq!(compartment("Patient", "Organization"), None);
        assert_eq!(
            find("Patient", "gender").unwrap().places[0].code_system,
            Some("http://hl7.org/fhir/administrative-gender")
        );
    }

    #[test]
    fn what_the_table_reads_exists_in_the_structure_of_its_type() {
        for kind in crate::fhir::structure::types() {
            for reading in readings(kind) {
                let first = reading.steps.first().unwrap();
                for (name, _) in &first.names {
                    assert!(crate::fhir::structure::has_element(kind, name), "{kind}.{name}");
                }
            }
        }
    }
}
