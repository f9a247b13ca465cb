//! `POST /peer/v1/cohort-question`: a cohort question of a paired institution, answered at once and signed.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;

use super::answer::{self, CohortPolicy};
use crate::exchange::Institution;
use crate::server::peer::{Answer, PeerQuestion};
use crate::server::problem::Problem;
use crate::wire::cohort_question;

#[derive(Clone)]
struct Desk {
    here: Institution,
    policy: CohortPolicy,
}

impl FromRef<Desk> for Institution {
    fn from_ref(desk: &Desk) -> Self {
        desk.here.clone()
    }
}

/// The outside address of cohort questions.
pub fn router(here: Institution, policy: CohortPolicy) -> Router {
    Router::new().route(cohort_question::PATH, post(ask)).with_state(Desk { here, policy })
}

async fn ask(State(desk): State<Desk>, PeerQuestion(question): PeerQuestion) -> Result<Answer, Problem> {
    let body = answer::answer(&desk.here, &question, &desk.policy).await?;
    Answer::new(&desk.here, &question, body)
}
