//! Identifiers and digests: random where nobody may guess or collide, derived where a repeat must find the same thing.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The namespace of ids derived by this project (a version 4 UUID drawn once).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_6a0e_8c2b_4c6f_9b57_3f1f_0a5b_c41d);

/// A fresh random id (UUID version 4, lower case).
pub fn fresh() -> String {
    Uuid::new_v4().to_string()
}

/// A random id of something that comes to be at `now` (UUID version 7): later ones sort behind earlier ones, so that what
/// is kept by them is written side by side.
pub fn ordered(now: jiff::Timestamp) -> String {
    let (seconds, nanoseconds) =
        (now.as_second().max(0).cast_unsigned(), now.subsec_nanosecond().max(0).cast_unsigned());
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
}

/// The id that belongs to `parts`: the same parts give the same UUID (version 5) on every node and every replay, so
/// that a record sent twice is one record. Parts are length-prefixed; ("a","bc") and ("ab","c") differ.
pub fn derived(parts: &[&str]) -> String {
    derived_uuid(parts).to_string()
}

/// [`derived`], to stand in many places.
pub fn derived_shared(parts: &[&str]) -> Arc<str> {
    let mut buffer = Uuid::encode_buffer();
    (&*derived_uuid(parts).hyphenated().encode_lower(&mut buffer)).into()
}

/// `urn:uuid:` and [`derived`], to stand in many places.
pub fn derived_urn(parts: &[&str]) -> Arc<str> {
    let mut buffer = Uuid::encode_buffer();
    (&*derived_uuid(parts).urn().encode_lower(&mut buffer)).into()
}

fn derived_uuid(parts: &[&str]) -> Uuid {
    // RFC 9562, 5.5: SHA-1 of namespace and name, cut to sixteen bytes. A translation derives dozens of ids, and this
    // hash uses the processor's own instructions where it has them.
    let mut hash = sha1::Sha1::new_with_prefix(NAMESPACE.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A secret of 32 random bytes, base64url without padding (43 characters).
pub fn secret() -> String {
    use base64::Engine as _;
    let bytes: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_version_5_of_the_parts() {
        let name = [&1_u64.to_be_bytes()[..], b"a", &2_u64.to_be_bytes(), b"bc"].concat();
        assert_eq!(derived(&["a", "bc"]), Uuid::new_v5(&NAMESPACE, &name).to_string());
        assert_eq!(*derived_shared(&["a", "bc"]), derived(&["a", "bc"]));
        assert_eq!(*derived_urn(&["a", "bc"]), format!("urn:uuid:{}", derived(&["a", "bc"])));
        assert_ne!(derived(&["a", "bc"]), derived(&["ab", "c"]));
    }

    #[test]
    fn digests_are_lower_case_hexadecimal() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
