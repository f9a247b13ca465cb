//! Code systems as the house knows them: tables under `config/codes`, read once, asked by exact system and code.
//!
//! What is not in a table is unmapped; nothing is guessed from a display text. Displays are never translated: where no
//! published terminology gives a reader's language, the page shows the original and says "no approved term".

pub mod analytes;
pub mod concept_maps;
pub mod equivalence;
pub mod icd10;
pub mod identifiers;
pub mod ingredients;
pub mod site;
pub mod systems;

use crate::fault::{Classified, Kind};

/// WHO ATC.
pub const ATC: &str = "http://www.whocc.no/atc";

/// All tables of codes.
#[derive(Debug)]
pub struct Terminology {
    /// Laboratory analytes with their codes, units and conversion rules.
    pub analytes: analytes::Analytes,
    /// Older addresses of code systems.
    pub systems: systems::Systems,
    /// Forms and check digits of identifiers.
    pub identifiers: identifiers::Identifiers,
    /// Drugs by ingredient.
    pub ingredients: ingredients::Ingredients,
    /// The hospital's own map; empty unless it gives one.
    pub site: site::SiteMap,
}

impl Terminology {
    /// The tables that come with the program.
    pub fn builtin() -> Result<Self, TableError> {
        Ok(Self {
            analytes: analytes::Analytes::read("analytes.csv", include_str!("../../config/codes/analytes.csv"))?,
            systems: systems::Systems::read("systems.csv", include_str!("../../config/codes/systems.csv"))?,
            identifiers: identifiers::Identifiers::read(
                "identifiers.csv",
                include_str!("../../config/codes/identifiers.csv"),
            )?,
            ingredients: ingredients::Ingredients::read(
                "ingredients.csv",
                include_str!("../../config/codes/ingredients.csv"),
            )?,
            site: site::SiteMap::default(),
        })
    }
}

/// A table of codes cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{table}, line {line}: {message}")]
pub struct TableError {
    /// File name.
    pub table: String,
    /// Line, counted from 1; the heading is line 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

impl Classified for TableError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// Reads a CSV table with a heading into rows, each with its line.
pub fn rows<T: serde::de::DeserializeOwned>(table: &str, text: &str) -> Result<Vec<(u64, T)>, TableError> {
    let error = |line, message: String| TableError { table: table.to_owned(), line, message };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|cause| error(1, cause.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|cause| {
            let line = cause.position().map_or(0, csv::Position::line);
            error(line, cause.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.deserialize(Some(&headers)).map_err(|cause| error(line, cause.to_string()))?));
    }
    Ok(rows)
}
