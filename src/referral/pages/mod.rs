//! `/referrals`: what was sent and received, whose turn it is, one referral with its evidence, and a new one.

mod acts;
mod compose;
mod detail;
mod list;
mod services;
mod show;

use axum::Router;
use axum::routing::{get, post};

use crate::referral::turn::Turn;
use crate::web::PageState;
use crate::web::frame::{Frame, around};
use crate::web::markup::Markup;

/// The pages of referrals.
pub fn router(state: PageState) -> Router {
    let pages = Router::new()
        .route("/referrals", get(list::list))
        .route("/referrals/new", get(compose::empty).post(compose::submitted))
        .route("/referrals/{id}", get(detail::show))
        .route("/referrals/{id}/{act}", post(acts::act))
        .with_state(state.clone());
    around(pages, &state)
}

/// The status, with how far a referral in progress is.
fn status_chip(f: &Frame, status: &str, business: Option<&str>) -> Markup {
    let tone = match (status, business) {
        (_, Some("cancellation-requested" | "unattended")) | ("requested" | "draft", _) => "wait",
        ("accepted" | "in-progress" | "completed", _) => "good",
        ("rejected" | "failed" | "entered-in-error", _) => "bad",
        ("cancelled", _) => "calm",
        _ => "news",
    };
    let words = match business {
        Some(business) => f.t.code("business", business),
        None => f.t.code("referral", status),
    };
    Markup::chip(tone, &words)
}

fn priority_chip(f: &Frame, priority: &str) -> Markup {
    let tone = if priority == "routine" { "calm" } else { "urgent" };
    Markup::chip(tone, &f.t.code("priority", priority))
}

fn turn_chip(f: &Frame, turn: Turn) -> Markup {
    let (tone, key) = match turn {
        Turn::Ours => ("turn-ours", "turn-ours"),
        Turn::Theirs => ("turn-theirs", "turn-theirs"),
        Turn::Underway => ("turn-theirs", "turn-underway"),
        Turn::Nobody => ("turn-none", "turn-nobody"),
    };
    Markup::chip(tone, &f.t.say(key))
}
