//! The account of a document: what became of every attribute and every piece of text.
//!
//! An element whose parts all fared alike is one entry; otherwise its attributes and children are entries of their own. What
//! only builds the tree (`templateId`, `typeCode`, `classCode`, `xsi:type`, …) is not accounted for.

use std::collections::HashMap;

use roxmltree::{Attribute, Node};

use crate::translate::losses::{Entry, LossReport, Outcome};

/// Attributes that only build the tree or steer the choice of a row.
const STRUCTURE: [&str; 11] = [
    "typeCode",
    "classCode",
    "moodCode",
    "determinerCode",
    "contextConductionInd",
    "contextControlCode",
    "inversionInd",
    "type",
    "schemaLocation",
    "mediaType",
    "ID",
];
/// Elements of the same kind.
const STRUCTURES: [&str; 3] = ["templateId", "typeId", "realmCode"];

const UNTAKEN: &str = "no row takes it";
const NULL: &str = "a null flavour: FHIR says it by absence";

/// Number of an outcome.
pub(crate) type Mark = u32;
/// Nobody took it.
const NONE: Mark = 0;
/// Structure, or nothing.
const NEUTRAL: Mark = u32::MAX;
/// Parts that fared differently.
const MIXED: Mark = u32::MAX - 1;

/// What became of every leaf.
pub(crate) struct Ledger<'a> {
    root: Node<'a, 'a>,
    /// Number of the first leaf of every node: the text or the first attribute.
    first: Vec<u32>,
    marks: Vec<Mark>,
    outcomes: Vec<Fate>,
    by_fate: HashMap<Fate, Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Fate {
    Untaken,
    Mapped(Vec<String>),
    Dropped(String),
    Raw(String),
}

impl<'a> Ledger<'a> {
    pub(crate) fn open(document: &'a roxmltree::Document<'a>) -> Self {
        let mut first = Vec::new();
        let mut leaves = 0_u32;
        for node in document.descendants() {
            debug_assert_eq!(node.id().get_usize(), first.len());
            first.push(leaves);
            leaves += if node.is_element() { u32::try_from(node.attributes().len()).unwrap_or(0) } else { 1 };
        }
        first.push(leaves);
        Self {
            root: document.root_element(),
            first,
            marks: vec![NONE; leaves as usize],
            outcomes: vec![Fate::Untaken],
            by_fate: HashMap::new(),
        }
    }

    /// The mark of things mapped to an element path.
    pub(crate) fn target(&mut self, path: &str) -> Mark {
        self.number(Fate::Mapped(vec![path.to_owned()]))
    }

    fn number(&mut self, fate: Fate) -> Mark {
        if let Some(mark) = self.by_fate.get(&fate) {
            return *mark;
        }
        let mark = u32::try_from(self.outcomes.len()).unwrap_or(NONE);
        self.outcomes.push(fate.clone());
        self.by_fate.insert(fate, mark);
        mark
    }

    fn leaf(&self, node: Node<'_, '_>, at: usize) -> usize {
        self.first.get(node.id().get_usize()).map_or(0, |first| *first as usize) + at
    }

    /// Books an attribute.
    pub(crate) fn attribute(&mut self, node: Node<'_, '_>, attribute: &Attribute<'_, '_>, mark: Mark) {
        let same =
            |other: Attribute<'_, '_>| other.name() == attribute.name() && other.namespace() == attribute.namespace();
        let at = node.attributes().position(same);
        if let Some(at) = at {
            let leaf = self.leaf(node, at);
            self.book(leaf, mark);
        }
    }

    /// Books the text that stands directly in an element.
    pub(crate) fn text(&mut self, node: Node<'_, '_>, mark: Mark) {
        for child in node.children().filter(Node::is_text) {
            let leaf = self.leaf(child, 0);
            self.book(leaf, mark);
        }
    }

    /// Books an element with all that is in it.
    pub(crate) fn all(&mut self, node: Node<'_, '_>, mark: Mark) {
        for inner in node.descendants() {
            let leaves = if inner.is_element() { inner.attributes().len() } else { 1 };
            for at in 0..leaves {
                let leaf = self.leaf(inner, at);
                self.book(leaf, mark);
            }
        }
    }

    /// Books an attribute as dropped.
    pub(crate) fn attribute_dropped(&mut self, node: Node<'_, '_>, attribute: &Attribute<'_, '_>, reason: &str) {
        let mark = self.number(Fate::Dropped(reason.to_owned()));
        self.attribute(node, attribute, mark);
    }

    /// Books what nobody took of an attribute, or of an element and all that is in it, as dropped.
    pub(crate) fn rest_dropped(&mut self, node: Node<'_, '_>, attribute: Option<&Attribute<'_, '_>>, reason: &str) {
        let mark = self.number(Fate::Dropped(reason.to_owned()));
        match attribute {
            Some(attribute) => self.attribute(node, attribute, mark),
            None => self.rest(node, mark),
        }
    }

    /// Books an element with all that is in it as dropped, but for what is mapped.
    pub(crate) fn all_dropped(&mut self, node: Node<'_, '_>, reason: &str) {
        let mark = self.number(Fate::Dropped(reason.to_owned()));
        self.all(node, mark);
    }

    /// Books the leaves of an element as dropped, though they were mapped before.
    pub(crate) fn unbook(&mut self, node: Node<'_, '_>, reason: &str) {
        let mark = self.number(Fate::Dropped(reason.to_owned()));
        let leaves: Vec<usize> = node
            .descendants()
            .flat_map(|inner| {
                let count = if inner.is_element() { inner.attributes().len() } else { 1 };
                let first = self.leaf(inner, 0);
                first..first + count
            })
            .collect();
        for leaf in leaves {
            if let Some(slot) = self.marks.get_mut(leaf) {
                *slot = mark;
            }
        }
    }

    /// Books what nobody took of an element and all that is in it, as kept in the original only.
    pub(crate) fn rest_raw(&mut self, node: Node<'_, '_>, reason: &str) {
        let mark = self.number(Fate::Raw(reason.to_owned()));
        self.rest(node, mark);
    }

    /// The same, mapped.
    pub(crate) fn rest(&mut self, node: Node<'_, '_>, mark: Mark) {
        for inner in node.descendants() {
            let leaves = if inner.is_element() { inner.attributes().len() } else { 1 };
            for at in 0..leaves {
                let leaf = self.leaf(inner, at);
                if self.marks.get(leaf) == Some(&NONE) {
                    self.marks[leaf] = mark;
                }
            }
        }
    }

    /// Books all that went to an element of a resource as dropped, because the element had to be taken out again.
    pub(crate) fn withdraw(&mut self, node: Node<'_, '_>, path: &str, reason: &str) {
        let mark = self.number(Fate::Dropped(reason.to_owned()));
        for inner in node.descendants() {
            let leaves = if inner.is_element() { inner.attributes().len() } else { 1 };
            for at in 0..leaves {
                let leaf = self.leaf(inner, at);
                let Some(old) = self.marks.get(leaf).and_then(|mark| self.outcomes.get(*mark as usize)) else {
                    continue;
                };
                if matches!(old, Fate::Mapped(targets) if targets.iter().all(|target| target == path)) {
                    self.marks[leaf] = mark;
                }
            }
        }
    }

    fn book(&mut self, leaf: usize, mark: Mark) {
        let Some(old) = self.marks.get(leaf).copied() else { return };
        let joined = match (self.outcomes.get(old as usize), self.outcomes.get(mark as usize)) {
            _ if old == mark => return,
            (Some(Fate::Mapped(before)), Some(Fate::Mapped(more))) => {
                let new: Vec<&String> = more.iter().filter(|path| !before.contains(path)).collect();
                if new.is_empty() {
                    return;
                }
                let mut all = before.clone();
                all.extend(new.into_iter().cloned());
                self.number(Fate::Mapped(all))
            }
            (_, Some(Fate::Mapped(_))) | (Some(Fate::Untaken), _) => mark,
            _ => return,
        };
        self.marks[leaf] = joined;
    }

    /// Writes the report.
    pub(crate) fn close(self) -> LossReport {
        let whole = self.fold();
        let mut entries = Vec::new();
        let name = self.root.tag_name().name().to_owned();
        self.write(self.root, &name, &whole, &mut entries);
        LossReport::of(entries)
    }

    /// For every node, the mark that all its leaves share. Children have higher numbers than their parents.
    fn fold(&self) -> Vec<Mark> {
        let nodes: Vec<Node<'_, '_>> = self.root.document().descendants().collect();
        let mut whole = vec![NEUTRAL; nodes.len()];
        for node in nodes.iter().rev() {
            let mut shared = whole[node.id().get_usize()];
            self.each(*node, &mut |_, mark| shared = join(shared, mark));
            whole[node.id().get_usize()] = shared;
            if let Some(parent) = node.parent() {
                let at = parent.id().get_usize();
                whole[at] = if is_structure(*node) { whole[at] } else { join(whole[at], shared) };
            }
        }
        whole
    }

    /// The leaves that count: attributes of an element, or a text.
    fn each<'n>(&self, node: Node<'n, 'n>, visit: &mut dyn FnMut(Option<Attribute<'n, 'n>>, Mark)) {
        if node.is_text() {
            if node.text().is_some_and(|text| !text.trim().is_empty()) {
                visit(None, self.marks[self.leaf(node, 0)]);
            }
        } else if node.is_element() {
            for (at, attribute) in node.attributes().enumerate() {
                let mark = self.marks[self.leaf(node, at)];
                let is_mapped = matches!(self.outcomes.get(mark as usize), Some(Fate::Mapped(_)));
                if is_mapped || !STRUCTURE.contains(&attribute.name()) {
                    visit(Some(attribute), mark);
                }
            }
        }
    }

    fn write(&self, node: Node<'_, '_>, path: &str, whole: &[Mark], entries: &mut Vec<Entry>) {
        match whole[node.id().get_usize()] {
            NEUTRAL => {}
            MIXED => {
                self.each(node, &mut |attribute, mark| {
                    if let Some(attribute) = attribute {
                        entries.push(self.entry(format!("{path}/@{}", attribute.name()), mark, Some(attribute.name())));
                    }
                });
                let mut texts = NEUTRAL;
                for child in node.children().filter(Node::is_text) {
                    texts = join(texts, whole[child.id().get_usize()]);
                }
                if texts != NEUTRAL {
                    let mark = if texts == MIXED { NONE } else { texts };
                    entries.push(self.entry(format!("{path}/text()"), mark, None));
                }
                let mut seen: HashMap<&str, (usize, usize)> = HashMap::new();
                for child in node.children().filter(Node::is_element) {
                    seen.entry(child.tag_name().name()).or_default().1 += 1;
                }
                for child in node.children().filter(Node::is_element) {
                    let name = child.tag_name().name();
                    let Some((at, count)) = seen.get_mut(name) else { continue };
                    *at += 1;
                    if is_structure(child) {
                        continue;
                    }
                    let place = if *count > 1 { format!("{path}/{name}[{at}]") } else { format!("{path}/{name}") };
                    self.write(child, &place, whole, entries);
                }
            }
            mark => {
                let only_null = mark == NONE && node.attributes().len() == 1 && !node.has_children();
                let attribute =
                    if only_null { node.attributes().next().map(|attribute| attribute.name()) } else { None };
                entries.push(self.entry(path.to_owned(), mark, attribute));
            }
        }
    }

    fn entry(&self, source: String, mark: Mark, attribute: Option<&str>) -> Entry {
        let (outcome, targets, reason) = match self.outcomes.get(mark as usize) {
            Some(Fate::Mapped(targets)) => (Outcome::Mapped, targets.clone(), None),
            Some(Fate::Dropped(reason)) => (Outcome::Dropped, Vec::new(), Some(reason.clone())),
            Some(Fate::Raw(reason)) => (Outcome::KeptRaw, Vec::new(), Some(reason.clone())),
            _ if attribute == Some("nullFlavor") => (Outcome::KeptRaw, Vec::new(), Some(NULL.to_owned())),
            _ => (Outcome::KeptRaw, Vec::new(), Some(UNTAKEN.to_owned())),
        };
        Entry {
            source: source.into(),
            occurrence: 1,
            outcome,
            targets: targets.into_iter().map(Into::into).collect(),
            reason: reason.map(Into::into),
        }
    }
}

fn is_structure(node: Node<'_, '_>) -> bool {
    node.is_element() && STRUCTURES.contains(&node.tag_name().name())
}

fn join(a: Mark, b: Mark) -> Mark {
    match (a, b) {
        (NEUTRAL, other) | (other, NEUTRAL) => other,
        (a, b) if a == b => a,
        _ => MIXED,
    }
}
