//! An arrival as messages for the local systems. Pure: the caller commits them together with the arrival itself.

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::Value;

use super::{folder, plain, ssmix2};
use crate::clock::instant;
use crate::config::{DestinationConfig, FiledKind};
use crate::exchange::Institution;
use crate::fhir::{self, bundle};
use crate::ids;
use crate::store::Change;
use crate::store::filings::Filing;
use crate::translate::Setting;
use crate::translate::hl7v2::Charset;
use crate::translate::hl7v2::write::{
    Cover, Document, Letter, Written, document_message, referral_message, reply_message, results_message,
    update_message,
};

/// Longest MSH-10 of version 2.5.
const CONTROL_ID: usize = 20;

/// What arrived about a referral.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The referral.
    pub referral: &'a str,
    /// The peer message that brought it.
    pub message_id: &'a str,
    /// Whether it was referred to this institution; else this institution referred, and is answered.
    pub received: bool,
    /// Whether this is the referral itself; else a later act.
    pub is_package: bool,
    /// `Task.status` after it.
    pub status: &'a str,
    /// The package of the referral: a FHIR message.
    pub package: &'a Value,
    /// The document that came now (a FHIR document bundle).
    pub document: Option<&'a Value>,
    /// What the act says in words: act, reason, question, answer, appointment.
    pub words: &'a [String],
}

/// The messages of an arrival, one commit's changes. Nothing, if no local system takes any.
pub fn changes(here: &Institution, arrival: &Arrival<'_>, now: Timestamp) -> Vec<Change> {
    let mut found = Vec::new();
    for destination in &here.filing.destinations {
        for kind in &destination.events {
            let Some(order) = Order::new(here, destination, arrival, *kind, now) else { continue };
            if let Some(filing) = order.filing() {
                found.push(Change::File(filing));
            }
        }
    }
    found
}

/// One kind of message for one destination.
struct Order<'a> {
    here: &'a Institution,
    destination: &'a DestinationConfig,
    arrival: &'a Arrival<'a>,
    kind: FiledKind,
    id: String,
    cover: Cover,
    now: Timestamp,
}

impl<'a> Order<'a> {
    fn new(
        here: &'a Institution,
        destination: &'a DestinationConfig,
        arrival: &'a Arrival<'a>,
        kind: FiledKind,
        now: Timestamp,
    ) -> Option<Self> {
        // An extended storage keeps documents; it has no place for messages about them.
        if destination.ssmix2.is_some() && kind != FiledKind::Document {
            return None;
        }
        let id = ids::derived(&["filing", &destination.name, arrival.message_id, word(kind)]);
        let cover = cover(here, destination, &id, now);
        Some(Self { here, destination, arrival, kind, id, cover, now })
    }

    fn filing(&self) -> Option<Filing> {
        let written = self.written()?;
        let at = instant(self.now);
        let path = self.path(&written);
        let lost = written.replaced;
        Some(Filing {
            id: self.id.clone(),
            destination: self.destination.name.clone(),
            referral: self.arrival.referral.to_owned(),
            kind: written.kind.to_owned(),
            control_id: self.cover.control_id.clone(),
            path,
            body: written.bytes,
            status: "queued".to_owned(),
            created_at: at.clone(),
            next_attempt_at: at,
            attempts: 0,
            last_error: (lost > 0)
                .then(|| format!("{lost} characters are not in the destination's character set and were replaced")),
            answer: None,
            filed_at: None,
        })
    }

    /// The message; nothing, if there is no such news in the arrival.
    fn written(&self) -> Option<Written> {
        let (arrival, cover) = (self.arrival, &self.cover);
        let summary: Vec<&Value> = arrival.document.into_iter().flat_map(bundle::resources).collect();
        let letter = self.letter(&summary)?;
        match self.kind {
            FiledKind::Referral if !arrival.received => None,
            FiledKind::Referral if arrival.is_package => Some(referral_message(cover, &letter)),
            FiledKind::Referral => Some(update_message(cover, &letter)),
            FiledKind::Reply if arrival.received => None,
            FiledKind::Reply => Some(reply_message(cover, &letter)),
            FiledKind::Document => self.document(&letter),
            FiledKind::Results => {
                let document = arrival.document?;
                let results: Vec<&Value> = of_kind(document, "Observation");
                results_message(cover, arrival.referral, letter.patient, self.author(&letter), &results)
            }
        }
    }

    fn letter<'l>(&'l self, clinical: &'l [&'l Value]) -> Option<Letter<'l>> {
        static NOTHING: Value = Value::Null;
        let package = self.arrival.package;
        let organizations = of_kind(package, "Organization");
        let task = bundle::first(package, "Task")?;
        let party = |name: &str| {
            let url = task.pointer(&format!("/{name}/reference")).and_then(Value::as_str)?;
            let id = url.rsplit([':', '/']).next()?;
            organizations.iter().copied().find(|one| fhir::id(one) == Some(id))
        };
        Some(Letter {
            referral: self.arrival.referral,
            status: self.arrival.status,
            request: bundle::first(package, "ServiceRequest")?,
            patient: bundle::first(package, "Patient")?,
            referring: party("requester").unwrap_or(&NOTHING),
            referred_to: party("owner").unwrap_or(&NOTHING),
            clinical,
            notes: self.arrival.words,
        })
    }

    fn document(&self, letter: &Letter<'_>) -> Option<Written> {
        let document = self.arrival.document?;
        let composition = bundle::first(document, "Composition")?;
        let pdf = pdf(document).or_else(|| pdf(self.arrival.package));
        let id = fhir::id(document).unwrap_or(self.arrival.message_id);
        Some(document_message(
            &self.cover,
            &Document {
                id,
                referral: self.arrival.referral,
                patient: letter.patient,
                author: self.author(letter),
                composition,
                pdf: pdf.as_deref(),
                plain: &plain::of_composition(composition),
            },
        ))
    }

    /// Who wrote what arrived: the other institution.
    fn author<'l>(&self, letter: &Letter<'l>) -> &'l Value {
        if self.arrival.received { letter.referring } else { letter.referred_to }
    }

    fn path(&self, written: &Written) -> String {
        if self.destination.ssmix2.is_some() {
            return ssmix2::path(&ssmix2::Place {
                patient: &self.local_number().unwrap_or_else(|| ssmix2::foreign_number(self.arrival.referral)),
                document: self.arrival.document,
                id: &self.id,
                at: self.now,
                zone: &self.cover.zone,
            });
        }
        if self.destination.folder.is_some() {
            return folder::name(written.kind, &self.cover.control_id, self.now, &self.cover.zone);
        }
        String::new()
    }

    /// The patient's number at this institution, if the package carries it: that of a patient we referred. The number of
    /// another hospital is never taken for one of ours.
    fn local_number(&self) -> Option<String> {
        if self.arrival.received {
            return None;
        }
        let patient = bundle::first(self.arrival.package, "Patient")?;
        let setting = Setting::from(self.here.config.as_ref());
        let own = |one: &&Value| {
            let system = one.get("system").and_then(Value::as_str).unwrap_or("");
            system == setting.patient_system() || system.starts_with(&format!("{}/", setting.namespace))
        };
        let mut numbers = patient.get("identifier").and_then(Value::as_array)?.iter();
        Some(numbers.find(own)?.get("value")?.as_str()?.to_owned())
    }
}

fn cover(here: &Institution, destination: &DestinationConfig, id: &str, now: Timestamp) -> Cover {
    let setting = Setting::from(here.config.as_ref());
    Cover {
        sending_facility: here.config.id.clone(),
        receiving_application: destination.application.clone(),
        receiving_facility: destination.facility.clone(),
        control_id: id.chars().filter(|c| *c != '-').take(CONTROL_ID).collect(),
        at: now,
        zone: here.config.zone(),
        country: here.config.country,
        // Checked at start; a name that is not known any more is written as the set that holds everything.
        charset: Charset::from_name(destination.charset.trim_start_matches('~')).unwrap_or(Charset::Utf8),
        namespace: setting.namespace.clone(),
        patient_system: setting.patient_system(),
    }
}

fn word(kind: FiledKind) -> &'static str {
    match kind {
        FiledKind::Referral => "referral",
        FiledKind::Reply => "reply",
        FiledKind::Document => "document",
        FiledKind::Results => "results",
    }
}

fn of_kind<'v>(of: &'v Value, kind: &str) -> Vec<&'v Value> {
    bundle::resources(of).filter(|one| fhir::resource_type(one) == Some(kind)).collect()
}

/// The first PDF that came along, as an attachment or a Binary.
fn pdf(of: &Value) -> Option<Vec<u8>> {
    let attached = bundle::resources(of)
        .filter(|one| fhir::resource_type(one) == Some("DocumentReference"))
        .flat_map(|one| one.get("content").and_then(Value::as_array).into_iter().flatten())
        .filter_map(|content| content.get("attachment"));
    let binaries = bundle::resources(of).filter(|one| fhir::resource_type(one) == Some("Binary"));
    attached.chain(binaries).find_map(|held| {
        let kind = held.get("contentType").and_then(Value::as_str)?;
        let data = held.get("data").and_then(Value::as_str)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
        // What calls itself a PDF and is none goes nowhere as one.
        (kind.split(';').next() == Some("application/pdf") && bytes.starts_with(b"%PDF-")).then_some(bytes)
    })
}
