//! `/`: for each role the work that waits.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::PageState;
use super::frame::{Frame, page};
use super::markup::Markup;
use super::signed_in::SignedIn;
use crate::access::Role;
use crate::referral::turn::{Turn, turn};
use crate::server::problem::Problem;
use crate::store::{StoreError, View};

/// The routes.
pub fn routes() -> Router<PageState> {
    Router::new().route("/", get(home))
}

/// A number that is a door to what it counts.
struct Figure {
    text: String,
    shown: String,
    href: Option<&'static str>,
    /// Something to act on.
    alert: bool,
}

/// A paired institution.
struct PeerRow {
    name: Markup,
    id: String,
    country: String,
    status: Markup,
    paired_at: Markup,
    services: u64,
}

#[derive(Template)]
#[template(path = "web/home.html")]
struct HomePage<'a> {
    f: &'a Frame,
    greeting: String,
    figures: Vec<Figure>,
    actions: Vec<(&'static str, String)>,
    peers: Vec<PeerRow>,
}

/// What the home page reads.
#[derive(Default)]
struct Counts {
    waiting: u64,
    received_open: u64,
    sent_open: u64,
    messages: crate::store::messages::MessageCounts,
    questions: u64,
    queued: u64,
    dead: u64,
    /// Given up by the filing into local systems.
    unfiled: u64,
    patients: u64,
    peers: Vec<crate::store::peers::Peer>,
}

async fn home(State(state): State<PageState>, who: SignedIn) -> Result<Response, Problem> {
    let role = who.staff.role;
    let here = state.here.config.id.clone();
    let counts = state.here.store.read(move |view| read(view, role, &here)).await?;
    let f = &who.frame;
    let (figures, actions) = match role {
        Role::Clinician => (
            vec![
                figure(f, "home-received", counts.received_open, Some("/referrals?box=received"), false),
                figure(f, "home-sent", counts.sent_open, Some("/referrals?box=sent"), false),
            ],
            vec![("/referrals/new", f.t.say("home-new-referral")), ("/referrals", f.t.say("home-all-referrals"))],
        ),
        Role::Researcher => (
            vec![figure(f, "home-questions", counts.questions, Some("/cohorts"), false)],
            vec![("/cohorts", f.t.say("home-new-question"))],
        ),
        Role::It | Role::System => (
            vec![
                figure(f, "home-messages", counts.messages.received, Some("/messages"), false),
                figure(f, "home-translated", counts.messages.translated, Some("/messages?status=translated"), false),
                figure(
                    f,
                    "home-quarantined",
                    counts.messages.quarantined,
                    Some("/messages?status=quarantined"),
                    counts.messages.quarantined > 0,
                ),
                figure(f, "home-patients", counts.patients, None, false),
                figure(f, "home-queued", counts.queued, None, false),
                figure(f, "home-dead", counts.dead, None, counts.dead > 0),
                figure(f, "home-unfiled", counts.unfiled, None, counts.unfiled > 0),
            ],
            vec![("/messages", f.t.say("home-all-messages"))],
        ),
    };
    let peers = counts.peers.iter().map(|peer| peer_row(f, peer)).collect();
    let greeting = f.t.fill("home-greeting", "user", &who.staff.user);
    page(&HomePage { f, greeting, figures, actions, peers })
}

fn figure(f: &Frame, key: &str, n: u64, href: Option<&'static str>, alert: bool) -> Figure {
    Figure { text: f.t.say(key), shown: f.t.number(n), href, alert }
}

fn read(view: &dyn View, role: Role, here: &str) -> Result<Counts, StoreError> {
    let mut counts = Counts { peers: view.peers()?, ..Counts::default() };
    match role {
        Role::Clinician => {
            for (role, open) in [("received", &mut counts.received_open), ("sent", &mut counts.sent_open)] {
                for referral in view.referrals(role, 500)? {
                    match turn(here, &referral, &view.referral_events(&referral.id)?) {
                        Turn::Nobody => {}
                        Turn::Ours => {
                            *open += 1;
                            counts.waiting += 1;
                        }
                        Turn::Theirs | Turn::Underway => *open += 1,
                    }
                }
            }
        }
        Role::Researcher => counts.questions = view.questions(500)?.len() as u64,
        Role::It | Role::System => {
            counts.messages = view.message_counts()?;
            counts.queued = view.deliveries("queued", 500)?.len() as u64;
            counts.dead = view.deliveries("dead", 500)?.len() as u64;
            counts.unfiled = view.filings("dead", 500)?.len() as u64;
            let patients = view.resource_counts()?.into_iter().find(|(kind, _)| kind == "Patient");
            counts.patients = patients.map_or(0, |(_, n)| n);
        }
    }
    Ok(counts)
}

fn peer_row(f: &Frame, peer: &crate::store::peers::Peer) -> PeerRow {
    let services: Vec<serde_json::Value> = serde_json::from_str(&peer.services).unwrap_or_default();
    let tone = if peer.is_active() { "good" } else { "bad" };
    PeerRow {
        name: f.words(&peer_name(peer, f.t.tag())),
        id: peer.id.clone(),
        country: f.t.code("country", &peer.country),
        status: Markup::chip(tone, &f.t.code("peer", &peer.status)),
        paired_at: f.moment(&peer.paired_at),
        services: services.len() as u64,
    }
}

/// The name a partner gave itself in `language`, else in English, else its id.
pub fn peer_name(peer: &crate::store::peers::Peer, language: &str) -> String {
    let names: serde_json::Value = serde_json::from_str(&peer.names).unwrap_or_default();
    [language, "en"]
        .into_iter()
        .filter_map(|tag| names.get(tag)?.as_str())
        .find(|name| !name.is_empty())
        .unwrap_or(&peer.id)
        .to_owned()
}
