//! What the timeline of a referral tells beyond its lines: whose turn it is to be numbered how.

use super::state::Event;
use crate::store::referrals::ReferralEvent;

/// Line of a package that arrived.
pub const RECEIVE: &str = "receive";
/// Line of an update whose receipt was verified.
pub const DELIVERED: &str = "delivered";
/// Line of an update whose delivery was given up.
pub const UNDELIVERED: &str = "undelivered";

/// Messages that `institution` has sent about this referral, as far as this end knows.
pub fn messages_of(events: &[ReferralEvent], institution: &str) -> u64 {
    let sent = |event: &&ReferralEvent| {
        let is_message = match Event::parse(&event.event) {
            Some(Event::Deliver | Event::GiveUp) => false,
            Some(_) => true,
            None => event.event == RECEIVE,
        };
        is_message && event.institution == institution && event.message_id.is_some()
    };
    events.iter().filter(sent).count() as u64
}

/// A moment for the next line: now, but after the last line, so that messages of one referral have an order even
/// within a millisecond.
pub fn next_moment(events: &[ReferralEvent], now: jiff::Timestamp) -> jiff::Timestamp {
    let last = events.iter().filter_map(|event| event.at.parse::<jiff::Timestamp>().ok()).max();
    match last.and_then(|last| last.checked_add(jiff::SignedDuration::from_millis(1)).ok()) {
        // A last line far in the future means that a clock was wrong; the order of lines then stands in the store.
        Some(after) if after > now && after.duration_since(now).as_secs() < 1 => after,
        _ => now,
    }
}
