//! Identifiers and digests: random where nobody may guess or collide, derived where a repeat must find the same thing.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The namespace of ids derived by this project (a version 4 UUID drawn once).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_6a0e_8c2b_4c6f_9b57_3f1f_0a5b_c41d);

/// A fresh random id (UUID version 4, lower case).
pub fn fresh() -> String {
    Uuid::new_v4().to_string()
}

/// The id that belongs to `parts`: the same parts give the same UUID (version 5) on every node and every replay, so
/// that a record sent twice is one record. Parts are length-prefixed; ("a","bc") and ("ab","c") differ.
pub fn derived(parts: &[&str]) -> String {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name).to_string()
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// A secret of 32 random bytes, base64url without padding (43 characters).
pub fn secret() -> String {
    use base64::Engine as _;
    let bytes: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
