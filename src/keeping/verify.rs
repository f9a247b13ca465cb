//! Whether a backup can be restored, and proves what it should: all of it is opened and checked, nothing is taken on trust.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::archive::{self, Header};
use super::{KeepingError, Workshop, backup, failed};
use crate::config::Config;
use crate::exchange::evidence;
use crate::exchange::identity::Identity;
use crate::exchange::jws::PublicKey;
use crate::ids;
use crate::store::Handle;
use crate::store::sealing::{MASTER_KEY, MasterKey, MasterSource};
use crate::store::sqlite::SqliteStore;

/// Received messages checked at a time.
const PAGE: usize = 100;

/// A backup that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says of itself.
    pub header: Header,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Sealed values that open.
    pub sealed: u64,
    /// Messages of partners whose signature and receipt hold.
    pub received: u64,
}

/// Opens the backup `file` with `key` and checks all of it. The plain copy stands in a folder of `config`'s data folder
/// meanwhile, or where temporary files do without one. Blocks.
pub fn verify(config: &Config, file: &Path, key: &MasterSource) -> Result<Verified, KeepingError> {
    let data = &config.store.data;
    let place = if data.exists() { data.clone() } else { std::env::temp_dir() };
    let workshop = Workshop::within(&place)?;
    let unpacked = unpack(file, key, &workshop.0)?;
    let store = open(config, &unpacked.header, key, &workshop.0)?;
    check(config, &unpacked, &store, &workshop.0)
}

/// What was unpacked.
pub(super) struct Unpacked {
    pub(super) header: Header,
    pub(super) sha256: String,
}

/// Writes the parts of a backup below the folder `into`, for its owner only.
pub(super) fn unpack(file: &Path, key: &MasterSource, into: &Path) -> Result<Unpacked, KeepingError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let master = MasterKey::load(key, false)?;
    let mut from = Digested { from: BufReader::new(File::open(file).map_err(failed(file))?), digest: Sha256::new() };
    let (header, bound_to) = archive::read_header(&mut from, file)?;
    archive::read_parts(&mut from, &header, &bound_to, &master, file, |part, bytes| {
        let path = into.join(&part.name);
        let folder = path.parent().unwrap_or(into);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
        let mut to =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed(&path))?;
        std::io::copy(bytes, &mut to).map_err(failed(file))?;
        to.sync_all().map_err(failed(&path))
    })?;
    Ok(Unpacked { header, sha256: ids::hex(&from.digest.finalize()) })
}

struct Digested<R> {
    from: R,
    digest: Sha256,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(into)?;
        self.digest.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// The master key of the database in an unpacked backup: from the backup, or the key that opened it, or the node's own.
pub(super) fn master_of(
    config: &Config,
    header: &Header,
    key: &MasterSource,
    folder: &Path,
) -> Result<MasterSource, KeepingError> {
    let enclosed = folder.join("keys").join(MASTER_KEY);
    if enclosed.exists() {
        return Ok(MasterSource::File { path: enclosed, may_create: false });
    }
    if MasterKey::load(key, false)?.id() == header.master_key {
        return Ok(key.clone());
    }
    match MasterSource::of(&config.store) {
        MasterSource::File { path, .. } => Ok(MasterSource::File { path, may_create: false }),
        command => Ok(command),
    }
}

/// Opens the database of an unpacked backup, brought to the schema of this release.
pub(super) fn open(
    config: &Config,
    header: &Header,
    key: &MasterSource,
    folder: &Path,
) -> Result<Handle, KeepingError> {
    let master = master_of(config, header, key, folder)?;
    Ok(Handle::new(Arc::new(SqliteStore::open_with(&folder.join(backup::DATABASE), master)?)))
}

/// Pages, indexes, audit chains and their ends, every sealed value, every signature and receipt of the inbox.
pub(super) fn check(
    config: &Config,
    unpacked: &Unpacked,
    store: &Handle,
    folder: &Path,
) -> Result<Verified, KeepingError> {
    let Unpacked { header, sha256 } = unpacked;
    store.check()?;
    if backup::heads(store)? != header.chains {
        return Err(KeepingError::OtherTrail);
    }
    let sealed = store.check_sealed()?;
    let identity = identity(config, header, folder);
    let own = identity.as_ref().map(Identity::public_key);
    let received = check_received(store, &header.node, own)?;
    Ok(Verified { header: header.clone(), sha256: sha256.clone(), sealed, received })
}

/// The keys of the node: those in the backup, else those at hand if they are the same institution's.
pub(super) fn identity(config: &Config, header: &Header, folder: &Path) -> Option<Identity> {
    let found = [folder.join("keys"), config.store.keys()].into_iter().find_map(|keys| Identity::load(&keys).ok());
    found.filter(|identity| identity.institution() == header.node)
}

fn check_received(store: &Handle, node: &str, own: Option<&PublicKey>) -> Result<u64, KeepingError> {
    let (mut checked, mut peer, mut message_id) = (0, String::new(), String::new());
    loop {
        let page = store.view(|view| {
            let page = view.seen_after(&peer, &message_id, PAGE)?;
            for seen in &page {
                evidence::check_received(view, node, own, seen).map_err(|why| KeepingError::Evidence {
                    peer: seen.peer.clone(),
                    message_id: seen.message_id.clone(),
                    why,
                })?;
            }
            Ok::<_, KeepingError>(page)
        })?;
        let Some(last) = page.last() else { return Ok(checked) };
        checked += page.len() as u64;
        (peer, message_id) = (last.peer.clone(), last.message_id.clone());
    }
}
