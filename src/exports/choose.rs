//! Which resources an export is made of. What takes a search or another resource to know (filters, members of a group) is
//! found once, at the beginning, and kept beside the pieces: whoever continues the export chooses the same.
//!
//! Filters look at resources as they are when the search is made, a moment after the one that the export shows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ask::{Asked, ExportError, Filter, Level};
use super::pack::{Lines, packed, unpacked};
use super::{DELETED, OUTCOME};
use crate::fhir::{reference, structure};
use crate::records::find::{self, FindError};
use crate::records::parameters;
use crate::records::query::{self, Setting, Shape};
use crate::store::exports::{Export, Held, Piece};
use crate::store::{StoreError, View};

/// Part of the selection: positions of the patients of a group.
const PATIENTS: &str = "*patients";
/// Begins the name of a part of the selection, before a type: positions of what its filters found.
const FOUND: &str = "*";
/// Deleted resources told on one line.
const DELETED_ON_A_LINE: usize = 500;
/// Bytes of a piece of deleted resources.
const DELETED_IN_A_PIECE: usize = 1 << 20;

/// What is chosen.
#[derive(Debug, Default)]
pub(super) struct Choice {
    level: Chosen,
    /// Positions by type, ascending; of a type that is not among them everything is chosen.
    found: BTreeMap<String, Vec<i64>>,
    /// Types that are about no patient and were asked for by name: they come along whole.
    apart: Vec<String>,
}

#[derive(Debug, Default)]
enum Chosen {
    #[default]
    Everything,
    OfPatients,
    /// Positions of patients, ascending.
    OfThese(Vec<i64>),
}

impl Choice {
    /// As it was found at the beginning.
    pub(super) fn read(view: &dyn View, export: &Export, asked: &Asked) -> Result<Self, ExportError> {
        let mut choice = Self { apart: apart(asked), ..Self::default() };
        for file in view.export_files(&export.id)? {
            let Some(name) = file.file.strip_prefix(FOUND) else { continue };
            let mut positions = Vec::new();
            for size in &file.pieces {
                let bytes = view.export_piece(&export.id, &file.file, size.number)?.ok_or(ExportError::Damaged)?;
                positions.extend(numbers(&unpacked(&bytes, size).ok_or(ExportError::Damaged)?));
            }
            if file.file == PATIENTS {
                choice.level = Chosen::OfThese(positions);
            } else {
                choice.found.insert(name.to_owned(), positions);
            }
        }
        match asked.level {
            Level::System => choice.level = Chosen::Everything,
            Level::Patient => choice.level = Chosen::OfPatients,
            Level::Group(_) if matches!(choice.level, Chosen::OfThese(_)) => {}
            Level::Group(_) => return Err(ExportError::Damaged),
        }
        Ok(choice)
    }

    /// Whether a resource is chosen.
    pub(super) fn includes(&self, held: &Held<'_>) -> bool {
        let is_of_level = match &self.level {
            Chosen::Everything => true,
            Chosen::OfPatients => held.patient.is_some(),
            Chosen::OfThese(patients) => held.patient.is_some_and(|one| patients.binary_search(&one).is_ok()),
        };
        (is_of_level || self.apart.iter().any(|kind| kind == held.kind))
            && self.found.get(held.kind).is_none_or(|found| found.binary_search(&held.position).is_ok())
    }
}

/// What must be found out at the beginning, as pieces: parts of the selection, what was deleted, and what is to be said.
pub(super) fn prepare(view: &dyn View, export: &Export, asked: &Asked, base: &str) -> Result<Vec<Piece>, ExportError> {
    let mut pieces = Vec::new();
    let mut found: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for filter in &asked.filters {
        found.entry(&filter.kind).or_default().extend(matching(view, filter, export, base)?);
    }
    for (kind, positions) in found {
        pieces.push(part(&format!("{FOUND}{kind}"), positions));
    }
    let mut members = Vec::new();
    if let Level::Group(id) = &asked.level {
        let group = view.resource("Group", id)?.ok_or_else(|| ExportError::NoGroup(id.clone()))?;
        let group: Value = serde_json::from_str(&group.json).map_err(|_| ExportError::Damaged)?;
        members = patients_of(&group);
        let mut positions = Vec::with_capacity(members.len());
        for member in &members {
            positions.extend(view.position("Patient", member)?);
        }
        pieces.push(part(PATIENTS, positions));
    }
    if let Some(since) = &asked.since {
        pieces.extend(deleted(view, export, asked, since, &members)?);
    }
    if !asked.left_out.is_empty() {
        let issue = |text: &String| json!({"severity": "warning", "code": "not-supported", "diagnostics": text});
        let issues: Vec<Value> = asked.left_out.iter().map(issue).collect();
        let mut lines = Lines { file: OUTCOME.to_owned(), ..Lines::default() };
        lines.add(&json!({"resourceType": "OperationOutcome", "issue": issues}).to_string());
        pieces.push(packed(&lines, 0));
    }
    Ok(pieces)
}

/// The search of a filter: criteria alone.
pub(super) fn search_of(
    filter: &Filter,
    now: Option<jiff::Timestamp>,
    base: &str,
) -> Result<crate::fhir::search::Search, ExportError> {
    let setting = Setting { now, base, is_lenient: false };
    let read = query::parse(&setting, &filter.kind, &filter.pairs)?;
    let is_plain = read.shape == Shape::default() && read.search.includes.is_empty() && read.search.sort.is_empty();
    if !is_plain || filter.pairs.iter().any(|(name, _)| matches!(name.as_str(), "_count" | "_total")) {
        return Err(ExportError::Filter("it takes criteria, and nothing that shapes or orders a result".to_owned()));
    }
    Ok(read.search)
}

/// Positions of what meets a filter.
fn matching(view: &dyn View, filter: &Filter, export: &Export, base: &str) -> Result<Vec<i64>, ExportError> {
    let search = search_of(filter, export.moment.parse().ok(), base)?;
    find::positions(view, &search.kind, &search.criteria).map_err(|error| match error {
        FindError::Store(error) => ExportError::Store(error),
        costly @ FindError::TooCostly(_) => ExportError::Filter(costly.to_string()),
    })
}

/// Types that were named and never are about a patient.
fn apart(asked: &Asked) -> Vec<String> {
    let is_apart = |kind: &&String| parameters::compartment("Patient", kind).is_none();
    asked.kinds.iter().filter(is_apart).cloned().collect()
}

/// Logical ids of the patients that are members of a group, without those that are members no longer.
fn patients_of(group: &Value) -> Vec<String> {
    let members = group.get("member").and_then(Value::as_array).into_iter().flatten();
    let present = members.filter(|member| member.get("inactive") != Some(&Value::Bool(true)));
    let addresses = present.filter_map(|member| member.pointer("/entity/reference")?.as_str());
    let patients = addresses.filter_map(reference::split).filter(|(kind, _)| *kind == "Patient");
    patients.map(|(_, id)| id.to_owned()).collect()
}

/// What was deleted since, as transactions that delete it.
fn deleted(
    view: &dyn View,
    export: &Export,
    asked: &Asked,
    since: &str,
    members: &[String],
) -> Result<Vec<Piece>, StoreError> {
    let apart = apart(asked);
    let (mut pieces, mut lines, mut entries) = (Vec::new(), Lines::default(), Vec::new());
    DELETED.clone_into(&mut lines.file);
    let mut end_line = |entries: &mut Vec<Value>, lines: &mut Lines, is_last: bool| {
        if !entries.is_empty() && (is_last || entries.len() >= DELETED_ON_A_LINE) {
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": std::mem::take(entries)});
            lines.add(&bundle.to_string());
        }
        if !lines.text.is_empty() && (is_last || lines.text.len() >= DELETED_IN_A_PIECE) {
            pieces.push(packed(lines, pieces.len() as u64));
            (lines.resources, lines.text) = (0, Vec::new());
        }
    };
    view.each_deleted(since, &export.moment, &mut |one| {
        let is_of_kind = asked.kinds.is_empty() || asked.kinds.contains(&one.kind);
        let patient = || {
            let before: Value = serde_json::from_str(&one.before).unwrap_or_default();
            reference::patient_of(&before).map(str::to_owned)
        };
        let is_of_level = match &asked.level {
            Level::System => true,
            _ if apart.contains(&one.kind) => true,
            Level::Patient => patient().is_some(),
            Level::Group(_) => patient().is_some_and(|patient| members.contains(&patient)),
        };
        // What is not of this release's types cannot have been written.
        if is_of_kind && is_of_level && structure::is_type(&one.kind) {
            let address = format!("{}/{}", one.kind, one.id);
            entries.push(json!({"request": {"method": "DELETE", "url": address}}));
            end_line(&mut entries, &mut lines, false);
        }
    })?;
    end_line(&mut entries, &mut lines, true);
    Ok(pieces)
}

/// Positions as a part of the selection.
fn part(file: &str, mut positions: Vec<i64>) -> Piece {
    positions.sort_unstable();
    positions.dedup();
    let mut lines = Lines { file: file.to_owned(), ..Lines::default() };
    let mut last = 0;
    for position in positions {
        // How far behind the one before: these are small, and compress well.
        lines.text.extend_from_slice(&(position - last).to_le_bytes());
        last = position;
    }
    packed(&lines, 0)
}

fn numbers(bytes: &[u8]) -> Vec<i64> {
    let mut last = 0i64;
    let (steps, _) = bytes.as_chunks::<8>();
    let next = steps.iter().map(|step| {
        last = last.wrapping_add(i64::from_le_bytes(*step));
        last
    });
    next.collect()
}

#[cfg(test)]
mod tests {
    use super::super::pack::tests::size;
    use super::*;

    #[test]
    fn positions_are_kept_in_order_and_once() {
        let piece = part("*Observation", vec![900, 7, 12, 7, i64::MAX]);
        let kept = numbers(&unpacked(&piece.bytes, &size(&piece)).unwrap());
        assert_eq!(kept, [7, 12, 900, i64::MAX]);
    }

    #[test]
    fn patients_of_a_group_are_its_present_members() {
        let member =
            |reference: &str, inactive: bool| json!({"entity": {"reference": reference}, "inactive": inactive});
        let group = json!({"member": [
            member("Patient/a", false), member("Patient/b", true), member("Practitioner/c", false),
            {"entity": {"reference": "Patient/d/_history/2"}}, {"entity": {"display": "no one"}}]});
        assert_eq!(patients_of(&group), ["a", "d"]);
    }

    #[test]
    fn a_filter_is_made_of_criteria() {
        let of = |name: &str, value: &str| {
            let filter = Filter { kind: "Observation".to_owned(), pairs: vec![(name.to_owned(), value.to_owned())] };
            search_of(&filter, None, "https://here.example/fhir")
        };
        assert_eq!(of("code", "718-7").unwrap().criteria.len(), 1);
        for (name, value) in [
            ("_sort", "date"),
            ("_count", "1"),
            ("_include", "Observation:subject"),
            ("_summary", "true"),
            ("favourite-colour", "x"),
        ] {
            assert!(matches!(of(name, value), Err(ExportError::Filter(_))), "{name}");
        }
    }

    #[test]
    fn what_is_about_nobody_is_chosen_where_it_was_named() {
        let asked = Asked {
            request: String::new(),
            level: Level::Patient,
            kinds: vec!["Patient".to_owned(), "Organization".to_owned()],
            since: None,
            filters: Vec::new(),
            left_out: Vec::new(),
        };
        let choice = Choice { level: Chosen::OfThese(vec![3]), apart: apart(&asked), ..Choice::default() };
        let held = |kind: &'static str, patient| Held { position: 9, kind, patient, json: "{}" };
        assert!(choice.includes(&held("Organization", None)));
        assert!(choice.includes(&held("Observation", Some(3))));
        assert!(!choice.includes(&held("Observation", Some(4))));
        assert!(!choice.includes(&held("Observation", None)));
    }
}
