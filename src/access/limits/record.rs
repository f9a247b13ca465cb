//! The record without what is withheld. Every answer of a view goes by here, so that neither a search, a chain, an include, a
//! count, a history nor an operation leads to what a reading by id would not show.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use serde_json::Value;

use super::Limits;
use crate::access::consent::{self, Asked, Said};
use crate::access::labels;
use crate::fhir::reference;
use crate::store::exports::{AsOf, Deleted, Export, ExportFile, ExportView, Held};
use crate::store::history::{HistoryPage, HistoryQuery, HistoryView, Passed};
use crate::store::keys::Key;
use crate::store::records::{Entry, IndexState, IndexView, Posting, RecordView, StoredResource};
use crate::store::{StoreError, View};

/// Element of the labels in the index, behind `Type?`.
pub(super) const LABELS: &str = "meta.security";
/// Consents of a patient, in the index.
pub(super) const CONSENT_PATIENT: &str = "Consent?patient";
/// Consents of one patient at most; with more, nothing is permitted.
const MOST_CONSENTS: usize = 200;

/// A view without what `limits` withhold.
pub struct Permitted<'a> {
    pub(super) view: &'a dyn View,
    limits: &'a Limits,
    now: &'a str,
    known: RefCell<Known>,
    withheld: RefCell<BTreeSet<String>>,
    unclear: RefCell<BTreeSet<String>>,
}

/// What was looked up already.
#[derive(Default)]
struct Known {
    /// By the word of a type: its name, and the number of its labels.
    kinds: HashMap<i64, (Rc<str>, Option<i64>)>,
    words: HashMap<i64, Rc<str>>,
    /// Whether there is any Consent at all.
    any_consent: Option<bool>,
    /// By the position of the patient; none: too many to read.
    consents: HashMap<i64, Option<Rc<[Value]>>>,
}

type Answer<T> = Result<T, StoreError>;

impl<'a> Permitted<'a> {
    /// `view` without what `limits` withhold at `now` (RFC 3339).
    pub fn new(view: &'a dyn View, limits: &'a Limits, now: &'a str) -> Self {
        let known = RefCell::default();
        Self { view, limits, now, known, withheld: RefCell::default(), unclear: RefCell::default() }
    }

    /// `Type/id` of what was asked for by its id and withheld.
    pub fn withheld(&self) -> Vec<String> {
        self.withheld.borrow().iter().cloned().collect()
    }

    /// Consents that are not wholly understood, with the elements that are not.
    pub fn unclear(&self) -> Vec<String> {
        self.unclear.borrow().iter().cloned().collect()
    }

    /// Whether the index's entry of a current resource is withheld.
    fn hides_entry(&self, entry: &Entry<'_>) -> Answer<bool> {
        let (kind, path) = self.kind(entry.kind)?;
        let mut codes = Vec::new();
        if let Some(path) = path {
            for key in entry.keys {
                let Key::Token { path: of, system, code } = key else { continue };
                if of == path {
                    if !self.limits.clearance.covers(&self.word_of(system)?, code) {
                        return Ok(true);
                    }
                    codes.push(code.to_owned());
                }
            }
        }
        self.is_refused(entry.patient, &kind, &codes)
    }

    /// Whether a resource, or a version of one, is withheld: by its own labels, by those of today, or by the patient.
    fn hides(&self, stored: &StoredResource) -> Answer<bool> {
        // A deletion is as its last version was.
        let last = match stored.is_deletion() && stored.version > 1 {
            true => self.view.resource_version(&stored.kind, &stored.id, stored.version - 1)?,
            false => None,
        };
        let json = last.as_ref().map_or(stored.json.as_str(), |last| last.json.as_str());
        if self.cleared(json).is_none() {
            return Ok(true);
        }
        let position = self.view.position(&stored.kind, &stored.id)?;
        let (mut entered, mut hidden) = (false, Ok(false));
        if let Some(position) = position {
            self.view.entries(&[position], &mut |entry| {
                entered = true;
                hidden = self.hides_entry(&entry);
                false
            })?;
        }
        if hidden? {
            return Ok(true);
        }
        if entered || self.limits.usage.is_none() {
            return Ok(false);
        }
        // Deleted, or not indexed yet.
        self.hides_what_was(&stored.kind, &stored.id, json)
    }

    /// Whether what is not in the index is withheld: by its labels, or by any patient whom it speaks of.
    fn hides_what_was(&self, kind: &str, id: &str, json: &str) -> Answer<bool> {
        let Some(codes) = self.cleared(json) else { return Ok(true) };
        if self.limits.usage.is_none() {
            return Ok(false);
        }
        for patient in patients_in(kind, id, json) {
            let patient = self.view.position("Patient", &patient)?;
            if self.is_refused(patient, kind, &codes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The codes of a resource's labels, if all of them are cleared.
    fn cleared(&self, json: &str) -> Option<Vec<String>> {
        if json.is_empty() {
            return Some(Vec::new());
        }
        let labels = labels::of(json)?;
        let all = labels.iter().all(|label| self.limits.clearance.covers(&label.system, &label.code));
        all.then(|| labels.into_iter().map(|label| label.code).collect())
    }

    /// Whether the patient refuses the use of such a resource.
    fn is_refused(&self, patient: Option<i64>, kind: &str, labels: &[String]) -> Answer<bool> {
        let (Some(usage), Some(patient)) = (&self.limits.usage, patient) else { return Ok(false) };
        let Some(consents) = self.consents(patient)? else { return Ok(true) };
        let asked = Asked { now: self.now, purpose: usage.purpose.as_deref(), actors: &usage.actors, kind, labels };
        Ok(match consent::said(&consents, &asked) {
            Said::Permit => false,
            Said::Nothing => usage.needs_consent,
            Said::Deny | Said::Unclear => true,
        })
    }

    /// The Consents of a patient; none, if they are too many.
    fn consents(&self, patient: i64) -> Answer<Option<Rc<[Value]>>> {
        if !self.has_any_consent()? {
            return Ok(Some(Rc::from([])));
        }
        if let Some(known) = self.known.borrow().consents.get(&patient) {
            return Ok(known.clone());
        }
        let found = self.read_consents(patient)?;
        self.known.borrow_mut().consents.insert(patient, found.clone());
        Ok(found)
    }

    fn has_any_consent(&self) -> Answer<bool> {
        if let Some(known) = self.known.borrow().any_consent {
            return Ok(known);
        }
        let any = match self.view.word("Consent")? {
            Some(kind) => !self.view.owners(&Posting::Kind(kind), 0)?.is_empty(),
            None => false,
        };
        self.known.borrow_mut().any_consent = Some(any);
        Ok(any)
    }

    fn read_consents(&self, patient: i64) -> Answer<Option<Rc<[Value]>>> {
        let Some(path) = self.view.word(CONSENT_PATIENT)? else { return Ok(Some(Rc::from([]))) };
        let owners = self.view.owners(&Posting::Reference { path, target: patient }, MOST_CONSENTS)?;
        let mut now = Vec::new();
        self.view.entries(&owners, &mut |mut entry| {
            let refers =
                |key: Key<'_>| matches!(key, Key::Reference { path: p, target, .. } if p == path && target == patient);
            if entry.keys.any(refers) && !now.contains(&entry.position) {
                now.push(entry.position);
            }
            true
        })?;
        if owners.len() > MOST_CONSENTS {
            return Ok(None);
        }
        let mut consents = Vec::with_capacity(now.len());
        for stored in self.view.resources_at(&now)? {
            let Ok(consent) = serde_json::from_str::<Value>(&stored.json) else { return Ok(None) };
            let unclear = consent::not_understood(&consent);
            if consent["status"] == "active" && !unclear.is_empty() {
                let told = format!("Consent/{} ({})", stored.id, unclear.join(", "));
                self.unclear.borrow_mut().insert(told);
            }
            consents.push(consent);
        }
        Ok(Some(consents.into()))
    }

    fn kind(&self, number: i64) -> Answer<(Rc<str>, Option<i64>)> {
        if let Some(known) = self.known.borrow().kinds.get(&number) {
            return Ok(known.clone());
        }
        let name: Rc<str> = self.view.text_of(number)?.unwrap_or_default().into();
        let found = (Rc::clone(&name), self.view.word(&format!("{name}?{LABELS}"))?);
        self.known.borrow_mut().kinds.insert(number, found.clone());
        Ok(found)
    }

    fn word_of(&self, number: i64) -> Answer<Rc<str>> {
        if let Some(known) = self.known.borrow().words.get(&number) {
            return Ok(Rc::clone(known));
        }
        let text: Rc<str> = self.view.text_of(number)?.unwrap_or_default().into();
        self.known.borrow_mut().words.insert(number, Rc::clone(&text));
        Ok(text)
    }

    /// What was asked for by its id, unless it is withheld; that it is, is noted.
    fn shown(&self, found: Option<StoredResource>) -> Answer<Option<StoredResource>> {
        let Some(found) = found else { return Ok(None) };
        if self.hides(&found)? {
            self.withheld.borrow_mut().insert(format!("{}/{}", found.kind, found.id));
            return Ok(None);
        }
        Ok(Some(found))
    }

    fn all_shown(&self, found: Vec<StoredResource>) -> Answer<Vec<StoredResource>> {
        let mut shown = Vec::with_capacity(found.len());
        for one in found {
            if !self.hides(&one)? {
                shown.push(one);
            }
        }
        Ok(shown)
    }
}

/// Patients that a resource is or speaks of, by logical id.
fn patients_in(kind: &str, id: &str, json: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if kind == "Patient" {
        found.insert(id.to_owned());
    }
    if let Ok(mut resource) = serde_json::from_str::<Value>(json) {
        reference::rewrite(&mut resource, &mut |target| {
            found.extend(reference::split(target).filter(|(kind, _)| *kind == "Patient").map(|(_, id)| id.to_owned()));
            None
        });
    }
    found
}

impl IndexView for Permitted<'_> {
    fn word(&self, text: &str) -> Answer<Option<i64>> {
        self.view.word(text)
    }

    fn text_of(&self, number: i64) -> Answer<Option<String>> {
        self.view.text_of(number)
    }

    fn position(&self, kind: &str, id: &str) -> Answer<Option<i64>> {
        self.view.position(kind, id)
    }

    fn address_at(&self, position: i64) -> Answer<Option<(String, String)>> {
        self.view.address_at(position)
    }

    fn owners(&self, posting: &Posting<'_>, at_most: usize) -> Answer<Vec<i64>> {
        self.view.owners(posting, at_most)
    }

    fn entries(&self, positions: &[i64], visit: &mut dyn FnMut(Entry<'_>) -> bool) -> Answer<()> {
        let mut failed = None;
        self.view.entries(positions, &mut |entry| match self.hides_entry(&entry) {
            Ok(true) => true,
            Ok(false) => visit(entry),
            Err(error) => {
                failed = Some(error);
                false
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn resources_at(&self, positions: &[i64]) -> Answer<Vec<StoredResource>> {
        let mut seen = Vec::with_capacity(positions.len());
        self.entries(positions, &mut |entry| {
            seen.push(entry.position);
            true
        })?;
        self.view.resources_at(&seen)
    }

    fn withholds(&self) -> bool {
        true
    }

    fn index_state(&self) -> Answer<IndexState> {
        self.view.index_state()
    }

    fn resources_behind(&self, position: i64, at_most: usize) -> Answer<Vec<(i64, StoredResource)>> {
        let mut found = self.view.resources_behind(position, at_most)?;
        let mut hidden = BTreeSet::new();
        for (position, stored) in &found {
            if self.hides(stored)? {
                hidden.insert(*position);
            }
        }
        found.retain(|(position, _)| !hidden.contains(position));
        Ok(found)
    }
}

impl RecordView for Permitted<'_> {
    fn resource(&self, kind: &str, id: &str) -> Answer<Option<StoredResource>> {
        self.shown(self.view.resource(kind, id)?)
    }

    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Answer<Option<StoredResource>> {
        self.shown(self.view.resource_version(kind, id, version)?)
    }

    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Answer<Vec<StoredResource>> {
        self.all_shown(self.view.by_identifier(kind, system, value)?)
    }

    fn compartment(&self, patient_id: &str) -> Answer<Vec<StoredResource>> {
        self.all_shown(self.view.compartment(patient_id)?)
    }

    fn resource_counts(&self) -> Answer<Vec<(String, u64)>> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        self.each_resource(&[], &mut |passed| {
            *counts.entry(passed.resource.kind).or_default() += 1;
            ControlFlow::Continue(())
        })?;
        let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
        counts.sort();
        Ok(counts)
    }
}

impl HistoryView for Permitted<'_> {
    fn last_version(&self, kind: &str, id: &str) -> Answer<Option<StoredResource>> {
        self.shown(self.view.last_version(kind, id)?)
    }

    fn history(&self, query: &HistoryQuery) -> Answer<HistoryPage> {
        let page = self.view.history(query)?;
        // How many there are would tell of those that are withheld.
        Ok(HistoryPage { total: None, versions: self.all_shown(page.versions)?, next: page.next })
    }

    fn referrers(&self, kind: &str, id: &str, limit: usize) -> Answer<Vec<(String, String)>> {
        let mut seen = Vec::new();
        for (kind, id) in self.view.referrers(kind, id, limit)? {
            let hidden = match self.view.resource(&kind, &id)? {
                Some(stored) => self.hides(&stored)?,
                None => true,
            };
            if !hidden {
                seen.push((kind, id));
            }
        }
        Ok(seen)
    }

    fn each_resource(&self, kinds: &[String], visit: &mut dyn FnMut(Passed) -> ControlFlow<()>) -> Answer<()> {
        let mut failed = None;
        self.view.each_resource(kinds, &mut |passed| {
            let hidden = match self.cleared(&passed.resource.json) {
                None => Ok(true),
                Some(codes) => {
                    let patient = passed.patient.as_deref().map(|id| self.view.position("Patient", id)).transpose();
                    patient.and_then(|at| self.is_refused(at.flatten(), &passed.resource.kind, &codes))
                }
            };
            match hidden {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => visit(passed),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

impl ExportView for Permitted<'_> {
    fn export(&self, id: &str) -> Answer<Option<Export>> {
        self.view.export(id)
    }

    fn exports_due(&self, now: &str, limit: usize) -> Answer<Vec<Export>> {
        self.view.exports_due(now, limit)
    }

    fn exports_over(&self, now: &str, limit: usize) -> Answer<Vec<String>> {
        self.view.exports_over(now, limit)
    }

    fn export_files(&self, id: &str) -> Answer<Vec<ExportFile>> {
        self.view.export_files(id)
    }

    fn export_piece(&self, id: &str, file: &str, number: u64) -> Answer<Option<Vec<u8>>> {
        self.view.export_piece(id, file, number)
    }

    fn each_as_of(&self, asked: &AsOf<'_>, visit: &mut dyn FnMut(Held<'_>) -> ControlFlow<()>) -> Answer<i64> {
        let mut failed = None;
        let reached = self.view.each_as_of(asked, &mut |held| {
            let hidden = self.cleared(held.json).map(|codes| self.is_refused(held.patient, held.kind, &codes));
            match hidden {
                None | Some(Ok(true)) => ControlFlow::Continue(()),
                Some(Ok(false)) => visit(held),
                Some(Err(error)) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(reached), Err)
    }

    fn each_deleted(&self, since: &str, moment: &str, visit: &mut dyn FnMut(Deleted)) -> Answer<()> {
        let mut failed = None;
        self.view.each_deleted(since, moment, &mut |deleted| match self.hides_what_was(
            &deleted.kind,
            &deleted.id,
            &deleted.before,
        ) {
            Ok(true) => {}
            Ok(false) => visit(deleted),
            Err(error) => failed = Some(error),
        })?;
        failed.map_or(Ok(()), Err)
    }
}
