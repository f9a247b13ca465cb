//! Sending a referral: check, pack, seal, and commit referral, timeline, audit and outbox in one step.

use serde_json::Value;

use super::message::{CONTENT_TYPE, PATH, PURPOSE};
use super::package::{self, Order, Package, package};
use super::party::Party;
use super::state::{self, Event, Place, Role, Status};
use super::{Draft, ReferralError, require_clinician};
use crate::access::Staff;
use crate::clock::instant;
use crate::documents::{self, Gathered};
use crate::exchange::{Institution, envelope};
use crate::harmonise::Meaning;
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::peers::Peer;
use crate::store::referrals::{Referral, ReferralEvent};
use crate::store::{Change, Changes, CommitError, Expect, View};

/// Longest free text of a draft, bytes.
const LONGEST_TEXT: usize = 20_000;
/// Largest package, bytes: half of what a partner's outside door takes by default.
const LARGEST_PACKAGE: usize = 16 * 1024 * 1024;

/// Sends a referral. Gives its id; where the same draft was sent before with the same nonce, that of the referral sent
/// then. Blocks.
pub fn send(here: &Institution, staff: &Staff, draft: &Draft) -> Result<String, ReferralError> {
    require_clinician(staff)?;
    check_texts(draft)?;
    let (referral, message_id) = names(here, staff, draft);
    if is_sent(here, &referral)? {
        return Ok(referral);
    }
    let (gathered, peer, service_name) = here.store.view(|view| read(view, &here.meaning(), draft))?;
    let now = here.clock.now();
    let to = Party::peer(&peer);
    let package = package(
        &gathered,
        &Order {
            draft,
            referral: &referral,
            message_id: &message_id,
            from: &Party::here(&here.config),
            to: &to,
            service_name: &service_name,
            language: to.language(),
            at: now,
            zone: here.config.zone(),
        },
    );
    let body = package.message.to_string().into_bytes();
    if body.len() > LARGEST_PACKAGE {
        return Err(refuse("patient", "the record is too large to be sent in one message"));
    }
    let mut delivery = envelope::seal(here, &peer, PATH, CONTENT_TYPE, PURPOSE, &message_id, body.clone())?;
    delivery.stream.clone_from(&referral);
    let start = Place { status: Status::Draft, business: None };
    let place = state::next(Role::Initiator, start, Event::Send).map_err(|_| not_allowed())?;
    let at = instant(now);
    let row = Referral {
        id: referral.clone(),
        role: "sent".to_owned(),
        peer: peer.id.clone(),
        patient: Some(draft.patient.clone()),
        patient_name: package.patient_name.clone(),
        status: place.status.as_str().to_owned(),
        business_status: None,
        service: draft.service.clone(),
        priority: draft.priority.clone(),
        message_id: message_id.clone(),
        package: body,
        outcome: None,
        created_at: at.clone(),
        updated_at: at.clone(),
    };
    let line = ReferralEvent {
        referral: referral.clone(),
        event: Event::Send.as_str().to_owned(),
        institution: here.config.id.clone(),
        actor: staff.user.clone(),
        from: start.status.as_str().to_owned(),
        to: place.status.as_str().to_owned(),
        note: None,
        message_id: Some(message_id.clone()),
        at: at.clone(),
    };
    let audit = audit(staff, &referral, &peer.id, &message_id, &delivery.body_sha256, &package, at);
    let committed = here.store.commit(
        Changes::new()
            .expecting(Expect::ReferralStatus { id: referral.clone(), status: None })
            .with(Change::PutReferral(row))
            .with(Change::ReferralEvent(line))
            .with(Change::Queue(delivery))
            .with(Change::Audit(audit)),
    );
    match committed {
        // The other click of two was faster.
        Err(CommitError::Unexpected(Expect::ReferralStatus { .. })) if is_sent(here, &referral)? => Ok(referral),
        other => Ok(other.map(|()| referral)?),
    }
}

/// Ids of the referral and its message. A form that came back changed is another draft: it must not seem to be sent when
/// an earlier one was.
fn names(here: &Institution, staff: &Staff, draft: &Draft) -> (String, String) {
    if draft.nonce.is_empty() {
        return (ids::fresh(), ids::fresh());
    }
    let name = |what: &str| {
        ids::derived(&[
            what,
            &here.config.id,
            &staff.user,
            &draft.nonce,
            &draft.patient,
            &draft.peer,
            &draft.service,
            &draft.priority,
            &draft.reason,
            &draft.question,
            &draft.consent_language,
            draft.interpreter.as_deref().unwrap_or(""),
            &draft.travel,
        ])
    };
    (name("referral"), name("referral-message"))
}

fn is_sent(here: &Institution, referral: &str) -> Result<bool, ReferralError> {
    here.store.view(|view| Ok(view.referral(referral)?.is_some()))
}

/// What the draft needs of the store: the record, an active partner, and a service it offers.
fn read(view: &dyn View, meaning: &Meaning, draft: &Draft) -> Result<(Gathered, Peer, String), ReferralError> {
    let peer = view.peer(&draft.peer)?.ok_or_else(|| refuse("peer", "this institution is not a partner"))?;
    if !peer.is_active() {
        return Err(refuse("peer", "this institution is no longer a partner"));
    }
    let service = service_name(&peer, &draft.service)
        .ok_or_else(|| refuse("service", "this institution does not offer the service"))?;
    let gathered =
        documents::gather(view, meaning, &draft.patient)?.ok_or_else(|| refuse("patient", "no such patient here"))?;
    Ok((gathered, peer, service))
}

/// The name of a service in a partner's directory, if it is there.
fn service_name(peer: &Peer, code: &str) -> Option<String> {
    let services: Value = serde_json::from_str(&peer.services).ok()?;
    let is_it = |service: &&Value| {
        let types = service.get("type").and_then(Value::as_array).into_iter().flatten();
        let identifiers = service.get("identifier").and_then(Value::as_array).into_iter().flatten();
        types.flat_map(crate::fhir::codings).any(|(_, one)| one == code)
            || identifiers.filter_map(|one| one.get("value")?.as_str()).any(|one| one == code)
    };
    let service = services.as_array()?.iter().find(is_it)?;
    Some(service.get("name").and_then(Value::as_str).unwrap_or(code).to_owned())
}

fn check_texts(draft: &Draft) -> Result<(), ReferralError> {
    if draft.patient.is_empty() {
        return Err(refuse("patient", "choose a patient"));
    }
    if draft.peer.is_empty() {
        return Err(refuse("peer", "choose an institution"));
    }
    if draft.service.is_empty() {
        return Err(refuse("service", "choose a service"));
    }
    if !["routine", "urgent", "asap", "stat"].contains(&draft.priority.as_str()) {
        return Err(refuse("priority", "must be routine, urgent, asap or stat"));
    }
    if draft.reason.trim().is_empty() {
        return Err(refuse("reason", "say why the patient is referred"));
    }
    for (field, text) in [("reason", &draft.reason), ("question", &draft.question), ("travel", &draft.travel)] {
        if text.len() > LONGEST_TEXT {
            return Err(refuse(field, "the text is too long"));
        }
    }
    if !draft.consent {
        return Err(refuse("consent", "the patient must have consented to provision abroad"));
    }
    if !["en", "fr", "ja"].contains(&draft.consent_language.as_str()) {
        return Err(refuse("consent_language", "must be en, fr or ja"));
    }
    if draft.interpreter.as_deref().is_some_and(|language| !is_language_tag(language)) {
        return Err(refuse("interpreter", "must be a language tag such as ja or fr-CA"));
    }
    Ok(())
}

/// A plausible BCP 47 tag.
fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or("");
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn audit(
    staff: &Staff,
    referral: &str,
    peer: &str,
    message_id: &str,
    body_sha256: &str,
    package: &Package,
    at: String,
) -> AuditEntry {
    let detail = serde_json::json!({
        "peer": peer,
        "message_id": message_id,
        "body_sha256": body_sha256,
        "left_out": package::told(&package.left_out)
    });
    AuditEntry {
        at,
        actor: format!("user:{}", staff.user),
        action: "referral.send".to_owned(),
        target: referral.to_owned(),
        detail: detail.to_string(),
    }
}

fn refuse(field: &'static str, problem: &str) -> ReferralError {
    ReferralError::Draft { field, problem: problem.to_owned() }
}

fn not_allowed() -> ReferralError {
    ReferralError::NotAllowed {
        status: Status::Draft.as_str().to_owned(),
        event: Event::Send.as_str().to_owned(),
        role: Role::Initiator.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            patient: "p".to_owned(),
            peer: "tokyo".to_owned(),
            service: "s".to_owned(),
            priority: "routine".to_owned(),
            reason: "r".to_owned(),
            consent: true,
            consent_language: "en".to_owned(),
            ..Draft::default()
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        assert!(check_texts(&draft()).is_ok());
        type Spoil = fn(&mut Draft);
        let cases: [(&str, Spoil); 9] = [
            ("patient", |d| d.patient.clear()),
            ("peer", |d| d.peer.clear()),
            ("service", |d| d.service.clear()),
            ("priority", |d| d.priority = "now".to_owned()),
            ("reason", |d| d.reason = "  ".to_owned()),
            ("travel", |d| d.travel = "x".repeat(LONGEST_TEXT + 1)),
            ("consent", |d| d.consent = false),
            ("consent_language", |d| d.consent_language = "de".to_owned()),
            ("interpreter", |d| d.interpreter = Some("日本語".to_owned())),
        ];
        for (field, spoil) in cases {
            let mut spoilt = draft();
            spoil(&mut spoilt);
            match check_texts(&spoilt) {
                Err(ReferralError::Draft { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }
}
