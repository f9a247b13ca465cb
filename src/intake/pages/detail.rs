//! `/messages/{id}`: one message: what became of it, every field accounted for, the resources it wrote. Its content is
//! masked; showing it is a deed of its own, sent as a form and written to the audit trail.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use super::{raw, status_chip};
use crate::access::permit::Permission;
use crate::fault::Kind;
use crate::fhir::reference;
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::messages::{MessageRecord, MessageStatus};
use crate::store::{Change, Changes, StoreError};
use crate::translate::losses::{Entry, LossReport, Outcome};
use crate::web::PageState;
use crate::web::form::Submitted;
use crate::web::frame::{Frame, page};
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;
use crate::web::trail::acted;

/// Resources whose JSON is shown at most.
const MOST_SHOWN: usize = 100;

/// A field of the loss report.
struct Field {
    source: String,
    outcome: Markup,
    target: String,
}

/// The fields of one segment.
struct Segment {
    name: String,
    summary: String,
    fields: Vec<Field>,
}

/// A resource the message wrote.
struct Written {
    name: String,
    json: Option<String>,
}

#[derive(Template)]
#[template(path = "intake/detail.html")]
struct DetailPage<'a> {
    f: &'a Frame,
    message: &'a MessageRecord,
    status: Markup,
    quarantined: bool,
    channel: String,
    received: Markup,
    bytes: String,
    totals: Vec<(Markup, String)>,
    warnings: Vec<String>,
    segments: Vec<Segment>,
    written: Vec<Written>,
    content: String,
    revealed: bool,
}

/// The page with its content masked.
pub async fn show(State(state): State<PageState>, Path(id): Path<String>, who: SignedIn) -> Result<Response, Problem> {
    who.may(Permission::ReadMessages)?;
    let message = find(&state, id).await?;
    render(&state, &who, &message, None)
}

/// The page with its content. Audited before it is shown.
pub async fn reveal(
    State(state): State<PageState>,
    Path(id): Path<String>,
    form: Submitted,
) -> Result<Response, Problem> {
    form.who.may(Permission::RevealMessages)?;
    let message = find(&state, id).await?;
    let audit = AuditEntry {
        at: state.here.now(),
        actor: format!("user:{}", form.who.staff.user),
        action: "message.reveal".to_owned(),
        target: message.id.clone(),
        detail: String::new(),
    };
    state.here.store.write(Changes::new().with(Change::Audit(audit))).await?;
    let wanted: Vec<String> = names(&message).into_iter().take(MOST_SHOWN).collect();
    let resources = state
        .here
        .store
        .read(move |view| {
            let mut found = BTreeMap::new();
            for name in wanted {
                if let Some((kind, id)) = reference::split(&name)
                    && let Some(resource) = view.resource(kind, id)?
                {
                    found.insert(name, resource.json);
                }
            }
            Ok::<_, StoreError>(found)
        })
        .await?;
    render(&state, &form.who, &message, Some(&resources)).map(acted)
}

async fn find(state: &PageState, id: String) -> Result<MessageRecord, Problem> {
    let message = state.here.store.read(move |view| view.message(&id)).await?;
    message.ok_or_else(|| Problem::new(Kind::NotFound, "no received message has this id"))
}

fn render(
    state: &PageState,
    who: &SignedIn,
    message: &MessageRecord,
    resources: Option<&BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let f = &who.frame;
    let losses = message.losses.as_deref().and_then(|text| serde_json::from_str::<LossReport>(text).ok());
    let losses = losses.unwrap_or_default();
    let text = raw::decode(&message.raw, state.here.config.country);
    page(&DetailPage {
        f,
        message,
        status: status_chip(f, message.status),
        quarantined: message.status == MessageStatus::Quarantined,
        channel: f.t.code("channel", &message.channel),
        received: f.moment(&message.received_at),
        bytes: f.t.count("message-bytes", message.raw.len() as u64),
        totals: totals(f, &losses),
        warnings: losses.warnings.clone(),
        segments: segments(f, &losses),
        written: names(message)
            .into_iter()
            .map(|name| Written { json: resources.and_then(|found| found.get(&name)).map(|json| pretty(json)), name })
            .collect(),
        content: if resources.is_some() { text } else { raw::mask(&text) },
        revealed: resources.is_some(),
    })
}

fn names(message: &MessageRecord) -> Vec<String> {
    serde_json::from_str(&message.resources).unwrap_or_default()
}

/// Indented JSON; numbers keep their digits (`arbitrary_precision`).
fn pretty(json: &str) -> String {
    serde_json::from_str::<Value>(json)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| json.to_owned())
}

fn chip(f: &Frame, outcome: Outcome) -> Markup {
    match outcome {
        Outcome::Mapped => Markup::chip("good", &f.t.say("loss-mapped")),
        Outcome::KeptRaw => Markup::chip("wait", &f.t.say("loss-kept-raw")),
        Outcome::Dropped => Markup::chip("bad", &f.t.say("loss-dropped")),
    }
}

/// Where it went, or why it did not.
fn target(f: &Frame, entry: &Entry) -> String {
    let targets = entry.targets.join(", ");
    match entry.reason.as_deref().map(|said| super::reason(f, said)) {
        Some(reason) if targets.is_empty() => reason,
        Some(reason) => format!("{targets} ({reason})"),
        None => targets,
    }
}

/// `PID-5.1` belongs to `PID`, `column mrn` to the row.
fn segment_of(source: &str) -> &str {
    source.split(['-', ' ']).next().unwrap_or(source)
}

fn totals(f: &Frame, report: &LossReport) -> Vec<(Markup, String)> {
    let totals = &report.totals;
    [(Outcome::Mapped, totals.mapped), (Outcome::KeptRaw, totals.kept_raw), (Outcome::Dropped, totals.dropped)]
        .into_iter()
        .map(|(outcome, n)| (chip(f, outcome), f.t.number(n as u64)))
        .collect()
}

/// Groups by segment and occurrence, in the order of the report.
fn segments(f: &Frame, report: &LossReport) -> Vec<Segment> {
    let mut groups: Vec<((&str, usize), Vec<&Entry>)> = Vec::new();
    for entry in &report.entries {
        let key = (segment_of(&entry.source), entry.occurrence);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(entry),
            None => groups.push((key, vec![entry])),
        }
    }
    groups
        .into_iter()
        .map(|((name, occurrence), members)| {
            let lost = members.iter().filter(|entry| entry.outcome == Outcome::Dropped).count() as u64;
            let fields = f.t.count("loss-fields", members.len() as u64);
            Segment {
                name: if occurrence > 1 { format!("{name} {occurrence}") } else { name.to_owned() },
                summary: if lost == 0 {
                    fields
                } else {
                    f.t.with("loss-summary", &[("fields", &fields), ("lost", &f.t.count("loss-lost", lost))])
                },
                fields: members
                    .into_iter()
                    .map(|entry| Field {
                        source: entry.source.to_string(),
                        outcome: chip(f, entry.outcome),
                        target: target(f, entry),
                    })
                    .collect(),
            }
        })
        .collect()
}
