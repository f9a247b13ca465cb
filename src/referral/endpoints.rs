//! The referrals' address at the outside door: [`crate::wire::submit_message`].

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::receive::receive;
use crate::exchange::Institution;
use crate::server::peer::{PeerMessage, Receipted};
use crate::server::problem::Problem;
use crate::store::StoreError;
use crate::wire::submit_message;

/// FHIR messages, for the outside door.
pub fn router(here: Institution) -> Router {
    Router::new().route(submit_message::PATH, post(process_message)).with_state(here)
}

/// [`submit_message`].
async fn process_message(
    State(here): State<Institution>,
    PeerMessage(message): PeerMessage,
) -> Result<Receipted, Problem> {
    let received = tokio::task::spawn_blocking(move || {
        receive(&here, &message).inspect_err(|error| {
            let (peer, message_id) = (&message.peer().id, message.message_id());
            tracing::warn!(%peer, message_id, %error, "a referral message was refused");
        })
    });
    Ok(Receipted(received.await.unwrap_or(Err(StoreError::Closed.into()))?))
}
