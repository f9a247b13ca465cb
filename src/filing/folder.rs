//! Files in a folder: whole or not at all. A file is written under another name, made durable, and then gets its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `20261124120000_MDM-T02_0123….hl7`: sorts by time, and the same message has the same name.
pub(super) fn name(kind: &str, control_id: &str, at: Timestamp, zone: &TimeZone) -> String {
    let time = at.to_zoned(zone.clone()).strftime("%Y%m%d%H%M%S");
    format!("{time}_{}_{control_id}.hl7", kind.replace('^', "-"))
}

/// Writes `bytes` as `root/path`, making the folders between. The same again replaces itself. Blocks.
pub(super) fn write(root: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    // A root that is not there is a share that is not mounted: writing beside it would lose the file.
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the destination's folder does not exist"));
    }
    let target = inside(root, path)?;
    let folder = target.parent().unwrap_or(root).to_path_buf();
    fs::create_dir_all(&folder)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A name that no reader of the folder takes for a message.
    let temporary = folder.join(format!(".{name}.part"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, &target)?;
    let mut made = Some(folder.as_path());
    while let Some(folder) = made.filter(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
        made = folder.parent();
    }
    Ok(())
}

/// The path below the root; one that leads out of it is refused.
fn inside(root: &Path, path: &str) -> io::Result<PathBuf> {
    let relative = Path::new(path);
    let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if path.is_empty() || !plain {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the destination"));
    }
    Ok(root.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_and_inside_only() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/b/c.hl7", b"one").unwrap();
        write(root.path(), "a/b/c.hl7", b"two").unwrap();
        assert_eq!(fs::read(root.path().join("a/b/c.hl7")).unwrap(), b"two");
        assert_eq!(fs::read_dir(root.path().join("a/b")).unwrap().count(), 1, "nothing half-written is left");
        for path in ["../x", "/etc/x", "a/../../x", ""] {
            assert!(write(root.path(), path, b"x").is_err(), "{path}");
        }
        assert!(write(&root.path().join("missing"), "x", b"x").is_err());
    }
}
