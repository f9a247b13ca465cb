//! The account of every source value: opened with all that is not empty, closed by the loss report.
//!
//! Values stand in the order of the message, so that a value and all values of a field are found by halving; where a value
//! went is a number and a shared text.

use std::cell::RefCell;
use std::ops::Range;

use crate::fhir::tree::Text;
use crate::translate::hl7v2::few::Few;
use crate::translate::hl7v2::message::Message;
use crate::translate::losses::{self, Entry, LossReport, Outcome};

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

/// Where nothing goes: for those who only look.
pub(crate) static NOWHERE: Target = Target { resource: 0, path: Text::constant("") };

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
    /// Where the values of each field begin, and behind the last where they end.
    fields: Vec<usize>,
    /// The first field of each segment, and behind the last how many there are.
    segments: Vec<usize>,
    /// What is booked, where somebody listens.
    heard: Option<Vec<Noted>>,
}

/// A booking, to be made again for a field of the same shape.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    leaf: Leaf,
    /// Why it was dropped; `None` if it was mapped.
    dropped: Option<Text>,
}

/// The explicit null of HL7 v2: "delete what you have".
pub(crate) const NULL: &str = "\"\"";

impl Ledger {
    /// Opens the account of a message.
    pub(crate) fn open(message: &Message) -> Self {
        let mut values = Vec::with_capacity(message.segments.len() * 8);
        let mut fields = Vec::with_capacity(message.segments.len() * 16);
        let mut segments = Vec::with_capacity(message.segments.len() + 1);
        for (segment, content) in message.segments.iter().enumerate() {
            segments.push(fields.len());
            for (field, repetitions) in content.fields.iter().enumerate() {
                fields.push(values.len());
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
        segments.push(fields.len());
        fields.push(values.len());
        Self(RefCell::new(Account { values, fields, segments, heard: None }))
    }

    /// The value at `leaf` went to `target`. A component of 0, or a sub of 0, means all of them.
    pub(crate) fn mapped(&self, leaf: Leaf, target: &Target) {
        self.note(leaf, || None);
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
        self.note(leaf, || Some(Text::shared(reason)));
        self.change(leaf, |fate| {
            if *fate == Fate::Open {
                *fate = Fate::Dropped(Text::copied(reason));
            }
        });
    }

    /// Notes what is booked from here on.
    pub(crate) fn listen(&self) {
        self.0.borrow_mut().heard = Some(Vec::new());
    }

    /// What was booked since.
    pub(crate) fn heard(&self) -> Vec<Noted> {
        self.0.borrow_mut().heard.take().unwrap_or_default()
    }

    fn note(&self, leaf: Leaf, dropped: impl FnOnce() -> Option<Text>) {
        if let Some(heard) = &mut self.0.borrow_mut().heard {
            heard.push(Noted { leaf, dropped: dropped() });
        }
    }

    /// Books what was noted at another segment's field of the same shape.
    pub(crate) fn book(&self, segment: usize, noted: &Noted, target: &Target) {
        let leaf = Leaf { segment, ..noted.leaf };
        match &noted.dropped {
            None => self.mapped(leaf, target),
            Some(reason) => self.dropped(leaf, reason),
        }
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
        let Range { start, end } = account.of_field(leaf.segment, leaf.field);
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
        let mut entries = Vec::with_capacity(values.len());
        let mut occurrences: Vec<(&str, usize)> = Vec::new();
        let mut counted = 0;
        let mut occurrence = 0;
        let same = |(one, _): &(Leaf, Fate), (other, _): &(Leaf, Fate)| {
            (one.segment, one.field, one.repetition) == (other.segment, other.field, other.repetition)
        };
        for parts in values.chunk_by(same) {
            let [(first, _), ..] = parts else { continue };
            for segment in &message.segments[counted..=first.segment] {
                occurrence = next_of(&segment.name, &mut occurrences);
            }
            counted = first.segment + 1;
            let segment = &message.segments[first.segment];
            let field = match column(first.field) {
                Some(column) => column.into(),
                None => field_name(&segment.name, first, segment.field(first.field).len()),
            };
            let untaken = untaken(parts, &segment.name, taken);
            group(message, &field, occurrence, parts, untaken, &mut entries);
        }
        LossReport::of(entries)
    }
}

/// Which segment of its name it is, from 1.
fn next_of<'m>(name: &'m str, occurrences: &mut Vec<(&'m str, usize)>) -> usize {
    match occurrences.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => {
            *count += 1;
            *count
        }
        None => {
            occurrences.push((name, 1));
            1
        }
    }
}

impl Account {
    /// The values of a field, without any if the segment ends before it.
    fn of_field(&self, segment: usize, field: usize) -> Range<usize> {
        let (Some(first), Some(until)) = (self.segments.get(segment), self.segments.get(segment + 1)) else {
            return 0..0;
        };
        match field.checked_sub(1).map(|at| first + at).filter(|at| at < until) {
            Some(at) => self.fields.get(at).copied().unwrap_or(0)..self.fields.get(at + 1).copied().unwrap_or(0),
            None => 0..0,
        }
    }
}

fn field_name(segment: &str, leaf: &Leaf, repetitions: usize) -> Text {
    let mut name = Text::copied(segment);
    name.push_str("-");
    name.push_number(leaf.field);
    if repetitions > 1 {
        name.push_str("[");
        name.push_number(leaf.repetition);
        name.push_str("]");
    }
    name
}

fn text_at(message: &Message, leaf: Leaf) -> &str {
    message.segments[leaf.segment].fields[leaf.field - 1][leaf.repetition - 1][leaf.component - 1][leaf.sub - 1].trim()
}

/// What is told of one value: what became of it, and why it went nowhere.
type Told<'a> = (Outcome, Option<Reason<'a>>);

#[derive(Clone, Copy)]
enum Reason<'a> {
    Constant(&'static str),
    Given(&'a Text),
}

impl Reason<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Constant(reason) => reason,
            Self::Given(reason) => reason,
        }
    }

    fn text(self) -> Text {
        match self {
            Self::Constant(reason) => Text::constant(reason),
            Self::Given(reason) => reason.clone(),
        }
    }
}

impl PartialEq for Reason<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// What became of a value that nobody took, among the parts of its repetition.
fn untaken(parts: &[(Leaf, Fate)], segment: &str, taken: &dyn Fn(&str) -> bool) -> (Outcome, &'static str) {
    if parts.iter().any(|(_, fate)| matches!(fate, Fate::Mapped(..))) {
        (Outcome::Dropped, losses::NO_PLACE)
    } else if segment.starts_with('Z') {
        (Outcome::KeptRaw, losses::SITE_SEGMENT)
    } else if taken(segment) {
        (Outcome::KeptRaw, losses::FIELD_UNTAKEN)
    } else {
        (Outcome::KeptRaw, losses::SEGMENT_UNTAKEN)
    }
}

fn told<'a>(message: &Message, (leaf, fate): &'a (Leaf, Fate), untaken: (Outcome, &'static str)) -> Told<'a> {
    match fate {
        Fate::Mapped(..) => (Outcome::Mapped, None),
        Fate::Dropped(reason) => (Outcome::Dropped, Some(Reason::Given(reason))),
        Fate::Open if text_at(message, *leaf) == NULL => (Outcome::Dropped, Some(Reason::Constant(losses::NULLED))),
        Fate::Open => (untaken.0, Some(Reason::Constant(untaken.1))),
    }
}

/// One entry if all parts of the repetition fared alike, else one for each component.
fn group(
    message: &Message,
    field: &Text,
    occurrence: usize,
    parts: &[(Leaf, Fate)],
    untaken: (Outcome, &'static str),
    entries: &mut Vec<Entry>,
) {
    let is_mapped = |part: &(Leaf, Fate)| matches!(part.1, Fate::Mapped(..));
    let alike = parts.iter().all(is_mapped)
        || parts.windows(2).all(|pair| told(message, &pair[0], untaken) == told(message, &pair[1], untaken));
    let from = entries.len();
    for part in parts {
        if alike && let (Some(entry), Fate::Mapped(first, more)) = (entries.get_mut(from), &part.1) {
            add(&mut entry.targets, std::iter::once(first).chain(more));
            continue;
        }
        let (outcome, reason) = told(message, part, untaken);
        let mut source = field.clone();
        if !alike {
            source.push_str(".");
            source.push_number(part.0.component);
        }
        let is_known = |entry: &Entry| {
            entry.source == source
                && entry.outcome == outcome
                && entry.reason.as_deref() == reason.as_ref().map(Reason::as_str)
        };
        let at = match entries[from..].iter().position(is_known) {
            Some(at) => from + at,
            None => {
                let reason = reason.map(Reason::text);
                entries.push(Entry { source, occurrence, outcome, targets: Few::None, reason });
                entries.len() - 1
            }
        };
        if let Fate::Mapped(first, more) = &part.1 {
            add(&mut entries[at].targets, std::iter::once(first).chain(more));
        }
    }
}

/// Adds paths that are not there yet, in the order of the alphabet.
fn add<'a>(known: &mut Few<Text>, targets: impl Iterator<Item = &'a Target>) {
    for target in targets {
        if let Err(at) = known.binary_search(&target.path) {
            known.insert(at, target.path.clone());
        }
    }
}
