//! Walking a folder that somebody else fills: regular files only, no symbolic links, bounded depth and size, in a stable
//! order. What cannot be looked into is told by name and does not hold up the rest.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use super::IntakeError;

/// Deepest level walked below the root.
const DEEPEST: usize = 16;
/// Largest file read whole, and largest message of a file, bytes; a larger one is an error of its own, never cut.
pub const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// What stands below a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The regular files, sorted by path.
    pub files: Vec<PathBuf>,
    /// What could not be looked into, and why.
    pub troubles: Vec<(PathBuf, String)>,
}

/// The regular files below `root` (or `root` itself), sorted by path; the first thing that cannot be read ends it.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    let listing = list(root)?;
    match listing.troubles.into_iter().next() {
        Some((path, cause)) => Err(unreadable(&path, &cause)),
        None => Ok(listing.files),
    }
}

/// The regular files below `root` (or `root` itself). An error is that of `root` alone.
pub fn list(root: &Path) -> Result<Listing, IntakeError> {
    let mut listing = Listing::default();
    if std::fs::metadata(root).map_err(|cause| unreadable(root, &cause))?.is_file() {
        listing.files.push(root.to_path_buf());
        return Ok(listing);
    }
    walk(root, 0, &mut listing);
    match listing.troubles.iter().find(|(path, _)| path == root) {
        Some((_, cause)) => Err(unreadable(root, cause)),
        None => {
            listing.files.sort();
            Ok(listing)
        }
    }
}

/// What stands in `root` itself, sorted: a large storage is taken in piece by piece, so that its paths need not all be
/// held at once. `root` alone where it is a file.
pub fn pieces(root: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    if std::fs::metadata(root).map_err(|cause| unreadable(root, &cause))?.is_file() {
        return Ok(vec![root.to_path_buf()]);
    }
    let mut pieces = Vec::new();
    for entry in std::fs::read_dir(root).map_err(|cause| unreadable(root, &cause))? {
        let entry = entry.map_err(|cause| unreadable(root, &cause))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()) {
            pieces.push(entry.path());
        }
    }
    pieces.sort();
    Ok(pieces)
}

fn walk(folder: &Path, depth: usize, listing: &mut Listing) {
    let entries = match std::fs::read_dir(folder) {
        _ if depth > DEEPEST => return listing.trouble(folder, &"the folder is nested too deeply"),
        Err(cause) => return listing.trouble(folder, &cause),
        Ok(entries) => entries,
    };
    for entry in entries {
        // The entry's own type: a symbolic link is not followed out of the folder.
        match entry.and_then(|entry| Ok((entry.file_type()?, entry.path()))) {
            Ok((kind, path)) if kind.is_dir() => walk(&path, depth + 1, listing),
            Ok((kind, path)) if kind.is_file() => listing.files.push(path),
            Ok(_) => {}
            Err(cause) => listing.trouble(folder, &cause),
        }
    }
}

impl Listing {
    fn trouble(&mut self, path: &Path, cause: &impl ToString) {
        self.troubles.push((path.to_path_buf(), cause.to_string()));
    }
}

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>, IntakeError> {
    let size = std::fs::metadata(path).map_err(|cause| unreadable(path, &cause))?.len();
    if size > LARGEST_FILE {
        return Err(unreadable(path, &format!("larger than {LARGEST_FILE} bytes")));
    }
    std::fs::read(path).map_err(|cause| unreadable(path, &cause))
}

/// Opens a file that is read as a stream. An archive is no feed: what is in it is not known before it is unpacked, and how
/// large that becomes neither.
pub fn open(path: &Path) -> std::io::Result<File> {
    use std::io::{Read as _, Seek as _};
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(8).read_to_end(&mut head)?;
    if let Some(kind) = archive(&head) {
        return Err(std::io::Error::other(format!(
            "it is a {kind} archive, which is not unpacked here; unpack it first"
        )));
    }
    file.rewind()?;
    Ok(file)
}

/// The kind of archive that these first bytes begin.
pub fn archive(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"PK\x07\x08", "zip"),
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind)
}

/// What changes when a file is written or replaced: size, times and, where there is one, its number on the disk. Compared
/// for equality only, so that no clock need be right. `None` if it is no regular file any more.
pub fn fingerprint(path: &Path) -> Option<String> {
    let metadata = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
    Some(marks(&metadata))
}

#[cfg(unix)]
fn marks(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!(
        "{}:{}.{}:{}.{}:{}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.ino()
    )
}

#[cfg(not(unix))]
fn marks(metadata: &Metadata) -> String {
    format!("{}:{:?}:{:?}", metadata.len(), metadata.modified().ok(), metadata.created().ok())
}

/// The path below `root` with `/` between its parts; the file name where `path` is the root itself.
pub fn below(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty());
    let shown = relative.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
    shown.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn unreadable(path: &Path, cause: &impl ToString) -> IntakeError {
    IntakeError::Unreadable { path: path.display().to_string(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_into_is_told_and_the_rest_is_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = (0..20).fold(root.path().to_path_buf(), |path, _| path.join("d"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("far"), "x").unwrap();
        std::fs::write(root.path().join("near"), "x").unwrap();
        let listing = list(root.path()).unwrap();
        assert_eq!(listing.files, [root.path().join("near")]);
        assert!(listing.troubles[0].1.contains("too deeply"));
        assert!(list(&root.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_replaced_file_has_another_fingerprint_though_size_and_time_agree() {
        let root = tempfile::tempdir().unwrap();
        let (path, other) = (root.path().join("a"), root.path().join("b"));
        std::fs::write(&path, "one").unwrap();
        let before = fingerprint(&path).unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&other, "two").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(fingerprint(&path).unwrap(), before);
        assert_eq!(fingerprint(root.path()), None, "a folder is no file");
    }
}
