//! `[intake]`: folders taken in and the hospital's own mapping rows.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is taken in besides MLLP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Folders with mapping rows (TOML) that add to or replace the built-in ones.
    pub mappings: Vec<PathBuf>,
    /// Files or folders with the hospital's own code maps: FHIR ConceptMaps (`*.json`) and tables (`*.csv`, columns
    /// `system,code,target_system,target_code,equivalence`). They go before the built-in ones.
    pub code_maps: Vec<PathBuf>,
    /// A file in a watched folder is taken in when it looked the same for so long, seconds.
    pub settle_seconds: u64,
    /// A watched folder is looked through at least so often, seconds: network shares lose notices.
    pub rescan_seconds: u64,
    /// SS-MIX2 storages, standardised and extended, scanned at start.
    pub ssmix2: Vec<Ssmix2Config>,
    /// CSV files or folders of them with their mapping file.
    pub csv: Vec<CsvConfig>,
    /// Folders of HL7 v2, FHIR or C-CDA files.
    pub folder: Vec<FolderConfig>,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            mappings: Vec::new(),
            code_maps: Vec::new(),
            settle_seconds: 2,
            rescan_seconds: 300,
            ssmix2: Vec::new(),
            csv: Vec::new(),
            folder: Vec::new(),
        }
    }
}

/// An SS-MIX2 storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssmix2Config {
    /// Root of the storage.
    pub path: PathBuf,
    /// Go on taking in what is written there while the node runs.
    #[serde(default)]
    pub watch: bool,
}

/// A CSV feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file, or a folder of files of one kind.
    pub path: PathBuf,
    /// Its mapping file.
    pub mapping: PathBuf,
    /// Go on taking in what is written there while the node runs.
    #[serde(default)]
    pub watch: bool,
}

/// A folder of messages or resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder.
    pub path: PathBuf,
    /// What its files are.
    pub from: FolderKind,
    /// Go on taking in what is written there while the node runs.
    #[serde(default)]
    pub watch: bool,
}

/// What the files of a folder are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FolderKind {
    /// HL7 v2 messages and batches, `*.hl7`.
    Hl7v2,
    /// FHIR resources and bundles, `*.json` and `*.ndjson`.
    Fhir,
    /// C-CDA documents, `*.xml`.
    Ccda,
}
