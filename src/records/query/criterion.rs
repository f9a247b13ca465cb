//! One parameter of a query, with its modifier, chain and values, as a criterion.

use super::value::{date, number, split, unescaped};
use super::{QueryError, Setting};
use crate::fhir::search::{Criterion, Match, Unit};
use crate::fhir::{reference, structure, systems};
use crate::harmonise::{fold, search_keys};
use crate::records::index::identifier_path;
use crate::records::parameters::{self, Data, Parameter, ParameterType, Place};

/// Comma-separated values of one parameter.
const MOST_VALUES: usize = 500;
/// Steps of a chain.
const LONGEST_CHAIN: usize = 8;

/// Reads `name=value` of a resource type.
pub fn criterion(setting: &Setting<'_>, kind: &str, name: &str, value: &str) -> Result<Criterion, QueryError> {
    if name.matches(['.']).count() + name.matches("_has:").count() > LONGEST_CHAIN {
        return Err(QueryError::Malformed(format!("{name}: a chain may have at most {LONGEST_CHAIN} steps")));
    }
    if split(value, ',').len() > MOST_VALUES {
        return Err(QueryError::Malformed(format!("{name}: at most {MOST_VALUES} values")));
    }
    if let Some(rest) = name.strip_prefix("_has:") {
        return has(setting, kind, name, rest, value);
    }
    if let Some((head, rest)) = name.split_once('.') {
        return chain(setting, kind, head, rest, value);
    }
    let (base, modifier) = match name.split_once(':') {
        Some((base, modifier)) => (base, Some(modifier)),
        None => (name, None),
    };
    let asked = Asked { setting, kind, name, parameter: served(kind, base)?, modifier };
    match (base, modifier) {
        ("_id", None) => Ok(Criterion::any(asked.values(value, |text| vec![Match::Id(text.to_owned())]))),
        ("_lastUpdated", None) => {
            let ranges = split(value, ',').into_iter().map(|text| date(name, text, setting.now));
            Ok(Criterion::any(ranges.map(|range| range.map(Match::Updated)).collect::<Result<_, _>>()?))
        }
        ("_id" | "_lastUpdated", _) => Err(asked.unknown_modifier()),
        (_, Some("missing")) => asked.missing(value),
        _ => match asked.parameter.kind {
            ParameterType::Token => asked.token(value),
            ParameterType::Text => asked.text(value),
            ParameterType::Uri => asked.uri(value),
            ParameterType::Date => asked.date(value),
            ParameterType::Reference => asked.reference(value),
            ParameterType::Quantity => asked.quantity(value),
            ParameterType::Number => asked.number(value),
            ParameterType::Composite | ParameterType::Special => Err(asked.unknown_modifier()),
        },
    }
}

/// What a resource of a type must meet to belong to a compartment; none if it never does.
pub fn in_compartment(compartment: &str, id: &str, kind: &str) -> Option<Criterion> {
    let target = format!("{compartment}/{id}");
    let names = parameters::compartment(compartment, kind)?;
    let places = names.iter().filter_map(|name| parameters::find(kind, name)).flat_map(|found| &found.places);
    let mut any: Vec<Match> = Vec::new();
    for place in places {
        let one = Match::Reference { path: place.path.clone(), target: target.clone() };
        if !any.contains(&one) {
            any.push(one);
        }
    }
    if kind == compartment {
        any.push(Match::Id(id.to_owned()));
    }
    Some(Criterion::any(any))
}

fn served(kind: &str, name: &str) -> Result<&'static Parameter, QueryError> {
    let unserved =
        || QueryError::NotServed(format!("search parameter {name:?} of {kind} is not served by this release"));
    match parameters::find(kind, name) {
        Some(parameter) if parameter.kind.is_served() => Ok(parameter),
        Some(_) => Err(unserved()),
        None if matches!(name, "_text" | "_content" | "_list" | "_query" | "_filter" | "_type") => Err(unserved()),
        None => Err(QueryError::Unknown(format!("{kind} has no search parameter {name:?}"))),
    }
}

/// Types that a reference of a parameter may lead to.
fn targets(parameter: &Parameter, place: &Place) -> Vec<&'static str> {
    match place.leads_to {
        Some(target) => vec![target],
        None if parameter.targets.is_empty() => structure::types().to_vec(),
        None => parameter.targets.clone(),
    }
}

/// `subject:Patient.name=…`
fn chain(setting: &Setting<'_>, kind: &str, head: &str, rest: &str, value: &str) -> Result<Criterion, QueryError> {
    let (base, wanted) = match head.split_once(':') {
        Some((base, wanted)) => (base, Some(wanted)),
        None => (head, None),
    };
    let parameter = served(kind, base)?;
    if parameter.kind != ParameterType::Reference {
        return Err(QueryError::Malformed(format!(
            "{base} of {kind} is not a reference; nothing can be chained to it"
        )));
    }
    let (mut any, mut refused) = (Vec::new(), None);
    for place in &parameter.places {
        for target in
            targets(parameter, place).into_iter().filter(|target| wanted.is_none_or(|wanted| wanted == *target))
        {
            match criterion(setting, target, rest, value) {
                Ok(meets) => {
                    any.push(Match::Chain { path: place.path.clone(), kind: target.to_owned(), meets: Box::new(meets) })
                }
                Err(error) => refused = Some(error),
            }
        }
    }
    match (any.is_empty(), refused) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(QueryError::Unknown(format!("{base} of {kind} never leads to such a type"))),
        _ => Ok(Criterion::any(any)),
    }
}

/// `_has:Observation:patient:code=…`, with `rest` behind the first colon.
fn has(setting: &Setting<'_>, kind: &str, name: &str, rest: &str, value: &str) -> Result<Criterion, QueryError> {
    let mut parts = rest.splitn(3, ':');
    let (Some(from), Some(by), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(QueryError::Malformed(format!("{name}: write _has:Type:reference:parameter")));
    };
    if !structure::is_type(from) {
        return Err(QueryError::Unknown(format!("{from:?} is not a resource type of FHIR R4")));
    }
    let parameter = served(from, by)?;
    if parameter.kind != ParameterType::Reference {
        return Err(QueryError::Malformed(format!("{by} of {from} is not a reference to {kind}")));
    }
    let meets = criterion(setting, from, what, value)?;
    let paths = parameter.places.iter().map(|place| place.path.clone()).collect();
    Ok(Criterion::any(vec![Match::Has { kind: from.to_owned(), paths, meets: Box::new(meets) }]))
}

/// A parameter that is asked for.
struct Asked<'a> {
    setting: &'a Setting<'a>,
    kind: &'a str,
    /// With its modifier, for messages.
    name: &'a str,
    parameter: &'static Parameter,
    modifier: Option<&'a str>,
}

impl Asked<'_> {
    fn unknown_modifier(&self) -> QueryError {
        QueryError::NotServed(format!("{} of {} is not served by this release", self.name, self.kind))
    }

    /// What each comma-separated value asks for, its escapes undone.
    fn values(&self, value: &str, of: impl Fn(&str) -> Vec<Match>) -> Vec<Match> {
        split(value, ',').into_iter().flat_map(|text| of(&unescaped(text))).collect()
    }

    /// One match for each place.
    fn places(&self, of: impl Fn(&Place) -> Match) -> Vec<Match> {
        self.parameter.places.iter().map(of).collect()
    }

    fn missing(&self, value: &str) -> Result<Criterion, QueryError> {
        let is_not = match value {
            "true" => true,
            "false" => false,
            _ => return Err(QueryError::Malformed(format!("{} is true or false", self.name))),
        };
        let present = |place: &Place| {
            let of = place.leads_to.or(place.contact).map(str::to_owned);
            Match::Present { path: place.path.clone(), of }
        };
        Ok(Criterion { any: self.places(present), is_not })
    }

    fn token(&self, value: &str) -> Result<Criterion, QueryError> {
        match self.modifier {
            None => {}
            Some("not") => {
                return Ok(Criterion { is_not: true, ..Asked { modifier: None, ..*self }.token(value)? });
            }
            Some("text") => {
                let shown = |text: &str| {
                    let start = fold(text);
                    self.places(|place| Match::Shown { path: place.path.clone(), start: start.clone() })
                };
                return Ok(Criterion::any(self.values(value, shown)));
            }
            Some(_) => return Err(self.unknown_modifier()),
        }
        // What may be a time or a flag counts as false where there is nothing.
        if value == "false" && self.is_presence() {
            return Ok(Criterion { is_not: true, ..Asked { modifier: None, ..*self }.token("true")? });
        }
        let mut any = Vec::new();
        for text in split(value, ',') {
            let parts = split(text, '|');
            let (system, code) = match parts.as_slice() {
                [code] => (None, unescaped(code)),
                [system, code] => (Some(unescaped(system)), unescaped(code)),
                _ => {
                    return Err(QueryError::Malformed(format!("{}: a token is code, system|code or |code", self.name)));
                }
            };
            if code.is_empty() && system.as_deref().unwrap_or("").is_empty() {
                return Err(QueryError::Malformed(format!("{}: a token has a code or a system", self.name)));
            }
            any.extend(self.places(|place| {
                let system = match (&system, place.contact) {
                    (_, Some(contact)) => Some(contact.to_owned()),
                    // Codes of one system are kept without it.
                    (Some(system), None) if Some(system.as_str()) == place.code_system => Some(String::new()),
                    (system, None) => system.clone(),
                };
                Match::Token { path: place.path.clone(), system, code: code.clone() }
            }));
        }
        Ok(Criterion::any(any))
    }

    fn is_presence(&self) -> bool {
        let is_of = |path: &str| self.parameter.places.iter().any(|place| place.path == path);
        parameters::readings(self.kind).iter().any(|reading| {
            is_of(&reading.path)
                && reading.kind == ParameterType::Token
                && reading.steps.last().is_some_and(|step| step.names.iter().any(|(_, data)| *data == Data::Present))
        })
    }

    fn text(&self, value: &str) -> Result<Criterion, QueryError> {
        let path = |place: &Place| place.path.clone();
        let of = |text: &str| -> Vec<Match> {
            match self.modifier {
                Some("exact") => {
                    let folded = fold(text);
                    self.places(|place| Match::TextExact {
                        path: path(place),
                        text: text.to_owned(),
                        folded: folded.clone(),
                    })
                }
                Some(_) => {
                    let keys = search_keys(text);
                    let parts = keys
                        .iter()
                        .map(|part| self.places(|place| Match::TextPart { path: path(place), part: part.clone() }));
                    parts.flatten().collect()
                }
                None => {
                    let keys = search_keys(text);
                    let starts = keys
                        .iter()
                        .map(|start| self.places(|place| Match::Text { path: path(place), start: start.clone() }));
                    starts.flatten().collect()
                }
            }
        };
        match self.modifier {
            None | Some("exact" | "contains") => Ok(Criterion::any(self.values(value, of))),
            Some(_) => Err(self.unknown_modifier()),
        }
    }

    fn uri(&self, value: &str) -> Result<Criterion, QueryError> {
        let whole = |text: &str| {
            self.places(|place| Match::Token { path: place.path.clone(), system: None, code: text.to_owned() })
        };
        let of = |text: &str| match self.modifier {
            Some("below") => {
                let start = format!("{}/", text.trim_end_matches('/'));
                let below = self.places(|place| Match::TokenStart { path: place.path.clone(), start: start.clone() });
                below.into_iter().chain(whole(text)).collect()
            }
            Some("above") => {
                let ends = text.match_indices('/').map(|(at, _)| at).chain(std::iter::once(text.len()));
                ends.filter_map(|end| text.get(..end)).flat_map(whole).collect()
            }
            _ => whole(text),
        };
        match self.modifier {
            None | Some("below" | "above") => Ok(Criterion::any(self.values(value, of))),
            Some(_) => Err(self.unknown_modifier()),
        }
    }

    fn date(&self, value: &str) -> Result<Criterion, QueryError> {
        if self.modifier.is_some() {
            return Err(self.unknown_modifier());
        }
        let mut any = Vec::new();
        for text in split(value, ',') {
            let range = date(self.name, text, self.setting.now)?;
            any.extend(self.places(|place| Match::Date { path: place.path.clone(), range }));
        }
        Ok(Criterion::any(any))
    }

    fn number(&self, value: &str) -> Result<Criterion, QueryError> {
        if self.modifier.is_some() {
            return Err(self.unknown_modifier());
        }
        let mut any = Vec::new();
        for text in split(value, ',') {
            let range = number(self.name, text)?;
            any.extend(self.places(|place| Match::Quantity { path: place.path.clone(), range, unit: Unit::Any }));
        }
        Ok(Criterion::any(any))
    }

    fn quantity(&self, value: &str) -> Result<Criterion, QueryError> {
        if self.modifier.is_some() {
            return Err(self.unknown_modifier());
        }
        let mut any = Vec::new();
        for text in split(value, ',') {
            let parts: Vec<String> = split(text, '|').into_iter().map(unescaped).collect();
            let (written, unit) = match parts.as_slice() {
                [written] => (written, Unit::Any),
                [written, system, code] => {
                    let unit = match (system.as_str(), code.as_str()) {
                        ("", "") => Unit::Any,
                        ("", code) => Unit::Written(code.to_owned()),
                        (systems::UCUM, code) => Unit::Ucum(code.to_owned()),
                        (system, code) => Unit::Of { system: system.to_owned(), code: code.to_owned() },
                    };
                    (written, unit)
                }
                _ => {
                    let wrong = format!("{}: a quantity is number or number|system|code", self.name);
                    return Err(QueryError::Malformed(wrong));
                }
            };
            let range = number(self.name, written)?;
            any.extend(self.places(|place| Match::Quantity { path: place.path.clone(), range, unit: unit.clone() }));
        }
        Ok(Criterion::any(any))
    }

    fn reference(&self, value: &str) -> Result<Criterion, QueryError> {
        if self.modifier == Some("identifier") {
            let identified = Asked { modifier: None, ..*self }.token(value)?;
            let any = identified.any.into_iter().map(|one| match one {
                Match::Token { path, system, code } => Match::Token { path: identifier_path(&path), system, code },
                other => other,
            });
            return Ok(Criterion::any(any.collect()));
        }
        if self.modifier.is_some_and(|modifier| !structure::is_type(modifier)) {
            return Err(self.unknown_modifier());
        }
        let mut any = Vec::new();
        for text in split(value, ',') {
            let text = unescaped(text);
            let own = text.strip_prefix(self.setting.base).and_then(|rest| rest.strip_prefix('/'));
            let text = own.unwrap_or(&text);
            for place in &self.parameter.places {
                let mut refer = |target: String| any.push(Match::Reference { path: place.path.clone(), target });
                if let Some((kind, id)) = reference::split(text) {
                    let is_of = |wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == kind);
                    if is_of(self.modifier) && is_of(place.leads_to) {
                        refer(format!("{kind}/{id}"));
                    }
                } else if text.contains([':', '/']) || !crate::fhir::is_valid_id(text) {
                    refer(text.to_owned());
                } else {
                    let kinds = targets(self.parameter, place);
                    let wanted =
                        kinds.into_iter().filter(|kind| self.modifier.is_none_or(|modifier| modifier == *kind));
                    wanted.for_each(|kind| refer(format!("{kind}/{text}")));
                }
            }
        }
        Ok(Criterion::any(any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, name: &str, value: &str) -> Result<Criterion, QueryError> {
        let now = jiff::Timestamp::from_second(1_700_000_000).ok();
        let setting = Setting { now, base: "https://here.example/fhir", is_lenient: false };
        criterion(&setting, kind, name, value)
    }

    fn token(path: &str, system: Option<&str>, code: &str) -> Criterion {
        Criterion::token(path, system, code)
    }

    fn refers(path: &str, targets: &[&str]) -> Criterion {
        let to = |target: &&str| Match::Reference { path: path.to_owned(), target: (*target).to_owned() };
        Criterion::any(targets.iter().map(to).collect())
    }

    #[test]
    fn tokens_have_systems_escapes_and_systems_of_their_own() {
        assert_eq!(read("Patient", "identifier", r"urn:a|x\,1"), Ok(token("identifier", Some("urn:a"), "x,1")));
        assert_eq!(read("Patient", "identifier", "|x"), Ok(token("identifier", Some(""), "x")));
        assert_eq!(
            read("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male"),
            Ok(token("gender", Some(""), "male"))
        );
        assert_eq!(read("Patient", "phone", "03"), Ok(token("telecom", Some("phone"), "03")));
        assert!(read("Patient", "active:not", "true").unwrap().is_not);
        assert!(matches!(read("Patient", "identifier", "|"), Err(QueryError::Malformed(_))));
    }

    #[test]
    fn references_are_ids_types_and_addresses() {
        assert_eq!(read("Observation", "patient", "1"), Ok(refers("subject", &["Patient/1"])));
        assert_eq!(read("Observation", "subject", "Group/1"), Ok(refers("subject", &["Group/1"])));
        assert_eq!(read("Observation", "subject:Device", "1"), Ok(refers("subject", &["Device/1"])));
        let own = "https://here.example/fhir/Patient/1";
        assert_eq!(read("Observation", "subject", own), Ok(refers("subject", &["Patient/1"])));
        let elsewhere = "https://there.example/fhir/Patient/1";
        assert_eq!(read("Observation", "subject", elsewhere), Ok(refers("subject", &[elsewhere])));
        assert_eq!(read("Observation", "patient", "Group/1"), Ok(refers("subject", &[])));
        let all = read("Observation", "subject", "1").unwrap().any.len();
        assert_eq!(all, parameters::find("Observation", "subject").unwrap().targets.len());
    }

    #[test]
    fn chains_lead_to_every_type_that_has_the_parameter() {
        let chained = read("Observation", "subject.birthdate", "2000").unwrap().any;
        assert!(matches!(&chained[..], [Match::Chain { kind, .. }] if kind == "Patient"));
        let typed = read("Observation", "subject:Group.identifier", "x").unwrap().any;
        assert!(matches!(&typed[..], [Match::Chain { kind, .. }] if kind == "Group"));
        assert!(matches!(read("Observation", "subject.nothing", "x"), Err(QueryError::Unknown(_))));
        assert!(matches!(read("Observation", "status.code", "x"), Err(QueryError::Malformed(_))));
        let twice = read("Patient", "_has:Observation:patient:_has:AuditEvent:entity:type", "x").unwrap().any;
        assert!(matches!(&twice[..], [Match::Has { meets, .. }] if matches!(&meets.any[..], [Match::Has { .. }])));
    }

    #[test]
    fn what_is_not_known_and_what_is_not_served_are_told_apart() {
        assert!(matches!(read("Patient", "favourite-colour", "x"), Err(QueryError::Unknown(_))));
        for name in ["code-value-quantity", "code:in", "_text", "date:exact"] {
            assert!(matches!(read("Observation", name, "x"), Err(QueryError::NotServed(_))), "{name}");
        }
        assert!(matches!(read("Observation", "date", "soon"), Err(QueryError::Malformed(_))));
        assert!(matches!(read("Patient", "name:missing", "perhaps"), Err(QueryError::Malformed(_))));
    }

    #[test]
    fn a_patient_who_is_not_known_to_have_died_is_not_deceased() {
        let alive = read("Patient", "deceased", "false").unwrap();
        assert_eq!(alive, Criterion { is_not: true, ..token("deceased", None, "true") });
        assert_eq!(in_compartment("Patient", "1", "Organization"), None);
        assert_eq!(in_compartment("Patient", "1", "Observation").unwrap().any.len(), 2);
    }
}
