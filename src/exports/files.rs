//! A file from its pieces, as gzip (RFC 1952): a head, the pieces as they are kept, and a tail.

use crate::store::exports::PieceSize;

/// The head: DEFLATE, without name and time.
pub const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty last block.
const LAST: [u8; 2] = [3, 0];

/// The tail: the last block, the check of all lines, and their length.
pub fn gzip_tail(pieces: &[PieceSize]) -> Vec<u8> {
    let mut check = crc32fast::Hasher::new();
    let mut length = 0u64;
    for piece in pieces {
        check.combine(&crc32fast::Hasher::new_with_initial_len(piece.crc, piece.length));
        length += piece.length;
    }
    let mut tail = LAST.to_vec();
    tail.extend_from_slice(&check.finalize().to_le_bytes());
    // Modulo 2^32, as the format has it.
    tail.extend_from_slice(&u32::try_from(length & u64::from(u32::MAX)).unwrap_or_default().to_le_bytes());
    tail
}

/// Bytes of the whole gzip file.
pub fn gzip_length(pieces: &[PieceSize]) -> u64 {
    let stored: u64 = pieces.iter().map(|piece| piece.stored).sum();
    stored + (GZIP_HEAD.len() + LAST.len() + 8) as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::pack::{Lines, packed, tests::size};
    use super::*;

    #[test]
    fn pieces_are_one_gzip_file() {
        for texts in [&[][..], &["{\"a\":1}\n"][..], &["{\"a\":1}\n", "", "{\"b\":\"山田\"}\n{}\n"][..]] {
            let lines = texts.iter().map(|text| Lines { text: text.as_bytes().to_vec(), ..Lines::default() });
            let pieces: Vec<_> = lines.map(|lines| packed(&lines, 0)).collect();
            let sizes: Vec<PieceSize> = pieces.iter().map(size).collect();
            let mut file = GZIP_HEAD.to_vec();
            pieces.iter().for_each(|piece| file.extend_from_slice(&piece.bytes));
            file.extend_from_slice(&gzip_tail(&sizes));
            assert_eq!(file.len() as u64, gzip_length(&sizes));
            let mut read = String::new();
            // One member: a reader that stops behind the first has read all.
            flate2::read::GzDecoder::new(&file[..]).read_to_string(&mut read).unwrap();
            assert_eq!(read, texts.concat());
        }
    }
}
