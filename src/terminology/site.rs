//! A hospital's own map from its local codes to published ones, as CSV tables or FHIR ConceptMaps. Who writes a row vouches
//! for it: it goes before what the program knows.

use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TableError;
use super::concept_maps::{self, Mapped};

/// Local codes and what they stand for.
#[derive(Debug, Default)]
pub struct SiteMap {
    targets: FxHashMap<String, FxHashMap<String, Vec<Target>>>,
    /// System and code, and the system in which nothing stands for them.
    barred: Vec<(String, String, String)>,
    /// The hospital's ConceptMaps as they were read, and its tables as ConceptMaps.
    resources: Vec<serde_json::Value>,
}

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

    /// The reverse. `subsumes` and `specializes` say formally what `wider` and `narrower` say.
    pub fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "equal" => Self::Equal,
            "equivalent" => Self::Equivalent,
            "wider" | "subsumes" => Self::Wider,
            "narrower" | "specializes" => Self::Narrower,
            _ => return None,
        })
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
        let mut mapped = Vec::new();
        for (line, row) in super::rows::<Row>(table, text)? {
            if [&row.system, &row.code, &row.target_system, &row.target_code].into_iter().any(String::is_empty) {
                let message = "system and code are needed on both sides".to_owned();
                return Err(TableError { table: table.to_owned(), line, message });
            }
            mapped.push(Mapped {
                system: row.system.clone(),
                code: row.code.clone(),
                target_system: row.target_system.clone(),
                target: Some((row.target_code.clone(), row.equivalence)),
            });
            let target = Target { system: row.target_system, code: row.target_code, equivalence: row.equivalence };
            self.put(row.system, row.code, target);
        }
        let name = Path::new(table).file_stem().and_then(|stem| stem.to_str()).unwrap_or(table);
        self.resources.extend(concept_maps::of_table(name, &mapped));
        Ok(())
    }

    /// Adds a FHIR ConceptMap in JSON.
    pub fn add_concept_map(&mut self, name: &str, text: &str) -> Result<(), TableError> {
        let resource: serde_json::Value = crate::fhir::json::parse(text.as_bytes()).map_err(|cause| TableError {
            table: name.to_owned(),
            line: cause.line() as u64,
            message: format!("is not JSON: {cause}"),
        })?;
        for mapped in concept_maps::read(name, &resource)? {
            match mapped.target {
                Some((code, equivalence)) => {
                    let target = Target { system: mapped.target_system, code, equivalence };
                    self.put(mapped.system, mapped.code, target);
                }
                None => self.barred.push((mapped.system, mapped.code, mapped.target_system)),
            }
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Adds the CSV tables (`*.csv`) and ConceptMaps (`*.json`) of a folder, or one such file, in the order of their names.
    pub fn add_path(&mut self, path: &Path) -> Result<(), TableError> {
        let error = |path: &Path, message: String| TableError { table: path.display().to_string(), line: 0, message };
        let mut files: Vec<PathBuf> = if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|cause| error(path, cause.to_string()))?;
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
        } else {
            vec![path.to_path_buf()]
        };
        files.sort();
        for file in files {
            let kind = file.extension().map(|kind| kind.to_ascii_lowercase());
            let is = |wanted: &str| kind.as_deref() == Some(wanted.as_ref());
            if !is("csv") && !is("json") {
                continue;
            }
            let text = std::fs::read_to_string(&file).map_err(|cause| error(&file, cause.to_string()))?;
            let name = file.display().to_string();
            if is("csv") { self.add(&name, &text)? } else { self.add_concept_map(&name, &text)? }
        }
        Ok(())
    }

    /// What a local code stands for.
    pub fn targets(&self, system: &str, code: &str) -> &[Target] {
        let found = self.targets.get(system).and_then(|codes| codes.get(code));
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether the hospital says that nothing in `target_system` stands for a code.
    pub fn bars(&self, system: &str, code: &str, target_system: &str) -> bool {
        self.barred.iter().any(|(own, own_code, target)| own == system && own_code == code && target == target_system)
    }

    /// The hospital's ConceptMaps, and its tables as such.
    pub fn resources(&self) -> &[serde_json::Value] {
        &self.resources
    }

    fn put(&mut self, system: String, code: String, target: Target) {
        let targets = self.targets.entry(system).or_default().entry(code).or_default();
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
}
