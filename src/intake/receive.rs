//! The whole path of a record: keep the bytes → translate → harmonise → accept, in one commit. What cannot take the
//! path to its end is quarantined whole: the bytes are kept, nothing of it is in the record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Intake, provenance};
use crate::clock::instant;
use crate::harmonise::{self, HarmoniseSetting, Meaning};
use crate::ids;
use crate::records::accept::{self, AcceptError, Accepted, Done, NewIds, Origin};
use crate::store::losses::LossKey;
use crate::store::messages::{MessageRecord, MessageStatus};
use crate::store::{Change, Changes, CommitError, Expect, StoreError};
use crate::translate::losses::Fate;
use crate::translate::{Amendment, Refused, Translated};

/// How often a message is resolved anew when another message changed the same resource in between.
const ATTEMPTS: usize = 20;

/// A message at the door.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// `mllp`, `hl7v2`, `ssmix2`, `csv`, `fhir`.
    pub channel: &'a str,
    /// File below the given folder, or sending application.
    pub source: &'a str,
    /// The bytes as received.
    pub raw: &'a [u8],
}

impl Incoming<'_> {
    /// Our own translations name what they create; what a FHIR file calls its things is the file's own affair.
    fn new_ids(&self) -> NewIds {
        match self.channel {
            "fhir" => NewIds::DerivedFrom(ids::sha256_hex(self.raw)),
            _ => NewIds::OfFullUrl,
        }
    }
}

/// What became of it. By the time this exists, the message is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Our id.
    pub message_id: String,
    /// Why it is kept aside, if it is.
    pub quarantined: Option<String>,
    /// Resources written.
    pub written: u64,
}

/// Takes a message in. An error means that it is not stored, and the sender must not be told that it is.
pub fn receive(
    intake: &Intake,
    incoming: Incoming<'_>,
    translation: Result<Translated, Refused>,
) -> Result<Received, StoreError> {
    match translation {
        Err(refused) => quarantine(intake, incoming, Kept::of_refused(&refused), place_and_reason(&refused)),
        Ok(mut translated) => {
            let setting =
                HarmoniseSetting { country: intake.setting.country, namespace: intake.setting.namespace.clone() };
            let warnings = harmonise::harmonise_feed(intake.catalog, &setting, &mut translated.bundle);
            translated.warnings.extend(warnings);
            // The loss report and what the translation warned of are read together.
            translated.losses.warnings.clone_from(&translated.warnings);
            let raw = (incoming.channel != "fhir").then_some(incoming.raw);
            let now = instant(intake.clock.now());
            let bundle = || {
                let mut bundle = Value::from(&translated.bundle);
                provenance::complete(&mut bundle, raw, &now);
                bundle
            };
            let kept = Kept::of_translated(&translated);
            match enter(intake, incoming, &bundle, &kept) {
                Err(AcceptError::Store(error)) => Err(error),
                Err(refused) => {
                    let reason = format!("the translated resources cannot enter the record: {refused}");
                    quarantine(intake, incoming, kept, reason)
                }
                Ok(received) => Ok(received),
            }
        }
    }
}

/// What is noted about a message beside its bytes.
#[derive(Default)]
struct Kept {
    kind: String,
    control_id: Option<String>,
    event_time: Option<String>,
    losses: Option<String>,
    fates: BTreeMap<Fate, u64>,
    amendments: Vec<Amendment>,
}

impl Kept {
    fn of_refused(refused: &Refused) -> Self {
        Self { kind: refused.kind.clone(), control_id: refused.control_id.clone(), ..Self::default() }
    }

    fn of_translated(translated: &Translated) -> Self {
        Self {
            kind: translated.kind.clone(),
            control_id: translated.control_id.clone(),
            event_time: translated.event_time.map(instant),
            losses: serde_json::to_string(&translated.losses).ok(),
            fates: translated.losses.by_field(),
            amendments: translated.amendments.clone(),
        }
    }
}

impl Kept {
    /// What the message adds to the totals of its day.
    fn counts(&self, channel: &str, now: &str) -> BTreeMap<LossKey, u64> {
        let day = now.get(..10).unwrap_or(now);
        let key = |fate: &Fate| LossKey {
            day: day.to_owned(),
            channel: channel.to_owned(),
            kind: self.kind.clone(),
            field: fate.field.clone(),
            outcome: fate.outcome.as_str().to_owned(),
            reason: fate.reason.clone().unwrap_or_default(),
        };
        self.fates.iter().map(|(fate, seen)| (key(fate), *seen)).collect()
    }
}

fn place_and_reason(refused: &Refused) -> String {
    match &refused.place {
        Some(place) => format!("{place}: {}", refused.reason),
        None => refused.reason.clone(),
    }
}

/// Accepts the bundle, made anew for each attempt, and records the message, together.
fn enter(
    intake: &Intake,
    incoming: Incoming<'_>,
    bundle: &dyn Fn() -> Value,
    kept: &Kept,
) -> Result<Received, AcceptError> {
    let message_id = ids::ordered(intake.clock.now());
    let mut origin = Origin {
        message_id: Some(message_id.clone()),
        event_time: kept.event_time.clone(),
        new_ids: incoming.new_ids(),
        amendments: kept.amendments.clone(),
        whole_of: None,
        meaning: Some(Meaning {
            catalog: intake.catalog,
            setting: HarmoniseSetting { country: intake.setting.country, namespace: intake.setting.namespace.clone() },
        }),
        harmonised: true,
        ..Origin::default()
    };
    let mut last = CommitError::Store(StoreError::Closed);
    for _ in 0..ATTEMPTS {
        let now = instant(intake.clock.now());
        let bundle = bundle();
        origin.whole_of = whole_of(incoming, &bundle);
        let accepted = intake.store.view(|view| accept::accept_owned(view, &now, bundle, &origin))?;
        let written =
            accepted.entries.iter().filter(|entry| matches!(entry.done, Done::Created | Done::Updated)).count();
        let message = record(&message_id, &now, incoming, kept, MessageStatus::Translated, None, &accepted);
        let mut changes = Changes { expect: accepted.expect, changes: accepted.changes };
        changes.changes.push(Change::CountLosses(kept.counts(incoming.channel, &now)));
        changes.changes.push(Change::RecordMessage(message));
        match intake.store.commit(changes) {
            Ok(()) => return Ok(Received { message_id, quarantined: None, written: written as u64 }),
            Err(CommitError::Store(error)) => return Err(error.into()),
            // Another message wrote the same resource since the snapshot: resolve again on the new state.
            Err(error @ CommitError::Unexpected(Expect::ResourceVersion { .. } | Expect::NoneIdentified { .. })) => {
                last = error;
            }
            Err(error) => return Err(StoreError::Database(error.to_string()).into()),
        }
    }
    Err(StoreError::Database(format!("the record kept changing: {last}")).into())
}

/// A file of an SS-MIX2 storage is the whole of its order, which the bundle names as its source.
fn whole_of(incoming: Incoming<'_>, bundle: &Value) -> Option<String> {
    let source = bundle.pointer("/meta/source").and_then(Value::as_str);
    source.filter(|_| incoming.channel == "ssmix2").map(str::to_owned)
}

fn quarantine(intake: &Intake, incoming: Incoming<'_>, kept: Kept, reason: String) -> Result<Received, StoreError> {
    let message_id = ids::ordered(intake.clock.now());
    let now = instant(intake.clock.now());
    let nothing = Accepted::default();
    let status = MessageStatus::Quarantined;
    let message = record(&message_id, &now, incoming, &kept, status, Some(reason.clone()), &nothing);
    intake.store.commit(Changes::new().with(Change::RecordMessage(message))).map_err(|error| match error {
        CommitError::Store(error) => error,
        CommitError::Unexpected(_) => StoreError::Database(error.to_string()),
    })?;
    tracing::warn!(%message_id, channel = incoming.channel, kind = %kept.kind, "a message was quarantined");
    Ok(Received { message_id, quarantined: Some(reason), written: 0 })
}

fn record(
    id: &str,
    now: &str,
    incoming: Incoming<'_>,
    kept: &Kept,
    status: MessageStatus,
    reason: Option<String>,
    accepted: &Accepted,
) -> MessageRecord {
    let names: Vec<String> = accepted.entries.iter().map(|entry| format!("{}/{}", entry.kind, entry.id)).collect();
    MessageRecord {
        id: id.to_owned(),
        channel: incoming.channel.to_owned(),
        source: incoming.source.to_owned(),
        kind: kept.kind.clone(),
        control_id: kept.control_id.clone(),
        received_at: now.to_owned(),
        raw: incoming.raw.to_vec(),
        sha256: ids::sha256_hex(incoming.raw),
        status,
        reason,
        losses: kept.losses.clone(),
        resources: Value::from(names).to_string(),
        patient: accepted.patient.clone(),
    }
}
