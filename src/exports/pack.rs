//! Lines become pieces. A piece is raw DEFLATE that ends with an empty block (a sync flush): pieces behind each other are one
//! stream, which a head and a tail make a gzip file ([`super::files`]), and each can be unpacked by itself.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::store::exports::{Piece, PieceSize};

/// Lines of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    pub(super) file: String,
    pub(super) text: Vec<u8>,
    /// Resources in it.
    pub(super) resources: u64,
}

impl Lines {
    /// Adds a resource. Its JSON is on one line as the record keeps it; were it not, blanks stand for its line ends, which
    /// no text in JSON can hold.
    pub(super) fn add(&mut self, json: &str) {
        let from = self.text.len();
        self.text.extend_from_slice(json.as_bytes());
        if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_some() {
            let added = self.text.get_mut(from..).unwrap_or_default();
            added.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        self.text.push(b'\n');
        self.resources += 1;
    }
}

/// A piece of these lines.
pub(super) fn packed(lines: &Lines, number: u64) -> Piece {
    Piece {
        file: lines.file.clone(),
        number,
        resources: lines.resources,
        length: lines.text.len() as u64,
        crc: crc32fast::hash(&lines.text),
        bytes: deflated(&lines.text),
    }
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::fast(), false);
    let mut bytes = Vec::with_capacity(text.len() / 4 + 64);
    loop {
        let rest = usize::try_from(compress.total_in()).ok().and_then(|read| text.get(read..)).unwrap_or_default();
        let _ = compress.compress_vec(rest, &mut bytes, FlushCompress::Sync);
        let is_read = compress.total_in() >= text.len() as u64;
        if is_read && bytes.len() < bytes.capacity() {
            return bytes;
        }
        bytes.reserve(text.len() / 8 + 64);
    }
}

/// The lines of a piece; none, if it is not what was packed.
pub fn unpacked(bytes: &[u8], size: &PieceSize) -> Option<Vec<u8>> {
    let length = usize::try_from(size.length).ok()?;
    let mut text = Vec::with_capacity(length.checked_add(64)?);
    let mut decompress = Decompress::new(false);
    loop {
        let before = (decompress.total_in(), text.len());
        let rest = bytes.get(usize::try_from(decompress.total_in()).ok()?..)?;
        let status = decompress.decompress_vec(rest, &mut text, FlushDecompress::Sync).ok()?;
        let is_over = decompress.total_in() >= bytes.len() as u64 || status == Status::StreamEnd;
        if is_over || (decompress.total_in(), text.len()) == before {
            break;
        }
    }
    (text.len() == length && crc32fast::hash(&text) == size.crc).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::exports) fn size(piece: &Piece) -> PieceSize {
        PieceSize {
            number: piece.number,
            resources: piece.resources,
            length: piece.length,
            crc: piece.crc,
            stored: piece.bytes.len() as u64,
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_and_nothing_else() {
        let noise: Vec<u8> = (0..300_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for text in [&b""[..], b"{\"a\":1.50}\n", &noise, &vec![b' '; 3_000_000]] {
            let lines = Lines { file: "Patient".to_owned(), text: text.to_vec(), resources: 1 };
            let piece = packed(&lines, 3);
            assert_eq!(unpacked(&piece.bytes, &size(&piece)).as_deref(), Some(text), "{} bytes", text.len());
            let other = PieceSize { crc: piece.crc ^ 1, ..size(&piece) };
            assert_eq!(unpacked(&piece.bytes, &other), None);
            let cut = piece.bytes.get(..piece.bytes.len() / 2).unwrap();
            assert!(text.is_empty() || unpacked(cut, &size(&piece)).is_none());
        }
    }

    #[test]
    fn a_resource_is_one_line() {
        let mut lines = Lines::default();
        lines.add("{\"a\":\n\"x\\ny\"}");
        lines.add("{}");
        assert_eq!(lines.text, b"{\"a\": \"x\\ny\"}\n{}\n");
        assert_eq!(lines.resources, 2);
    }
}
