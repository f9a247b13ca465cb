//! Pairing: one institution makes an invitation code, the other joins with it, and each pins the other's certificate and
//! signing key. The code travels outside the system (telephone, sealed letter) and works once, for a short time.
//!
//! The code holds the inviter's certificate digest, so the joiner's first connection is already pinned and the secret in
//! it reaches only the inviter. The inviter knows the joiner by that secret and by its client certificate. A card's proof
//! shows that its sender holds the signing key it offers.

use jiff::{SignedDuration, Timestamp};

use super::invitation::{InvitationCode, checked_url};
use super::jws::{self, JwsError};
use super::tls::TlsPeer;
use super::transport::{Https, Outgoing, Transport, TransportError};
use super::{Institution, directory};
use crate::config::InstitutionConfig;
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::peers::{Invite, Peer, SigningKey};
use crate::store::{Change, Changes, CommitError, Expect, PeerState, StoreError};
use crate::wire::pairing::{Card, MAX_BYTES, PATH, PROOF_TYPE, ProofClaims, Request, Response};

/// Longest time an invitation may be open, seconds (a week).
const LONGEST_TTL: u64 = 7 * 24 * 3600;
/// Longest name of an institution in one language, characters.
const LONGEST_NAME: usize = 200;
/// Tries to revoke, if the peer is paired anew between reading and committing.
const TRIES: usize = 3;

/// Opens an invitation for `ttl_seconds` and gives the code to hand to the partner. `outside_url` is where the partner
/// reaches this node. Blocks.
pub fn invite(here: &Institution, outside_url: &str, ttl_seconds: u64) -> Result<String, PairingError> {
    let url = checked_url(outside_url)?;
    let ttl = i64::try_from(ttl_seconds.min(LONGEST_TTL)).unwrap_or(0);
    let expires = here.clock.now().checked_add(SignedDuration::from_secs(ttl)).unwrap_or(Timestamp::MIN);
    let code = InvitationCode {
        url,
        institution: here.config.id.clone(),
        certificate_sha256: here.identity.certificate_sha256().to_owned(),
        secret: ids::secret(),
        expires_at: crate::clock::instant(expires),
    };
    let secret_sha256 = ids::sha256_hex(code.secret.as_bytes());
    let open = Invite { secret_sha256, expires_at: code.expires_at.clone(), used: false };
    let note = audit(here, "operator", "peer.invite", "");
    here.store.commit(Changes::new().with(Change::OpenInvite(open)).with(Change::Audit(note)))?;
    code.encode()
}

/// Joins with a partner's invitation code and gives the partner, paired. `own_outside_url` is where the partner reaches
/// this node.
pub async fn join(here: &Institution, code: &str, own_outside_url: &str) -> Result<Peer, PairingError> {
    let code = InvitationCode::parse(code)?;
    let expires: Timestamp = code.expires_at.parse().map_err(|_| PairingError::Code)?;
    if here.clock.now() >= expires {
        return Err(PairingError::InviteClosed);
    }
    let invitation_sha256 = ids::sha256_hex(code.secret.as_bytes());
    let url = checked_url(own_outside_url)?;
    let card = own_card(here, &url, &code.certificate_sha256, &invitation_sha256)?;
    let request = Request { secret: code.secret.clone(), card };
    let reply = Https::new().post(here, pairing_request(&code, &request)?).await?;
    if !reply.is_success() {
        return Err(PairingError::Refused { status: reply.status, text: reply.refusal_text() });
    }
    let response: Response = serde_json::from_slice(&reply.body).map_err(|_| PairingError::Card("answer"))?;
    if response.card.institution != code.institution {
        return Err(PairingError::Card("institution"));
    }
    let peer = checked_card(here, &response.card, &code.certificate_sha256, &invitation_sha256)?;
    let (there, paired) = (here.clone(), peer.clone());
    let changes = tokio::task::spawn_blocking(move || pinning(&there, paired)).await;
    here.store.write(changes.unwrap_or(Err(StoreError::Closed.into()))?).await?;
    Ok(peer)
}

/// Answers a partner that joins: checks invitation, certificate and proof, and pins its keys. Blocks.
pub fn accept(
    here: &Institution,
    tls: &TlsPeer,
    outside_url: &str,
    request: &Request,
) -> Result<Response, PairingError> {
    let invitation_sha256 = ids::sha256_hex(request.secret.as_bytes());
    let invite = here.store.view(|view| view.invite(&invitation_sha256))?.ok_or(PairingError::InviteClosed)?;
    let expires: Timestamp = invite.expires_at.parse().map_err(|_| PairingError::InviteClosed)?;
    if invite.used || here.clock.now() >= expires {
        return Err(PairingError::InviteClosed);
    }
    if tls.institution.as_deref() != Some(request.card.institution.as_str()) {
        return Err(PairingError::Card("institution"));
    }
    let peer = checked_card(here, &request.card, &tls.certificate_sha256, &invitation_sha256)?;
    let card = own_card(here, outside_url, &tls.certificate_sha256, &invitation_sha256)?;
    let changes = pinning(here, peer)?
        .expecting(Expect::InviteOpen { secret_sha256: invitation_sha256.clone() })
        .with(Change::UseInvite { secret_sha256: invitation_sha256 });
    here.store.commit(changes)?;
    Ok(Response { card })
}

/// Ends the trust in a peer at once: its next handshake and its next request on an open connection are refused. Blocks.
pub fn revoke(here: &Institution, peer_id: &str, actor: &str) -> Result<Peer, PairingError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let peer = here.store.view(|view| view.peer(peer_id))?.ok_or(PairingError::NoSuchPeer)?;
        let as_read = Expect::PeerIs { id: peer.id.clone(), state: Some(PeerState::from(&peer)) };
        let revoked = Peer { status: "revoked".to_owned(), ..peer };
        let note = audit(here, actor, "peer.revoke", peer_id);
        let changes = Changes::new().expecting(as_read).with(Change::PutPeer(revoked.clone()));
        match here.store.commit(changes.with(Change::Audit(note))) {
            Err(CommitError::Unexpected(Expect::PeerIs { .. })) if tries < TRIES => {}
            other => return Ok(other.map(|()| revoked)?),
        }
    }
}

/// Why pairing did not come about.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// This institution, or this certificate, is paired already in another way.
    #[error("{0} is paired already with other keys; revoke it first")]
    AlreadyPaired(String),
    /// The address is not `https://host[:port]`.
    #[error("the address of an outside door is https://host:port, without path")]
    Address,
    /// A part of the partner's card is wrong.
    #[error("the partner's pairing data has an unusable {0}")]
    Card(&'static str),
    /// Not an invitation code.
    #[error("this is not an invitation code; copy it whole, it starts with watari1.")]
    Code,
    /// It cannot be kept.
    #[error(transparent)]
    Commit(CommitError),
    /// No such invitation, or used, or over.
    #[error("the invitation is unknown, used or has expired; ask the partner for a new one")]
    InviteClosed,
    /// It was revoked, or paired, between our reading and our commit.
    #[error("{0} was paired or revoked at the same moment; try again")]
    Moved(String),
    /// No such peer.
    #[error("no institution of that name is paired")]
    NoSuchPeer,
    /// The partner's proof does not hold, or ours cannot be made.
    #[error("the partner does not prove that it holds its signing key: {0}")]
    Proof(#[from] JwsError),
    /// The partner said no.
    #[error("the partner refused with status {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says about it, cleaned and cut short.
        text: String,
    },
    /// The certificate was revoked.
    #[error("this certificate of {0} was revoked; it needs new keys")]
    RevokedCertificate(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl From<CommitError> for PairingError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unexpected(Expect::InviteOpen { .. }) => Self::InviteClosed,
            CommitError::Unexpected(Expect::PeerIs { id, .. }) => Self::Moved(id),
            CommitError::Store(error) => Self::Store(error),
            other => Self::Commit(other),
        }
    }
}

impl Classified for PairingError {
    fn kind(&self) -> Kind {
        match self {
            Self::Address | Self::Code => Kind::Malformed,
            Self::AlreadyPaired(_) | Self::Moved(_) => Kind::Conflict,
            Self::Card(_) => Kind::Unprocessable,
            Self::Commit(error) => error.kind(),
            Self::InviteClosed | Self::Proof(_) | Self::RevokedCertificate(_) => Kind::Forbidden,
            Self::NoSuchPeer => Kind::NotFound,
            Self::Refused { .. } => Kind::PeerFailed,
            Self::Store(error) => error.kind(),
            Self::Transport(error) => error.kind(),
        }
    }
}

fn pairing_request(code: &InvitationCode, request: &Request) -> Result<Outgoing, PairingError> {
    let body = serde_json::to_vec(request).map_err(|_| PairingError::Card("request"))?;
    if body.len() > MAX_BYTES {
        return Err(PairingError::Card("size: too many services"));
    }
    Ok(Outgoing {
        url: code.url.clone(),
        certificate_sha256: code.certificate_sha256.clone(),
        path: PATH.to_owned(),
        content_type: "application/json".to_owned(),
        token: None,
        signature: None,
        body: body.into(),
    })
}

fn own_card(
    here: &Institution,
    outside_url: &str,
    partner_certificate_sha256: &str,
    invitation_sha256: &str,
) -> Result<Card, PairingError> {
    let mut card = Card {
        institution: here.config.id.clone(),
        names: here.config.name.clone(),
        country: here.config.country,
        url: outside_url.to_owned(),
        certificate_sha256: here.identity.certificate_sha256().to_owned(),
        signing_key: here.identity.public_key().clone(),
        services: directory::services(&here.config),
        proof: String::new(),
    };
    let claims = proof_claims(&card, partner_certificate_sha256, invitation_sha256)?;
    card.proof = here.identity.sign(PROOF_TYPE, &claims)?;
    Ok(card)
}

/// The peer that a card describes, after every check that needs no store.
fn checked_card(
    here: &Institution,
    card: &Card,
    certificate_sha256: &str,
    invitation_sha256: &str,
) -> Result<Peer, PairingError> {
    let described = InstitutionConfig { id: card.institution.clone(), ..InstitutionConfig::default() };
    if described.check().is_err() || card.institution == here.config.id {
        return Err(PairingError::Card("institution"));
    }
    if card.certificate_sha256 != certificate_sha256 {
        return Err(PairingError::Card("certificate"));
    }
    let names = [&card.names.en, &card.names.fr, &card.names.ja];
    if card.names.en.is_empty() || names.iter().any(|name| name.chars().count() > LONGEST_NAME) {
        return Err(PairingError::Card("name"));
    }
    let url = checked_url(&card.url).map_err(|_| PairingError::Card("address"))?;
    let services = directory::checked(&card.services).ok_or(PairingError::Card("directory"))?;
    card.signing_key.check()?;
    let claims: ProofClaims = jws::verify(&card.signing_key, PROOF_TYPE, &card.proof)?;
    if claims != proof_claims(card, here.identity.certificate_sha256(), invitation_sha256)? {
        return Err(PairingError::Card("proof"));
    }
    Ok(Peer {
        id: card.institution.clone(),
        names: serde_json::to_string(&card.names).map_err(|_| PairingError::Card("name"))?,
        country: card.country.as_str().to_owned(),
        url,
        certificate_sha256: card.certificate_sha256.clone(),
        signing_key: card.signing_key.json(),
        status: "active".to_owned(),
        paired_at: here.now(),
        services,
    })
}

fn proof_claims(
    card: &Card,
    partner_certificate_sha256: &str,
    invitation_sha256: &str,
) -> Result<ProofClaims, PairingError> {
    let unsigned = Card { proof: String::new(), ..card.clone() };
    let bytes = serde_json::to_vec(&unsigned).map_err(|_| PairingError::Card("content"))?;
    Ok(ProofClaims {
        institution: card.institution.clone(),
        certificate_sha256: card.certificate_sha256.clone(),
        partner_certificate_sha256: partner_certificate_sha256.to_owned(),
        invitation_sha256: invitation_sha256.to_owned(),
        card_sha256: ids::sha256_hex(&bytes),
    })
}

/// What pins `peer`, unless an institution or certificate already known stands against it: an invitation must not let
/// its bearer take the place of another partner.
fn pinning(here: &Institution, peer: Peer) -> Result<Changes, PairingError> {
    let (same_id, same_certificate) = here.store.view(|view| {
        Ok::<_, StoreError>((view.peer(&peer.id)?, view.peer_by_certificate(&peer.certificate_sha256)?))
    })?;
    if let Some(known) = same_certificate {
        if known.id != peer.id {
            return Err(PairingError::AlreadyPaired(known.id));
        }
        if !known.is_active() {
            return Err(PairingError::RevokedCertificate(known.id));
        }
    }
    let as_read = same_id.as_ref().map(PeerState::from);
    if let Some(known) = same_id
        && known.is_active()
        && (known.certificate_sha256 != peer.certificate_sha256 || known.signing_key != peer.signing_key)
    {
        return Err(PairingError::AlreadyPaired(known.id));
    }
    let note = audit(here, &format!("peer:{}", peer.id), "peer.pair", &peer.id);
    let own_key = SigningKey {
        institution: here.config.id.clone(),
        jwk: here.identity.public_key().json(),
        since: peer.paired_at.clone(),
    };
    Ok(Changes::new()
        .expecting(Expect::PeerIs { id: peer.id.clone(), state: as_read })
        .with(Change::PutPeer(peer))
        .with(Change::KeepKey(own_key))
        .with(Change::Audit(note)))
}

fn audit(here: &Institution, actor: &str, action: &str, target: &str) -> AuditEntry {
    AuditEntry {
        at: here.now(),
        actor: actor.to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: String::new(),
    }
}
