//! What rows and data types may ask of the message while it is built.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::fhir::tree::{Map, Value};
use jiff::Timestamp;

use super::Order;
use super::groups::Group;
use super::ledger::{Leaf, Ledger, Target};
use super::piece::Piece;
use crate::translate::Setting;
use crate::translate::datatypes::{coded, time};
use crate::translate::hl7v2::message::Component;
use crate::translate::rows::Rules;
use crate::translate::rows::reference::{Condition, FieldRef, FieldRefs, Test};

/// The state of one translation.
pub(crate) struct Work<'a> {
    pub order: &'a Order<'a>,
    pub groups: Vec<Group<'a>>,
    /// The groups that stand directly in each group.
    children: Vec<Vec<usize>>,
    pub ledger: Ledger,
    /// Practitioners and Locations met on the way.
    parties: RefCell<Vec<Party>>,
    assumed: Cell<Assumed>,
    /// The number of the way the message is written, if anything of it is remembered.
    pub manner: Option<u8>,
}

/// How often something had to be assumed of a time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Assumed {
    zone: usize,
    minutes: usize,
    ambiguous: usize,
}

/// A person or place that is made only where it is missing.
pub(crate) struct Party {
    pub full_url: Arc<str>,
    pub query: String,
    pub resource: Value,
}

impl<'a> Work<'a> {
    pub(crate) fn new(order: &'a Order<'a>, groups: Vec<Group<'a>>) -> Self {
        let mut children = vec![Vec::new(); groups.len()];
        for (index, group) in groups.iter().enumerate() {
            if let Some(parent) = group.parent {
                children[parent].push(index);
            }
        }
        Self {
            order,
            groups,
            children,
            ledger: Ledger::open(order.message),
            parties: RefCell::new(Vec::new()),
            assumed: Cell::default(),
            manner: order.rules.recurring.manner(order.setting, order.message),
        }
    }

    /// The segments of a name in a group.
    pub(crate) fn own<'w>(&'w self, group: usize, name: &'w str) -> impl Iterator<Item = usize> + 'w {
        self.groups[group].segments.iter().copied().filter(move |index| self.order.message.segments[*index].is(name))
    }

    /// The first segment of a name in the groups around a group.
    pub(crate) fn above(&self, group: usize, name: &str) -> Option<usize> {
        let parent = self.groups[group].parent?;
        self.own(parent, name).next().or_else(|| self.above(parent, name))
    }

    /// The first segment of a name in the groups within a group.
    fn first_below(&self, group: usize, name: &str) -> Option<usize> {
        let within = |child: &usize| self.own(*child, name).next().or_else(|| self.first_below(*child, name));
        self.children[group].iter().find_map(within)
    }

    /// The segments of a name in the groups within a group.
    pub(crate) fn below(&self, group: usize, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect_below(group, name, &mut found);
        found
    }

    fn collect_below(&self, group: usize, name: &str, found: &mut Vec<usize>) {
        for child in &self.children[group] {
            found.extend(self.own(*child, name));
            self.collect_below(*child, name, found);
        }
    }

    /// How many groups two groups are both within, the message not counted; a group is within itself.
    pub(crate) fn shared_depth(&self, one: usize, other: usize) -> usize {
        let around = |group: usize| std::iter::successors(Some(group), |at| self.groups[*at].parent);
        match around(one).find(|at| around(other).any(|o| o == *at)) {
            Some(shared) => around(shared).count() - 1,
            None => 0,
        }
    }

    /// The first of the fields that holds a time.
    pub(crate) fn first_time(&self, fields: &FieldRefs) -> Option<Timestamp> {
        let zone = &self.order.setting.zone;
        fields.0.iter().find_map(|field| {
            let segment = self.order.message.first(&field.segment)?;
            let text = segment.text(field.field, field.component.unwrap_or(1))?;
            time::read(text, zone)?.timestamp(zone)
        })
    }

    /// What had to be assumed so far.
    pub(crate) fn counts(&self) -> Assumed {
        self.assumed.get()
    }

    /// Forgets what had to be assumed since.
    pub(crate) fn set_counts(&self, counts: Assumed) {
        self.assumed.set(counts);
    }

    pub(crate) fn take_parties(&self) -> Vec<Party> {
        self.parties.take()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let zone = self.order.setting.zone.iana_name().unwrap_or("the institution's zone");
        let assumed = self.assumed.get();
        let counted = [
            (assumed.zone, "times without an offset were read in ", zone),
            (assumed.minutes, "times give only the hour; minutes were written as 00", ""),
            (assumed.ambiguous, "times fall into a change of daylight saving; the offset before it was taken", ""),
        ];
        let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
        counted.map(|(count, text, zone)| format!("{count} {text}{zone}")).collect()
    }
}

/// The place in the message that a row is applied at.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub rules: &'a Rules,
    pub setting: &'a Setting,
    pub work: &'a Work<'a>,
    /// The group of the resource.
    pub group: usize,
    /// The segment in hand, which answers for its name.
    pub segment: Option<usize>,
    /// Where what is read goes.
    pub target: &'a Target,
}

impl<'a> Context<'a> {
    pub(crate) fn new(work: &'a Work<'a>, group: usize, segment: Option<usize>, target: &'a Target) -> Self {
        Self { rules: work.order.rules, setting: work.order.setting, work, group, segment, target }
    }

    /// The segment a reference means: the one in hand, else the group's, the groups' around it, or the groups' within.
    fn find(&self, name: &str) -> Option<usize> {
        let in_hand = self.segment.filter(|index| self.work.order.message.segments[*index].is(name));
        in_hand
            .or_else(|| self.work.own(self.group, name).next())
            .or_else(|| self.work.above(self.group, name))
            .or_else(|| self.work.first_below(self.group, name))
    }

    /// Text of a field: one component, or the whole first repetition.
    pub(crate) fn field_text(&self, field: &FieldRef) -> Option<Cow<'a, str>> {
        self.text_of(field, field.component)
    }

    fn text_of(&self, field: &FieldRef, component: Option<usize>) -> Option<Cow<'a, str>> {
        if !field.all {
            return self.text_in(self.find(&field.segment)?, field, component);
        }
        let segments = self.work.own(self.group, &field.segment);
        let texts: Vec<Cow<'_, str>> = segments.filter_map(|segment| self.text_in(segment, field, component)).collect();
        (!texts.is_empty()).then(|| Cow::Owned(texts.join("\u{1f}")))
    }

    fn text_in(&self, segment: usize, field: &FieldRef, component: Option<usize>) -> Option<Cow<'a, str>> {
        if field.field == 0 {
            return Some(Cow::Borrowed(&self.work.order.message.segments[segment].name));
        }
        if let (None, None, Some(written)) = (component, field.sub, &self.work.order.message.written)
            && let [components] = self.work.order.message.segments[segment].field(field.field)
            && components.len() > 1
            && let Some(text) = written.as_usual(segment, field.field)
        {
            let is_blank = text.bytes().all(|byte| matches!(byte, b'^' | b'&') || byte.is_ascii_whitespace());
            return (!is_blank).then_some(Cow::Borrowed(text.trim()));
        }
        let piece = self.piece_at(segment, field.field)?;
        match (component, field.sub) {
            (Some(component), Some(sub)) => piece.component(component).get(sub),
            (Some(component), None) => piece.get(component),
            (None, _) => piece.whole(),
        }
    }

    /// The subcomponents of the first component of every repetition of a field written as `TQ1-3`.
    pub(crate) fn subcomponents(&self, field: &str) -> Vec<Component> {
        let Ok(field) = field.parse::<FieldRef>() else { return Vec::new() };
        let Some(segment) = self.find(&field.segment) else { return Vec::new() };
        let repetitions = self.work.order.message.segments[segment].field(field.field);
        repetitions.iter().filter_map(|repetition| repetition.first().cloned()).collect()
    }

    /// Text of the first of several fields that holds something.
    pub(crate) fn first_text(&self, fields: &FieldRefs) -> Option<Cow<'a, str>> {
        fields.0.iter().find_map(|field| self.field_text(field))
    }

    /// Text of a field of the segment of a name.
    pub(crate) fn text(&self, segment: &str, field: usize) -> Option<Cow<'a, str>> {
        self.piece_at(self.find(segment)?, field)?.whole()
    }

    /// Whether a condition holds here.
    pub(crate) fn holds(&self, condition: &Condition) -> bool {
        let code = || condition.fields.0.iter().find_map(|field| self.text_of(field, field.component.or(Some(1))));
        match &condition.test {
            Test::Present => self.first_text(&condition.fields).is_some(),
            Test::Absent => self.first_text(&condition.fields).is_none(),
            Test::In(values) => code().is_some_and(|code| values.iter().any(|value| *value == code)),
            Test::NotIn(values) => code().is_none_or(|code| !values.iter().any(|value| *value == code)),
        }
    }

    fn piece_at(&self, segment: usize, field: usize) -> Option<Piece<'a>> {
        let repetitions = self.work.order.message.segments[segment].field(field);
        let repetition = repetitions.first()?;
        let at = Leaf { segment, field, repetition: 1, ..Leaf::default() };
        Some(Piece::repetition(repetition, &self.work.ledger, at, self.target))
    }

    /// Reads a field of the segment of a name for the element in hand; nothing if it is empty.
    pub(crate) fn other(&self, segment: &str, field: usize) -> Option<Piece<'a>> {
        self.piece_at(self.find(segment)?, field).filter(|piece| !piece.is_empty())
    }

    /// Reads another field for the element in hand.
    pub(crate) fn with_piece<T>(&self, fields: &FieldRefs, read: impl FnOnce(Piece<'a>) -> T) -> Option<T> {
        let piece = fields.0.iter().find_map(|field| {
            let piece = self.piece_at(self.find(&field.segment)?, field.field)?;
            let piece = field.component.map_or(piece, |component| piece.component(component));
            (!piece.is_empty()).then_some(piece)
        })?;
        Some(read(piece))
    }

    /// OBX-3 as a CodeableConcept.
    pub(crate) fn observation_code(&self) -> Value {
        self.other("OBX", 3)
            .and_then(|piece| coded::plain_concept(self, &piece))
            .unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// Counts what had to be assumed of a time.
    pub(crate) fn note_time(&self, moment: &time::Moment) {
        let Assumed { zone, minutes, ambiguous } = self.work.assumed.get();
        self.work.assumed.set(Assumed {
            zone: zone + usize::from(moment.zone_assumed),
            minutes: minutes + usize::from(moment.minutes_assumed),
            ambiguous: ambiguous + usize::from(moment.ambiguous),
        });
    }

    /// Adds a person or place to the bundle and gives its address. The same identifier is the same party,
    /// of which the second mention may tell what the first does not.
    pub(crate) fn party(&self, resource: Value, system: &str, value: &str) -> Arc<str> {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or("");
        let full_url = crate::ids::derived_urn(&[&self.setting.namespace, kind, system, value]);
        if let Some(trace) = self.work.order.trace {
            trace.party(&full_url);
        }
        let mut parties = self.work.parties.borrow_mut();
        match parties.iter_mut().find(|party| party.full_url == full_url) {
            Some(party) => {
                if let (Value::Object(known), Value::Object(more)) = (&mut party.resource, resource) {
                    for (element, value) in more {
                        known.entry(element).or_insert(value);
                    }
                }
            }
            None => {
                let query = super::conditional_query(system, value);
                parties.push(Party { full_url: full_url.clone(), query, resource });
            }
        }
        full_url
    }
}
