//! Mapping rows: which message makes which resources, which field goes to which element, which code becomes which.
//!
//! The built-in rows are in `config/mappings/`, embedded in the binary. A hospital's own files add to them and replace
//! them by segment, resource type and field. Everything is checked once, here; an error names file, line and row.

mod builtin;
pub(crate) mod file;
pub(crate) mod path;
pub(crate) mod profile;
pub(crate) mod reference;
mod rules;

use std::path::{Path, PathBuf};

use crate::config::Country;
use crate::fault::{Classified, Kind};

pub(crate) use rules::Rules;

/// Compiled rows, one set per country.
#[derive(Debug, Clone)]
pub struct Mappings {
    ca: Rules,
    jp: Rules,
}

/// Rows that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A file or folder cannot be read.
    #[error("mapping rows in {path} cannot be read: {cause}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A row is wrong.
    #[error("{file}, line {line}: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Which row, and what is wrong with it.
        message: String,
    },
}

impl Classified for MappingError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

impl Mappings {
    /// The rows in the binary.
    pub fn builtin() -> Result<Self, MappingError> {
        Self::with_folders(&[])
    }

    /// The rows in the binary and those of the folders (`*.toml`, by name) or single files, later ones winning.
    pub fn with_folders(folders: &[PathBuf]) -> Result<Self, MappingError> {
        let mut sources: Vec<(String, String)> =
            builtin::FILES.iter().map(|(name, text)| (format!("built-in {name}"), (*text).to_owned())).collect();
        for folder in folders {
            sources.extend(read_folder(folder)?);
        }
        let mut files = Vec::new();
        for (name, text) in &sources {
            let rows = file::parse(name, text)?;
            files.push((name.as_str(), text.as_str(), rows));
        }
        Ok(Self { ca: Rules::compile(&files, Country::Ca)?, jp: Rules::compile(&files, Country::Jp)? })
    }

    pub(crate) fn rules(&self, country: Country) -> &Rules {
        match country {
            Country::Ca => &self.ca,
            Country::Jp => &self.jp,
        }
    }
}

fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, MappingError> {
    let unreadable = |path: &Path, cause| MappingError::Unreadable { path: path.display().to_string(), cause };
    let mut paths = Vec::new();
    if folder.is_file() {
        let text = std::fs::read_to_string(folder).map_err(|cause| unreadable(folder, cause))?;
        return Ok(vec![(folder.display().to_string(), text)]);
    }
    for entry in std::fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))? {
        let path = entry.map_err(|cause| unreadable(folder, cause))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}
