//! `[intake]`: folders taken in and the hospital's own mapping rows.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is taken in besides MLLP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Folders with mapping rows (TOML) that add to or replace the built-in ones.
    pub mappings: Vec<PathBuf>,
    /// Files or folders with the hospital's own code maps: FHIR ConceptMaps (`*.json`) and tables (`*.csv`, columns
    /// `system,code,target_system,target_code,equivalence`). They go before the built-in ones.
    pub code_maps: Vec<PathBuf>,
    /// SS-MIX2 standardised storages, scanned at start and by `watari import ssmix2`.
    pub ssmix2: Vec<Ssmix2Config>,
    /// CSV files with their mapping file.
    pub csv: Vec<CsvConfig>,
}

/// An SS-MIX2 storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssmix2Config {
    /// Root of the standardised storage.
    pub path: PathBuf,
}

/// A CSV feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file.
    pub path: PathBuf,
    /// Its mapping file.
    pub mapping: PathBuf,
}
