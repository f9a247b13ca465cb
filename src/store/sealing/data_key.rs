//! A data key: what seals values, and where a value belongs.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::SealError;

/// First byte of a sealed value.
const FORMAT: u8 = 1;

/// Where a value stands. What was sealed for one place opens at no other.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Table.
    pub table: &'static str,
    /// The row's primary key, part by part.
    pub row: &'a [&'a str],
    /// Column.
    pub column: &'static str,
}

/// An unwrapped data key.
pub struct DataKey {
    number: u32,
    key: LessSafeKey,
}

impl DataKey {
    /// A key of these 32 bytes.
    pub(super) fn new(number: u32, bytes: &[u8; 32]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SealError::Cipher)?;
        Ok(Self { number, key: LessSafeKey::new(key) })
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Seals `plain` for its place.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(&self.key, FORMAT, &self.bound_to(place), plain)
    }

    /// Opens what was sealed for this place under this key.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        open(&self.key, FORMAT, &self.bound_to(place), sealed).ok_or(SealError::Changed(place.table))
    }

    fn bound_to(&self, place: Place<'_>) -> Vec<u8> {
        let mut bytes = b"watari/value/1".to_vec();
        bytes.extend_from_slice(&self.number.to_be_bytes());
        for part in [place.table, place.column].iter().chain(place.row) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Format, nonce, ciphertext, tag.
pub(super) fn seal(key: &LessSafeKey, format: u8, bound_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0u8; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::Cipher)?;
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.push(format);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let body = sealed.get_mut(1 + NONCE_LEN..).ok_or(SealError::Cipher)?;
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), body)
        .map_err(|_| SealError::Cipher)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// What [`seal`] was given, if nothing of it was changed.
pub(super) fn open(key: &LessSafeKey, format: u8, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (found, rest) = sealed.split_first()?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
    if *found != format {
        return None;
    }
    let mut body = body.to_vec();
    let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound_to), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { table: "message", row: &["m-1"], column: "raw" };

    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
        let key = DataKey::new(1, &[7; 32]).unwrap();
        let sealed = key.seal(HERE, b"MSH|^~\\&|").unwrap();
        assert!(!sealed.windows(3).any(|three| three == b"MSH"));
        assert_eq!(key.open(HERE, &sealed).unwrap(), b"MSH|^~\\&|");
        for elsewhere in [
            Place { table: "filing", ..HERE },
            Place { row: &["m-2"], ..HERE },
            Place { row: &["m", "-1"], ..HERE },
            Place { column: "body", ..HERE },
        ] {
            assert_eq!(key.open(elsewhere, &sealed), Err(SealError::Changed(elsewhere.table)));
        }
        let other = DataKey::new(2, &[7; 32]).unwrap();
        assert!(other.open(HERE, &sealed).is_err(), "the number of the key is bound too");
    }

    #[test]
    fn no_two_sealings_are_alike_and_any_changed_or_missing_byte_is_noticed() {
        let key = DataKey::new(1, &[7; 32]).unwrap();
        let sealed = key.seal(HERE, b"").unwrap();
        assert_ne!(sealed, key.seal(HERE, b"").unwrap());
        assert_eq!(key.open(HERE, &sealed).unwrap(), b"");
        assert_eq!(sealed.len(), super::super::OVERHEAD as usize);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(key.open(HERE, &changed).is_err(), "byte {position}");
            assert!(key.open(HERE, &sealed[..position]).is_err(), "cut at {position}");
        }
    }
}
