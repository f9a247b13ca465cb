//! Mapping rows: which message makes which resources, which field goes to which element, which code becomes which.
//!
//! The built-in rows are in `config/mappings/`, embedded in the binary. A hospital's own files add to them and replace
//! them by segment, resource type and field. Everything is checked once, here; an error names file, line and row.

mod builtin;
pub(crate) mod file;
pub(crate) mod origin;
pub(crate) mod outline;
pub(crate) mod path;
pub(crate) mod profile;
pub(crate) mod read;
pub(crate) mod reference;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Country;
use crate::fault::{Classified, Kind};
use crate::translate::trace::Trace;

pub use origin::Origin;
pub(crate) use rules::Rules;

/// Compiled rows, one set per country.
#[derive(Debug, Clone)]
pub struct Mappings {
    ca: Rules,
    jp: Rules,
    /// Names of the files, by number.
    files: Arc<[String]>,
    /// Notes which row made what, where somebody asks.
    trace: Option<Arc<Trace>>,
}

/// A file of rows that was read.
#[derive(Debug)]
pub(crate) struct Source {
    pub name: String,
    pub rows: file::RowsFile,
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
    /// Several rows are wrong.
    #[error("{first} (and {more} more: `watari mapping check` lists all)")]
    Several {
        /// The first.
        first: Box<MappingError>,
        /// How many others there are.
        more: usize,
    },
}

impl MappingError {
    /// The line it is about; 0 where it is about a file.
    pub fn line(&self) -> usize {
        match self {
            Self::Unreadable { .. } => 0,
            Self::Invalid { line, .. } => *line,
            Self::Several { first, .. } => first.line(),
        }
    }

    /// A file that could not be read at all.
    pub(crate) fn nothing(file: &str) -> Self {
        Self::Invalid { file: file.to_owned(), line: 1, message: "nothing of it can be read".to_owned() }
    }

    /// An error that tells of the first, if there are any.
    pub(crate) fn none_of(errors: Vec<Self>) -> Result<(), Self> {
        let more = errors.len().saturating_sub(1);
        match errors.into_iter().next() {
            None => Ok(()),
            Some(only) if more == 0 => Err(only),
            Some(first) => Err(Self::Several { first: Box::new(first), more }),
        }
    }
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
        let (mappings, _, errors) = Self::read(folders)?;
        MappingError::none_of(errors)?;
        Ok(mappings)
    }

    /// [`Mappings::with_folders`] of what can be used, the files it is made of, and all that is wrong with the others.
    pub(crate) fn read(folders: &[PathBuf]) -> Result<(Self, Vec<Source>, Vec<MappingError>), MappingError> {
        let mut texts: Vec<(String, String)> =
            builtin::FILES.iter().map(|(name, text)| (format!("built-in {name}"), (*text).to_owned())).collect();
        for folder in folders {
            texts.extend(self::texts(folder)?);
        }
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for (number, (name, text)) in (0..).zip(texts) {
            let (rows, wrong) = read::read(&name, &text, number);
            errors.extend(wrong);
            sources.push(Source { name, rows });
        }
        let (ca, wrong_in_ca) = Rules::compile(&sources, Country::Ca);
        let (jp, wrong_in_jp) = Rules::compile(&sources, Country::Jp);
        for error in wrong_in_ca.into_iter().chain(wrong_in_jp) {
            // What counts in both countries is wrong once.
            if !errors.iter().any(|known| known.to_string() == error.to_string()) {
                errors.push(error);
            }
        }
        let files = sources.iter().map(|source| source.name.clone()).collect::<Vec<_>>().into();
        Ok((Self { ca, jp, files, trace: None }, sources, errors))
    }

    /// `file:line` of a row.
    pub fn place(&self, origin: Origin) -> String {
        let name = self.files.get(usize::from(origin.file)).map_or("the translation", String::as_str);
        if origin.line == 0 { name.to_owned() } else { format!("{name}:{}", origin.line) }
    }

    /// With somebody who notes what the rows do.
    pub(crate) fn watched_by(self, trace: Arc<Trace>) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// Who notes what the rows do.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// With the name of one more file, whose rows are laid over these later.
    pub(crate) fn with_file(mut self, name: &str) -> Self {
        self.files = self.files.iter().cloned().chain([name.to_owned()]).collect();
        self
    }

    /// The number of the file named last.
    pub(crate) fn last_file(&self) -> u16 {
        u16::try_from(self.files.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    pub(crate) fn rules(&self, country: Country) -> &Rules {
        match country {
            Country::Ca => &self.ca,
            Country::Jp => &self.jp,
        }
    }
}

/// Names and texts of the `*.toml` files of a folder, or of a single file.
pub(crate) fn texts(folder: &Path) -> Result<Vec<(String, String)>, MappingError> {
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
