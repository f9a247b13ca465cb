//! The account of every source value: opened with all that is not empty, closed by the loss report.

use std::cell::RefCell;
use std::collections::BTreeMap;

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
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// Number of the resource in the translation; tells two Observations apart.
    pub resource: usize,
    /// `Observation.valueQuantity`.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// Nobody has taken it.
    Open,
    /// It went to these elements.
    Mapped(Vec<Target>),
    /// Somebody looked at it and could not take it.
    Dropped(String),
}

/// The account.
pub(crate) struct Ledger(RefCell<BTreeMap<Leaf, Fate>>);

/// The explicit null of HL7 v2: "delete what you have".
pub(crate) const NULL: &str = "\"\"";

impl Ledger {
    /// Opens the account of a message.
    pub(crate) fn open(message: &Message) -> Self {
        let mut fates = BTreeMap::new();
        for (segment, content) in message.segments.iter().enumerate() {
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
                            fates.insert(leaf, Fate::Open);
                        }
                    }
                }
            }
        }
        Self(RefCell::new(fates))
    }

    /// The value at `leaf` went to `target`. A component of 0, or a sub of 0, means all of them.
    pub(crate) fn mapped(&self, leaf: Leaf, target: &Target) {
        self.change(leaf, |fate| match fate {
            Fate::Mapped(targets) if targets.contains(target) => {}
            Fate::Mapped(targets) => targets.push(target.clone()),
            _ => *fate = Fate::Mapped(vec![target.clone()]),
        });
    }

    /// The value at `leaf` could not be taken. What went somewhere else stays mapped.
    pub(crate) fn dropped(&self, leaf: Leaf, reason: &str) {
        self.change(leaf, |fate| {
            if *fate == Fate::Open {
                *fate = Fate::Dropped(reason.to_owned());
            }
        });
    }

    /// An element was taken out again: values that went nowhere else are dropped.
    pub(crate) fn withdraw(&self, resource: usize, path: &str, reason: &str) {
        let inside = |target: &Target| target.resource == resource && target.path.starts_with(path);
        for fate in self.0.borrow_mut().values_mut() {
            if let Fate::Mapped(targets) = fate
                && targets.iter().any(inside)
            {
                targets.retain(|target| !inside(target));
                if targets.is_empty() {
                    *fate = Fate::Dropped(reason.to_owned());
                }
            }
        }
    }

    fn change(&self, leaf: Leaf, act: impl Fn(&mut Fate)) {
        let from = leaf;
        let to = Leaf {
            component: if leaf.component == 0 { usize::MAX } else { leaf.component },
            sub: if leaf.sub == 0 { usize::MAX } else { leaf.sub },
            ..leaf
        };
        for (_, fate) in self.0.borrow_mut().range_mut(from..=to) {
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
        let fates = self.0.into_inner();
        let mut occurrences: BTreeMap<&str, usize> = BTreeMap::new();
        let occurrence: Vec<usize> = message
            .segments
            .iter()
            .map(|segment| {
                let count = occurrences.entry(segment.name.as_str()).or_default();
                *count += 1;
                *count
            })
            .collect();
        let mut entries = Vec::new();
        let mut leaves = fates.iter().peekable();
        while let Some((first, _)) = leaves.peek().copied() {
            let mut parts = Vec::new();
            while let Some((leaf, fate)) = leaves.next_if(|(leaf, _)| {
                (leaf.segment, leaf.field, leaf.repetition) == (first.segment, first.field, first.repetition)
            }) {
                parts.push((*leaf, fate));
            }
            let segment = &message.segments[first.segment];
            let field = column(first.field)
                .unwrap_or_else(|| field_name(&segment.name, first, segment.field(first.field).len()));
            let describe =
                |leaf: Leaf, fate: &Fate| describe(fate, text_at(message, leaf), &parts, &segment.name, taken);
            entries.extend(group(&field, occurrence[first.segment], &parts, &describe));
        }
        LossReport::of(entries)
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

type Description = (Outcome, Vec<String>, Option<String>);

fn describe(
    fate: &Fate,
    text: &str,
    parts: &[(Leaf, &Fate)],
    segment: &str,
    taken: &dyn Fn(&str) -> bool,
) -> Description {
    match fate {
        Fate::Mapped(targets) => {
            let mut paths: Vec<String> = targets.iter().map(|target| target.path.clone()).collect();
            paths.sort();
            paths.dedup();
            (Outcome::Mapped, paths, None)
        }
        Fate::Dropped(reason) => (Outcome::Dropped, Vec::new(), Some(reason.clone())),
        Fate::Open if text == NULL => (
            Outcome::Dropped,
            Vec::new(),
            Some("explicit null: the sender deletes it, so the element is left out".to_owned()),
        ),
        Fate::Open => {
            let some_mapped = parts.iter().any(|(_, fate)| matches!(fate, Fate::Mapped(_)));
            if some_mapped {
                (
                    Outcome::Dropped,
                    Vec::new(),
                    Some("the element that holds the field has no place for this component".to_owned()),
                )
            } else {
                let reason = if segment.starts_with('Z') {
                    "site-defined segment; in the original only"
                } else if taken(segment) {
                    "no mapping row takes this field; in the original only"
                } else {
                    "no mapping row takes this segment; in the original only"
                };
                (Outcome::KeptRaw, Vec::new(), Some(reason.to_owned()))
            }
        }
    }
}

/// One entry if all parts of the repetition fared alike, else one for each component.
fn group(
    field: &str,
    occurrence: usize,
    parts: &[(Leaf, &Fate)],
    describe: &dyn Fn(Leaf, &Fate) -> Description,
) -> Vec<Entry> {
    let described: Vec<(Leaf, Description)> = parts.iter().map(|(leaf, fate)| (*leaf, describe(*leaf, fate))).collect();
    let alike = described.windows(2).all(|pair| (pair[0].1.0, &pair[0].1.2) == (pair[1].1.0, &pair[1].1.2));
    let mut entries: Vec<Entry> = Vec::new();
    for (leaf, (outcome, targets, reason)) in described {
        let source = if alike { field.to_owned() } else { format!("{field}.{}", leaf.component) };
        match entries
            .iter_mut()
            .find(|entry| entry.source == source && entry.outcome == outcome && entry.reason == reason)
        {
            Some(entry) => {
                entry.targets.extend(targets);
                entry.targets.sort();
                entry.targets.dedup();
            }
            None => entries.push(Entry { source, occurrence, outcome, targets, reason }),
        }
    }
    entries
}
