//! The shape of rows for documents: which element becomes which resource, and which part of it which element.

use std::collections::HashMap;

use crate::fhir::tree::{Map, Value};
use roxmltree::Node;
use serde::Deserialize;

use super::query::{self, Condition, Query};
use super::types::Kind;
use crate::translate::rows::origin::Origin;
use crate::translate::rows::path::Path;

/// What an element of a document becomes. Of the rows that fit an element the last one counts.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementRow {
    /// Name used by other rows; a later row of the same name replaces it.
    pub name: String,
    /// Resource type. Absent: nothing of its own; what is in it is looked at, or it is a part of another resource.
    #[serde(rename = "type", default)]
    pub resource_type: Option<String>,
    /// Elements it is for, `observation`. Absent: only what a row's `to` sends here.
    #[serde(default)]
    pub element: Vec<String>,
    /// Templates, one of which the element must follow; without `2.16.840.1.113883.10.20.` where they begin so.
    #[serde(default)]
    pub template: Vec<String>,
    /// Moods, one of which it must have.
    #[serde(default)]
    pub mood: Vec<String>,
    /// LOINC codes of sections, one of which it must stand in.
    #[serde(default)]
    pub section: Vec<String>,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// The rows say what a negated element means. Without this, a negated element becomes nothing, for it must not be
    /// shown as if it were so.
    #[serde(default)]
    pub negation: bool,
    /// Names of rows that make further resources of the same element.
    #[serde(default)]
    pub also: Vec<String>,
    /// Name of a row whose `rows`, `fixed` and `default` count after its own.
    #[serde(default)]
    pub like: Option<String>,
    /// It is only mentioned: made where it is missing, and otherwise left as it is.
    #[serde(default)]
    pub mentioned: bool,
    /// Elements that always hold this.
    #[serde(default)]
    pub fixed: Map,
    /// Elements that hold this when no row filled them.
    #[serde(default)]
    pub default: Vec<ElementDefault>,
    /// Part by part.
    #[serde(default)]
    pub rows: Vec<ElementRow>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// A row: where to look, and the element it goes to.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElementRow {
    /// Where to look, from the element.
    pub from: Query,
    /// The element. Empty for what only steers the translation.
    #[serde(default)]
    pub path: Path,
    /// How the value is read and written.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The table its code is looked up in.
    #[serde(default)]
    pub table: Option<String>,
    /// Name of the row that makes the resource or the part.
    #[serde(default)]
    pub to: Option<String>,
    /// Only if all hold at the element the row belongs to.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Set beside the value, in the list element that holds it.
    #[serde(default)]
    pub with: Option<Value>,
    /// Constant for `type = "fixed"`.
    #[serde(default)]
    pub value: Option<Value>,
    /// A null flavour there is told as a data-absent-reason.
    #[serde(default)]
    pub absent: bool,
    /// Why it is left out, for `type = "skip"`; what it steers, for `type = "steer"`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// An element's value when no row filled it.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElementDefault {
    /// The element.
    pub path: Path,
    /// Its value.
    pub value: Value,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// Rows laid over each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub statements: Vec<StatementRow>,
    by_name: HashMap<String, usize>,
    by_element: HashMap<String, Vec<usize>>,
}

impl Rows {
    /// Lays rows over those that are there, by name.
    pub(crate) fn lay_over(&mut self, rows: &[StatementRow]) {
        for row in rows {
            let mut row = row.clone();
            row.template = row.template.iter().map(|text| query::template(text)).collect();
            if let Some(base) =
                row.like.as_ref().and_then(|name| self.named(name)).map(|at| self.statements[at].clone())
            {
                row.rows.extend(base.rows);
                row.default.extend(base.default);
                for (element, value) in base.fixed {
                    row.fixed.entry(element).or_insert(value);
                }
            }
            match self.by_name.get(&row.name) {
                Some(at) => self.statements[*at] = row,
                None => {
                    self.by_name.insert(row.name.clone(), self.statements.len());
                    self.statements.push(row);
                }
            }
        }
        self.by_element.clear();
        for (at, row) in self.statements.iter().enumerate() {
            for element in &row.element {
                self.by_element.entry(element.clone()).or_default().push(at);
            }
        }
    }

    /// The number of a row.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The row for an element in a section.
    pub(crate) fn fitting<'a>(&self, node: Node<'a, 'a>, section: Option<&str>) -> Option<usize> {
        let candidates = self.by_element.get(node.tag_name().name())?;
        candidates.iter().rev().copied().find(|at| {
            let row = &self.statements[*at];
            (row.template.is_empty() || row.template.iter().any(|oid| query::has_template(node, oid)))
                && (row.mood.is_empty()
                    || node.attribute("moodCode").is_some_and(|mood| row.mood.iter().any(|other| other == mood)))
                && (row.section.is_empty() || section.is_some_and(|code| row.section.iter().any(|other| other == code)))
                && row.when.iter().all(|condition| condition.holds(node))
        })
    }
}

/// What is wrong with the rows of a file, each with its line.
pub(crate) fn check(rows: &[StatementRow], all: &Rows, has_table: &dyn Fn(&str) -> bool) -> Vec<(Origin, String)> {
    let mut errors = Vec::new();
    for statement in rows {
        let mut wrong = |at: Origin, message: String| {
            errors.push((at, format!("statement {}: {message}", statement.name)));
        };
        let names =
            statement.also.iter().chain(&statement.like).chain(statement.rows.iter().filter_map(|row| row.to.as_ref()));
        for name in names.filter(|name| all.named(name).is_none()) {
            wrong(statement.origin, format!("there is no statement {name:?}"));
        }
        for row in &statement.rows {
            if let Some(table) = row.table.as_ref().filter(|table| !has_table(table)) {
                wrong(row.origin, format!("there is no table {table:?}"));
            }
            let place = format!("the row to {:?}", row.path.plain());
            match row.kind {
                Kind::Steer | Kind::Skip if row.reason.is_none() => {
                    wrong(row.origin, format!("{place} needs a reason"))
                }
                Kind::Fixed if row.value.is_none() => wrong(row.origin, format!("{place} needs a value")),
                Kind::Element if row.to.is_none() => {
                    wrong(row.origin, format!("{place} needs the statement it becomes (to)"));
                }
                Kind::TableConcept if row.table.is_none() => wrong(row.origin, format!("{place} needs a table")),
                Kind::Steer | Kind::Skip | Kind::Element => {}
                _ if row.path.is_empty() => wrong(row.origin, "a row needs a path".to_owned()),
                _ => {}
            }
        }
    }
    errors
}
