//! `/messages`: counts that are doors to what they count, filters, pages of fifty.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{CHANNELS, ChannelFilter, channel_filters, status_chip};
use crate::access::permit::Permission;
use crate::server::problem::Problem;
use crate::store::messages::{MessageFilter, MessageRecord, MessageStatus};
use crate::web::PageState;
use crate::web::form::{Fields, parse};
use crate::web::frame::{Frame, page};
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;

const PAGE: usize = 50;
/// Farther back than this nobody pages by hand.
const FARTHEST: usize = 2000;

struct Row {
    href: String,
    received: Markup,
    age: String,
    channel: String,
    kind: String,
    control_id: String,
    status: Markup,
    outcome: String,
}

struct Filter {
    text: String,
    shown: String,
    href: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "intake/list.html")]
struct ListPage<'a> {
    f: &'a Frame,
    statuses: Vec<Filter>,
    channels: Vec<ChannelFilter>,
    rows: Vec<Row>,
    newer: Option<String>,
    older: Option<String>,
}

/// The list.
pub async fn list(
    State(state): State<PageState>,
    RawQuery(query): RawQuery,
    who: SignedIn,
) -> Result<Response, Problem> {
    who.may(Permission::ReadMessages)?;
    let query = Fields::from_pairs(parse(query.unwrap_or_default().as_bytes()).unwrap_or_default());
    let status = MessageStatus::parse(query.get("status"));
    let channel = CHANNELS.into_iter().find(|channel| *channel == query.get("channel"));
    let number = query.get("page").parse::<usize>().unwrap_or(1).clamp(1, FARTHEST);
    let filter = MessageFilter {
        status,
        channel: channel.map(str::to_owned),
        // One more than shown tells whether there is a next page.
        limit: PAGE + 1,
        offset: (number - 1) * PAGE,
    };
    let (counts, mut messages) = state
        .here
        .store
        .read(move |view| Ok::<_, crate::store::StoreError>((view.message_counts()?, view.messages(&filter)?)))
        .await?;
    let more = messages.len() > PAGE;
    messages.truncate(PAGE);

    let f = &who.frame;
    let statuses = [(None, "messages-all", counts.received)]
        .into_iter()
        .chain([
            (Some(MessageStatus::Translated), "message-translated", counts.translated),
            (Some(MessageStatus::Quarantined), "message-quarantined", counts.quarantined),
        ])
        .map(|(one, key, n)| Filter {
            text: f.t.say(key),
            shown: f.t.number(n),
            href: address(one, channel, 1),
            current: one == status,
        })
        .collect();
    let channels = channel_filters(f, channel, |one| address(status, one, 1));
    page(&ListPage {
        statuses,
        channels,
        rows: messages.iter().map(|message| row(f, message)).collect(),
        newer: (number > 1).then(|| address(status, channel, number - 1)),
        older: more.then(|| address(status, channel, number + 1)),
        f,
    })
}

fn row(f: &Frame, message: &MessageRecord) -> Row {
    let resources: Vec<String> = serde_json::from_str(&message.resources).unwrap_or_default();
    let outcome = match (&message.reason, message.status) {
        (Some(reason), _) => reason.clone(),
        (None, MessageStatus::Translated) => f.t.count("message-resources", resources.len() as u64),
        (None, MessageStatus::Quarantined) => f.t.say("message-no-reason"),
    };
    Row {
        href: format!("/messages/{}", message.id),
        received: f.moment(&message.received_at),
        age: f.age(&message.received_at),
        channel: f.t.code("channel", &message.channel),
        kind: message.kind.clone(),
        control_id: message.control_id.clone().unwrap_or_default(),
        status: status_chip(f, message.status),
        outcome,
    }
}

fn address(status: Option<MessageStatus>, channel: Option<&str>, number: usize) -> String {
    let mut parts = Vec::new();
    if let Some(status) = status {
        parts.push(format!("status={}", status.as_str()));
    }
    if let Some(channel) = channel {
        parts.push(format!("channel={channel}"));
    }
    if number > 1 {
        parts.push(format!("page={number}"));
    }
    if parts.is_empty() { "/messages".to_owned() } else { format!("/messages?{}", parts.join("&")) }
}
