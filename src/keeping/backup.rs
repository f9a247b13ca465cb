//! Making a backup: a copy of the database at one moment while the node goes on writing, checked, and sealed into one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::archive::{self, Head, Header, Part};
use super::{KeepingError, WORKSHOP, Workshop, failed};
use crate::audit;
use crate::clock::{Clock, instant};
use crate::config::Config;
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::sealing::{MASTER_KEY, MasterKey, MasterSource};
use crate::store::sqlite::SqliteStore;
use crate::store::{Change, Changes, Handle};

/// The database in a backup.
pub(super) const DATABASE: &str = "watari.db";
/// The trail of requests in a backup.
pub(super) const REQUESTS: &str = "watari.requests.db";
/// The settings in a backup.
pub(super) const SETTINGS: &str = "watari.toml";

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// What it says of itself.
    pub header: Header,
}

/// Makes a backup of `store` in the new file `to`, and says so in the audit trail. `with_keys`: the node's keys are in it,
/// and where `[backup] recovery_key_file` is set, the master key, too. `goes_on` is asked between steps. Blocks.
pub fn create(
    config: &Config,
    store: &Handle,
    clock: &dyn Clock,
    to: &Path,
    with_keys: bool,
    goes_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Made, KeepingError> {
    if to.exists() {
        return Err(KeepingError::File {
            path: to.to_path_buf(),
            cause: std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "there is a file already; nothing was changed",
            ),
        });
    }
    clear_remains(&config.store.data, clock);
    // Beside the database: the copy is as readable as that is.
    let workshop = Workshop::within(&config.store.data)?;
    let copy = workshop.0.join(DATABASE);
    store.copy_to(&copy, goes_on)?;
    let source = MasterSource::of(&config.store);
    let (schema, chains) = check(&copy, &source)?;
    let settings = workshop.0.join(SETTINGS);
    let text = toml::to_string(config).map_err(|error| KeepingError::File {
        path: settings.clone(),
        cause: std::io::Error::other(error.to_string()),
    })?;
    std::fs::write(&settings, text).map_err(failed(&settings))?;

    let master = MasterKey::load(&source, false)?;
    let recovery = config
        .backup
        .recovery_key_file
        .as_ref()
        .map(|path| MasterKey::load(&MasterSource::File { path: path.clone(), may_create: false }, false));
    let recovery = recovery.transpose()?;
    let mut files = vec![(DATABASE.to_owned(), copy), (SETTINGS.to_owned(), settings)];
    let requests = workshop.0.join(REQUESTS);
    if requests.exists() {
        files.push((REQUESTS.to_owned(), requests));
    }
    if with_keys {
        files.extend(keys(config, &source, recovery.is_some())?);
    }
    files.extend(within(&config.store.data.join("packages"), "packages", |_| true)?);
    let parts = files.iter().map(|(name, path)| {
        let bytes = std::fs::metadata(path).map_err(failed(path))?.len();
        Ok(Part { name: name.clone(), bytes })
    });
    let mut header = Header {
        id: ids::fresh(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        node: config.institution.id.clone(),
        made_at: instant(clock.now()),
        schema,
        master_key: master.id().to_owned(),
        chains,
        parts: parts.collect::<Result<_, KeepingError>>()?,
        keys: BTreeMap::new(),
    };
    let masters: Vec<&MasterKey> = std::iter::once(&master).chain(recovery.as_ref()).collect();
    let (bytes, sha256) = write(to, &mut header, &masters, &files)?;
    let made = Made { path: to.to_path_buf(), bytes, sha256, header };
    store.commit(Changes::new().with(Change::Audit(entry(&made))))?;
    Ok(made)
}

fn entry(made: &Made) -> AuditEntry {
    let Made { bytes, sha256, header, .. } = made;
    AuditEntry {
        at: header.made_at.clone(),
        actor: "system".to_owned(),
        action: "backup.create".to_owned(),
        target: format!("backup/{}", header.id),
        detail: serde_json::json!({"sha256": sha256, "bytes": bytes, "schema": header.schema}).to_string(),
    }
}

/// What a backup that was cut off left: a plain copy of the database must not stay. A day old, it is no longer being made.
fn clear_remains(data: &Path, clock: &dyn Clock) {
    let day = std::time::Duration::from_secs(86_400);
    let now: std::time::SystemTime = clock.now().into();
    for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
        let is_old = || {
            let changed = entry.metadata().and_then(|file| file.modified());
            changed.is_ok_and(|changed| now.duration_since(changed).is_ok_and(|age| age > day))
        };
        if entry.file_name().to_string_lossy().starts_with(WORKSHOP) && is_old() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A copy is a backup only if it is whole: pages, indexes and audit chains. Gives its schema and how the chains end.
fn check(copy: &Path, source: &MasterSource) -> Result<(u32, BTreeMap<String, Head>), KeepingError> {
    let store = Handle::new(Arc::new(SqliteStore::open_with(copy, source.clone())?));
    store.check()?;
    Ok((store.health()?.schema_version, heads(&store)?))
}

/// How the audit chains end, each walked whole.
pub(super) fn heads(store: &Handle) -> Result<BTreeMap<String, Head>, KeepingError> {
    let chains = store.view(|view| audit::verify(view))?;
    let named = |one: &audit::Verified| match one.chain.as_str() {
        "" => one.trail.to_string(),
        chain => format!("{}/{chain}", one.trail),
    };
    Ok(chains.into_iter().map(|one| (named(&one), Head { entries: one.entries, hash: one.head })).collect())
}

/// The files of the keys folder. The master key among them only where another key opens the backup: who has that has all.
fn keys(config: &Config, source: &MasterSource, with_master: bool) -> Result<Vec<(String, PathBuf)>, KeepingError> {
    let mut files = within(&config.store.keys(), "keys", |name| name != MASTER_KEY)?;
    if let (true, MasterSource::File { path, .. }) = (with_master, source) {
        files.push((format!("keys/{MASTER_KEY}"), path.clone()));
    }
    Ok(files)
}

/// The plain files of a folder that `wanted` names.
fn within(folder: &Path, name: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, PathBuf)>, KeepingError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && !file.starts_with('.') && !file.ends_with(".draft") && wanted(&file) {
            files.push((format!("{name}/{file}"), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes under another name first: a file that has its name is whole and on the disk.
fn write(
    to: &Path,
    header: &mut Header,
    masters: &[&MasterKey],
    files: &[(String, PathBuf)],
) -> Result<(u64, String), KeepingError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = to.with_extension(format!("{}.draft", uuid::Uuid::new_v4().simple()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed(&draft))
        .and_then(|file| {
            let open = |part: &Part| -> Result<Box<dyn Read>, KeepingError> {
                let found = files.iter().find(|(name, _)| *name == part.name);
                let path = found.map_or(Path::new(""), |(_, path)| path);
                Ok(Box::new(File::open(path).map_err(failed(path))?))
            };
            let counted = archive::write(Counted::new(file), header, masters, open, &draft)?;
            counted.out.sync_all().map_err(failed(&draft))?;
            std::fs::rename(&draft, to).map_err(failed(to))?;
            let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
            Ok((counted.bytes, ids::hex(&counted.digest.finalize())))
        });
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// Counts and digests what goes through.
struct Counted {
    out: File,
    bytes: u64,
    digest: Sha256,
}

impl Counted {
    fn new(out: File) -> Self {
        Self { out, bytes: 0, digest: Sha256::new() }
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.digest.update(bytes.get(..taken).unwrap_or_default());
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
