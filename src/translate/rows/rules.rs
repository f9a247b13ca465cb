//! Rows of all files laid over each other for one country, and checked against each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MappingError;
use super::file::{
    GroupRow, IdentifierRow, MessageRow, Overlay, ResourceRow, Row, RowsFile, StorageRow, SystemRow, TableRow, line_of,
};
use super::profile::ProfileRow;
use crate::config::Country;
use crate::fhir::systems;

/// The rows that count in one country.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// By MSH-9.
    pub messages: BTreeMap<String, MessageRow>,
    /// By name.
    pub resources: HashMap<String, ResourceRow>,
    /// By segment and resource type.
    segments: HashMap<(String, String), Vec<Row>>,
    /// Segments that any row takes.
    known_segments: HashSet<String>,
    tables: HashMap<String, TableRow>,
    systems: Vec<SystemRow>,
    identifiers: Vec<IdentifierRow>,
    profiles: Vec<ProfileRow>,
    /// By SS-MIX2 data type.
    pub storage: BTreeMap<String, StorageRow>,
}

impl Rules {
    /// Lays the files over each other. `files` are name, text and rows.
    pub(crate) fn compile(files: &[(&str, &str, RowsFile)], country: Country) -> Result<Self, MappingError> {
        let mut rules = Self::default();
        let counts = |overlay: Option<Overlay>| match overlay {
            None => true,
            Some(Overlay::Jahis) => country == Country::Jp,
            Some(Overlay::Ca) => country == Country::Ca,
        };
        for (_, _, rows) in files.iter().filter(|(_, _, rows)| counts(rows.overlay)) {
            rules.lay_over(rows);
        }
        for (name, text, rows) in files {
            rules.check(name, text, rows)?;
        }
        Ok(rules)
    }

    /// These rules with one more file laid over them.
    pub(crate) fn with(mut self, name: &str, text: &str, rows: RowsFile) -> Result<Self, MappingError> {
        self.lay_over(&rows);
        self.check(name, text, &rows)?;
        Ok(self)
    }

    /// Rows of a segment for a resource type.
    pub(crate) fn rows(&self, segment: &str, resource_type: &str) -> &[Row] {
        self.segments.get(&(segment.to_owned(), resource_type.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Whether any row takes fields of this segment.
    pub(crate) fn knows_segment(&self, segment: &str) -> bool {
        self.known_segments.contains(segment)
    }

    /// A code table.
    pub(crate) fn table(&self, name: &str) -> Option<&TableRow> {
        self.tables.get(name)
    }

    /// The address of the coding system that a message calls `name`; `None` if it is not known, and so local.
    pub(crate) fn system(&self, name: &str, code: &str) -> Option<String> {
        let fits = |row: &&SystemRow| {
            row.names.iter().any(|known| is_named(known, name))
                && row.length.is_none_or(|length| code.chars().count() == length)
        };
        if let Some(row) = self.systems.iter().rev().find(fits) {
            return Some(row.url.replace("{name}", &name.to_ascii_uppercase()));
        }
        // HL7 tables are named HL70004; some senders forget the zero.
        let digits = name.strip_prefix("HL7").or_else(|| name.strip_prefix("hl7"))?;
        let number: u16 = digits.parse().ok().filter(|_| digits.len() <= 4)?;
        Some(format!("{}{number:04}", systems::V2))
    }

    /// The system of identifiers of a type and issuer.
    pub(crate) fn identifier_system(&self, kind: &str, issuers: &[String]) -> Option<&str> {
        let fits = |row: &&IdentifierRow| {
            row.kind.eq_ignore_ascii_case(kind)
                && row.issuer.as_ref().is_none_or(|issuer| issuers.iter().any(|i| i.eq_ignore_ascii_case(issuer)))
        };
        self.identifiers.iter().rev().find(fits).map(|row| row.system.as_str())
    }

    /// The profiles of a resource type, those of later files first.
    pub(crate) fn profiles(&self, resource_type: &str) -> impl Iterator<Item = &ProfileRow> {
        self.profiles.iter().filter(move |row| row.resource_type == resource_type)
    }

    fn lay_over(&mut self, file: &RowsFile) {
        for message in &file.message {
            for event in &message.events {
                self.messages.insert(event.clone(), message.clone());
            }
        }
        for resource in &file.resource {
            self.resources.insert(resource.name.clone(), resource.clone());
        }
        for segment in &file.segment {
            self.known_segments.insert(segment.name.clone());
            let rows = self.segments.entry((segment.name.clone(), segment.to.clone())).or_default();
            *rows = replaced(std::mem::take(rows), &segment.rows);
        }
        for table in &file.table {
            match self.tables.get_mut(&table.name) {
                Some(old) if table.system.is_none() || old.system == table.system => {
                    old.codes.extend(table.codes.clone())
                }
                _ => drop(self.tables.insert(table.name.clone(), table.clone())),
            }
        }
        self.systems.extend(file.system.iter().cloned());
        self.identifiers.extend(file.identifier.iter().cloned());
        self.profiles.splice(0..0, file.profile.iter().cloned());
        self.storage.extend(file.storage.iter().map(|row| (row.kind.clone(), row.clone())));
    }

    /// Checks what one file says against everything that is known.
    fn check(&self, file: &str, text: &str, rows: &RowsFile) -> Result<(), MappingError> {
        let invalid = |at: Option<usize>, message: String| MappingError::Invalid {
            file: file.to_owned(),
            line: at.map_or(1, |offset| line_of(text, offset)),
            message,
        };
        for segment in &rows.segment {
            for row in &segment.rows {
                let place = format!("row {}-{} to {}", segment.name, row.field, segment.to);
                if let Some(table) = &row.table
                    && !self.tables.contains_key(table.get_ref())
                {
                    let message = format!("{place}: there is no table {:?}", table.get_ref());
                    return Err(invalid(Some(table.span().start), message));
                }
                if row.field == 0 && row.column.is_none() {
                    return Err(invalid(None, format!("{place}: it needs a field from 1")));
                }
                row.kind.check(row).map_err(|message| invalid(find_line(text, row), format!("{place}: {message}")))?;
            }
        }
        for message in &rows.message {
            let events = message.events.join(", ");
            check_groups(&message.group)
                .map_err(|error| invalid(text.find(&message.events[0]), format!("message {events}: {error}")))?;
            for name in &message.resources {
                if !self.resources.contains_key(name) {
                    let message = format!("message {events}: there is no resource {name:?}");
                    return Err(invalid(text.find(&format!("{name:?}")), message));
                }
            }
            let first = message.resources.first().and_then(|name| self.resources.get(name));
            if first.is_none_or(|resource| resource.resource_type != "Patient") {
                return Err(invalid(
                    text.find(&message.events[0]),
                    format!("message {events}: the first resource must be a Patient"),
                ));
            }
        }
        for resource in &rows.resource {
            let known = |name: &String| self.resources.contains_key(name);
            if let Some(unknown) = resource.link.iter().flat_map(|link| &link.to).find(|name| !known(name)) {
                let message = format!("resource {}: it links to {unknown:?}, which is no resource", resource.name);
                return Err(invalid(text.find(&format!("name = {:?}", resource.name)), message));
            }
        }
        Ok(())
    }
}

fn is_named(known: &str, name: &str) -> bool {
    match known.strip_suffix('*') {
        None => known.eq_ignore_ascii_case(name),
        Some(beginning) => {
            let of_name = name.get(..beginning.len());
            let rest = name.get(beginning.len()..).unwrap_or("");
            of_name.is_some_and(|text| text.eq_ignore_ascii_case(beginning))
                && !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    }
}

/// Rows of a field replace all rows that earlier files have for it.
fn replaced(old: Vec<Row>, new: &[Row]) -> Vec<Row> {
    let key = |row: &Row| (row.field, row.component, row.column.clone());
    let is_new = |row: &Row| new.iter().any(|other| key(other) == key(row));
    let mut rows: Vec<Row> = old.into_iter().filter(|row| !is_new(row)).collect();
    rows.extend(new.iter().cloned());
    rows
}

fn find_line(text: &str, row: &Row) -> Option<usize> {
    text.find(&format!("field = {},", row.field))
}

fn check_groups(groups: &[GroupRow]) -> Result<(), String> {
    for (at, group) in groups.iter().enumerate() {
        if group.starts.is_empty() {
            return Err(format!("group {} needs a segment that begins it", group.name));
        }
        if let Some(parent) = &group.within
            && !groups[..at].iter().any(|other| &other.name == parent)
        {
            return Err(format!("group {} stands in {parent:?}, which must come before it", group.name));
        }
    }
    Ok(())
}
