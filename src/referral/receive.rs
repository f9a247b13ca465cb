//! Receiving a referral message: validated against who sent it, the state table and what is kept here, then one commit
//! with its receipt. A package is kept as the bytes it came in; nothing of it enters the record here.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::incoming::{self, Incoming};
use super::message::PURPOSE;
use super::state::{self, Event, Place, Role, Status};
use super::{consent, local, names, timeline};
use crate::clock::instant;
use crate::documents::own_ids::urn;
use crate::exchange::Institution;
use crate::exchange::envelope::VerifiedMessage;
use crate::exchange::receive::{AcceptError, accept_once, repeated};
use crate::fault::{Classified, Kind};
use crate::fhir::{self, bundle};
use crate::store::referrals::{Referral, ReferralEvent};
use crate::store::{Change, Changes, Expect, StoreError, View};

/// Tries, if the referral moves between reading and committing.
const TRIES: usize = 3;
/// How long an act may wait for the one before it, which is still on its way.
const GAP: SignedDuration = SignedDuration::from_mins(15);

/// Receives a referral message. Gives the receipt. Blocks.
///
/// The same message again gets the same receipt, whatever happened since.
pub fn receive(here: &Institution, message: &VerifiedMessage) -> Result<String, ReceiveError> {
    if let Some(receipt) = repeated(here, message)? {
        return Ok(receipt);
    }
    let incoming = incoming::read(message.body())?;
    check_parties(here, message, &incoming)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let changes = match here.store.view(|view| effect(here, view, message, &incoming)) {
            Ok(changes) => changes,
            // A copy of this very message may have been accepted since: then that is what contradicts it.
            Err(error) => return repeated(here, message)?.ok_or(error),
        };
        match accept_once(here, message, changes) {
            Err(AcceptError::Moved(Expect::ReferralEvents { .. })) if tries < TRIES => {}
            other => return Ok(other?),
        }
    }
}

/// A referral message that is not accepted. Texts go to the partner: they hold no words of the message.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Not accepted by the exchange.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// The consent in the package does not cover this.
    #[error("the package carries no consent to treatment by this institution that holds today")]
    Consent,
    /// An earlier act of the same sender has not arrived yet.
    #[error("an earlier message about this referral has not arrived yet; send again later")]
    Early,
    /// There is a referral of this id.
    #[error("a referral with this id exists")]
    Exists,
    /// Readable, but not a message of a referral as agreed.
    #[error("the message cannot be taken: {0}")]
    Invalid(&'static str),
    /// Not a message at all.
    #[error("the body is {0}")]
    Malformed(&'static str),
    /// The state table does not allow it.
    #[error("a referral that is {status} cannot be moved by {event} of the {role}")]
    NotAllowed {
        /// Present status here.
        status: String,
        /// What arrived.
        event: &'static str,
        /// `sender` or `receiver`.
        role: Role,
    },
    /// Sender, requester or recipient are not the institutions at the two ends of the connection.
    #[error("the institutions in the message are not those at the two ends of the connection")]
    Parties,
    /// Another purpose than treatment.
    #[error("referrals are exchanged for the purpose TREAT only")]
    Purpose,
    /// The reply is about another patient than the referral.
    #[error("the document returned is about another patient than the referral")]
    OtherPatient,
    /// Not offered here.
    #[error("this institution does not offer the service asked for")]
    Service,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No referral of this id with this partner.
    #[error("this institution has no such referral with the sender")]
    Unknown,
}

impl Classified for ReceiveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Accept(error) => error.kind(),
            Self::Consent | Self::Parties | Self::Purpose => Kind::Forbidden,
            Self::Early => Kind::Unavailable,
            Self::Exists | Self::NotAllowed { .. } => Kind::Conflict,
            // Unknown too: an update is only sent after the receipt for the package, so waiting will not help.
            Self::Invalid(_) | Self::OtherPatient | Self::Service | Self::Unknown => Kind::Unprocessable,
            Self::Malformed(_) => Kind::Malformed,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Header and Task must name the institutions that the connection and the signature vouch for.
fn check_parties(here: &Institution, message: &VerifiedMessage, incoming: &Incoming) -> Result<(), ReceiveError> {
    if message.purpose() != PURPOSE {
        return Err(ReceiveError::Purpose);
    }
    if incoming.message_id != message.message_id() {
        return Err(ReceiveError::Invalid("MessageHeader.id differs from the signed message id"));
    }
    let (peer, own) = (message.peer().id.as_str(), here.config.id.as_str());
    let ends = [incoming.requester.as_str(), incoming.owner.as_str()];
    if incoming.sender != peer || incoming.recipient != own || (ends != [peer, own] && ends != [own, peer]) {
        return Err(ReceiveError::Parties);
    }
    Ok(())
}

fn effect(
    here: &Institution,
    view: &dyn View,
    message: &VerifiedMessage,
    incoming: &Incoming,
) -> Result<Changes, ReceiveError> {
    match (incoming.event, view.referral(&incoming.referral)?) {
        (Event::Send, None) => package(here, message, incoming),
        (Event::Send, Some(_)) => Err(ReceiveError::Exists),
        (_, Some(referral)) if referral.peer == message.peer().id => update(here, view, message, incoming, referral),
        _ => Err(ReceiveError::Unknown),
    }
}

/// A new referral.
fn package(here: &Institution, message: &VerifiedMessage, incoming: &Incoming) -> Result<Changes, ReceiveError> {
    if incoming.requester != message.peer().id {
        return Err(ReceiveError::Parties);
    }
    let request = incoming.first("ServiceRequest").ok_or(ReceiveError::Invalid("there is no ServiceRequest"))?;
    let patient = incoming.first("Patient").ok_or(ReceiveError::Invalid("there is no Patient"))?;
    let task = incoming.first("Task").ok_or(ReceiveError::Invalid("there is no Task"))?;
    if task.get("status").and_then(Value::as_str) != Some(Status::Requested.as_str()) {
        return Err(ReceiveError::Invalid("Task.status of a new referral must be requested"));
    }
    if incoming::document(message.body()).is_none() {
        return Err(ReceiveError::Invalid("there is no patient summary"));
    }
    let service = request.get("code").into_iter().flat_map(fhir::codings).map(|(_, code)| code);
    let offered = |code: &str| here.config.services.iter().any(|service| service.code == code);
    let service = service.into_iter().find(|code| offered(code)).ok_or(ReceiveError::Service)?;
    let now = here.clock.now();
    if !consent::covers(incoming, &here.config.id, now.to_zoned(here.config.zone()).date()) {
        return Err(ReceiveError::Consent);
    }
    let at = instant(now);
    let row = Referral {
        id: incoming.referral.clone(),
        role: "received".to_owned(),
        peer: message.peer().id.clone(),
        patient: None,
        patient_name: names::all(patient),
        status: Status::Received.as_str().to_owned(),
        business_status: None,
        service: service.to_owned(),
        priority: priority(request).to_owned(),
        message_id: message.message_id().to_owned(),
        package: message.body().to_vec(),
        outcome: None,
        created_at: at.clone(),
        updated_at: at.clone(),
    };
    let line = line(message, &row, timeline::RECEIVE, Status::Requested.as_str(), None, at);
    let filings = local::of_package(here, message, incoming, &row, now);
    let mut changes = Changes::new()
        .expecting(Expect::ReferralStatus { id: row.id.clone(), status: None })
        .with(Change::PutReferral(row))
        .with(Change::ReferralEvent(line));
    changes.changes.extend(filings);
    Ok(changes)
}

/// An act of the other end.
fn update(
    here: &Institution,
    view: &dyn View,
    message: &VerifiedMessage,
    incoming: &Incoming,
    mut referral: Referral,
) -> Result<Changes, ReceiveError> {
    let role = Role::of_copy(&referral.role).ok_or(ReceiveError::Unknown)?;
    let expected = if role == Role::Initiator { &here.config.id } else { &message.peer().id };
    if incoming.requester != *expected {
        return Err(ReceiveError::Parties);
    }
    let events = view.referral_events(&referral.id)?;
    let from = Place::parse(&referral.status, referral.business_status.as_deref());
    let arrival = from.and_then(|from| state::arrive(role.other(), from, incoming.event).ok());
    let Some(arrival) = arrival else {
        return Err(refusal(here, message, incoming, &events, &referral.status, role.other()));
    };
    // Questions and answers move nothing: the two ends may stand apart while they travel.
    let moves = !matches!(incoming.event, Event::Ask | Event::Answer);
    if incoming.named && moves && !arrival.crossed && incoming.status != arrival.place.status.as_str() {
        return Err(ReceiveError::Invalid("Task.status does not fit the act"));
    }
    let before = std::mem::replace(&mut referral.status, arrival.place.status.as_str().to_owned());
    referral.business_status = arrival.place.business.map(|business| business.as_str().to_owned());
    if incoming.event == Event::Complete {
        referral.outcome = Some(outcome(message, &referral)?);
    }
    let at = instant(timeline::next_moment(&events, here.clock.now()));
    referral.updated_at.clone_from(&at);
    let line = line(message, &referral, incoming.event.as_str(), &before, incoming.note(), at);
    let filings = local::of_update(here, message, incoming, &referral, here.clock.now());
    let mut changes = Changes::new()
        .expecting(Expect::ReferralEvents { id: referral.id.clone(), count: events.len() as u64 })
        .expecting(Expect::ReferralStatus { id: referral.id.clone(), status: Some(before) })
        .with(Change::PutReferral(referral))
        .with(Change::ReferralEvent(line));
    changes.changes.extend(filings);
    Ok(changes)
}

/// Why an act that the table does not allow is refused: for good, or because one before it is missing. Waiting has an
/// end, for messages that wait hold up those behind them.
fn refusal(
    here: &Institution,
    message: &VerifiedMessage,
    incoming: &Incoming,
    events: &[ReferralEvent],
    status: &str,
    role: Role,
) -> ReceiveError {
    let known = timeline::messages_of(events, &message.peer().id);
    let gap = incoming.sequence.is_some_and(|sequence| sequence > known + 1);
    let sent: Option<Timestamp> = message.sent_at().parse().ok();
    let recent = sent.is_some_and(|sent| here.clock.now().duration_since(sent) < GAP);
    if gap && recent {
        return ReceiveError::Early;
    }
    ReceiveError::NotAllowed { status: status.to_owned(), event: incoming.event.as_str(), role }
}

/// The document returned, as the bytes it came in; it must be about the patient of the package.
fn outcome(message: &VerifiedMessage, referral: &Referral) -> Result<Vec<u8>, ReceiveError> {
    const NONE: ReceiveError = ReceiveError::Invalid("there is no outcome document");
    let bytes = incoming::document(message.body()).ok_or(NONE)?;
    let document: Value = serde_json::from_slice(bytes).map_err(|_| NONE)?;
    let composition =
        bundle::resources(&document).next().filter(|first| fhir::resource_type(first) == Some("Composition"));
    let subject = composition.and_then(|composition| composition.pointer("/subject/reference")).and_then(Value::as_str);
    let package: Value = serde_json::from_slice(&referral.package)
        .map_err(|_| StoreError::Database("a kept referral package cannot be read".to_owned()))?;
    let patient = bundle::first(&package, "Patient").and_then(fhir::id).map(urn);
    if subject.is_none() {
        return Err(NONE);
    }
    if subject != patient.as_deref() {
        return Err(ReceiveError::OtherPatient);
    }
    Ok(bytes.to_vec())
}

fn priority(request: &Value) -> &str {
    let found = request.get("priority").and_then(Value::as_str).unwrap_or("routine");
    if ["routine", "urgent", "asap", "stat"].contains(&found) { found } else { "routine" }
}

fn line(
    message: &VerifiedMessage,
    referral: &Referral,
    event: &str,
    from: &str,
    note: Option<String>,
    at: String,
) -> ReferralEvent {
    ReferralEvent {
        referral: referral.id.clone(),
        event: event.to_owned(),
        institution: message.peer().id.clone(),
        actor: String::new(),
        from: from.to_owned(),
        to: referral.status.clone(),
        note,
        message_id: Some(message.message_id().to_owned()),
        at,
    }
}
