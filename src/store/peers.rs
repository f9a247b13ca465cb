//! Paired institutions, the keys they ever had, and open invitations.

use super::StoreError;

/// A paired institution. Its keys were pinned at pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Institution id, e.g. `tokyo`.
    pub id: String,
    /// Names by language, JSON object `{"en": …, "fr": …, "ja": …}`.
    pub names: String,
    /// `ca` or `jp`.
    pub country: String,
    /// Base URL of its outside listener.
    pub url: String,
    /// SHA-256 of its TLS certificate (DER), lower-case hexadecimal. Both its client and its server certificate.
    pub certificate_sha256: String,
    /// Its message-signing public key, a JWK (JSON).
    pub signing_key: String,
    /// `active` or `revoked`.
    pub status: String,
    /// When paired, RFC 3339.
    pub paired_at: String,
    /// Its published services: JSON array of HealthcareService resources.
    pub services: String,
}

impl Peer {
    /// Messages to and from it are allowed.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// A key that signs, or once signed, for an institution. Kept when the institution is paired again under another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Institution id; our own too.
    pub institution: String,
    /// The public key, a JWK (JSON).
    pub jwk: String,
    /// When it was first pinned, RFC 3339.
    pub since: String,
}

/// An open invitation to pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// SHA-256 of its secret, hexadecimal; the secret itself is only in the code given to the partner.
    pub secret_sha256: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Already used.
    pub used: bool,
}

/// Reading peers.
pub trait PeerView {
    /// By institution id.
    fn peer(&self, id: &str) -> Result<Option<Peer>, StoreError>;
    /// By the digest of the certificate it connects with.
    fn peer_by_certificate(&self, sha256: &str) -> Result<Option<Peer>, StoreError>;
    /// All, by id.
    fn peers(&self) -> Result<Vec<Peer>, StoreError>;
    /// Every key an institution ever had, oldest first.
    fn signing_keys(&self, institution: &str) -> Result<Vec<SigningKey>, StoreError>;
    /// Whether an unused invitation is open at `now` (RFC 3339).
    fn any_open_invite(&self, now: &str) -> Result<bool, StoreError>;
    /// An invitation by the digest of its secret.
    fn invite(&self, secret_sha256: &str) -> Result<Option<Invite>, StoreError>;
}
