//! `/referrals/{id}`: one referral: who, what is asked, the summary, the timeline on both clocks, the evidence, and what can be
//! done now. Each look is written to the audit trail.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::tz::TimeZone;

use super::acts::{self, ActForm, Failed};
use super::show::{self, ListShown, PersonShown, ReplyShown, ResultShown};
use super::{priority_chip, services, status_chip, turn_chip};
use crate::access::permit::Permission;
use crate::fault::Kind;
use crate::referral::turn::{open_question, turn};
use crate::referral::{self, reading};
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::deliveries::{Delivery, SeenMessage};
use crate::store::peers::Peer;
use crate::store::referrals::{Referral, ReferralEvent};
use crate::store::{Change, Changes, StoreError, View};
use crate::web::PageState;
use crate::web::clock_face;
use crate::web::frame::{Frame, page_with};
use crate::web::home::peer_name;
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;
use crate::web::trail::acted;

/// A line of the timeline.
struct Line {
    title: String,
    institution: Markup,
    actor: String,
    ours: Markup,
    theirs: Markup,
    note: Option<Markup>,
    delivery: Option<Markup>,
    is_ours: bool,
}

/// What proves the exchange.
struct Evidence {
    message_id: String,
    sha256: String,
    state: Markup,
    at: Option<Markup>,
    receipt: bool,
    signature: bool,
    error: Option<String>,
    attempts: Option<String>,
}

struct ConsentShown {
    at: Option<Markup>,
    until: Option<Markup>,
    text: Option<Markup>,
}

#[derive(Template)]
#[template(path = "referral/detail.html")]
struct DetailPage<'a> {
    f: &'a Frame,
    id: &'a str,
    is_received: bool,
    title: Markup,
    patient: Option<PersonShown>,
    patient_name: Markup,
    peer: Markup,
    service: Markup,
    priority: Markup,
    status: Markup,
    turn: Markup,
    created: Markup,
    reasons: Vec<Markup>,
    questions: Vec<Markup>,
    travel: Vec<Markup>,
    interpreter: Option<String>,
    left_out: Vec<String>,
    consent: Option<ConsentShown>,
    lists: Vec<ListShown>,
    results: Vec<ResultShown>,
    results_absence: show::AbsenceShown,
    reply: Option<ReplyShown>,
    forms: Vec<ActForm>,
    zone_ours: String,
    zone_theirs: String,
    timeline: Vec<Line>,
    evidence: Option<Evidence>,
}

/// What the page reads.
struct Case {
    referral: Referral,
    events: Vec<ReferralEvent>,
    peer: Option<Peer>,
    delivery: Option<Delivery>,
    seen: Option<SeenMessage>,
    carried: Vec<Option<String>>,
}

/// The page.
pub async fn show(State(state): State<PageState>, Path(id): Path<String>, who: SignedIn) -> Result<Response, Problem> {
    page_with_failed(&state, &who, id, None, StatusCode::OK).await
}

/// The page, with an act that could not be read shown in its form.
pub async fn page_with_failed(
    state: &PageState,
    who: &SignedIn,
    id: String,
    failed: Option<Failed>,
    status: StatusCode,
) -> Result<Response, Problem> {
    who.may(Permission::ReadReferrals)?;
    let case = state.here.store.read(move |view| read(view, &id)).await?;
    let case = case.ok_or_else(|| Problem::new(Kind::NotFound, "no referral has this id here"))?;
    let audit = AuditEntry {
        at: state.here.now(),
        actor: format!("user:{}", who.staff.user),
        action: "referral.read".to_owned(),
        target: case.referral.id.clone(),
        detail: String::new(),
    };
    state.here.store.write(Changes::new().with(Change::Audit(audit))).await?;
    render(state, &who.frame, &case, failed.as_ref(), status).map(acted)
}

fn read(view: &dyn View, id: &str) -> Result<Option<Case>, StoreError> {
    let Some(referral) = view.referral(id)? else { return Ok(None) };
    let events = view.referral_events(id)?;
    let is_sent = referral.role == "sent";
    let delivery_status = |event: &ReferralEvent| match &event.message_id {
        Some(message) => Ok::<_, StoreError>(view.delivery(message)?.map(|delivery| delivery.status)),
        None => Ok(None),
    };
    Ok(Some(Case {
        carried: events.iter().map(delivery_status).collect::<Result<_, _>>()?,
        peer: view.peer(&referral.peer)?,
        delivery: if is_sent { view.delivery(&referral.message_id)? } else { None },
        seen: if is_sent { None } else { view.seen(&referral.peer, &referral.message_id)? },
        events,
        referral,
    }))
}

fn render(
    state: &PageState,
    f: &Frame,
    case: &Case,
    failed: Option<&Failed>,
    status: StatusCode,
) -> Result<Response, Problem> {
    let referral = &case.referral;
    let summary = reading::package_summary(&referral.package, f.t.tag());
    let is_received = referral.role == "received";
    let peer = case.peer.as_ref();
    let peer_text = peer.map_or_else(|| referral.peer.clone(), |peer| peer_name(peer, f.t.tag()));
    let service = if is_received {
        services::at_home(&state.here.config, &referral.service, f.t.tag())
    } else {
        services::at_peer(peer, &referral.service, f.t.tag())
    };
    let theirs = peer.and_then(services::zone);
    let all = |texts: &[String]| texts.iter().map(|text| f.words(text)).collect();
    let allowed = referral::allowed_acts(&referral.role, &referral.status, referral.business_status.as_deref());
    let expected = acts::Expected {
        is_asked: open_question(&case.events).is_some_and(|asker| asker != state.here.config.id),
        is_booked: referral.business_status.is_some(),
    };
    let page = DetailPage {
        f,
        id: &referral.id,
        is_received,
        title: f.words(&service),
        patient: summary.patient.as_ref().map(|person| show::person(f, person)),
        patient_name: f.words(&referral.patient_name),
        peer: f.words(&peer_text),
        service: f.words(&service),
        priority: priority_chip(f, &referral.priority),
        status: status_chip(f, &referral.status, referral.business_status.as_deref()),
        turn: turn_chip(f, turn(&state.here.config.id, referral, &case.events)),
        created: f.moment(&referral.created_at),
        reasons: all(&summary.reasons),
        questions: all(&summary.questions),
        travel: all(&summary.travel),
        interpreter: summary.interpreter.as_deref().map(|code| show::language(f, code)),
        left_out: summary.left_out.iter().flat_map(|told| show::left_out(f, told)).collect(),
        consent: summary.consent.as_ref().map(|consent| ConsentShown {
            at: consent.at.as_deref().map(|at| f.moment(at)),
            until: consent.until.as_deref().map(|at| f.date(at)),
            text: consent.text.as_deref().map(|text| f.words(text)),
        }),
        lists: show::lists(f, &summary),
        results: show::results(f, &summary),
        results_absence: show::absence(f, summary.results.absence, "results"),
        reply: referral.outcome.as_deref().map(|bytes| show::reply(f, &reading::reply(bytes))),
        forms: acts::forms(f, &allowed, expected, failed),
        zone_ours: f.institution.clone(),
        zone_theirs: if theirs.is_some() { peer_text } else { f.t.say("timeline-utc") },
        timeline: timeline(state, f, case, &theirs.unwrap_or(TimeZone::UTC)),
        evidence: evidence(f, case),
    };
    page_with(status, &page)
}

fn timeline(state: &PageState, f: &Frame, case: &Case, theirs: &TimeZone) -> Vec<Line> {
    let here = state.here.config.id.as_str();
    let pairs = case.events.iter().zip(&case.carried);
    pairs
        .map(|(event, carried)| {
            let is_ours = event.institution == here;
            let institution = match (&case.peer, is_ours) {
                (_, true) => f.institution.clone(),
                (Some(peer), false) if peer.id == event.institution => peer_name(peer, f.t.tag()),
                _ => event.institution.clone(),
            };
            Line {
                title: f.t.code("event", &event.event),
                institution: f.words(&institution),
                actor: event.actor.clone(),
                ours: f.moment(&event.at),
                theirs: clock_face::moment(f.t, &event.at, theirs),
                note: event
                    .note
                    .as_deref()
                    .filter(|note| !note.is_empty())
                    .map(|note| note_shown(f, &event.event, note)),
                // The line that says "delivered" needs no mark that says it again.
                delivery: carried
                    .as_deref()
                    .filter(|_| !matches!(event.event.as_str(), "deliver" | "delivered" | "give-up" | "undelivered"))
                    .map(|status| delivery_chip(f, status)),
                is_ours,
            }
        })
        .collect()
}

/// The note of an appointment is its time; any other is words.
fn note_shown(f: &Frame, event: &str, note: &str) -> Markup {
    if event == "schedule" { f.moment(note) } else { f.words(note) }
}

fn delivery_chip(f: &Frame, status: &str) -> Markup {
    let tone = match status {
        "delivered" => "good",
        "dead" => "bad",
        _ => "wait",
    };
    Markup::chip(tone, &f.t.code("delivery", status))
}

/// Of a sent referral: our signature and the partner's receipt. Of a received one: the partner's signature and our receipt.
fn evidence(f: &Frame, case: &Case) -> Option<Evidence> {
    if let Some(delivery) = &case.delivery {
        return Some(Evidence {
            message_id: delivery.message_id.clone(),
            sha256: delivery.body_sha256.clone(),
            state: delivery_chip(f, &delivery.status),
            at: delivery.delivered_at.as_deref().map(|at| f.moment(at)),
            receipt: delivery.receipt.is_some(),
            signature: !delivery.signature.is_empty(),
            error: delivery.last_error.clone().filter(|_| delivery.status != "delivered"),
            attempts: (delivery.attempts > 0).then(|| f.t.count("evidence-attempts", u64::from(delivery.attempts))),
        });
    }
    let seen = case.seen.as_ref()?;
    Some(Evidence {
        message_id: seen.message_id.clone(),
        sha256: seen.body_sha256.clone(),
        state: Markup::chip("good", &f.t.say("delivery-received")),
        at: Some(f.moment(&seen.received_at)),
        receipt: !seen.receipt.is_empty(),
        signature: !seen.signature.is_empty(),
        error: None,
        attempts: None,
    })
}
