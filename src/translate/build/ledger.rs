//! The account of every source value: opened with all that is not empty, closed by the loss report.
//!
//! Values stand in the order of the message, so that a value and all values of a field are found by halving; where a value
//! went is a number and a shared text.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use crate::fhir::tree::Text;
use crate::translate::hl7v2::message::Message;
use crate::translate::losses::{Entry, LossReport, Outcome};

/// Where a value stands in the source. All from 1 but `segment`, an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf {
    pub segment: usize,
    pub field: usize,
    pub repetition: usize,
    pub component: usize,
    pub sub: usize,
}

/// Where a value went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// Number of the resource in the translation; tells two Observations apart.
    pub resource: usize,
    /// `Observation.valueQuantity`.
    pub path: Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// Nobody has taken it.
    Open,
    /// It went to this element, and to these others.
    Mapped(Target, Vec<Target>),
    /// Somebody looked at it and could not take it.
    Dropped(Text),
}

/// The account.
pub(crate) struct Ledger(RefCell<Account>);

struct Account {
    /// In the order of the message.
    values: Vec<(Leaf, Fate)>,
    /// Where the values of each segment begin, and behind the last where they end.
    segments: Vec<usize>,
}

/// The explicit null of HL7 v2: "delete what you have".
pub(crate) const NULL: &str = "\"\"";

impl Ledger {
    /// Opens the account of a message.
    pub(crate) fn open(message: &Message) -> Self {
        let mut values = Vec::with_capacity(message.segments.len() * 8);
        let mut segments = Vec::with_capacity(message.segments.len() + 1);
        for (segment, content) in message.segments.iter().enumerate() {
            segments.push(values.len());
            for (field, repetitions) in content.fields.iter().enumerate() {
                for (repetition, components) in repetitions.iter().enumerate() {
                    for (component, subs) in components.iter().enumerate() {
                        for (sub, _) in subs.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
                            let leaf = Leaf {
                                segment,
                                field: field + 1,
                                repetition: repetition + 1,
                                component: component + 1,
                                sub: sub + 1,
                            };
                            values.push((leaf, Fate::Open));
                        }
                    }
                }
            }
        }
        segments.push(values.len());
        Self(RefCell::new(Account { values, segments }))
    }

    /// The value at `leaf` went to `target`. A component of 0, or a sub of 0, means all of them.
    pub(crate) fn mapped(&self, leaf: Leaf, target: &Target) {
        self.change(leaf, |fate| match fate {
            Fate::Mapped(first, more) => {
                if first != target && !more.contains(target) {
                    more.push(target.clone());
                }
            }
            _ => *fate = Fate::Mapped(target.clone(), Vec::new()),
        });
    }

    /// The value at `leaf` could not be taken. What went somewhere else stays mapped.
    pub(crate) fn dropped(&self, leaf: Leaf, reason: &str) {
        self.change(leaf, |fate| {
            if *fate == Fate::Open {
                *fate = Fate::Dropped(Text::copied(reason));
            }
        });
    }

    /// An element was taken out again: values that went nowhere else are dropped.
    pub(crate) fn withdraw(&self, resource: usize, path: &str, reason: &str) {
        let inside = |target: &Target| target.resource == resource && target.path.starts_with(path);
        for (_, fate) in &mut self.0.borrow_mut().values {
            let Fate::Mapped(first, more) = fate else { continue };
            more.retain(|target| !inside(target));
            if inside(first) {
                *fate = match more.is_empty() {
                    true => Fate::Dropped(Text::copied(reason)),
                    false => Fate::Mapped(more.remove(0), std::mem::take(more)),
                };
            }
        }
    }

    fn change(&self, leaf: Leaf, act: impl Fn(&mut Fate)) {
        let to = Leaf {
            component: if leaf.component == 0 { usize::MAX } else { leaf.component },
            sub: if leaf.sub == 0 { usize::MAX } else { leaf.sub },
            ..leaf
        };
        let mut account = self.0.borrow_mut();
        let Range { start, end } = account.of_segment(leaf.segment);
        let values = account.values.get_mut(start..end).unwrap_or_default();
        let first = values.partition_point(|(known, _)| *known < leaf);
        for (_, fate) in values[first..].iter_mut().take_while(|(known, _)| *known <= to) {
            act(fate);
        }
    }

    /// Closes the account. `names` gives the source name of a field, `taken` says whether any row takes the segment.
    pub(crate) fn close(
        self,
        message: &Message,
        column: &dyn Fn(usize) -> Option<String>,
        taken: &dyn Fn(&str) -> bool,
    ) -> LossReport {
        let values = self.0.into_inner().values;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let count = |segment| *counts.entry(segment).and_modify(|count| *count += 1).or_insert(1);
        let names = message.segments.iter().map(|segment| segment.name.as_str());
        let occurrence: Vec<usize> = names.map(count).collect();
        let mut entries = Vec::with_capacity(values.len());
        let same = |(one, _): &(Leaf, Fate), (other, _): &(Leaf, Fate)| {
            (one.segment, one.field, one.repetition) == (other.segment, other.field, other.repetition)
        };
        for parts in values.chunk_by(same) {
            let [(first, _), ..] = parts else { continue };
            let segment = &message.segments[first.segment];
            let field = column(first.field)
                .unwrap_or_else(|| field_name(&segment.name, first, segment.field(first.field).len()));
            let untaken = untaken(parts, &segment.name, taken);
            let told = parts.iter().map(|(leaf, fate)| told(fate, text_at(message, *leaf), untaken));
            group(field, occurrence[first.segment], parts, told.collect(), &mut entries);
        }
        LossReport::of(entries)
    }
}

impl Account {
    fn of_segment(&self, segment: usize) -> Range<usize> {
        let at = |segment: usize| self.segments.get(segment).copied().unwrap_or(self.values.len());
        at(segment)..at(segment + 1)
    }
}

fn field_name(segment: &str, leaf: &Leaf, repetitions: usize) -> String {
    if repetitions > 1 {
        format!("{segment}-{}[{}]", leaf.field, leaf.repetition)
    } else {
        format!("{segment}-{}", leaf.field)
    }
}

fn text_at(message: &Message, leaf: Leaf) -> &str {
    message.segments[leaf.segment].fields[leaf.field - 1][leaf.repetition - 1][leaf.component - 1][leaf.sub - 1].trim()
}

/// What is told of one value: what became of it, where it went, why it went nowhere.
type Told<'a> = (Outcome, &'a [Target], Option<&'a Target>, Option<Text>);

/// What became of a value that nobody took, among the parts of its repetition.
fn untaken(parts: &[(Leaf, Fate)], segment: &str, taken: &dyn Fn(&str) -> bool) -> (Outcome, &'static str) {
    if parts.iter().any(|(_, fate)| matches!(fate, Fate::Mapped(..))) {
        (Outcome::Dropped, "the element that holds the field has no place for this component")
    } else if segment.starts_with('Z') {
        (Outcome::KeptRaw, "site-defined segment; in the original only")
    } else if taken(segment) {
        (Outcome::KeptRaw, "no mapping row takes this field; in the original only")
    } else {
        (Outcome::KeptRaw, "no mapping row takes this segment; in the original only")
    }
}

fn told<'a>(fate: &'a Fate, text: &str, untaken: (Outcome, &'static str)) -> Told<'a> {
    match fate {
        Fate::Mapped(first, more) => (Outcome::Mapped, more, Some(first), None),
        Fate::Dropped(reason) => (Outcome::Dropped, &[], None, Some(reason.clone())),
        Fate::Open if text == NULL => {
            let reason = "explicit null: the sender deletes it, so the element is left out";
            (Outcome::Dropped, &[], None, Some(Text::Static(reason)))
        }
        Fate::Open => (untaken.0, &[], None, Some(Text::Static(untaken.1))),
    }
}

/// One entry if all parts of the repetition fared alike, else one for each component.
fn group(field: String, occurrence: usize, parts: &[(Leaf, Fate)], told: Vec<Told<'_>>, entries: &mut Vec<Entry>) {
    let alike = told.windows(2).all(|pair| (pair[0].0, &pair[0].3) == (pair[1].0, &pair[1].3));
    let from = entries.len();
    for ((leaf, _), (outcome, more, first, reason)) in parts.iter().zip(told) {
        let of_part = (!alike).then(|| format!("{field}.{}", leaf.component));
        let source = of_part.as_ref().unwrap_or(&field);
        let known = entries[from..]
            .iter_mut()
            .find(|entry| entry.source == *source && entry.outcome == outcome && entry.reason == reason);
        let paths = first.into_iter().chain(more).map(|target| &target.path);
        match known {
            Some(entry) => add(&mut entry.targets, paths),
            None => {
                let mut targets = Vec::new();
                add(&mut targets, paths);
                entries.push(Entry { source: source.clone(), occurrence, outcome, targets, reason });
            }
        }
    }
}

/// Adds paths that are not there yet, in the order of the alphabet.
fn add<'a>(targets: &mut Vec<Text>, paths: impl Iterator<Item = &'a Text>) {
    for path in paths {
        if let Err(at) = targets.binary_search(path) {
            targets.insert(at, path.clone());
        }
    }
}
