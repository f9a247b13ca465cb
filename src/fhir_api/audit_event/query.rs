//! What a search for AuditEvents asks for.

use crate::audit::event::Event;
use crate::audit::find::EventFilter;
use crate::fault::Kind;
use crate::fhir::dates;
use crate::server::problem::Problem;

/// Events on a page, unless `_count` says otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// A search.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    /// Patient and time.
    pub(super) filter: EventFilter,
    /// Events on a page.
    pub(super) count: usize,
    /// What else must be met: one of the values of each.
    others: Vec<(Parameter, Vec<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Id,
    Agent,
    Action,
    Type,
    Subtype,
    Outcome,
    Entity,
}

/// The parameters, as the CapabilityStatement tells them.
pub(in crate::fhir_api) const SERVED: &[(&str, &str)] = &[
    ("_id", "token"),
    ("date", "date"),
    ("patient", "reference"),
    ("entity", "reference"),
    ("agent", "token"),
    ("action", "token"),
    ("type", "token"),
    ("subtype", "token"),
    ("outcome", "token"),
];

impl Query {
    /// Reads names and values; what is not served is refused, for it would change what is found.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut query = Self { count: PAGE, ..Self::default() };
        for (name, value) in pairs {
            let malformed = |what: &str| Problem::new(Kind::Malformed, format!("{name} must be {what}"));
            let parameter = match name.as_str() {
                "_count" => {
                    query.count =
                        value.parse::<usize>().map_err(|_| malformed("a whole number"))?.clamp(1, LARGEST_PAGE);
                    continue;
                }
                "date" => {
                    query.date(value).ok_or_else(|| malformed("a date, with the prefix eq, ge, gt, le, lt or none"))?;
                    continue;
                }
                "patient" | "patient:Patient" => {
                    let id = value.strip_prefix("Patient/").unwrap_or(value);
                    if !crate::fhir::is_valid_id(id) || query.filter.patient.is_some() {
                        return Err(malformed("the id of one patient"));
                    }
                    query.filter.patient = Some(id.to_owned());
                    continue;
                }
                "_after" | "_format" => continue,
                "_id" => Parameter::Id,
                "agent" | "agent:identifier" => Parameter::Agent,
                "action" => Parameter::Action,
                "type" => Parameter::Type,
                "subtype" => Parameter::Subtype,
                "outcome" => Parameter::Outcome,
                "entity" => Parameter::Entity,
                _ => {
                    let served: Vec<&str> = SERVED.iter().map(|(name, _)| *name).collect();
                    let text = format!("AuditEvent is searched by {} and _count, and not by {name}", served.join(", "));
                    return Err(Problem::new(Kind::Malformed, text));
                }
            };
            let values = value.split(',').map(|one| one.rsplit('|').next().unwrap_or(one).to_owned()).collect();
            query.others.push((parameter, values));
        }
        Ok(query)
    }

    fn date(&mut self, value: &str) -> Option<()> {
        let (prefix, rest) = value.split_at_checked(2).unwrap_or(("", value));
        let is_prefix = prefix.bytes().all(|byte| byte.is_ascii_lowercase()) && !prefix.is_empty();
        let (from, to) = dates::span(if is_prefix { rest } else { value })?;
        let (mut low, mut high) = (None, None);
        match if is_prefix { prefix } else { "eq" } {
            "eq" => (low, high) = (Some(from), Some(to)),
            "ge" => low = Some(from),
            "gt" | "sa" => low = Some(to),
            "le" => high = Some(to),
            "lt" | "eb" => high = Some(from),
            _ => return None,
        }
        let filter = &mut self.filter;
        filter.from = filter.from.max(low);
        filter.to = match (filter.to, high) {
            (Some(before), Some(high)) => Some(before.min(high)),
            (before, high) => before.or(high),
        };
        Some(())
    }

    /// Whether an event meets what is not of patient and time.
    pub(super) fn is_met(&self, event: &Event) -> bool {
        self.others.iter().all(|(parameter, values)| {
            values.iter().any(|value| match parameter {
                Parameter::Id => event.id == *value,
                Parameter::Agent => event.actor == *value || event.peer == *value,
                Parameter::Action => event.action() == value,
                Parameter::Type => super::resource::kind_of(event).1 == value,
                Parameter::Subtype => super::resource::subtype_of(event).1 == *value,
                Parameter::Outcome => event.outcome_code() == value,
                Parameter::Entity => {
                    event.target == *value
                        || event.patient.as_deref().is_some_and(|id| value.strip_prefix("Patient/") == Some(id))
                }
            })
        })
    }
}
