//! `/messages`: what came in, what became of it, and what was lost on the way.

mod detail;
mod fields;
mod list;
mod raw;

use axum::Router;
use axum::routing::{get, post};

use crate::translate::losses;
use crate::web::PageState;
use crate::web::frame::{Frame, around};
use crate::web::markup::Markup;

/// The pages of received messages.
pub fn router(state: PageState) -> Router {
    let pages = Router::new()
        .route("/messages", get(list::list))
        .route("/messages/fields", get(fields::show))
        .route("/messages/{id}", get(detail::show))
        .route("/messages/{id}/reveal", post(detail::reveal))
        .with_state(state.clone());
    around(pages, &state)
}

/// Doors a message can come through.
const CHANNELS: [&str; 7] = ["mllp", "hl7v2", "ssmix2", "csv", "ccda", "fhir", "peer"];

/// A door to the messages of one channel, or of all.
struct ChannelFilter {
    text: String,
    href: String,
    current: bool,
}

/// The channels to choose from, all of them first; `address` says where each leads.
fn channel_filters(
    f: &Frame,
    chosen: Option<&str>,
    address: impl Fn(Option<&'static str>) -> String,
) -> Vec<ChannelFilter> {
    std::iter::once((None, f.t.say("channel-all")))
        .chain(CHANNELS.into_iter().map(|one| (Some(one), f.t.code("channel", one))))
        .map(|(one, text)| ChannelFilter { text, href: address(one), current: one == chosen })
        .collect()
}

/// Why a field went nowhere. What the translation says itself is said in the reader's language; rows speak their author's.
fn reason(f: &Frame, said: &str) -> String {
    match said {
        losses::FIELD_UNTAKEN => f.t.say("loss-reason-field-untaken"),
        losses::SEGMENT_UNTAKEN => f.t.say("loss-reason-segment-untaken"),
        losses::SITE_SEGMENT => f.t.say("loss-reason-site-segment"),
        losses::NO_PLACE => f.t.say("loss-reason-no-place"),
        losses::NULLED => f.t.say("loss-reason-nulled"),
        said => said.to_owned(),
    }
}

fn status_chip(f: &Frame, status: crate::store::messages::MessageStatus) -> Markup {
    use crate::store::messages::MessageStatus::{Quarantined, Translated};
    let tone = match status {
        Translated => "good",
        Quarantined => "bad",
    };
    Markup::chip(tone, &f.t.say(&format!("message-{}", status.as_str())))
}
