//! Reads the table of search parameters into what indexing and queries go by. The table is our own and part of the program; a
//! line that is not of its form gives no parameter, and the tests tell.

use std::collections::{BTreeMap, HashMap};

use super::{OfType, Parameter, ParameterType, Place};
use crate::fhir::structure;

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    types: HashMap<&'static str, OfType>,
    /// Elements of a type that a summary shows.
    pub summaries: HashMap<&'static str, Vec<&'static str>>,
    /// Elements that a type must have.
    pub required: HashMap<&'static str, Vec<&'static str>>,
    /// Types of a compartment, with the parameters by which they belong to it.
    pub compartments: BTreeMap<&'static str, Vec<(&'static str, Vec<&'static str>)>>,
}

impl Table {
    /// What a type has.
    pub fn of_type(&self, kind: &str) -> Option<&OfType> {
        self.types.get(kind)
    }
}

/// What is read from a resource: the values of an element, for rows of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Of which type its rows are.
    pub kind: ParameterType,
    /// Path of the rows.
    pub path: String,
    /// The way from the resource.
    pub steps: Vec<Step>,
}

/// One step below a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Members as JSON spells them, and what each is, if it is the last step.
    pub names: Vec<(String, Data)>,
    /// Which of the values count.
    pub only: Only,
}

/// Which values of an element count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// All.
    All,
    /// The first of the list.
    First,
    /// Those whose `type` is this.
    OfType(&'static str),
}

/// What a value is, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Leads on.
    Group,
    /// A primitive.
    Plain,
    /// `true` where there is a value other than false.
    Present,
    /// By its name in FHIR.
    Type(&'static str),
}

/// Reads the table.
pub fn compile(text: &'static str) -> Table {
    let mut table = Table::default();
    let mut common: Vec<&'static str> = Vec::new();
    let mut at = ("", "");
    let mut lines: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ') {
            None => {
                at = line.split_once(' ').unwrap_or_default();
                let mut names = at.1.split(' ');
                let kind = names.next().unwrap_or_default();
                match at.0 {
                    "summary" => drop(table.summaries.insert(kind, names.collect())),
                    "required" => drop(table.required.insert(kind, names.collect())),
                    _ => {}
                }
            }
            Some(row) if at == ("resource", "Resource") => common.push(row),
            Some(row) if at.0 == "resource" => lines.entry(at.1).or_default().push(row),
            Some(row) => {
                let mut words = row.split(' ');
                let kind = words.next().unwrap_or_default();
                table.compartments.entry(at.1).or_default().push((kind, words.collect()));
            }
        }
    }
    for kind in structure::types() {
        let own = lines.get(kind).map(Vec::as_slice).unwrap_or_default();
        table.types.insert(kind, of_type(common.iter().chain(own)));
    }
    table
}

fn of_type<'l>(lines: impl Iterator<Item = &'l &'static str>) -> OfType {
    let mut found = OfType::default();
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
        let (kind, targets) = kind.split_once('(').unwrap_or((kind, ""));
        let targets: Vec<&str> = targets.trim_end_matches(')').split(',').filter(|one| !one.is_empty()).collect();
        let Some(kind) = parameter_type(kind) else { continue };
        let mut places: Vec<Place> = Vec::new();
        for alternative in alternatives(words.next().unwrap_or("")) {
            for (place, reading) in element(kind, alternative) {
                if !places.contains(&place) {
                    places.push(place);
                }
                // What all resources have is kept beside them.
                let is_beside = matches!(name, "_id" | "_lastUpdated");
                if !is_beside && !found.readings.contains(&reading) {
                    found.readings.push(reading);
                }
            }
        }
        found.parameters.push(Parameter { name, kind, targets, places });
    }
    found.parameters.sort_by_key(|parameter| parameter.name);
    found
}

fn parameter_type(word: &str) -> Option<ParameterType> {
    Some(match word {
        "token" => ParameterType::Token,
        "string" => ParameterType::Text,
        "date" => ParameterType::Date,
        "reference" => ParameterType::Reference,
        "quantity" => ParameterType::Quantity,
        "number" => ParameterType::Number,
        "uri" => ParameterType::Uri,
        "composite" => ParameterType::Composite,
        "special" => ParameterType::Special,
        _ => return None,
    })
}

/// What stands between bars, those inside of brackets not counted.
fn alternatives(text: &'static str) -> Vec<&'static str> {
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            '|' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[from..]);
    found.retain(|one| !one.is_empty());
    found
}

/// The elements of a name and of an address that are texts.
const PARTS: [(&str, &[&str]); 2] = [
    ("HumanName", &["family", "given", "prefix", "suffix", "text"]),
    ("Address", &["line", "city", "district", "state", "postalCode", "country", "text"]),
];

/// Place and reading of one element; several for a text that has parts.
fn element(kind: ParameterType, text: &'static str) -> Vec<(Place, Reading)> {
    let (text, code_system) = match text.split_once('<') {
        Some((text, system)) => (text, Some(system)),
        None => (text, None),
    };
    // The type behind the path; a choice at the end has its types in itself.
    let (path, ended) = match text.rsplit_once(':') {
        Some((path, ended)) => (path, Some(ended)),
        None => (text, None),
    };
    let mut place = Place { path: String::new(), leads_to: None, contact: None, code_system };
    let mut steps = Vec::new();
    for written in path.split('.') {
        let (written, only) = match written.split_once('{') {
            Some((name, only)) => (name, only.trim_end_matches('}')),
            None => (written, ""),
        };
        let (name, types) = match written.split_once('[') {
            Some((name, types)) => (name, types.trim_end_matches(']')),
            None => (written, ""),
        };
        if !place.path.is_empty() {
            place.path.push('.');
        }
        place.path.push_str(name);
        let only = match only.strip_prefix("is ") {
            Some(target) => {
                place.leads_to = Some(target);
                Only::All
            }
            None if only == "first" => Only::First,
            None if ended == Some("ContactPoint") && !only.is_empty() => {
                place.contact = Some(only);
                Only::All
            }
            None if only.is_empty() => Only::All,
            None => {
                place.path.push_str(&format!("{{{only}}}"));
                Only::OfType(only)
            }
        };
        let names = match types {
            "" => vec![(name.to_owned(), Data::Group)],
            types => types.split('|').map(|one| (choice(name, one), data(one))).collect(),
        };
        steps.push(Step { names, only });
    }
    if let (Some(ended), Some(last)) = (ended, steps.last_mut()) {
        last.names.iter_mut().for_each(|(_, is)| *is = data(ended));
    }
    if let (ParameterType::Text, Some((_, parts))) = (kind, PARTS.iter().find(|(name, _)| ended == Some(name))) {
        return parts.iter().map(|part| below(&place, &steps, part)).collect();
    }
    let path = place.path.clone();
    vec![(place, Reading { kind, path, steps })]
}

/// A text below a name or an address.
fn below(place: &Place, steps: &[Step], part: &str) -> (Place, Reading) {
    let path = format!("{}.{part}", place.path);
    let mut steps = steps.to_vec();
    if let Some(last) = steps.last_mut() {
        last.names.iter_mut().for_each(|(_, is)| *is = Data::Group);
    }
    steps.push(Step { names: vec![(part.to_owned(), Data::Plain)], only: Only::All });
    (Place { path: path.clone(), ..place.clone() }, Reading { kind: ParameterType::Text, path, steps })
}

/// `value` of a `Quantity`: `valueQuantity`.
fn choice(name: &str, data: &str) -> String {
    let mut letters = data.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    name.chars().chain(first).chain(letters).collect()
}

fn data(name: &'static str) -> Data {
    match name {
        "present" => Data::Present,
        name if name.starts_with(|letter: char| letter.is_ascii_uppercase()) => Data::Type(name),
        // A canonical may have a version behind it.
        "canonical" => Data::Type(name),
        _ => Data::Plain,
    }
}
