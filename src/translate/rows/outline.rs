//! What decides what a row makes of its field: the code it holds, whether it holds anything, or more than can be said
//! beforehand. By this a translation tells what recurs from message to message from what does not (`build::recurring`).

use super::file::Row;
use crate::translate::datatypes::Kind;

/// What decides what rows make of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Decided {
    /// By whether there is anything in it.
    Presence,
    /// By what is written there, and nothing else. Only codes: names, numbers, times and texts hardly recur, and are not
    /// to be remembered.
    Code,
    /// By what is written there and elsewhere; the row has to be applied.
    Reading,
}

/// A row as far as one must know it to tell what recurs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    pub field: u16,
    /// The same for all rows of the field.
    pub decided: Decided,
    /// It applies under conditions.
    pub conditional: bool,
}

/// The rows of a segment for a resource type.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentRules {
    /// In the order they are applied.
    pub rows: Vec<Row>,
    /// Of each row.
    pub outlines: Vec<Outline>,
}

impl SegmentRules {
    /// Notes what decides about each field.
    pub(crate) fn outline(&mut self) {
        let of_field = |field: u16| self.rows.iter().filter(move |row| row.field == field).map(decided).max();
        self.outlines = self
            .rows
            .iter()
            .map(|row| Outline {
                field: row.field,
                decided: of_field(row.field).unwrap_or(Decided::Reading),
                conditional: !row.when.is_empty(),
            })
            .collect();
    }
}

/// What decides what a row makes of its field. The kinds named here read nothing else of the message and add no person,
/// place or time to it.
fn decided(row: &Row) -> Decided {
    match row.kind {
        Kind::CodeableConcept
        | Kind::BoundConcept
        | Kind::Coding
        | Kind::Code
        | Kind::Language
        | Kind::Display
        | Kind::Boolean => Decided::Code,
        Kind::Fixed | Kind::Steer | Kind::Skip if row.component.is_none() => Decided::Presence,
        _ => Decided::Reading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_decided_as_the_most_demanding_of_its_rows() {
        let row = |text: &str| toml::from_str::<Row>(text).unwrap();
        let mut rules = SegmentRules {
            rows: vec![
                row("field = 3\npath = \"code\"\ntype = \"CodeableConcept\""),
                row("field = 14\npath = \"effectiveDateTime\"\ntype = \"dateTime\""),
                row("field = 14\ntype = \"steer\"\nreason = \"r\""),
                row("field = 1\ntype = \"skip\"\nreason = \"r\"\nwhen = [\"OBX-2\"]"),
            ],
            outlines: Vec::new(),
        };
        rules.outline();
        let told: Vec<_> = rules.outlines.iter().map(|outline| (outline.decided, outline.conditional)).collect();
        assert_eq!(
            told,
            [(Decided::Code, false), (Decided::Reading, false), (Decided::Reading, false), (Decided::Presence, true)]
        );
    }
}
