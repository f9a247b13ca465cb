//! Rows of all files laid over each other for one country, and checked against each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use rustc_hash::FxHashMap;

use super::file::{
    GroupRow, IdentifierRow, MessageRow, Overlay, ResourceRow, Row, RowsFile, StorageRow, SystemRow, TableRow,
};
use super::origin::Origin;
use super::outline::SegmentRules;
use super::profile::ProfileRow;
use super::{MappingError, Source};
use crate::config::Country;
use crate::fhir::systems;
use crate::fhir::tree::{Text, json};
use crate::translate::build::Recurring;
use crate::translate::ccda::rows as ccda;
use crate::translate::datatypes::Kind;

/// The rows that count in one country.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// By MSH-9.
    pub messages: BTreeMap<String, MessageRow>,
    /// By name.
    pub resources: FxHashMap<String, ResourceRow>,
    /// By segment, and by resource type.
    segments: FxHashMap<String, FxHashMap<String, SegmentRules>>,
    /// Segments that any row takes.
    known_segments: HashSet<String>,
    tables: FxHashMap<String, TableRow>,
    /// By system, then by code.
    displays: FxHashMap<String, FxHashMap<String, Text>>,
    systems: Vec<SystemRow>,
    /// Their numbers by name, in capitals.
    systems_by_name: FxHashMap<String, Vec<usize>>,
    /// Those whose name only begins so.
    systems_by_beginning: Vec<(String, usize)>,
    identifiers: Vec<IdentifierRow>,
    /// By resource type, those of later files first.
    profiles: FxHashMap<String, Vec<ProfileRow>>,
    /// By SS-MIX2 data type.
    pub storage: BTreeMap<String, StorageRow>,
    /// Rows that a later file took the place of: the later row's place, and theirs.
    replaced: Vec<(Origin, Origin)>,
    /// For the elements of documents.
    pub ccda: ccda::Rows,
    /// What of earlier messages recurs.
    pub recurring: Recurring,
}

impl Rules {
    /// Lays the files over each other, and says what is wrong with them.
    pub(crate) fn compile(sources: &[Source], country: Country) -> (Self, Vec<MappingError>) {
        let mut rules = Self::default();
        let counts = |source: &&Source| match source.rows.overlay {
            None => true,
            Some(Overlay::Jahis) => country == Country::Jp,
            Some(Overlay::Ca) => country == Country::Ca,
        };
        for source in sources.iter().filter(counts) {
            rules.lay_over(&source.rows);
        }
        for source in sources.iter().filter(counts) {
            rules.join(&source.rows);
        }
        let errors = sources.iter().filter(counts).flat_map(|source| rules.check(&source.name, &source.rows)).collect();
        (rules, errors)
    }

    /// These rules with one more file laid over them.
    pub(crate) fn with(mut self, name: &str, rows: &RowsFile) -> Result<Self, MappingError> {
        self.lay_over(rows);
        self.recurring = Recurring::default();
        MappingError::none_of(self.check(name, rows))?;
        Ok(self)
    }

    /// Rows of a segment for a resource type.
    pub(crate) fn rows(&self, segment: &str, resource_type: &str) -> &[Row] {
        self.of_segment(segment, resource_type).map_or(&[], |rules| rules.rows.as_slice())
    }

    /// Rows of a segment for a resource type, and what decides about them.
    pub(crate) fn of_segment(&self, segment: &str, resource_type: &str) -> Option<&SegmentRules> {
        self.segments.get(segment)?.get(resource_type)
    }

    /// Whether any row takes fields of this segment.
    pub(crate) fn knows_segment(&self, segment: &str) -> bool {
        self.known_segments.contains(segment)
    }

    /// A code table.
    pub(crate) fn table(&self, name: &str) -> Option<&TableRow> {
        self.tables.get(name)
    }

    /// What a code system calls a code.
    pub(crate) fn display(&self, system: &str, code: &str) -> Option<&Text> {
        self.displays.get(system)?.get(code)
    }

    /// The address of the coding system that a message calls `name`; `None` if it is not known, and so local.
    pub(crate) fn system(&self, name: &str, code: &str) -> Option<Text> {
        let capitals = match name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            true => Cow::Owned(name.to_ascii_uppercase()),
            false => Cow::Borrowed(name),
        };
        let named = self.systems_by_name.get(capitals.as_ref()).into_iter().flatten();
        let begun = self.systems_by_beginning.iter().filter(|(beginning, _)| begins(&capitals, beginning));
        let numbers = named.copied().chain(begun.map(|(_, number)| *number));
        let fits = |number: &usize| self.systems[*number].length.is_none_or(|length| code.chars().count() == length);
        // Later files win.
        if let Some(row) = numbers.filter(fits).max().map(|number| &self.systems[number]) {
            return Some(match row.url.contains("{name}") {
                true => row.url.replace("{name}", &capitals).into(),
                false => row.url.clone(),
            });
        }
        // HL7 tables are named HL70004; some senders forget the zero.
        let digits = name.strip_prefix("HL7").or_else(|| name.strip_prefix("hl7"))?;
        let number: u16 = digits.parse().ok().filter(|_| digits.len() <= 4)?;
        Some(format!("{}{number:04}", systems::V2).into())
    }

    /// The system of identifiers of a type and issuer.
    pub(crate) fn identifier_system(&self, kind: &str, issuers: &[impl AsRef<str>]) -> Option<&str> {
        let fits = |row: &&IdentifierRow| {
            row.kind.eq_ignore_ascii_case(kind)
                && row
                    .issuer
                    .as_ref()
                    .is_none_or(|issuer| issuers.iter().any(|i| i.as_ref().eq_ignore_ascii_case(issuer)))
        };
        self.identifiers.iter().rev().find(fits).map(|row| row.system.as_str())
    }

    /// The profiles of a resource type, those of later files first.
    pub(crate) fn profiles(&self, resource_type: &str) -> impl Iterator<Item = &ProfileRow> {
        self.profiles.get(resource_type).into_iter().flatten()
    }

    fn lay_over(&mut self, file: &RowsFile) {
        for message in &file.message {
            for event in &message.events {
                if let Some(old) = self.messages.insert(event.clone(), message.clone()) {
                    self.replaced.push((message.origin, old.origin));
                }
            }
        }
        for resource in &file.resource {
            let mut made = resource.clone();
            for link in &mut made.link {
                let element = format!("{}.{}", resource.resource_type, link.path.first());
                link.rows.iter_mut().for_each(|row| row.account = account(&element, row));
            }
            if let Some(old) = self.resources.insert(resource.name.clone(), made) {
                self.replaced.push((resource.origin, old.origin));
            }
        }
        for segment in &file.segment {
            self.known_segments.insert(segment.name.clone());
            let types = self.segments.entry(segment.name.clone()).or_default();
            let rules = types.entry(segment.to.clone()).or_default();
            let rows = &mut rules.rows;
            let (kept, gone): (Vec<Row>, Vec<Row>) =
                std::mem::take(rows).into_iter().partition(|row| !segment.rows.iter().any(|new| takes(new, row)));
            let new = segment.rows.iter().cloned();
            *rows = kept.into_iter().chain(new).collect();
            rows.iter_mut().for_each(|row| row.account = account(&segment.to, row));
            rules.outline();
            for old in &gone {
                let by = segment.rows.iter().filter(|new| takes(new, old));
                self.replaced.extend(by.map(|new| (new.origin, old.origin)));
            }
        }
        for table in &file.table {
            match self.tables.get_mut(&table.name) {
                Some(old) if table.system.is_none() || old.system == table.system => {
                    old.codes.extend(table.codes.clone())
                }
                _ => drop(self.tables.insert(table.name.clone(), table.clone())),
            }
        }
        for row in &file.display {
            self.displays.entry(row.system.clone()).or_default().extend(row.codes.clone());
        }
        for row in &file.system {
            let number = self.systems.len();
            for name in row.names.iter().map(|name| name.to_ascii_uppercase()) {
                match name.strip_suffix('*') {
                    Some(beginning) => self.systems_by_beginning.push((beginning.to_owned(), number)),
                    None => self.systems_by_name.entry(name).or_default().push(number),
                }
            }
            self.systems.push(row.clone());
        }
        self.identifiers.extend(file.identifier.iter().cloned());
        for row in file.profile.iter().rev() {
            let row = ProfileRow { meta: json!({"profile": [&row.url]}).frozen(), ..row.clone() };
            self.profiles.entry(row.resource_type.clone()).or_default().insert(0, row);
        }
        self.storage.extend(file.storage.iter().map(|row| (row.kind.clone(), row.clone())));
        self.ccda.lay_over(&file.statement);
    }

    /// Lets the rows of a file join what the rows of others began: a resource their messages, a segment their resources.
    fn join(&mut self, file: &RowsFile) {
        for resource in &file.resource {
            for event in &resource.messages {
                if let Some(message) = self.messages.get_mut(event)
                    && !message.resources.contains(&resource.name)
                {
                    message.resources.push(resource.name.clone());
                }
            }
        }
        for segment in &file.segment {
            for name in &segment.read_by {
                if let Some(resource) = self.resources.get_mut(name)
                    && !resource.from.contains(&segment.name)
                {
                    resource.from.push(segment.name.clone());
                }
            }
        }
    }

    /// Segments and the resource types their rows go to, with the rows.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (&str, &str, &[Row])> {
        self.segments.iter().flat_map(|(segment, types)| {
            types.iter().map(|(to, rules)| (segment.as_str(), to.as_str(), rules.rows.as_slice()))
        })
    }

    /// Where the rows stand whose place the row at `origin` took.
    pub(crate) fn replaced_by(&self, origin: Origin) -> impl Iterator<Item = Origin> {
        self.replaced.iter().filter(move |(by, _)| *by == origin).map(|(_, old)| *old)
    }

    /// Checks what one file says against everything that is known.
    fn check(&self, file: &str, rows: &RowsFile) -> Vec<MappingError> {
        let mut errors = Vec::new();
        let mut wrong = |at: Origin, message: String| {
            errors.push(MappingError::Invalid { file: file.to_owned(), line: at.line as usize, message });
        };
        for segment in &rows.segment {
            for row in &segment.rows {
                let place = format!("row {}-{} to {}", segment.name, row.field, segment.to);
                if let Some(table) = &row.table
                    && !self.tables.contains_key(table.get_ref())
                {
                    wrong(row.origin, format!("{place}: there is no table {:?}", table.get_ref()));
                }
                if row.field == 0 && row.column.is_none() {
                    wrong(row.origin, format!("{place}: it needs a field from 1"));
                }
                if let Err(message) = row.kind.check(row) {
                    wrong(row.origin, format!("{place}: {message}"));
                }
            }
        }
        for segment in &rows.segment {
            for name in &segment.read_by {
                if self.resources.get(name).is_none_or(|resource| resource.resource_type != segment.to) {
                    let place = format!("segment {} to {}", segment.name, segment.to);
                    wrong(segment.origin, format!("{place}: {name:?} is no resource row of that type"));
                }
            }
        }
        for resource in &rows.resource {
            for event in resource.messages.iter().filter(|event| !self.messages.contains_key(*event)) {
                wrong(resource.origin, format!("resource {}: {event} is no message that is translated", resource.name));
            }
        }
        for message in &rows.message {
            let events = message.events.join(", ");
            if let Err(error) = check_groups(&message.group) {
                wrong(message.origin, format!("message {events}: {error}"));
            }
            for name in message.resources.iter().filter(|name| !self.resources.contains_key(*name)) {
                wrong(message.origin, format!("message {events}: there is no resource {name:?}"));
            }
            let first = message.resources.first().and_then(|name| self.resources.get(name));
            if first.is_none_or(|resource| resource.resource_type != "Patient") {
                wrong(message.origin, format!("message {events}: the first resource must be a Patient"));
            }
        }
        for (origin, message) in ccda::check(&rows.statement, &self.ccda, &|table| self.tables.contains_key(table)) {
            wrong(origin, message);
        }
        for resource in &rows.resource {
            let known = |name: &String| match name.strip_suffix('*') {
                Some(beginning) => self.resources.keys().any(|name| name.starts_with(beginning)),
                None => self.resources.contains_key(name),
            };
            for link in &resource.link {
                for unknown in link.to.iter().filter(|name| !known(name)) {
                    let message = format!("resource {}: it links to {unknown:?}, which is no resource", resource.name);
                    wrong(link.origin, message);
                }
                for row in &link.rows {
                    let unknown = row
                        .table
                        .as_ref()
                        .map(|table| table.get_ref())
                        .filter(|table| !self.tables.contains_key(*table));
                    let unknown = unknown.map(|table| format!("there is no table {table:?}"));
                    if let Some(error) = row.kind.check(row).err().or(unknown) {
                        let links = link.to.join(", ");
                        let message =
                            format!("resource {}, link to {links}, field {}: {error}", resource.name, row.field);
                        wrong(link.origin, message);
                    }
                }
            }
        }
        errors
    }
}

/// Whether a name is a beginning and one or more letters or digits behind it.
fn begins(name: &str, beginning: &str) -> bool {
    let rest = name.strip_prefix(beginning).unwrap_or("");
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Rows of a field take the place of all rows that earlier files have for it.
fn takes(new: &Row, old: &Row) -> bool {
    (new.field, new.component, &new.column) == (old.field, old.component, &old.column)
}

/// What the loss report says that a row makes of its field.
fn account(element: &str, row: &Row) -> Text {
    let text = match row.kind {
        Kind::Steer => format!("(steers: {})", row.reason.as_deref().unwrap_or("the translation")),
        _ => format!("{element}.{}", row.path.plain()),
    };
    Text::shared(&text)
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
