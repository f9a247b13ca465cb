//! The outbox, what peers sent us, and the evidence of both.

use super::StoreError;

/// A signed message waiting for, or past, its delivery. Body and signature never change: a retry repeats the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Message id.
    pub message_id: String,
    /// Receiving institution.
    pub peer: String,
    /// What it belongs to, e.g. a referral: messages of one stream to one peer leave in the order they were committed;
    /// another stream does not wait for them.
    pub stream: String,
    /// Path at the peer, e.g. `/peer/v1/fhir/$process-message`.
    pub path: String,
    /// Media type of the body.
    pub content_type: String,
    /// Purpose of use, e.g. `TREAT`.
    pub purpose: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// SHA-256 of `body`, hexadecimal.
    pub body_sha256: String,
    /// The sending institution's signature over the message, a compact JWS.
    pub signature: String,
    /// `queued`, `delivered`, `dead`, or `held` until an operator lets it go.
    pub status: String,
    /// RFC 3339.
    pub created_at: String,
    /// Not before, RFC 3339.
    pub next_attempt_at: String,
    /// Attempts made.
    pub attempts: u32,
    /// Of the last attempt, without PHI.
    pub last_error: Option<String>,
    /// The partner's receipt, a compact JWS.
    pub receipt: Option<String>,
    /// When the receipt was verified.
    pub delivered_at: Option<String>,
}

/// A request to lease due deliveries.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Name of the worker and lease.
    pub lease: String,
    /// Due at, RFC 3339.
    pub now: String,
    /// The lease of a message without body ends, RFC 3339; then another worker may claim it.
    pub lease_until: String,
    /// A lease is a second longer for this many bytes of body; at least 1.
    pub bytes_per_second: u64,
    /// At most.
    pub limit: usize,
    /// At most for one peer, those under lease counted.
    pub per_peer: usize,
}

/// A message accepted from a peer, with all its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMessage {
    /// Sending institution.
    pub peer: String,
    /// Message id.
    pub message_id: String,
    /// SHA-256 of the body, hexadecimal.
    pub body_sha256: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The sender's signature, a compact JWS.
    pub signature: String,
    /// Our receipt, a compact JWS; a repeat gets the same again.
    pub receipt: String,
    /// RFC 3339.
    pub received_at: String,
}

/// Reading deliveries and evidence.
pub trait DeliveryView {
    /// One delivery.
    fn delivery(&self, message_id: &str) -> Result<Option<Delivery>, StoreError>;
    /// Deliveries of a status, oldest first, without body; at most `limit`.
    fn deliveries(&self, status: &str, limit: usize) -> Result<Vec<Delivery>, StoreError>;
    /// Messages accepted from peers, by peer and message id, behind those; at most `limit`.
    fn seen_after(&self, peer: &str, message_id: &str, limit: usize) -> Result<Vec<SeenMessage>, StoreError>;
    /// A message accepted from a peer.
    fn seen(&self, peer: &str, message_id: &str) -> Result<Option<SeenMessage>, StoreError>;
}
