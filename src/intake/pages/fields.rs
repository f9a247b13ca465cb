//! `/messages/fields`: what became of each source field over all messages, so that IT sees what to map next.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{CHANNELS, ChannelFilter, channel_filters};
use crate::access::permit::Permission;
use crate::intake::ranking::{self, RankedField};
use crate::server::problem::Problem;
use crate::store::losses::LossFilter;
use crate::web::PageState;
use crate::web::form::{Fields, parse};
use crate::web::frame::{Frame, page};
use crate::web::signed_in::SignedIn;

/// Fields shown at most; the command line lists all.
const MOST: usize = 200;

struct Row {
    field: String,
    seen: String,
    mapped: String,
    kept_raw: String,
    dropped: String,
    reasons: Vec<String>,
}

#[derive(Template)]
#[template(path = "intake/fields.html")]
struct FieldsPage<'a> {
    f: &'a Frame,
    channels: Vec<ChannelFilter>,
    rows: Vec<Row>,
}

/// The ranking.
pub async fn show(
    State(state): State<PageState>,
    RawQuery(query): RawQuery,
    who: SignedIn,
) -> Result<Response, Problem> {
    who.may(Permission::ReadMessages)?;
    let query = Fields::from_pairs(parse(query.unwrap_or_default().as_bytes()).unwrap_or_default());
    let channel = CHANNELS.into_iter().find(|channel| *channel == query.get("channel"));
    let filter = LossFilter { channel: channel.map(str::to_owned), ..LossFilter::default() };
    let totals = state.here.store.read(move |view| view.loss_totals(&filter)).await?;
    let f = &who.frame;
    let channels = channel_filters(f, channel, |one| {
        one.map_or_else(|| "/messages/fields".to_owned(), |one| format!("/messages/fields?channel={one}"))
    });
    let lost = |field: &RankedField| field.kept_raw + field.dropped > 0;
    let rows = ranking::rank(&totals).into_iter().filter(lost).take(MOST).map(|field| row(f, field)).collect();
    page(&FieldsPage { f, channels, rows })
}

fn row(f: &Frame, field: RankedField) -> Row {
    Row {
        seen: f.t.number(field.seen),
        mapped: f.t.number(field.mapped),
        kept_raw: f.t.number(field.kept_raw),
        dropped: f.t.number(field.dropped),
        reasons: field.reasons.into_iter().map(|reason| super::reason(f, &reason.reason)).collect(),
        field: field.field,
    }
}
