//! What a resource means beyond its own words, by the tables of one institution. A resource that a client wrote is stored as
//! it was written; whoever needs its meaning adds it to what was read.

use serde_json::Value;

use super::{Catalog, HarmoniseSetting, harmonise_resource};

/// By which tables, and whose habits.
#[derive(Debug, Clone)]
pub struct Meaning {
    /// The tables.
    pub catalog: &'static Catalog,
    /// Country and namespace of the institution.
    pub setting: HarmoniseSetting,
}

impl Meaning {
    /// The resource with its meaning beside what it says.
    pub fn beside(&self, mut resource: Value) -> Value {
        harmonise_resource(self.catalog, &self.setting, &mut resource);
        resource
    }
}
