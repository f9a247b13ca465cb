//! `/cohorts/{sha256}`: what each node answered. A count is shown as protected by the node that gave it; "too few" is not
//! zero and "no answer" is not too few.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use super::ask::person;
use super::explain;
use crate::access::permit::Permission;
use crate::cohort::{CohortError, result_json};
use crate::fault::Kind;
use crate::server::problem::Problem;
use crate::store::View;
use crate::store::cohorts::{Answer, Question};
use crate::store::peers::Peer;
use crate::web::PageState;
use crate::web::frame::{Frame, page};
use crate::web::home::peer_name;
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;

struct Row {
    node: Markup,
    id: String,
    status: Markup,
    count: String,
    /// Width class of the bar, 0-20; the number stands beside it.
    bar: u64,
    reason: Option<String>,
    at: Markup,
    signed: bool,
}

#[derive(Template)]
#[template(path = "cohort/result.html")]
struct ResultPage<'a> {
    f: &'a Frame,
    sentence: String,
    asked_at: Markup,
    asked_by: &'a str,
    sha256: &'a str,
    json: String,
    total: String,
    result: String,
    rows: Vec<Row>,
}

/// The answers.
pub async fn show(
    State(state): State<PageState>,
    Path(sha256): Path<String>,
    who: SignedIn,
) -> Result<Response, Problem> {
    who.may(Permission::AskCohorts)?;
    let found = state.here.store.read(move |view| read(view, &sha256)).await?;
    let (question, answers, peers, result) =
        found.ok_or_else(|| Problem::new(Kind::NotFound, "no question with this digest was asked here"))?;
    let f = &who.frame;
    let json: Value = serde_json::from_str(&question.json).unwrap_or_default();
    let most = answers.iter().filter_map(|answer| answer.count).max().unwrap_or(0);
    page(&ResultPage {
        sentence: explain::sentence(f.t, &json),
        asked_at: f.moment(&question.asked_at),
        asked_by: person(&question.asked_by),
        sha256: &question.sha256,
        json: serde_json::to_string_pretty(&json).unwrap_or_else(|_| question.json.clone()),
        total: total(f, &result),
        result: serde_json::to_string_pretty(&result).unwrap_or_default(),
        rows: answers.iter().map(|answer| row(f, &state, &peers, answer, most)).collect(),
        f,
    })
}

type Found = (Question, Vec<Answer>, Vec<Peer>, Value);

fn read(view: &dyn View, sha256: &str) -> Result<Option<Found>, CohortError> {
    let Some(question) = view.question(sha256)? else { return Ok(None) };
    Ok(Some((question, view.answers(sha256)?, view.peers()?, result_json(view, sha256)?)))
}

/// The range in which the number of different people lies.
fn total(f: &Frame, result: &Value) -> String {
    let end = |name: &str| result.pointer(name).and_then(Value::as_u64).map(|n| f.t.number(n)).unwrap_or_default();
    f.t.with("cohort-total", &[("low", &end("/total/low")), ("high", &end("/total/high"))])
}

fn row(f: &Frame, state: &PageState, peers: &[Peer], answer: &Answer, most: u64) -> Row {
    let name = match peers.iter().find(|peer| peer.id == answer.node) {
        Some(peer) => peer_name(peer, f.t.tag()),
        None if answer.node == state.here.config.id => f.institution.clone(),
        None => answer.node.clone(),
    };
    let tone = match answer.status.as_str() {
        "ok" => "good",
        "refused" => "bad",
        "too-few" => "calm",
        _ => "wait",
    };
    // A count beside any other status would say more than the node allowed.
    let count = answer.count.filter(|_| answer.status == "ok");
    Row {
        node: f.words(&name),
        id: answer.node.clone(),
        status: Markup::chip(tone, &f.t.code("answer", &answer.status)),
        count: match count {
            Some(n) => f.t.count("cohort-about", n),
            None if answer.status == "too-few" => f.t.say("cohort-fewer"),
            None => f.t.say("cohort-no-number"),
        },
        bar: count.map_or(0, |n| (n * 20).checked_div(most).unwrap_or(0)),
        reason: answer.reason.clone(),
        at: f.moment(&answer.answered_at),
        signed: !answer.evidence.is_empty(),
    }
}
