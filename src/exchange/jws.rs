//! Compact JWS (RFC 7515) with ES256 and nothing else: the one place that signs and checks what passes between nodes.
//!
//! The header carries exactly `typ`, `alg` and `kid`. A header that brings a key or an address of one (`jwk`, `jku`,
//! `x5u`, `x5c`), or `crit`, is refused unread: keys come from pairing alone. Time is not looked at here: what expires
//! is said by the claims and checked by the injected clock, not by the library, whose default grants 60 seconds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::fault::{Classified, Kind};
pub use crate::wire::pairing::PublicKey;

/// Longest token read, bytes. Ours have under 1,000.
pub const LONGEST: usize = 4096;

impl PublicKey {
    /// From an uncompressed point (`04 ‖ x ‖ y`).
    pub fn from_point(point: &[u8]) -> Result<Self, JwsError> {
        match point {
            [4, coordinates @ ..] if coordinates.len() == 64 => Ok(Self {
                kty: "EC".to_owned(),
                crv: "P-256".to_owned(),
                x: BASE64URL.encode(&coordinates[..32]),
                y: BASE64URL.encode(&coordinates[32..]),
            }),
            _ => Err(JwsError::Key),
        }
    }

    /// Reads the JSON kept with a peer.
    pub fn parse(json: &str) -> Result<Self, JwsError> {
        let key: Self = serde_json::from_str(json).map_err(|_| JwsError::Key)?;
        key.check()?;
        Ok(key)
    }

    /// Refuses another kind of key, and coordinates of another length.
    pub fn check(&self) -> Result<(), JwsError> {
        let coordinate = |text: &str| BASE64URL.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        let right = self.kty == "EC" && self.crv == "P-256" && coordinate(&self.x) && coordinate(&self.y);
        right.then_some(()).ok_or(JwsError::Key)
    }

    /// The JSON kept with a peer.
    pub fn json(&self) -> String {
        format!(r#"{{"kty":"{}","crv":"{}","x":"{}","y":"{}"}}"#, self.kty, self.crv, self.x, self.y)
    }

    /// RFC 7638 thumbprint, base64url; the `kid` of what this key signs.
    pub fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#, self.crv, self.kty, self.x, self.y);
        BASE64URL.encode(Sha256::digest(canonical.as_bytes()))
    }
}

/// Signs `claims` as a token of type `typ`.
pub fn sign(key: &EncodingKey, kid: &str, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(typ.to_owned());
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).map_err(|_| JwsError::Signing)
}

/// The claims of `token`, if it is of type `typ` and was signed by `key`.
pub fn verify<C: DeserializeOwned>(key: &PublicKey, typ: &str, token: &str) -> Result<C, JwsError> {
    let header = protected_header(token)?;
    if header.alg != "ES256" {
        return Err(JwsError::Algorithm);
    }
    if header.typ != typ {
        return Err(JwsError::Type);
    }
    if header.kid != key.thumbprint() {
        return Err(JwsError::UnknownKey);
    }
    key.check()?;
    let decoding = DecodingKey::from_ec_components(&key.x, &key.y).map_err(|_| JwsError::Key)?;
    jsonwebtoken::decode::<C>(token, &decoding, &signature_only()).map(|token| token.claims).map_err(why)
}

/// The thumbprint of the key that `token` says it was signed with. Nothing is verified yet.
pub fn key_id(token: &str) -> Result<String, JwsError> {
    protected_header(token).map(|header| header.kid)
}

/// A token that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Signed with something other than ES256.
    #[error("the token is not signed with ES256")]
    Algorithm,
    /// Not three base64url parts, or other header members or claims than agreed.
    #[error("the token cannot be read")]
    Malformed,
    /// The key is not a P-256 public key.
    #[error("the signing key is not a P-256 public key")]
    Key,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// Our own key would not sign.
    #[error("the node's signing key cannot be used")]
    Signing,
    /// A token made for something else.
    #[error("the token is of another type")]
    Type,
    /// `kid` is not the pinned key.
    #[error("the token names another key than the one pinned at pairing")]
    UnknownKey,
}

impl Classified for JwsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed => Kind::Malformed,
            Self::Signing => Kind::Configuration,
            Self::Algorithm | Self::Key | Self::Signature | Self::Type | Self::UnknownKey => Kind::Unauthenticated,
        }
    }
}

/// The header we write and the only one we read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProtectedHeader {
    typ: String,
    alg: String,
    kid: String,
}

fn protected_header(token: &str) -> Result<ProtectedHeader, JwsError> {
    if token.len() > LONGEST || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err(JwsError::Malformed);
    }
    let first = token.split('.').next().unwrap_or_default();
    let json = BASE64URL.decode(first).map_err(|_| JwsError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| JwsError::Malformed)
}

fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn why(error: jsonwebtoken::errors::Error) -> JwsError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => JwsError::Signature,
        ErrorKind::InvalidAlgorithm => JwsError::Algorithm,
        ErrorKind::InvalidEcdsaKey | ErrorKind::InvalidKeyFormat => JwsError::Key,
        _ => JwsError::Malformed,
    }
}
