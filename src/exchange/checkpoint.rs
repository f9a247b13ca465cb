//! Signed checkpoints: from time to time, and at an orderly stop, the heads of all audit chains that have grown are signed with the
//! node's key, and the signature becomes an act. Whoever cuts a chain short, or writes it anew, must then sign what they have
//! not got the key for.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Institution;
use super::jws::{self, JwsError, PublicKey};
use crate::audit::{CHECKPOINT, Head, Trail};
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, CommitError, StoreError, View};

/// `typ` of a checkpoint.
const TYPE: &str = "watari-checkpoint+jwt";
/// Between two checkpoints.
const EVERY: Duration = Duration::from_secs(600);

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    /// Who signs.
    institution: String,
    /// When, RFC 3339.
    at: String,
    /// The heads.
    heads: Vec<Head>,
}

/// Why a checkpoint was not written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The signature.
    #[error(transparent)]
    Signature(#[from] JwsError),
}

impl Classified for CheckpointError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
            Self::Signature(_) => Kind::Internal,
        }
    }
}

/// Signs the heads of the chains that have grown since `signed`, if there are any, and remembers them there. Blocks.
pub fn write(here: &Institution, signed: &mut HashMap<(Trail, String), u64>) -> Result<(), CheckpointError> {
    let mut heads = here.store.view(heads)?;
    heads.retain(|head| signed.get(&(head.trail, head.chain.clone())).is_none_or(|before| *before < head.position));
    if heads.is_empty() {
        return Ok(());
    }
    let claims = Claims { institution: here.config.id.clone(), at: here.now(), heads };
    let entry = AuditEntry {
        at: claims.at.clone(),
        actor: "node".to_owned(),
        action: CHECKPOINT.to_owned(),
        target: String::new(),
        detail: serde_json::json!({"checkpoint": here.identity.sign(TYPE, &claims)?}).to_string(),
    };
    here.store.commit(Changes::new().with(Change::Audit(entry)))?;
    signed.extend(claims.heads.into_iter().map(|head| ((head.trail, head.chain), head.position)));
    Ok(())
}

/// The heads of all chains; of acts only where the last is more than a checkpoint, else replicas would answer each other for
/// ever.
fn heads(view: &dyn View) -> Result<Vec<Head>, StoreError> {
    let mut heads = Vec::new();
    for chain in view.audit_chains()? {
        let Some((position, hash)) = view.audit_head(&chain)? else { continue };
        let last = view.audit_entries(&chain, position, 1)?;
        if last.iter().all(|one| one.entry.action != CHECKPOINT) {
            heads.push(Head { trail: Trail::Acts, chain, position, hash });
        }
    }
    for chain in view.request_chains()? {
        if let Some((position, hash)) = view.request_head(&chain)? {
            heads.push(Head { trail: Trail::Requests, chain, position, hash: ids::hex(&hash) });
        }
    }
    Ok(heads)
}

/// The heads that a checkpoint signs, if one of the node's own keys has signed it.
pub fn verified(here: &Institution, view: &dyn View, checkpoint: &str) -> Result<Option<Vec<Head>>, StoreError> {
    let earlier = view.signing_keys(&here.config.id)?;
    let earlier: Vec<PublicKey> = earlier.iter().filter_map(|key| PublicKey::parse(&key.jwk).ok()).collect();
    let keys = std::iter::once(here.identity.public_key()).chain(&earlier);
    let claims = keys.filter_map(|key| jws::verify::<Claims>(key, TYPE, checkpoint).ok()).next();
    Ok(claims.filter(|claims| claims.institution == here.config.id).map(|claims| claims.heads))
}

/// Writes checkpoints until `stop`.
pub async fn run(here: Institution, mut stop: watch::Receiver<bool>) {
    let mut signed = HashMap::new();
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let institution = here.clone();
        let work = tokio::task::spawn_blocking(move || {
            let done = write(&institution, &mut signed);
            (signed, done)
        });
        match work.await {
            Ok((known, done)) => {
                signed = known;
                if let Err(error) = done {
                    tracing::warn!(%error, "the audit trails could not be signed; it is tried again later");
                }
            }
            Err(_) => signed = HashMap::new(),
        }
    }
}
