//! Acting on a referral after it was sent, from either end: the table decides, the other end is told, in one commit.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::message::{CONTENT_TYPE, LONGEST_TEXT, PATH, PURPOSE};
use super::party::Party;
use super::state::{self, Event, Place, Role};
use super::timeline;
use super::update::{Update, update};
use super::{Act, ReferralError, require_clinician};
use crate::access::Staff;
use crate::clock::instant;
use crate::documents::{self, Reply, own_ids::urn};
use crate::exchange::{Institution, directory, envelope};
use crate::fhir::{self, bundle};
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::peers::Peer;
use crate::store::referrals::{Referral, ReferralEvent};
use crate::store::{Change, Changes, CommitError, Expect, StoreError};

/// Tries, if the referral moves between reading and committing.
const TRIES: usize = 3;

/// Acts on a referral and tells the other side. Blocks.
pub fn act(here: &Institution, staff: &Staff, id: &str, act: &Act) -> Result<(), ReferralError> {
    act_once(here, staff, id, act, "")
}

/// As [`act`]; the same act done twice with the same `nonce` (drawn with the form) is one.
pub fn act_once(here: &Institution, staff: &Staff, id: &str, act: &Act, nonce: &str) -> Result<(), ReferralError> {
    require_clinician(staff)?;
    let (event, note) = read_act(act, &here.config.zone())?;
    let note = note.as_deref();
    let message_id = match nonce {
        "" => ids::fresh(),
        _ => ids::derived(&["act", &here.config.id, &staff.user, nonce, id, event.as_str(), note.unwrap_or("")]),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(changes) = plan(here, staff, id, event, note, &message_id)? else { return Ok(()) };
        match here.store.commit(changes) {
            Err(CommitError::Unexpected(Expect::ReferralEvents { .. })) if tries < TRIES => {}
            other => return Ok(other?),
        }
    }
}

/// The event of an act and the text that goes with it.
fn read_act(act: &Act, zone: &TimeZone) -> Result<(Event, Option<String>), ReferralError> {
    let (event, field, text) = match act {
        Act::Accept => return Ok((Event::Accept, None)),
        Act::ConfirmCancel => return Ok((Event::ConfirmCancel, None)),
        Act::Schedule { at } => return Ok((Event::Schedule, Some(moment(at, zone)?))),
        Act::Decline { reason } => (Event::Decline, "reason", reason),
        Act::RequestCancel { reason } => (Event::RequestCancel, "reason", reason),
        Act::Ask { text } => (Event::Ask, "text", text),
        Act::Answer { text } => (Event::Answer, "text", text),
        Act::Complete { report } => (Event::Complete, "report", report),
    };
    if text.trim().is_empty() {
        return Err(ReferralError::Draft { field, problem: "must not be empty".to_owned() });
    }
    if text.len() > LONGEST_TEXT {
        return Err(ReferralError::Draft { field, problem: "the text is too long".to_owned() });
    }
    Ok((event, Some(text.clone())))
}

/// A day as it is; a time with this institution's offset.
fn moment(text: &str, zone: &TimeZone) -> Result<String, ReferralError> {
    const FHIR: &str = "%Y-%m-%dT%H:%M:%S%:z";
    let text = text.trim();
    if text.len() == 10
        && let Ok(day) = text.parse::<Date>()
    {
        return Ok(day.to_string());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.to_zoned(zone.clone()).strftime(FHIR).to_string());
    }
    let local: DateTime = text.parse().map_err(|_| ReferralError::Draft {
        field: "at",
        problem: "must be a date, or a date and time such as 2026-05-01T10:30".to_owned(),
    })?;
    let zoned = local
        .to_zoned(zone.clone())
        .map_err(|_| ReferralError::Draft { field: "at", problem: "this time does not exist here".to_owned() })?;
    Ok(zoned.strftime(FHIR).to_string())
}

/// Reads the referral and gives the commit of the act, if the table allows it; none if this very act was done.
fn plan(
    here: &Institution,
    staff: &Staff,
    id: &str,
    event: Event,
    note: Option<&str>,
    message_id: &str,
) -> Result<Option<Changes>, ReferralError> {
    let (referral, events, peer) = here.store.view(|view| {
        let unknown = |what: &str| ReferralError::Unknown(what.to_owned());
        let referral = view.referral(id)?.ok_or_else(|| unknown("the referral"))?;
        let peer = view.peer(&referral.peer)?.ok_or_else(|| unknown("the partner of the referral"))?;
        let events = view.referral_events(id)?;
        Ok::<_, ReferralError>((referral, events, peer))
    })?;
    if events.iter().any(|event| event.message_id.as_deref() == Some(message_id)) {
        return Ok(None);
    }
    let role = Role::of_copy(&referral.role).ok_or_else(|| ReferralError::Unknown("the referral".to_owned()))?;
    let from = Place::parse(&referral.status, referral.business_status.as_deref());
    let place = from.and_then(|from| state::next(role, from, event).ok()).ok_or_else(|| ReferralError::NotAllowed {
        status: referral.status.clone(),
        event: event.as_str().to_owned(),
        role: role.to_string(),
    })?;
    let at = instant(timeline::next_moment(&events, here.clock.now()));
    let outcome = match (event, note) {
        (Event::Complete, Some(report)) => Some(outcome(here, &referral, report, &at)?),
        _ => None,
    };
    let told = Told { here, role, referral: &referral, peer: &peer, events: &events, outcome: outcome.as_ref() };
    let body = told.message(event, place, note, message_id, &at).to_string().into_bytes();
    let mut delivery = envelope::seal(here, &peer, PATH, CONTENT_TYPE, PURPOSE, message_id, body)?;
    delivery.created_at.clone_from(&at);
    delivery.stream.clone_from(&referral.id);
    let mut row = referral.clone();
    row.status = place.status.as_str().to_owned();
    row.business_status = place.business.map(|business| business.as_str().to_owned());
    row.updated_at.clone_from(&at);
    if let Some((document, _)) = &outcome {
        row.outcome = Some(document.to_string().into_bytes());
    }
    let audit = AuditEntry {
        at: at.clone(),
        actor: format!("user:{}", staff.user),
        action: format!("referral.{}", event.as_str()),
        target: referral.id.clone(),
        detail: serde_json::json!({"message_id": message_id, "body_sha256": delivery.body_sha256}).to_string(),
    };
    let line = ReferralEvent {
        referral: referral.id.clone(),
        event: event.as_str().to_owned(),
        institution: here.config.id.clone(),
        actor: staff.user.clone(),
        from: referral.status,
        to: row.status.clone(),
        // The report is a document of its own.
        note: note.filter(|_| event != Event::Complete).map(str::to_owned),
        message_id: Some(message_id.to_owned()),
        at,
    };
    let changes = Changes::new()
        .expecting(Expect::ReferralEvents { id: row.id.clone(), count: events.len() as u64 })
        .expecting(Expect::ReferralStatus { id: row.id.clone(), status: Some(line.from.clone()) })
        .with(Change::PutReferral(row))
        .with(Change::ReferralEvent(line))
        .with(Change::Queue(delivery))
        .with(Change::Audit(audit));
    Ok(Some(changes))
}

/// The reply document, and the Patient it is about: the one of the package.
fn outcome(here: &Institution, referral: &Referral, report: &str, at: &str) -> Result<(Value, Value), ReferralError> {
    let damaged = || StoreError::Database("a kept referral package cannot be read".to_owned());
    let package: Value = serde_json::from_slice(&referral.package).map_err(|_| damaged())?;
    let patient = bundle::first(&package, "Patient").ok_or_else(damaged)?;
    let request = bundle::first(&package, "ServiceRequest").and_then(fhir::id).ok_or_else(damaged)?;
    let author = Party::here(&here.config);
    let document = documents::reply(&Reply {
        referral: &referral.id,
        author: &author.organization(),
        patient,
        request: &urn(request),
        report,
        language: author.language(),
        at,
    });
    let about = bundle::first(&document, "Patient").cloned().unwrap_or_default();
    Ok((document, about))
}

/// Who is told what.
struct Told<'a> {
    here: &'a Institution,
    role: Role,
    referral: &'a Referral,
    peer: &'a Peer,
    events: &'a [ReferralEvent],
    outcome: Option<&'a (Value, Value)>,
}

impl Told<'_> {
    fn message(&self, event: Event, place: Place, note: Option<&str>, message_id: &str, at: &str) -> Value {
        let (ours, theirs) = (Party::here(&self.here.config), Party::peer(self.peer));
        let by_initiator = self.role == Role::Initiator;
        let (requester, owner) = if by_initiator { (&ours, &theirs) } else { (&theirs, &ours) };
        update(&Update {
            referral: &self.referral.id,
            message_id,
            sequence: timeline::messages_of(self.events, &ours.id) + 1,
            event,
            place,
            requester,
            owner,
            by_initiator,
            note,
            in_response_to: self.question().filter(|_| event == Event::Answer),
            service: (&directory::service_system(&owner.id), &self.referral.service),
            reply: self.outcome.map(|(document, patient)| (document, patient)),
            at,
        })
    }

    /// The last question of the other side.
    fn question(&self) -> Option<&str> {
        let theirs = |event: &&ReferralEvent| event.institution == self.peer.id && event.event == Event::Ask.as_str();
        self.events.iter().rev().find(theirs)?.message_id.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_gets_the_offset_of_this_institution() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        assert_eq!(moment("2026-05-01", &zone).unwrap(), "2026-05-01");
        assert_eq!(moment("2026-05-01T10:30", &zone).unwrap(), "2026-05-01T10:30:00+09:00");
        assert_eq!(moment("2026-05-01T01:30:00Z", &zone).unwrap(), "2026-05-01T10:30:00+09:00");
        assert!(moment("2026-02-30", &zone).is_err());
        assert!(moment("tomorrow", &zone).is_err());
        assert!(moment("", &zone).is_err());
    }

    #[test]
    fn an_act_without_its_text_is_refused() {
        let refused = read_act(&Act::Decline { reason: " ".to_owned() }, &TimeZone::UTC);
        assert!(matches!(refused, Err(ReferralError::Draft { field: "reason", .. })));
    }
}
