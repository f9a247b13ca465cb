//! `/referrals`: received and sent; what waits for us stands on top.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{priority_chip, services, status_chip, turn_chip};
use crate::access::permit::Permission;
use crate::referral::turn::{Turn, turn};
use crate::server::problem::Problem;
use crate::store::StoreError;
use crate::store::peers::Peer;
use crate::store::referrals::{Referral, ReferralEvent};
use crate::web::PageState;
use crate::web::form::{Fields, parse};
use crate::web::frame::{Frame, page};
use crate::web::home::peer_name;
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;
use crate::web::trail::showing;

/// Referrals shown of one box.
const MOST: usize = 200;

struct Row {
    href: String,
    patient: Markup,
    peer: Markup,
    service: Markup,
    priority: Markup,
    status: Markup,
    turn: Markup,
    updated: Markup,
    age: String,
}

struct Tab {
    text: String,
    shown: String,
    href: &'static str,
    current: bool,
}

#[derive(Template)]
#[template(path = "referral/list.html")]
struct ListPage<'a> {
    f: &'a Frame,
    tabs: Vec<Tab>,
    waiting: Vec<Row>,
    others: Vec<Row>,
    is_received: bool,
    truncated: bool,
}

/// What the page reads.
struct Boxes {
    received: Vec<Referral>,
    sent: Vec<Referral>,
    events: Vec<Vec<ReferralEvent>>,
    peers: Vec<Peer>,
}

/// The list.
pub async fn list(
    State(state): State<PageState>,
    RawQuery(query): RawQuery,
    who: SignedIn,
) -> Result<Response, Problem> {
    who.may(Permission::ReadReferrals)?;
    let query = Fields::from_pairs(parse(query.unwrap_or_default().as_bytes()).unwrap_or_default());
    let is_received = query.get("box") != "sent";
    let boxes = state
        .here
        .store
        .read(move |view| {
            let (received, sent) = (view.referrals("received", MOST)?, view.referrals("sent", MOST)?);
            let shown = if is_received { &received } else { &sent };
            let events = shown.iter().map(|one| view.referral_events(&one.id)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Boxes { events, peers: view.peers()?, received, sent })
        })
        .await?;
    let f = &who.frame;
    let shown = if is_received { &boxes.received } else { &boxes.sent };
    let (mut waiting, mut others) = (Vec::new(), Vec::new());
    for (referral, events) in shown.iter().zip(&boxes.events) {
        let turn = turn(&state.here.config.id, referral, events);
        let row = row(f, &state, referral, &boxes.peers, turn);
        if turn == Turn::Ours { waiting.push(row) } else { others.push(row) }
    }
    let patients = shown.iter().filter_map(|referral| referral.patient.clone()).collect();
    let page = page(&ListPage {
        tabs: vec![
            tab(f, "referrals-received", boxes.received.len(), "/referrals?box=received", is_received),
            tab(f, "referrals-sent", boxes.sent.len(), "/referrals?box=sent", !is_received),
        ],
        waiting,
        others,
        is_received,
        truncated: shown.len() == MOST,
        f,
    })?;
    Ok(showing(page, patients))
}

fn tab(f: &Frame, key: &str, n: usize, href: &'static str, current: bool) -> Tab {
    Tab { text: f.t.say(key), shown: f.t.number(n as u64), href, current }
}

fn row(f: &Frame, state: &PageState, referral: &Referral, peers: &[Peer], turn: Turn) -> Row {
    let peer = peers.iter().find(|peer| peer.id == referral.peer);
    let service = if referral.role == "sent" {
        services::at_peer(peer, &referral.service, f.t.tag())
    } else {
        services::at_home(&state.here.config, &referral.service, f.t.tag())
    };
    Row {
        href: format!("/referrals/{}", referral.id),
        patient: f.words(&referral.patient_name),
        peer: f.words(&peer.map_or_else(|| referral.peer.clone(), |peer| peer_name(peer, f.t.tag()))),
        service: f.words(&service),
        priority: priority_chip(f, &referral.priority),
        status: status_chip(f, &referral.status, referral.business_status.as_deref()),
        turn: turn_chip(f, turn),
        updated: f.moment(&referral.updated_at),
        age: f.age(&referral.updated_at),
    }
}
