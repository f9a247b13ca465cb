//! What of an arrival is told to the institution's own systems ([`crate::filing`]), in the commit that accepts it.

use jiff::Timestamp;
use serde_json::Value;

use super::incoming::{self, Incoming};
use super::reading;
use super::state::Event;
use crate::exchange::Institution;
use crate::exchange::envelope::VerifiedMessage;
use crate::filing::{self, Arrival};
use crate::store::Change;
use crate::store::referrals::Referral;

/// The messages of a referral that arrives.
pub(super) fn of_package(
    here: &Institution,
    message: &VerifiedMessage,
    incoming: &Incoming,
    row: &Referral,
    now: Timestamp,
) -> Vec<Change> {
    let summary = reading::package_summary(message.body(), "en");
    let mut words = summary.reasons;
    words.extend(summary.questions);
    words.extend(summary.travel);
    changes(here, message, row, &words, incoming.event == Event::Send, now)
}

/// The messages of a later act.
pub(super) fn of_update(
    here: &Institution,
    message: &VerifiedMessage,
    incoming: &Incoming,
    row: &Referral,
    now: Timestamp,
) -> Vec<Change> {
    let words: Vec<String> = std::iter::once(incoming.event.as_str().to_owned()).chain(incoming.note()).collect();
    changes(here, message, row, &words, false, now)
}

fn changes(
    here: &Institution,
    message: &VerifiedMessage,
    row: &Referral,
    words: &[String],
    is_package: bool,
    now: Timestamp,
) -> Vec<Change> {
    if here.filing.destinations.is_empty() {
        return Vec::new();
    }
    // Both were read before; the package of a referral kept here was checked when it came.
    let Ok(package) = serde_json::from_slice::<Value>(&row.package) else { return Vec::new() };
    let document = incoming::document(message.body()).and_then(|bytes| serde_json::from_slice(bytes).ok());
    let arrival = Arrival {
        referral: &row.id,
        message_id: message.message_id(),
        received: row.role == "received",
        is_package,
        status: &row.status,
        package: &package,
        document: document.as_ref(),
        words,
    };
    filing::changes(here, &arrival, now)
}
