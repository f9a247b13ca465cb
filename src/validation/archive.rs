//! Reads a `.tgz` that a stranger made: gzip (RFC 1952) over tar (POSIX.1-2017 pax, "ustar"). Sizes are limited before and after
//! unpacking, names must stay within the archive, and links and devices are refused. Nothing is written to disk.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Bytes of the archive.
pub const MOST_PACKED: u64 = 128 * 1024 * 1024;
/// Bytes of what it holds, headers included.
const MOST_UNPACKED: u64 = 512 * 1024 * 1024;
/// Bytes of one file in it.
const MOST_FILE: u64 = 64 * 1024 * 1024;
/// Files in it.
const MOST_FILES: usize = 20_000;
/// Bytes of a name.
const LONGEST_NAME: u64 = 4 * 1024;
const BLOCK: usize = 512;

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read as gzip and tar.
    #[error("it is no gzip-compressed tar archive, or a damaged one: {0}")]
    Damaged(&'static str),
    /// It cannot be read.
    #[error("it cannot be unpacked: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is larger than is taken.
    #[error("it is too large: {0}")]
    TooLarge(&'static str),
    /// It holds what could lead out of its folder.
    #[error("it holds {0}, which is refused")]
    Refused(&'static str),
}

/// Gives each file of an archive to `take`, with its name.
pub fn each_file<E: From<ArchiveError>>(
    packed: impl Read,
    take: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    each_file_within(MOST_UNPACKED, packed, take)
}

fn each_file_within<E: From<ArchiveError>>(
    most: u64,
    packed: impl Read,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader { from: MultiGzDecoder::new(packed), left: most };
    let mut long_name: Option<String> = None;
    for _ in 0..=MOST_FILES {
        let Some(header) = reader.header()? else { return Ok(()) };
        match header.kind {
            b'0' | 0 => {
                let name = long_name.take().unwrap_or(header.name);
                is_inside(&name)?;
                if header.size > MOST_FILE {
                    return Err(ArchiveError::TooLarge("a file of more than 64 MiB").into());
                }
                let bytes = reader.content(header.size)?;
                take(&name, &bytes)?;
            }
            b'5' => {
                is_inside(&long_name.take().unwrap_or(header.name))?;
                reader.content(header.size.min(MOST_FILE))?;
            }
            b'x' | b'L' => {
                if header.size > LONGEST_NAME {
                    return Err(ArchiveError::TooLarge("a name of more than 4 KiB").into());
                }
                let bytes = reader.content(header.size)?;
                let text = String::from_utf8(bytes).map_err(|_| ArchiveError::Damaged("a name that is not UTF-8"))?;
                let named =
                    if header.kind == b'L' { Some(text.trim_end_matches('\0').to_owned()) } else { pax_path(&text) };
                long_name = named.or(long_name);
            }
            b'g' => {
                reader.content(header.size.min(MOST_FILE))?;
            }
            b'1' | b'2' => return Err(ArchiveError::Refused("a link").into()),
            _ => return Err(ArchiveError::Refused("something that is no file").into()),
        }
    }
    Err(ArchiveError::TooLarge("more than 20,000 files").into())
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

struct Reader<R> {
    from: R,
    left: u64,
}

impl<R: Read> Reader<R> {
    /// The next header; none at the end, which is a block of zeros.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let block = self.read(BLOCK)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or(&[]);
        let told = octal(field(148, 156)).ok_or(ArchiveError::Damaged("a header without checksum"))?;
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = field(148, 156).iter().map(|byte| u64::from(*byte)).sum();
        if sum - own + 8 * u64::from(b' ') != told {
            return Err(ArchiveError::Damaged("a header with a wrong checksum"));
        }
        let size = octal(field(124, 136)).ok_or(ArchiveError::Damaged("a file without size"))?;
        let name = text(field(0, 100))?;
        let prefix = if field(257, 262) == b"ustar" { text(field(345, 500))? } else { String::new() };
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        Ok(Some(Header { name, size, kind: field(156, 157).first().copied().unwrap_or(0) }))
    }

    /// So many bytes, and those that fill the last block.
    fn content(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let size = usize::try_from(size).map_err(|_| ArchiveError::TooLarge("a file"))?;
        let mut bytes = self.read(size.div_ceil(BLOCK) * BLOCK)?;
        bytes.truncate(size);
        Ok(bytes)
    }

    fn read(&mut self, size: usize) -> Result<Vec<u8>, ArchiveError> {
        let wanted = size as u64;
        self.left = self.left.checked_sub(wanted).ok_or(ArchiveError::TooLarge("more than 512 MiB unpacked"))?;
        // What a header says is not believed before it is there.
        let mut bytes = Vec::new();
        self.from.by_ref().take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() == size { Ok(bytes) } else { Err(ArchiveError::Damaged("it ends too early")) }
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

fn text(field: &[u8]) -> Result<String, ArchiveError> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let bytes = field.get(..end).unwrap_or(&[]).to_vec();
    String::from_utf8(bytes).map_err(|_| ArchiveError::Damaged("a name that is not UTF-8"))
}

/// `path` of a pax header: records of a length, a name and a value.
fn pax_path(text: &str) -> Option<String> {
    text.lines().find_map(|record| Some(record.split_once(' ')?.1.strip_prefix("path=")?.to_owned()))
}

/// A name that stays within the archive.
fn is_inside(name: &str) -> Result<(), ArchiveError> {
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    if name.starts_with('/') || name.contains(['\\', '\0']) || is_drive || name.split('/').any(|part| part == "..") {
        return Err(ArchiveError::Refused("a name that leads out of it"));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// A tar file of one sort, with its checksum.
    pub(crate) fn tar(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut made = Vec::new();
        for (name, kind, bytes) in files {
            let mut header = [0_u8; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
            header[148..156].copy_from_slice(b"        ");
            header[156] = *kind;
            header[257..262].copy_from_slice(b"ustar");
            let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
            header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
            made.extend(header);
            made.extend(*bytes);
            made.resize(made.len().div_ceil(BLOCK) * BLOCK, 0);
        }
        made.resize(made.len() + 2 * BLOCK, 0);
        made
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn names(packed: &[u8]) -> Result<Vec<String>, ArchiveError> {
        let mut names = Vec::new();
        each_file(packed, |name, bytes| {
            names.push(format!("{name} {}", bytes.len()));
            Ok::<_, ArchiveError>(())
        })?;
        Ok(names)
    }

    #[test]
    fn files_are_read_with_their_names() {
        let long = b"30 path=package/a/long/name.json\n";
        let packed = gzip(&tar(&[
            ("package/", b'5', b""),
            ("package/a.json", b'0', b"{}"),
            ("x", b'x', long),
            ("short", b'0', b"[1]"),
        ]));
        assert_eq!(names(&packed).unwrap(), ["package/a.json 2", "package/a/long/name.json 3"]);
    }

    #[test]
    fn what_leads_out_is_refused() {
        for (name, kind) in [
            ("../a", b'0'),
            ("package/../../a", b'0'),
            ("/etc/a", b'0'),
            ("a\\b", b'0'),
            ("C:a", b'0'),
            ("../a", b'5'),
            ("package/link", b'2'),
            ("package/link", b'1'),
            ("package/device", b'3'),
            ("package/pipe", b'6'),
        ] {
            let refused = names(&gzip(&tar(&[(name, kind, b"")])));
            assert!(matches!(refused, Err(ArchiveError::Refused(_))), "{name} {kind}");
        }
    }

    #[test]
    fn damaged_and_oversized_archives_are_refused() {
        let good = tar(&[("package/a.json", b'0', b"{}")]);
        assert!(names(b"not gzip at all").is_err());
        assert!(names(&gzip(&good)[..40]).is_err());
        assert!(names(&gzip(&good[..700])).is_err());
        let mut wrong = good.clone();
        wrong[0] ^= 1;
        assert!(matches!(names(&gzip(&wrong)), Err(ArchiveError::Damaged(_))));
        // A header that promises 8 GiB with nothing behind it.
        let mut promise = good;
        promise[124..135].copy_from_slice(b"77777777777");
        let sum: u64 =
            promise[..148].iter().chain(&promise[156..BLOCK]).map(|byte| u64::from(*byte)).sum::<u64>() + 256;
        promise[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        assert!(matches!(names(&gzip(&promise)), Err(ArchiveError::TooLarge(_))));
    }

    #[test]
    fn a_bomb_is_stopped_before_it_is_unpacked() {
        let zeros = vec![0_u8; 1024 * 1024];
        let files: Vec<(&str, u8, &[u8])> = (0..10).map(|_| ("package/a.json", b'0', zeros.as_slice())).collect();
        let packed = gzip(&tar(&files));
        assert!(packed.len() < 64 * 1024);
        let mut count = 0;
        let stopped = each_file_within(8 * 1024 * 1024, packed.as_slice(), |_, _| {
            count += 1;
            Ok::<_, ArchiveError>(())
        });
        assert!(matches!(stopped, Err(ArchiveError::TooLarge(_))) && count == 7, "{count}");
    }
}
