//! `POST /peer/v1/pairing`: two institutions learn each other's keys.
//!
//! Who may call: anyone whose certificate is valid while an invitation is open; nothing else is open to them. Both ends
//! show the same [`Card`]: the caller in the request, the inviter in the answer. The caller has pinned the inviter's
//! certificate from the invitation, so the secret meets nobody else; each card's proof shows that its sender holds the
//! signing key it offers, for this pair of certificates only.

use serde::{Deserialize, Serialize};

use crate::config::{Country, LocalName};

/// Path.
pub const PATH: &str = "/peer/v1/pairing";
/// `typ` of a card's proof.
pub const PROOF_TYPE: &str = "watari-pairing+jwt";
/// Largest request or answer, bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// A public signing key: a P-256 JWK (RFC 7518 section 6.2) without optional members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// `EC`.
    pub kty: String,
    /// `P-256`.
    pub crv: String,
    /// First coordinate, base64url.
    pub x: String,
    /// Second coordinate, base64url.
    pub y: String,
}

/// An institution and its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Institution id.
    pub institution: String,
    /// Names.
    pub names: LocalName,
    /// Country.
    pub country: Country,
    /// Base URL of its outside door.
    pub url: String,
    /// SHA-256 of its TLS certificate, lower-case hexadecimal.
    pub certificate_sha256: String,
    /// Its message-signing key.
    pub signing_key: PublicKey,
    /// HealthcareService resources it offers.
    pub services: Vec<serde_json::Value>,
    /// [`ProofClaims`] signed with `signing_key`.
    pub proof: String,
}

/// What the offered signing key signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofClaims {
    /// Institution whose card it is.
    pub institution: String,
    /// Its certificate.
    pub certificate_sha256: String,
    /// The certificate of the institution it pairs with.
    pub partner_certificate_sha256: String,
    /// SHA-256 of the invitation's secret, hexadecimal.
    pub invitation_sha256: String,
    /// SHA-256 over the rest of the card, hexadecimal.
    pub card_sha256: String,
}

/// Asks to be paired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The invitation's secret.
    pub secret: String,
    /// The caller.
    pub card: Card,
}

/// Paired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The inviter.
    pub card: Card,
}
