//! Every setting of a node: one file and one struct per section, unknown settings refused, defaults that are safe.
//! `config/watari.example.toml` shows them all with their reasons; a test loads it and compares it to the defaults.

mod access;
mod backup;
mod cohort;
mod exchange;
mod fhir;
mod filing;
mod institution;
mod intake;
mod listeners;
mod mllp;
mod store;
mod validation;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use access::{AccessConfig, ClearanceConfig};
pub use backup::BackupConfig;
pub use cohort::CohortConfig;
pub use exchange::ExchangeConfig;
pub use fhir::FhirConfig;
pub use filing::{ClientTlsConfig, DestinationConfig, FiledKind, FilingConfig};
pub use institution::{Country, InstitutionConfig, LocalName, ServiceConfig};
pub use intake::{CsvConfig, FolderConfig, FolderKind, IntakeConfig, Ssmix2Config};
pub use listeners::{InsideConfig, OutsideConfig};
pub use mllp::{MllpConfig, MllpFeedConfig, MllpTlsConfig, Network};
pub use store::{PostgresConfig, StoreConfig};
pub use validation::ValidationConfig;

use crate::fault::{Classified, Kind};

/// The whole configuration (`watari.toml`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who runs this node.
    pub institution: InstitutionConfig,
    /// Database, keys, received bytes.
    pub store: StoreConfig,
    /// Copies of the database.
    pub backup: BackupConfig,
    /// For people and local systems.
    pub inside: InsideConfig,
    /// Tokens of local systems.
    pub access: AccessConfig,
    /// For paired institutions only.
    pub outside: OutsideConfig,
    /// What clients of the FHIR API may do.
    pub fhir: FhirConfig,
    /// HL7 v2 over MLLP.
    pub mllp: MllpConfig,
    /// Folders taken in, mapping overlays.
    pub intake: IntakeConfig,
    /// Delivery to peers.
    pub exchange: ExchangeConfig,
    /// Filing into local systems.
    pub filing: FilingConfig,
    /// Cohort questions.
    pub cohort: CohortConfig,
    /// Profiles that resources must meet.
    pub validation: ValidationConfig,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting does not parse, or is unknown; the message carries line and column.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong and where.
        message: String,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {cause}; run `watari init` to write one, or pass --config FILE")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl Classified for ConfigError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

impl Config {
    /// Reads a file; relative paths in it are meant from the file's own folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: path.display().to_string(), cause })?;
        let mut config = Self::parse(&text, &path.display().to_string())?;
        let base = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        config.resolve_paths(&base);
        Ok(config)
    }

    /// Parses TOML text; `name` is what an error calls it.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::Invalid { path: name.to_owned(), message: error.to_string() })?;
        config
            .institution
            .check()
            .and_then(|()| config.store.check())
            .and_then(|()| config.inside.check())
            .and_then(|()| config.access.check())
            .and_then(|()| config.cohort.check())
            .and_then(|()| config.mllp.check())
            .and_then(|()| config.filing.check())
            .map_err(|message| ConfigError::Invalid { path: name.to_owned(), message })?;
        Ok(config)
    }

    fn resolve_paths(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| {
            if path.is_relative() {
                *path = base.join(&*path);
            }
        };
        resolve(&mut self.store.data);
        [&mut self.store.keys, &mut self.store.master_key_file].into_iter().flatten().for_each(resolve);
        if let Some(postgres) = &mut self.store.postgres {
            [&mut postgres.password_file, &mut postgres.authority].into_iter().flatten().for_each(resolve);
        }
        [&mut self.backup.folder, &mut self.backup.recovery_key_file].into_iter().flatten().for_each(resolve);
        self.access.keys_authority.iter_mut().for_each(resolve);
        self.intake.mappings.iter_mut().for_each(resolve);
        self.intake.code_maps.iter_mut().for_each(resolve);
        self.intake.ssmix2.iter_mut().for_each(|storage| resolve(&mut storage.path));
        self.intake.folder.iter_mut().for_each(|folder| resolve(&mut folder.path));
        for tls in self.mllp.feeds.iter_mut().filter_map(|feed| feed.tls.as_mut()) {
            [&mut tls.certificate, &mut tls.key, &mut tls.clients].into_iter().flatten().for_each(resolve);
        }
        for destination in &mut self.filing.destinations {
            [&mut destination.folder, &mut destination.ssmix2].into_iter().flatten().for_each(resolve);
            if let Some(tls) = &mut destination.tls {
                resolve(&mut tls.authority);
                [&mut tls.certificate, &mut tls.key].into_iter().flatten().for_each(resolve);
            }
        }
        for feed in &mut self.intake.csv {
            resolve(&mut feed.path);
            resolve(&mut feed.mapping);
        }
    }
}
