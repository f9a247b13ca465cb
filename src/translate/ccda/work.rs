//! The state of one translation: the account, what is made already, and what data types may ask of the document.

use std::collections::{HashMap, HashSet};

use crate::fhir::tree::Map;
use roxmltree::{Attribute, Node, NodeId};

use super::ledger::{Ledger, Mark};
use super::query::Hit;
use super::types::{self, plain};
use crate::translate::Setting;
use crate::translate::datatypes::time::Moment;
use crate::translate::rows::Rules;

/// Longest text followed out of the narrative by one reference.
const LONGEST_REFERENCE: usize = 16 * 1024;

/// A resource that is made.
pub(crate) struct Made {
    pub resource_type: String,
    pub body: Map,
    /// `urn:uuid:…`.
    pub full_url: String,
    /// System and value of the identifier it is found by.
    pub key: (String, String),
    pub mentioned: bool,
}

/// The state of one translation.
pub(crate) struct Work<'a> {
    pub rules: &'a Rules,
    pub setting: &'a Setting,
    pub root: Node<'a, 'a>,
    pub ledger: Ledger<'a>,
    /// What is booked now.
    pub mark: Mark,
    pub made: Vec<Made>,
    /// What became of an element by a row; `None` while it is in the making, or if it became nothing.
    pub by_place: HashMap<(NodeId, usize), Option<usize>>,
    pub by_url: HashMap<String, usize>,
    /// Statements that a row of another statement took.
    pub claimed: HashSet<NodeId>,
    /// System, value and address of the patient.
    pub patient: Option<(String, String, String)>,
    narrative: HashMap<&'a str, Node<'a, 'a>>,
    /// How much may still be followed out of it: a document whose references repeat its text must not grow without end.
    to_follow: usize,
    systems: HashMap<(Option<&'a str>, Option<&'a str>), Option<String>>,
    zone_assumed: usize,
    minutes_assumed: usize,
    /// Negated statements that became nothing.
    pub negated: usize,
}

impl<'a> Work<'a> {
    pub(crate) fn new(rules: &'a Rules, setting: &'a Setting, document: &'a roxmltree::Document<'a>) -> Self {
        let mut narrative = HashMap::new();
        for node in document.descendants() {
            if let Some(id) = node.attribute("ID") {
                narrative.entry(id).or_insert(node);
            }
        }
        Self {
            rules,
            setting,
            root: document.root_element(),
            ledger: Ledger::open(document),
            mark: 0,
            made: Vec::new(),
            by_place: HashMap::new(),
            by_url: HashMap::new(),
            claimed: HashSet::new(),
            patient: None,
            narrative,
            to_follow: LONGEST_REFERENCE + 2 * document.input_text().len(),
            systems: HashMap::new(),
            zone_assumed: 0,
            minutes_assumed: 0,
            negated: 0,
        }
    }

    /// An attribute that holds something, booked.
    pub(crate) fn attribute(&mut self, node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
        let attribute = node.attributes().find(|attribute| attribute.name() == name)?;
        self.book(node, &attribute);
        Some(attribute.value().trim()).filter(|text| !text.is_empty())
    }

    /// Books an attribute.
    pub(crate) fn book(&mut self, node: Node<'a, 'a>, attribute: &Attribute<'a, 'a>) {
        self.ledger.attribute(node, attribute, self.mark);
    }

    /// The text that stands directly in an element, in one line, booked.
    pub(crate) fn text(&mut self, node: Node<'a, 'a>) -> Option<String> {
        let mut parts = node.children().filter(Node::is_text).filter_map(|part| part.text());
        let first = parts.next()?;
        let text = match parts.next() {
            None => plain(first),
            Some(second) => {
                let rest: String = parts.collect();
                plain(&format!("{first}{second}{rest}"))
            }
        }?;
        self.book_text(node);
        Some(text)
    }

    /// Books the text that stands directly in an element.
    pub(crate) fn book_text(&mut self, node: Node<'a, 'a>) {
        self.ledger.text(node, self.mark);
    }

    /// Takes back what was booked of an element last: it has no place after all.
    pub(crate) fn unbook(&mut self, node: Node<'a, 'a>) {
        self.ledger.unbook(node, "the element holds one value of this kind, or none of it");
    }

    /// Books what a hit points at as dropped.
    pub(crate) fn dropped(&mut self, hit: &Hit<'a>, reason: &str) {
        match &hit.attribute {
            Some(attribute) => self.ledger.attribute_dropped(hit.node, attribute, reason),
            None => self.ledger.all_dropped(hit.node, reason),
        }
    }

    /// All the text of the part of the narrative with this ID.
    pub(crate) fn narrative_text(&mut self, id: &str) -> Option<String> {
        let node = self.narrative.get(id)?;
        let most = LONGEST_REFERENCE.min(self.to_follow);
        let mut text = String::new();
        for part in node.descendants().filter(Node::is_text).filter_map(|part| part.text()) {
            if text.len() + part.len() > most {
                return None;
            }
            text.push_str(part);
            text.push(' ');
        }
        self.to_follow = self.to_follow.saturating_sub(text.len());
        plain(&text)
    }

    /// Books the references into the narrative that no row followed: what they point at is in the text of the section.
    pub(crate) fn book_references(&mut self) {
        let before = self.mark;
        self.mark = self.ledger.target("Composition.section.text");
        for node in self.root.descendants().filter(|node| node.tag_name().name() == "reference") {
            let target = node.attribute("value").and_then(|value| value.trim().strip_prefix('#'));
            if target.is_some_and(|id| self.narrative.contains_key(id)) {
                self.ledger.rest(node, self.mark);
            }
        }
        self.mark = before;
    }

    /// The address of a code system.
    pub(crate) fn system(&mut self, oid: Option<&'a str>, name: Option<&'a str>, code: &str) -> Option<String> {
        let rules = self.rules;
        let found = self.systems.entry((oid, name)).or_insert_with(|| {
            types::system_address(oid, name, &|known| rules.system(known, code).map(|url| url.to_string()))
        });
        found.clone()
    }

    /// Counts what was assumed of a time.
    pub(crate) fn note_time(&mut self, moment: &Moment) {
        self.zone_assumed += usize::from(moment.zone_assumed);
        self.minutes_assumed += usize::from(moment.minutes_assumed);
    }

    /// What a person should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let zone = self.setting.zone.iana_name().unwrap_or("the institution's zone");
        let counted = [
            (self.zone_assumed, format!("times without an offset were read in {zone}")),
            (self.minutes_assumed, "times give only the hour; minutes were written as 00".to_owned()),
            (
                self.negated,
                "negated statements have no place in FHIR and are in the narrative and the original only".to_owned(),
            ),
        ];
        counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{count} {text}")).collect()
    }
}

/// The section an element stands in: its LOINC code.
pub(crate) fn section_of<'a>(node: Node<'a, 'a>) -> Option<&'a str> {
    let section = node.ancestors().find(|ancestor| ancestor.tag_name().name() == "section")?;
    types::child(section, "code")?.attribute("code")
}
