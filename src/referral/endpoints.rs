//! `POST /peer/v1/fhir/$process-message`: a referral, or news about one, from a paired institution.

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::receive;
use crate::exchange::Institution;
use crate::server::peer::{PeerMessage, Receipted};
use crate::server::problem::Problem;
use crate::store::StoreError;
use crate::wire::submit_message;

/// The outside address of referrals.
pub fn router(here: Institution) -> Router {
    Router::new().route(submit_message::PATH, post(process_message)).with_state(here)
}

async fn process_message(
    State(here): State<Institution>,
    PeerMessage(message): PeerMessage,
) -> Result<Receipted, Problem> {
    let work = tokio::task::spawn_blocking(move || receive::receive(&here, &message));
    let receipt = work.await.unwrap_or(Err(StoreError::Closed.into()))?;
    Ok(Receipted(receipt))
}
