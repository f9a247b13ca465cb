//! FHIR packages (<https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>) that the operator gave, kept as they were
//! given in `packages/` of the data folder and read at start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Library;
use super::archive::{self, ArchiveError, MOST_PACKED};
use crate::fault::{Classified, Kind};

/// What the table of R4's structure stands for, and what only holds terminology of the world.
const NOT_NEEDED: [&str; 2] = ["hl7.fhir.r4.core", "hl7.terminology"];
/// Things told of one package that were not understood.
const MOST_REMARKS: usize = 20;

/// Why a package is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive is not taken.
    #[error("{file}: {cause}")]
    Archive {
        /// Its name.
        file: String,
        /// Why.
        cause: ArchiveError,
    },
    /// It is an archive, but no FHIR package for R4.
    #[error("{file} is no FHIR package for R4: {why}")]
    NoPackage {
        /// Its name.
        file: String,
        /// What is missing or wrong.
        why: String,
    },
    /// No package of this name is here.
    #[error("there is no package {0:?}; `watari package list` tells those that are there")]
    Unknown(String),
    /// A profile that resources must meet is in no package.
    #[error(
        "[validation] require: no package defines {profile} for {kind}; add its package with `watari package add FILE.tgz`"
    )]
    NotLoaded {
        /// The type.
        kind: String,
        /// The profile's address.
        profile: String,
    },
    /// The folder cannot be read or written.
    #[error("{path}: {cause}")]
    Folder {
        /// The file or folder.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

impl Classified for PackageError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// What a package is.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Its name: `jp-core.r4`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Profiles and extensions that it defines.
    pub profiles: usize,
    /// Value sets and code systems that it defines.
    pub terminology: usize,
    /// Packages that it needs, and that are not here.
    pub missing: Vec<String>,
    /// What of it is not understood, in words.
    pub remarks: Vec<String>,
    #[serde(skip)]
    needs: Vec<(String, String)>,
}

/// The folder of packages in a data folder.
pub fn folder(data: &Path) -> PathBuf {
    data.join("packages")
}

/// Adds a package; a version of it that was there before is replaced.
pub fn add(data: &Path, file: &Path) -> Result<Summary, PackageError> {
    let shown = file.display().to_string();
    let bytes = read_file(file)?;
    let mut library = Library::default();
    let summary = read(&bytes, &shown, &mut library)?;
    let packages = folder(data);
    let failed = |path: &Path, cause| PackageError::Folder { path: path.display().to_string(), cause };
    fs::create_dir_all(&packages).map_err(|cause| failed(&packages, cause))?;
    let (unfinished, kept) = (packages.join(".unfinished"), packages.join(format!("{}.tgz", summary.name)));
    let write = || {
        let mut out = File::create(&unfinished)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        fs::rename(&unfinished, &kept)?;
        File::open(&packages)?.sync_all()
    };
    write().map_err(|cause| failed(&kept, cause))?;
    list(data)?.into_iter().find(|one| one.name == summary.name).ok_or(PackageError::Unknown(summary.name))
}

/// Removes a package by its name.
pub fn remove(data: &Path, name: &str) -> Result<(), PackageError> {
    let kept = folder(data).join(format!("{name}.tgz"));
    if !is_name(name) || !kept.exists() {
        return Err(PackageError::Unknown(name.to_owned()));
    }
    fs::remove_file(&kept).map_err(|cause| PackageError::Folder { path: kept.display().to_string(), cause })
}

/// The packages of a data folder, by name.
pub fn list(data: &Path) -> Result<Vec<Summary>, PackageError> {
    Ok(load(data, &BTreeMap::new())?.1)
}

/// Reads all packages of a data folder. Every resource of a type in `required` must meet the profile that stands there.
pub fn load(data: &Path, required: &BTreeMap<String, String>) -> Result<(Library, Vec<Summary>), PackageError> {
    let mut library = Library::default();
    let mut summaries = Vec::new();
    for path in kept(data)? {
        summaries.push(read(&read_file(&path)?, &path.display().to_string(), &mut library)?);
    }
    let here: Vec<String> = summaries.iter().map(|one| one.name.clone()).collect();
    for summary in &mut summaries {
        let is_missing = |(name, _): &&(String, String)| {
            !here.contains(name) && !NOT_NEEDED.iter().any(|known| name.starts_with(known))
        };
        summary.missing =
            summary.needs.iter().filter(is_missing).map(|(name, version)| format!("{name}#{version}")).collect();
    }
    for (kind, profile) in required {
        if !library.require(kind, profile) {
            return Err(PackageError::NotLoaded { kind: kind.clone(), profile: profile.clone() });
        }
    }
    Ok((library, summaries))
}

fn kept(data: &Path) -> Result<Vec<PathBuf>, PackageError> {
    let packages = folder(data);
    let failed = |cause| PackageError::Folder { path: packages.display().to_string(), cause };
    let entries = match fs::read_dir(&packages) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "tgz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_file(path: &Path) -> Result<Vec<u8>, PackageError> {
    let shown = || path.display().to_string();
    let failed = |cause| PackageError::Folder { path: shown(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_PACKED + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_PACKED {
        return Err(PackageError::Archive { file: shown(), cause: ArchiveError::TooLarge("more than 128 MiB") });
    }
    Ok(bytes)
}

/// Reads a package into the library.
pub fn read(packed: &[u8], file: &str, library: &mut Library) -> Result<Summary, PackageError> {
    let mut manifest: Option<Value> = None;
    let mut summary = Summary::default();
    let walked = archive::each_file(Cursor::new(packed), |name, bytes| {
        // Only what lies in `package/` itself belongs to it; examples and the like lie deeper.
        let Some(name) = name.trim_start_matches("./").strip_prefix("package/").filter(|name| !name.contains('/'))
        else {
            return Ok(());
        };
        if !name.ends_with(".json") || name == ".index.json" {
            return Ok(());
        }
        let parsed = crate::fhir::json::parse(bytes);
        if name == "package.json" {
            manifest = parsed.ok();
            return Ok(());
        }
        let told = match parsed {
            Ok(resource) => {
                let took = library.take(&resource);
                match resource.get("resourceType").and_then(Value::as_str) {
                    Some("StructureDefinition") if took.is_ok() => summary.profiles += 1,
                    Some("ValueSet" | "CodeSystem") => summary.terminology += 1,
                    _ => {}
                }
                took
            }
            Err(_) => Err("is not JSON".to_owned()),
        };
        if let Err(why) = told
            && summary.remarks.len() < MOST_REMARKS
        {
            summary.remarks.push(format!("{}: {why}", name.chars().take(100).collect::<String>()));
        }
        Ok::<_, ArchiveError>(())
    });
    walked.map_err(|cause| PackageError::Archive { file: file.to_owned(), cause })?;
    let refused = |why: &str| PackageError::NoPackage { file: file.to_owned(), why: why.to_owned() };
    let manifest = manifest.ok_or_else(|| refused("there is no package/package.json"))?;
    let text = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    (summary.name, summary.version) = (text("name"), text("version"));
    if !is_name(&summary.name) {
        return Err(refused("its name must be letters, digits, '.', '-' and '_'"));
    }
    let versions = ["fhirVersions", "fhir-version-list"].iter().find_map(|name| manifest.get(name)?.as_array());
    if versions.is_some_and(|all| !all.iter().filter_map(Value::as_str).any(|one| one.starts_with("4.0"))) {
        return Err(refused("it is for another version of FHIR"));
    }
    let needs = manifest.get("dependencies").and_then(Value::as_object).into_iter().flatten();
    summary.needs = needs.map(|(name, version)| (name.clone(), version.as_str().unwrap_or("").to_owned())).collect();
    Ok(summary)
}

/// A package's name, which is a file's name here.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::{gzip, tar};
    use super::*;

    const PROFILE: &[u8] = br#"{"resourceType":"StructureDefinition","url":"http://ig.example/P","type":"Patient",
        "kind":"resource","snapshot":{"element":[{"path":"Patient"},{"path":"Patient.birthDate","min":1}]}}"#;

    fn package(manifest: &str) -> Vec<u8> {
        gzip(&tar(&[("package/package.json", b'0', manifest.as_bytes()), ("package/p.json", b'0', PROFILE)]))
    }

    #[test]
    fn packages_are_added_listed_and_removed() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("given.tgz");
        let manifest = r#"{"name":"ig.example","version":"1.0.0","fhirVersions":["4.0.1"],
            "dependencies":{"hl7.fhir.r4.core":"4.0.1","other.ig":"2.0"}}"#;
        fs::write(&file, package(manifest)).unwrap();
        let added = add(data.path(), &file).unwrap();
        assert_eq!((added.name.as_str(), added.profiles), ("ig.example", 1));
        assert_eq!(added.missing, ["other.ig#2.0"]);
        assert_eq!(list(data.path()).unwrap().len(), 1);
        let required = BTreeMap::from([("Patient".to_owned(), "http://ig.example/P".to_owned())]);
        assert!(load(data.path(), &required).is_ok());
        let wrong = BTreeMap::from([("Observation".to_owned(), "http://ig.example/P".to_owned())]);
        assert!(matches!(load(data.path(), &wrong), Err(PackageError::NotLoaded { .. })));
        remove(data.path(), "ig.example").unwrap();
        assert!(list(data.path()).unwrap().is_empty());
        assert!(matches!(remove(data.path(), "../given"), Err(PackageError::Unknown(_))));
        assert!(file.exists());
    }

    #[test]
    fn what_is_no_package_for_r4_is_refused() {
        let mut library = Library::default();
        for manifest in [
            "{}",
            r#"{"name":"../escape","version":"1"}"#,
            r#"{"name":".hidden","version":"1"}"#,
            r#"{"name":"a","version":"1","fhirVersions":["5.0.0"]}"#,
            "not json",
        ] {
            assert!(read(&package(manifest), "f", &mut library).is_err(), "{manifest}");
        }
        assert!(read(&gzip(&tar(&[("package/p.json", b'0', PROFILE)])), "f", &mut library).is_err());
    }
}
