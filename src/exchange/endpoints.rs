//! The exchange's own addresses at the outside door: pairing and directory.

use axum::extract::{FromRef, State};
use axum::routing::post;
use axum::{Json, Router};

use super::{Institution, directory, pairing};
use crate::fault::Kind;
use crate::server::body::WholeBody;
use crate::server::peer::{Answer, Caller, PeerQuestion};
use crate::server::problem::Problem;
use crate::store::StoreError;
use crate::wire;

/// Address at which partners reach this node's outside door, `https://host:port`.
#[derive(Debug, Clone)]
pub struct OutsideUrl(pub String);

/// State of these endpoints.
#[derive(Clone)]
pub struct ExchangeState {
    /// This institution.
    pub here: Institution,
    /// Given to partners when they pair.
    pub outside_url: OutsideUrl,
}

impl FromRef<ExchangeState> for Institution {
    fn from_ref(state: &ExchangeState) -> Self {
        state.here.clone()
    }
}

/// Pairing and directory, for the outside door.
pub fn router(state: ExchangeState) -> Router {
    Router::new()
        .route(wire::pairing::PATH, post(pair))
        .route(wire::directory::PATH, post(list_services))
        .with_state(state)
}

/// [`wire::pairing`].
async fn pair(
    State(state): State<ExchangeState>,
    Caller(tls): Caller,
    WholeBody(body, _held): WholeBody,
) -> Result<Json<wire::pairing::Response>, Problem> {
    if body.len() > wire::pairing::MAX_BYTES {
        return Err(Problem::new(Kind::TooLarge, "pairing data is larger than allowed"));
    }
    let request: wire::pairing::Request = serde_json::from_slice(&body)
        .map_err(|_| Problem::new(Kind::Malformed, "this is not the pairing data of this release"))?;
    let paired = tokio::task::spawn_blocking(move || {
        pairing::accept(&state.here, &tls, &state.outside_url.0, &request).inspect_err(|error| {
            tracing::warn!(certificate_sha256 = %tls.certificate_sha256, %error, "a pairing was refused");
        })
    });
    Ok(Json(paired.await.unwrap_or(Err(StoreError::Closed.into()))?))
}

/// [`wire::directory`].
async fn list_services(
    State(here): State<Institution>,
    PeerQuestion(question): PeerQuestion,
) -> Result<Answer, Problem> {
    serde_json::from_slice::<wire::directory::Request>(question.body())
        .map_err(|_| Problem::new(Kind::Malformed, "this is not a directory request of this release"))?;
    let response = wire::directory::Response { services: directory::services(&here.config) };
    let body = serde_json::to_vec(&response)
        .map_err(|_| Problem::new(Kind::Internal, "the directory could not be written as JSON"))?;
    Answer::new(&here, &question, body)
}
