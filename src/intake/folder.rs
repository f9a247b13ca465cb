//! Walking a folder that somebody else fills: regular files only, no symbolic links, bounded depth and size, in a stable
//! order.

use std::path::{Path, PathBuf};

use super::IntakeError;

/// Deepest level walked below the root.
const DEEPEST: usize = 16;
/// Largest file read, bytes; a larger one is an error of its own, never cut.
pub const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// The regular files below `root` (or `root` itself), sorted by path. Paths that are not UTF-8 are given lossily in
/// errors only.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    let mut found = Vec::new();
    let kind = std::fs::metadata(root).map_err(|cause| unreadable(root, &cause))?;
    if kind.is_file() {
        return Ok(vec![root.to_path_buf()]);
    }
    walk(root, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), IntakeError> {
    if depth > DEEPEST {
        return Err(unreadable(folder, &"the folder is nested too deeply"));
    }
    for entry in std::fs::read_dir(folder).map_err(|cause| unreadable(folder, &cause))? {
        let entry = entry.map_err(|cause| unreadable(folder, &cause))?;
        // The entry's own type: a symbolic link is not followed out of the folder.
        let kind = entry.file_type().map_err(|cause| unreadable(folder, &cause))?;
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>, IntakeError> {
    let size = std::fs::metadata(path).map_err(|cause| unreadable(path, &cause))?.len();
    if size > LARGEST_FILE {
        return Err(unreadable(path, &format!("larger than {LARGEST_FILE} bytes")));
    }
    std::fs::read(path).map_err(|cause| unreadable(path, &cause))
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
