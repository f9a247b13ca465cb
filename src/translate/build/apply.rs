//! One row applied to one segment: what it reads, and where that goes.

use super::context::{Context, Work};
use super::ledger::{Leaf, Target};
use super::piece::Piece;
use crate::fhir::tree::Map;
use crate::translate::datatypes::{self, Kind, Placed, party};
use crate::translate::hl7v2::few::Few;
use crate::translate::rows::file::{Repetitions, Row};
use crate::translate::rows::path::{self, Slots};
use crate::translate::trace::{By, Maker};

const FILLED: &str = "the element holds one value, and an earlier field filled it";

/// The resource and segment that a row is applied to.
pub(crate) struct Site<'a> {
    pub work: &'a Work<'a>,
    pub number: usize,
    pub group: usize,
    pub segment: usize,
}

impl Site<'_> {
    /// A row at work here, for those who ask what made an element.
    pub(super) fn maker(&self, row: &Row) -> Maker {
        let segments = &self.work.order.message.segments;
        let name = &segments[self.segment].name;
        let occurrence = segments[..=self.segment].iter().filter(|segment| segment.name == *name).count();
        let component = row.component.map_or_else(String::new, |component| format!(".{component}"));
        let source = (self.work.order.column)(usize::from(row.field))
            .unwrap_or_else(|| format!("{name}-{}{component}", row.field));
        Maker { by: By::Row, source: Some((source, occurrence)), origin: row.origin }
    }
}

/// Applies one row. An element that holds one value keeps the first it got.
pub(crate) fn apply(site: &Site<'_>, row: &Row, body: &mut Map, slots: &mut Slots) {
    for placed in read(site, row, body, slots) {
        put(row, placed, body, slots);
    }
}

/// What a row makes of its field, as far as there is room for it.
pub(super) fn read(site: &Site<'_>, row: &Row, body: &Map, slots: &Slots) -> Few<Placed> {
    let Site { work, number, group, segment: index } = *site;
    let repetitions = work.order.message.segments[index].field(usize::from(row.field));
    if repetitions.is_empty() {
        return Few::None;
    }
    let target = Target { resource: number, path: row.account.clone() };
    let context = Context::new(work, group, Some(index), &target);
    if !row.when.iter().all(|condition| context.holds(condition)) {
        return Few::None;
    }
    let wanted = |at: usize| match row.repetition {
        None => true,
        Some(Repetitions::First) => at == 0,
        Some(Repetitions::Others) => at > 0,
    };
    let pieces: Few<Piece<'_>> = repetitions
        .iter()
        .enumerate()
        .filter(|(at, _)| wanted(*at))
        .map(|(at, repetition)| {
            let leaf = Leaf { segment: index, field: usize::from(row.field), repetition: at + 1, ..Leaf::default() };
            let piece = Piece::repetition(repetition, &work.ledger, leaf, &target);
            row.component.map_or(piece, |component| piece.component(usize::from(component)))
        })
        .collect();
    let taken = match row.kind {
        Kind::Varies | Kind::Text | Kind::Steer | Kind::Skip | Kind::AsNeeded => pieces.len(),
        _ if row.path.grows() => pieces.len(),
        Kind::Practitioner | Kind::PractitionerRole => party::first_person(&pieces),
        _ => pieces.len().min(1),
    };
    let taken = if row.path.is_filled(body, slots) { 0 } else { taken };
    for piece in &pieces[taken..] {
        piece.drop_all(FILLED);
    }
    datatypes::convert(row, &context, &pieces[..taken])
}

/// Puts a value where it or its row says.
pub(super) fn put(row: &Row, placed: Placed, body: &mut Map, slots: &mut Slots) {
    match placed.path {
        Some(element) if element.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            path::merge(body.member(element), placed.value);
        }
        Some(path) => {
            if let Some(path) = datatypes::path_of(path) {
                path.place(body, placed.value, None, slots);
            }
        }
        None => row.path.place_around(body, placed.value, row.with.as_ref(), row.around.as_ref(), slots),
    }
}
