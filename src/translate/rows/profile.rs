//! Profiles that resources of a country state in `meta.profile`: which, and what a resource must have to state one.

use crate::fhir::tree::{Map, Value};
use serde::Deserialize;

use super::origin::Origin;

/// A profile of a resource type. The first that a resource fits is stated; later files are asked before earlier ones.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRow {
    /// Resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Canonical address.
    pub url: String,
    /// Elements that must be there: `subject`, `code.coding`; `effective*` is any form of a choice.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Elements that must be there wherever the element that holds them is: `telecom.value`.
    #[serde(default)]
    pub each: Vec<String>,
    /// A part of the resource: it must hold this. Of a list, some element.
    #[serde(default)]
    pub holds: Map,
    /// Concepts that must have a text: the display of their first coding where they have none.
    #[serde(default)]
    pub named: Vec<String>,
    /// List elements that the profile wants beside those that are there.
    #[serde(default)]
    pub adds: Map,
    /// `meta` of a resource that states it and had none; made as the rows are compiled.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) meta: Value,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}
