//! A long file, sealed piece by piece (AES-256-GCM) under a key of its own: what is missing, changed, moved or cut off is
//! noticed, the end included.
//!
//! Each piece has the number of its place as nonce, and the last one says that it is the last (as STREAM does, Hoang,
//! Reyhanitabar, Rogaway and Vizar 2015): a nonce never comes twice, because the key seals one file.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{MasterKey, SealError};

/// Bytes of a piece before it is sealed.
const PIECE: usize = 1 << 20;
/// Bytes by which it is longer then.
const TAG: usize = 16;

/// The key of one file.
pub struct StreamKey([u8; 32]);

impl StreamKey {
    /// A new one.
    pub fn fresh() -> Result<Self, SealError> {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError::Cipher)?;
        Ok(Self(bytes))
    }

    /// Wraps it under a master key; the wrapping belongs to the file that `file` tells from others.
    pub fn wrap(&self, master: &MasterKey, file: &[u8]) -> Result<Vec<u8>, SealError> {
        master.wrap_stream(file, &self.0)
    }

    /// What [`StreamKey::wrap`] wrapped; none if another key did, for another file, or if it was changed.
    pub fn unwrap(master: &MasterKey, file: &[u8], wrapped: &[u8]) -> Option<Self> {
        master.unwrap_stream(file, wrapped).map(Self)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, &self.0).map(LessSafeKey::new).map_err(|_| SealError::Cipher)
    }
}

fn nonce(piece: u64, is_last: bool) -> Nonce {
    let mut bytes = [0u8; NONCE_LEN];
    bytes[0] = u8::from(is_last);
    bytes[4..].copy_from_slice(&piece.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Seals what is written to it. Without [`SealingWriter::finish`] the file has no end and does not open.
pub struct SealingWriter<W> {
    out: W,
    key: LessSafeKey,
    bound_to: Vec<u8>,
    piece: Vec<u8>,
    number: u64,
}

impl<W: Write> SealingWriter<W> {
    /// Seals under `key`, bound to `bound_to` (the digest of what stands plain before it).
    pub fn new(out: W, key: &StreamKey, bound_to: &[u8]) -> Result<Self, SealError> {
        Ok(Self {
            out,
            key: key.cipher()?,
            bound_to: bound_to.to_vec(),
            piece: Vec::with_capacity(PIECE + TAG),
            number: 0,
        })
    }

    /// Writes the last piece and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce(self.number, is_last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(&self.bound_to), &mut self.piece)
            .map_err(|_| io::Error::other(SealError::Cipher))?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only when more comes: the last piece must still be here when the end is told.
        if self.piece.len() == PIECE {
            self.seal(false)?;
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens what [`SealingWriter`] sealed. It gives the end only after the true last piece, and an error before anything that
/// was changed.
pub struct OpeningReader<R> {
    from: R,
    key: LessSafeKey,
    bound_to: Vec<u8>,
    /// What of the opened piece is not read yet.
    opened: Vec<u8>,
    read: usize,
    /// What was read of the next piece.
    next: Vec<u8>,
    number: u64,
    is_over: bool,
}

impl<R: Read> OpeningReader<R> {
    /// Opens under `key`.
    pub fn new(from: R, key: &StreamKey, bound_to: &[u8]) -> Result<Self, SealError> {
        let (key, bound_to) = (key.cipher()?, bound_to.to_vec());
        Ok(Self { from, key, bound_to, opened: Vec::new(), read: 0, next: Vec::new(), number: 0, is_over: false })
    }

    fn open_next(&mut self) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.next);
        fill(&mut self.from, &mut piece, PIECE + TAG)?;
        // A byte of the one behind it tells whether it is the last.
        fill(&mut self.from, &mut self.next, 1)?;
        let is_last = self.next.is_empty();
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the file was changed or is cut off");
        let nonce = nonce(self.number, is_last);
        let length = self.key.open_in_place(nonce, Aad::from(&self.bound_to), &mut piece).map_err(|_| changed())?.len();
        piece.truncate(length);
        (self.opened, self.read, self.is_over) = (piece, 0, is_last);
        self.number += 1;
        Ok(())
    }
}

/// Reads until `bytes` has `wanted` bytes or there are no more.
fn fill(from: &mut impl Read, bytes: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
    let missing = wanted.saturating_sub(bytes.len());
    from.take(missing as u64).read_to_end(bytes).map(drop)
}

impl<R: Read> Read for OpeningReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.opened.len() && !self.is_over {
            self.open_next()?;
        }
        let rest = self.opened.get(self.read..).unwrap_or_default();
        let taken = rest.len().min(into.len());
        for (to, byte) in into.iter_mut().zip(rest) {
            *to = *byte;
        }
        self.read += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &StreamKey, plain: &[u8]) -> Vec<u8> {
        let mut writer = SealingWriter::new(Vec::new(), key, b"header").unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(key: &StreamKey, bound_to: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        OpeningReader::new(sealed, key, bound_to).unwrap().read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn what_is_written_is_read_whatever_its_length() {
        let key = StreamKey::fresh().unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7] {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let bytes = sealed(&key, &plain);
            assert!(opened(&key, b"header", &bytes).unwrap() == plain, "{length}");
            assert!(opened(&key, b"other", &bytes).is_err(), "bound to its header");
            assert!(opened(&StreamKey::fresh().unwrap(), b"header", &bytes).is_err(), "another key");
        }
    }

    #[test]
    fn a_piece_that_is_changed_missing_moved_or_added_is_noticed_and_so_is_the_end() {
        let key = StreamKey::fresh().unwrap();
        let bytes = sealed(&key, &vec![7; 3 * PIECE]);
        let piece = PIECE + TAG;
        for cut in [0, 1, piece, 2 * piece, bytes.len() - 1] {
            assert!(opened(&key, b"header", &bytes[..cut]).is_err(), "cut at {cut}");
        }
        for position in [0, piece, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(opened(&key, b"header", &changed).is_err(), "byte {position}");
        }
        let swapped = [&bytes[piece..2 * piece], &bytes[..piece], &bytes[2 * piece..]].concat();
        assert!(opened(&key, b"header", &swapped).is_err());
        let without = [&bytes[..piece], &bytes[2 * piece..]].concat();
        assert!(opened(&key, b"header", &without).is_err());
        let longer = [bytes.as_slice(), &bytes[2 * piece..]].concat();
        assert!(opened(&key, b"header", &longer).is_err());
    }

    #[test]
    fn the_key_of_a_file_opens_with_its_master_for_its_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let master = |name: &str| {
            let path = folder.path().join(name);
            MasterKey::create(&path).unwrap();
            MasterKey::load(&super::super::MasterSource::File { path, may_create: false }, false).unwrap()
        };
        let (right, wrong) = (master("right"), master("wrong"));
        let key = StreamKey::fresh().unwrap();
        let wrapped = key.wrap(&right, b"file").unwrap();
        assert!(StreamKey::unwrap(&right, b"file", &wrapped).is_some_and(|found| found.0 == key.0));
        assert!(StreamKey::unwrap(&wrong, b"file", &wrapped).is_none());
        assert!(StreamKey::unwrap(&right, b"other", &wrapped).is_none());
    }
}
