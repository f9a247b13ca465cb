//! What the fate of a message means for its referral: the receipt of the package makes it `received`, giving it up makes
//! it `failed`; the fate of a later message is a line in the timeline and moves nothing.

use super::state::{self, Event, Place, Role};
use super::timeline::{DELIVERED, UNDELIVERED};
use crate::exchange::deliver::Outcome;
use crate::store::deliveries::Delivery;
use crate::store::referrals::{Referral, ReferralEvent};
use crate::store::{Change, StoreError, View};

/// The referrals' ear at the outbox.
pub struct Delivered;

impl Outcome for Delivered {
    fn delivered(&self, view: &dyn View, delivery: &Delivery, _receipt: &str, at: &str) -> Vec<Change> {
        logged(delivery, on_delivered(view, delivery, at))
    }

    fn gave_up(&self, view: &dyn View, delivery: &Delivery, error: &str, at: &str) -> Vec<Change> {
        logged(delivery, on_gave_up(view, delivery, error, at))
    }
}

/// The verified receipt for `delivery` arrived at `at`. Nothing, if it is no referral's message.
pub fn on_delivered(view: &dyn View, delivery: &Delivery, at: &str) -> Result<Vec<Change>, StoreError> {
    let Some(referral) = of_message(view, delivery)? else { return Ok(Vec::new()) };
    if referral.message_id != delivery.message_id {
        return Ok(vec![mark(&referral, DELIVERED, delivery, None, at)]);
    }
    Ok(moved(&referral, Event::Deliver, delivery, None, at))
}

/// `delivery` will not be tried again.
pub fn on_gave_up(view: &dyn View, delivery: &Delivery, error: &str, at: &str) -> Result<Vec<Change>, StoreError> {
    let Some(referral) = of_message(view, delivery)? else { return Ok(Vec::new()) };
    if referral.message_id != delivery.message_id {
        return Ok(vec![mark(&referral, UNDELIVERED, delivery, Some(error), at)]);
    }
    Ok(moved(&referral, Event::GiveUp, delivery, Some(error), at))
}

/// The referral whose message this is, if we sent it.
fn of_message(view: &dyn View, delivery: &Delivery) -> Result<Option<Referral>, StoreError> {
    Ok(view.referral_by_message(&delivery.message_id)?.filter(|referral| referral.peer == delivery.peer))
}

/// Moves the referral by the table; if the other end has acted already, only the line is written.
fn moved(referral: &Referral, event: Event, delivery: &Delivery, note: Option<&str>, at: &str) -> Vec<Change> {
    let from = Place::parse(&referral.status, referral.business_status.as_deref());
    let Some(to) = from.and_then(|from| state::next(Role::Initiator, from, event).ok()) else {
        return vec![mark(referral, event.as_str(), delivery, note, at)];
    };
    let mut line = event_line(referral, event.as_str(), delivery, note, at);
    to.status.as_str().clone_into(&mut line.to);
    let step = Change::MoveReferral {
        id: referral.id.clone(),
        from: referral.status.clone(),
        to: line.to.clone(),
        at: at.to_owned(),
    };
    vec![step, Change::ReferralEvent(line)]
}

fn mark(referral: &Referral, word: &str, delivery: &Delivery, note: Option<&str>, at: &str) -> Change {
    Change::ReferralEvent(event_line(referral, word, delivery, note, at))
}

fn event_line(referral: &Referral, word: &str, delivery: &Delivery, note: Option<&str>, at: &str) -> ReferralEvent {
    ReferralEvent {
        referral: referral.id.clone(),
        event: word.to_owned(),
        institution: delivery.peer.clone(),
        actor: String::new(),
        from: referral.status.clone(),
        to: referral.status.clone(),
        note: note.map(str::to_owned),
        message_id: Some(delivery.message_id.clone()),
        at: at.to_owned(),
    }
}

/// The receipt itself is kept either way; what could not be read is shown as still on its way, and the partner's next
/// act brings the referral forward.
fn logged(delivery: &Delivery, changes: Result<Vec<Change>, StoreError>) -> Vec<Change> {
    changes.unwrap_or_else(|error| {
        tracing::error!(message_id = %delivery.message_id, %error, "the referral of a message could not be read");
        Vec::new()
    })
}
