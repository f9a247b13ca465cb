//! The states of a referral: one table of who may move it, by which event, from where, to where.
//!
//! The rows follow the referral state machine of BSeR (which harmonises IHE 360X) over `Task.status` and
//! `Task.businessStatus`, with two additions: `requested` stands between the sender's commit and the receiver's
//! signed receipt, and `failed` is a package whose delivery was given up. Both ends ask the same table: the sender
//! before it sends, the receiver before it believes. A second, short table says what becomes of acts that crossed on
//! the wire, so that both ends come to rest in the same state.

use std::fmt;

/// Which end of the referral acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The institution that refers; its copy of the referral has role `sent`.
    Initiator,
    /// The institution asked; its copy has role `received`.
    Recipient,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Initiator, Self::Recipient];

    /// The role of this node, from the role of its copy (`sent` or `received`).
    pub fn of_copy(role: &str) -> Option<Self> {
        match role {
            "sent" => Some(Self::Initiator),
            "received" => Some(Self::Recipient),
            _ => None,
        }
    }

    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Recipient,
            Self::Recipient => Self::Initiator,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiator => "sender",
            Self::Recipient => "receiver",
        })
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in the store, on the wire and in the timeline.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word back.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// `Task.status`, the part of it that referrals use.
    Status {
        /// Being written; nothing has left.
        Draft = "draft",
        /// Committed and in the sender's outbox.
        Requested = "requested",
        /// The receiver's signed receipt exists. Delivered is not accepted.
        Received = "received",
        /// Taken on by the receiver.
        Accepted = "accepted",
        /// Refused by the receiver.
        Rejected = "rejected",
        /// Under way; the business status says how far.
        InProgress = "in-progress",
        /// Answered with an outcome document.
        Completed = "completed",
        /// Withdrawn by the sender, confirmed by the receiver.
        Cancelled = "cancelled",
        /// The package could not be delivered.
        Failed = "failed",
    }
}

words! {
    /// `Task.businessStatus` while in progress.
    Business {
        /// An appointment stands (BSeR 5.1.1).
        Scheduled = "scheduled",
        /// The patient did not come (5.1.2).
        Unattended = "unattended",
        /// The appointment was cancelled, the referral was not (5.1.3).
        AppointmentCancelled = "appointment-cancelled",
        /// The visit took place; the outcome is to come (5.1.4).
        EventCompleted = "event-completed",
        /// The sender asked to cancel (5.2).
        CancellationRequested = "cancellation-requested",
    }
}

words! {
    /// What moves a referral. The words are those of the timeline.
    Event {
        /// The sender commits the package.
        Send = "send",
        /// The receiver's receipt for the package is verified.
        Deliver = "deliver",
        /// Delivery of the package is given up.
        GiveUp = "give-up",
        /// Taken on.
        Accept = "accept",
        /// Refused.
        Decline = "decline",
        /// An appointment is given or changed.
        Schedule = "schedule",
        /// The patient did not come.
        NoShow = "no-show",
        /// The appointment is cancelled.
        CancelAppointment = "cancel-appointment",
        /// An interim note.
        Note = "note",
        /// The outcome document is returned.
        Complete = "complete",
        /// The sender asks to cancel.
        RequestCancel = "request-cancel",
        /// The receiver confirms the cancellation.
        ConfirmCancel = "confirm-cancel",
        /// A question; moves nothing.
        Ask = "ask",
        /// An answer; moves nothing.
        Answer = "answer",
    }
}

/// Where a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// `Task.status`.
    pub status: Status,
    /// `Task.businessStatus`, if any.
    pub business: Option<Business>,
}

impl Place {
    /// Reads the two words of a stored referral. A word that is not of the table gives nothing: no act is allowed.
    pub fn parse(status: &str, business: Option<&str>) -> Option<Self> {
        let business = match business {
            Some(word) => Some(Business::parse(word)?),
            None => None,
        };
        Some(Self { status: Status::parse(status)?, business })
    }
}

/// The table refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllowed;

/// What becomes of an act that arrives from the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Where the referral stands afterwards.
    pub place: Place,
    /// The act crossed one of ours and did not move the referral by its own row.
    pub crossed: bool,
}

/// Where `event` of `role` moves a referral that stands at `from`.
pub fn next(role: Role, from: Place, event: Event) -> Result<Place, NotAllowed> {
    let row = TABLE.iter().find(|row| row.role == role && row.event == event && row.from.contains(&from));
    match row.map(|row| row.to) {
        Some(To::Place(place)) => Ok(place),
        Some(To::Same) => Ok(from),
        None => Err(NotAllowed),
    }
}

/// Where an event of the other end (`role`) moves our copy that stands at `from`: by the table, or, if the event was
/// made before the other end saw our last one, by the table of crossings.
pub fn arrive(role: Role, from: Place, event: Event) -> Result<Arrival, NotAllowed> {
    if let Ok(place) = next(role, from, event) {
        return Ok(Arrival { place, crossed: false });
    }
    let row = CROSSINGS.iter().find(|row| row.role == role && row.events.contains(&event) && row.at.contains(&from));
    match row.map(|row| row.then) {
        Some(Then::Stay) => Ok(Arrival { place: from, crossed: true }),
        Some(Then::AsFrom(earlier)) => Ok(Arrival { place: next(role, earlier, event)?, crossed: true }),
        Some(Then::Move(place)) => Ok(Arrival { place, crossed: true }),
        None => Err(NotAllowed),
    }
}

/// One row: who, by what, from any of these, to there.
struct Row {
    role: Role,
    event: Event,
    from: &'static [Place],
    to: To,
}

#[derive(Clone, Copy)]
enum To {
    Place(Place),
    Same,
}

const fn at(status: Status) -> Place {
    Place { status, business: None }
}

const fn progress(business: Business) -> Place {
    Place { status: Status::InProgress, business: Some(business) }
}

const DRAFT: Place = at(Status::Draft);
const REQUESTED: Place = at(Status::Requested);
const RECEIVED: Place = at(Status::Received);
const ACCEPTED: Place = at(Status::Accepted);
const REJECTED: Place = at(Status::Rejected);
const COMPLETED: Place = at(Status::Completed);
const CANCELLED: Place = at(Status::Cancelled);
const FAILED: Place = at(Status::Failed);
const SCHEDULED: Place = progress(Business::Scheduled);
const UNATTENDED: Place = progress(Business::Unattended);
const UNBOOKED: Place = progress(Business::AppointmentCancelled);
const SEEN: Place = progress(Business::EventCompleted);
const CANCELLING: Place = progress(Business::CancellationRequested);

const fn row(role: Role, event: Event, from: &'static [Place], to: Place) -> Row {
    Row { role, event, from, to: To::Place(to) }
}

/// Everything between receipt and end.
const OPEN: &[Place] = &[RECEIVED, ACCEPTED, SCHEDULED, UNATTENDED, UNBOOKED, SEEN, CANCELLING];

use Role::{Initiator, Recipient};

/// The table. Numbers are BSeR's transition ids.
const TABLE: &[Row] = &[
    // 01, split in two: committed here, received there
    row(Initiator, Event::Send, &[DRAFT], REQUESTED),
    row(Initiator, Event::Deliver, &[REQUESTED, FAILED], RECEIVED),
    row(Initiator, Event::GiveUp, &[REQUESTED], FAILED),
    // 02
    row(Recipient, Event::Accept, &[RECEIVED], ACCEPTED),
    // 03, 05, 10, 17, 25
    row(Recipient, Event::Decline, &[RECEIVED, ACCEPTED, SCHEDULED, UNATTENDED, SEEN], REJECTED),
    // 06, 11, 18, 21, 26
    row(Recipient, Event::Schedule, &[ACCEPTED, SCHEDULED, UNATTENDED, UNBOOKED, SEEN], SCHEDULED),
    // 12
    row(Recipient, Event::NoShow, &[SCHEDULED], UNATTENDED),
    // 13, 19, 27
    row(Recipient, Event::CancelAppointment, &[SCHEDULED, UNATTENDED, SEEN], UNBOOKED),
    // 08, 15, 29
    row(Recipient, Event::Note, &[ACCEPTED, SCHEDULED, SEEN], SEEN),
    // 09, 16, 24, 30: the outcome wins over a pending cancellation
    row(Recipient, Event::Complete, &[ACCEPTED, SCHEDULED, SEEN, CANCELLING], COMPLETED),
    // 04, 07, 14, 20, 22, 28
    row(Initiator, Event::RequestCancel, &[RECEIVED, ACCEPTED, SCHEDULED, UNATTENDED, UNBOOKED, SEEN], CANCELLING),
    // 23
    row(Recipient, Event::ConfirmCancel, &[CANCELLING], CANCELLED),
    // questions and answers move nothing
    Row { role: Initiator, event: Event::Ask, from: OPEN, to: To::Same },
    Row { role: Recipient, event: Event::Ask, from: OPEN, to: To::Same },
    Row { role: Initiator, event: Event::Answer, from: OPEN, to: To::Same },
    Row { role: Recipient, event: Event::Answer, from: OPEN, to: To::Same },
];

/// What to do with an act of the other end that was made before it saw our last act.
struct Crossing {
    role: Role,
    events: &'static [Event],
    at: &'static [Place],
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    /// Our state already says what both will say.
    Stay,
    /// Apply the act as if we stood there.
    AsFrom(Place),
    /// Go there.
    Move(Place),
}

const CROSSINGS: &[Crossing] = &[
    // The receiver acted before its receipt reached us, or after we had given up waiting for it.
    Crossing {
        role: Recipient,
        events: &[Event::Accept, Event::Decline, Event::Ask],
        at: &[REQUESTED, FAILED],
        then: Then::AsFrom(RECEIVED),
    },
    // Our request to cancel was under way: it stands at the receiver once it arrives there.
    Crossing {
        role: Recipient,
        events: &[Event::Accept, Event::Schedule, Event::NoShow, Event::CancelAppointment, Event::Note],
        at: &[CANCELLING],
        then: Then::Stay,
    },
    // … but a refusal was final there, and our request will change nothing.
    Crossing { role: Recipient, events: &[Event::Decline], at: &[CANCELLING], then: Then::Move(REJECTED) },
    // The same request, seen from the receiver that had already ended the referral; also late questions and answers.
    Crossing {
        role: Initiator,
        events: &[Event::RequestCancel, Event::Ask, Event::Answer],
        at: &[COMPLETED, REJECTED, CANCELLED],
        then: Then::Stay,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let mut all: Vec<Place> =
            Status::ALL.iter().filter(|status| **status != Status::InProgress).map(|status| at(*status)).collect();
        all.extend(Business::ALL.iter().map(|business| progress(*business)));
        all
    }

    fn name(place: Place) -> String {
        match place.business {
            Some(business) => format!("{}/{}", place.status.as_str(), business.as_str()),
            None => place.status.as_str().to_owned(),
        }
    }

    /// All places × events × roles against the written-out table: what it does not list must be refused.
    #[test]
    fn every_pair_of_state_and_event_is_as_written() {
        let written = include_str!("../../tests/fixtures/referral/state-table.txt");
        let expected: Vec<&str> =
            written.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut found = Vec::new();
        for role in Role::ALL {
            for event in Event::ALL {
                for from in places() {
                    if let Ok(to) = next(role, from, *event) {
                        found.push(format!("{role} {} {} -> {}", event.as_str(), name(from), name(to)));
                    }
                }
            }
        }
        for line in &found {
            assert!(expected.contains(&line.as_str()), "allowed but not written: {line}");
        }
        for line in &expected {
            assert!(found.iter().any(|one| one == line), "written but refused: {line}");
        }
        assert_eq!(found.len(), expected.len(), "a transition is written twice");
    }

    /// One act at each end, at the same time, from every place: both must come to rest in the same place.
    #[test]
    fn acts_that_cross_end_in_the_same_state() {
        let mut crossings = 0;
        for from in places() {
            for ours in Event::ALL {
                for theirs in Event::ALL {
                    let (Ok(initiator), Ok(recipient)) = (next(Initiator, from, *ours), next(Recipient, from, *theirs))
                    else {
                        continue;
                    };
                    let at_initiator = arrive(Recipient, initiator, *theirs).map(|arrival| arrival.place);
                    let at_recipient = arrive(Initiator, recipient, *ours).map(|arrival| arrival.place);
                    assert_eq!(
                        at_initiator,
                        at_recipient,
                        "{} of the sender and {} of the receiver at {}",
                        ours.as_str(),
                        theirs.as_str(),
                        name(from)
                    );
                    assert!(at_initiator.is_ok());
                    crossings += 1;
                }
            }
        }
        assert!(crossings > 50);
    }

    #[test]
    fn nothing_moves_a_referral_that_has_ended() {
        for place in [COMPLETED, REJECTED, CANCELLED] {
            for role in Role::ALL {
                for event in Event::ALL {
                    assert_eq!(next(role, place, *event), Err(NotAllowed));
                }
            }
        }
    }

    #[test]
    fn an_unknown_word_is_no_place() {
        assert_eq!(Place::parse("on-hold", None), None);
        assert_eq!(Place::parse("in-progress", Some("5.1.1")), None);
        assert_eq!(Place::parse("in-progress", Some("scheduled")), Some(SCHEDULED));
    }
}
