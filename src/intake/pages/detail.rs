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
use crate::web::PageState;
use crate::web::form::Submitted;
use crate::web::frame::{Frame, page};
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;

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
    render(&state, &form.who, &message, Some(&resources))
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
    let losses = message.losses.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let fields = losses.as_ref().map(entries).unwrap_or_default();
    let text = raw::decode(&message.raw, state.here.config.country);
    page(&DetailPage {
        f,
        message,
        status: status_chip(f, message.status),
        quarantined: message.status == MessageStatus::Quarantined,
        channel: f.t.code("channel", &message.channel),
        received: f.moment(&message.received_at),
        bytes: f.t.count("message-bytes", message.raw.len() as u64),
        totals: totals(f, &fields),
        segments: segments(f, &fields),
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

/// A line of the loss report, as far as the page shows it.
struct Entry<'a> {
    source: &'a str,
    occurrence: u64,
    outcome: Outcome,
    target: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Mapped,
    KeptRaw,
    Dropped,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Mapped, Self::KeptRaw, Self::Dropped];

    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "mapped" => Some(Self::Mapped),
            "keptraw" => Some(Self::KeptRaw),
            "dropped" => Some(Self::Dropped),
            _ => None,
        }
    }

    fn chip(self, f: &Frame) -> Markup {
        match self {
            Self::Mapped => Markup::chip("good", &f.t.say("loss-mapped")),
            Self::KeptRaw => Markup::chip("wait", &f.t.say("loss-kept-raw")),
            Self::Dropped => Markup::chip("bad", &f.t.say("loss-dropped")),
        }
    }
}

fn entries(losses: &Value) -> Vec<Entry<'_>> {
    let listed = losses.get("entries").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|entry| {
            Some(Entry {
                source: entry.get("source")?.as_str()?,
                occurrence: entry.get("occurrence").and_then(Value::as_u64).unwrap_or(1),
                outcome: Outcome::parse(entry.get("outcome")?.as_str()?)?,
                target: target(entry),
            })
        })
        .collect()
}

/// Where it went, or why it did not.
fn target(entry: &Value) -> String {
    let targets: Vec<&str> =
        entry.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let reason = entry.get("reason").and_then(Value::as_str).unwrap_or("");
    match (targets.is_empty(), reason.is_empty()) {
        (false, true) => targets.join(", "),
        (false, false) => format!("{} ({reason})", targets.join(", ")),
        (true, _) => reason.to_owned(),
    }
}

fn totals(f: &Frame, entries: &[Entry<'_>]) -> Vec<(Markup, String)> {
    if entries.is_empty() {
        return Vec::new();
    }
    Outcome::ALL
        .into_iter()
        .map(|outcome| {
            let n = entries.iter().filter(|entry| entry.outcome == outcome).count();
            (outcome.chip(f), f.t.number(n as u64))
        })
        .collect()
}

/// Groups by segment (`PID-5.1` belongs to `PID`) and occurrence, in the order of the report.
fn segments(f: &Frame, entries: &[Entry<'_>]) -> Vec<Segment> {
    let mut groups: Vec<((&str, u64), Vec<&Entry<'_>>)> = Vec::new();
    for entry in entries {
        let name = entry.source.split('-').next().unwrap_or(entry.source);
        let key = (name, entry.occurrence);
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
                        source: entry.source.to_owned(),
                        outcome: entry.outcome.chip(f),
                        target: entry.target.clone(),
                    })
                    .collect(),
            }
        })
        .collect()
}
