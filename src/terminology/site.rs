//! A hospital's own map from its local codes to published ones. Who writes a row vouches for it.

use std::collections::HashMap;

use serde::Deserialize;

use super::TableError;

/// Local codes and what they stand for.
#[derive(Debug, Default)]
pub struct SiteMap(HashMap<(String, String), Vec<Target>>);

/// A published code for a local one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Code system.
    pub system: String,
    /// Code.
    pub code: String,
    /// How it relates to the local code.
    pub equivalence: Equivalence,
}

/// The relations of ConceptMap (R4) that let a code stand beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Equivalence {
    /// The same, extent and all.
    Equal,
    /// The same meaning.
    Equivalent,
    /// The published code is wider.
    Wider,
    /// The published code is narrower.
    Narrower,
}

impl Equivalence {
    /// The code of FHIR's value set `concept-map-equivalence`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Equivalent => "equivalent",
            Self::Wider => "wider",
            Self::Narrower => "narrower",
        }
    }
}

#[derive(Deserialize)]
struct Row {
    system: String,
    code: String,
    target_system: String,
    target_code: String,
    equivalence: Equivalence,
}

impl SiteMap {
    /// Adds a table.
    pub fn add(&mut self, table: &str, text: &str) -> Result<(), TableError> {
        for (line, row) in super::rows::<Row>(table, text)? {
            if [&row.system, &row.code, &row.target_system, &row.target_code].into_iter().any(String::is_empty) {
                let message = "system and code are needed on both sides".to_owned();
                return Err(TableError { table: table.to_owned(), line, message });
            }
            let target = Target { system: row.target_system, code: row.target_code, equivalence: row.equivalence };
            self.0.entry((row.system, row.code)).or_default().push(target);
        }
        Ok(())
    }

    /// What a local code stands for.
    pub fn targets(&self, system: &str, code: &str) -> &[Target] {
        self.0.get(&(system.to_owned(), code.to_owned())).map_or(&[], Vec::as_slice)
    }
}
