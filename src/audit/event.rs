//! What both trails tell, in one form: an event for each row or act and each patient it is about.

use std::collections::HashMap;

use serde_json::Value;

use crate::fhir::reference;
use crate::store::audit::ChainedEntry;
use crate::store::requests::ChainedRequest;
use crate::store::{StoreError, View};

/// What sort of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// An interaction of the FHIR API, or an operation.
    Rest,
    /// Somebody looked at a page, or at what a command printed.
    Looked,
    /// A sign-in or its end, or a token asked for.
    SignIn,
    /// Something went to a partner.
    Sent,
    /// Something came from a partner.
    Received,
    /// Another act.
    Act,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Logical id as an AuditEvent: trail, position and which of its patients, behind the name of the chain.
    pub id: String,
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    /// Its sort.
    pub sort: Sort,
    /// Interaction or act, as its row says it.
    pub act: String,
    /// Who; empty, if nobody could be told.
    pub actor: String,
    /// Their role; empty, if it is not known.
    pub role: String,
    /// What it was about.
    pub target: String,
    /// Names of the parameters of a search.
    pub parameters: String,
    /// Local id of the patient it is about.
    pub patient: Option<String>,
    /// Patients in all, of whom this event names one.
    pub shown: u32,
    /// HTTP status; 200 for an act.
    pub outcome: u16,
    /// What it was for, if that was said.
    pub purpose: String,
    /// `X-Request-Id`; for a message its id.
    pub request_id: String,
    /// Network address of the caller.
    pub origin: String,
    /// The partner that something was sent to or came from.
    pub peer: String,
}

impl Event {
    /// AuditEvent.action (<https://hl7.org/fhir/R4/valueset-audit-event-action.html>).
    pub fn action(&self) -> &'static str {
        match (self.sort, self.act.as_str()) {
            (Sort::Rest, "create") | (Sort::Received, _) => "C",
            (Sort::Rest, "read" | "vread") | (Sort::Looked | Sort::Sent, _) => "R",
            (Sort::Rest, act) if act.starts_with("history") => "R",
            (Sort::Rest, "update" | "patch") => "U",
            (Sort::Rest, "delete") => "D",
            _ => "E",
        }
    }

    /// AuditEvent.outcome (<https://hl7.org/fhir/R4/valueset-audit-event-outcome.html>).
    pub fn outcome_code(&self) -> &'static str {
        match self.outcome {
            0..=399 => "0",
            400..=499 => "4",
            _ => "8",
        }
    }
}

/// The events of a row, one for each patient.
pub fn of_request(view: &dyn View, known: &mut Known, one: &ChainedRequest) -> Result<Vec<Event>, StoreError> {
    let referred = match one.row.target.strip_prefix("referral/") {
        Some(id) => known.of_referral(view, id)?,
        None => None,
    };
    Ok(of_row(one, referred.as_deref()))
}

/// The events of a row; `referred` is the patient of the referral that it is about.
fn of_row(one: &ChainedRequest, referred: Option<&str>) -> Vec<Event> {
    let row = &one.row;
    let sort = match row.act.as_str() {
        "page" | "form" | "command" => Sort::Looked,
        "sign-in" | "sign-out" | "token" => Sort::SignIn,
        _ => Sort::Rest,
    };
    let mut patients: Vec<&str> = row.patients.split_ascii_whitespace().collect();
    let named = of_trunk(&row.target).filter(|(kind, _)| *kind == "Patient").map(|(_, id)| id);
    for id in named.into_iter().chain(referred) {
        if !patients.contains(&id) {
            patients.push(id);
        }
    }
    let event = Event {
        id: String::new(),
        at: row.at,
        sort,
        act: row.act.clone(),
        actor: row.actor.clone(),
        role: row.role.clone(),
        target: row.target.clone(),
        parameters: row.parameters.clone(),
        patient: None,
        shown: row.shown,
        outcome: row.outcome,
        purpose: row.purpose.clone(),
        request_id: row.request_id.clone(),
        origin: row.origin.clone(),
        peer: String::new(),
    };
    of_each(&event, &one.chain, 'r', one.position, &patients)
}

/// Type and id that a target begins with.
fn of_trunk(target: &str) -> Option<(&str, &str)> {
    let (kind, rest) = target.split_once('/')?;
    Some((kind, rest.split('/').next().unwrap_or(rest)))
}

fn of_each(event: &Event, chain: &str, trail: char, position: u64, patients: &[&str]) -> Vec<Event> {
    let id = |number: usize| match chain {
        "" => format!("{trail}{position}.{number}"),
        chain => format!("{chain}.{trail}{position}.{number}"),
    };
    match patients {
        [] => vec![Event { id: id(0), ..event.clone() }],
        several => {
            let each = several.iter().enumerate();
            each.map(|(n, patient)| Event { id: id(n), patient: Some((*patient).to_owned()), ..event.clone() })
                .collect()
        }
    }
}

/// Chain, trail (`a` or `r`) and position of an event's id; none, if it is no id of ours.
pub fn place(id: &str) -> Option<(String, char, u64)> {
    let (rest, number) = id.rsplit_once('.')?;
    let (chain, place) = rest.rsplit_once('.').unwrap_or(("", rest));
    let trail = place.chars().next().filter(|first| matches!(first, 'a' | 'r'))?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = place.get(1..).filter(|position| digits(position))?;
    digits(number).then_some((chain.to_owned(), trail, position.parse().ok()?))
}

/// Patients of referrals and messages, each looked up once.
#[derive(Debug, Default)]
pub struct Known {
    referrals: HashMap<String, Option<String>>,
    /// Referral and patient by message.
    messages: HashMap<String, (Option<String>, Option<String>)>,
    received: HashMap<String, Vec<String>>,
}

impl Known {
    fn of_referral(&mut self, view: &dyn View, id: &str) -> Result<Option<String>, StoreError> {
        if let Some(known) = self.referrals.get(id) {
            return Ok(known.clone());
        }
        let patient = view.referral(id)?.and_then(|referral| referral.patient);
        self.referrals.insert(id.to_owned(), patient.clone());
        Ok(patient)
    }

    fn of_exchange(&mut self, view: &dyn View, id: &str) -> Result<(Option<String>, Option<String>), StoreError> {
        if let Some(known) = self.messages.get(id) {
            return Ok(known.clone());
        }
        let referral = view.referral_by_message(id)?;
        let found = referral.map_or((None, None), |referral| (Some(referral.id), referral.patient));
        self.messages.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    fn of_message(&mut self, view: &dyn View, id: &str) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.received.get(id) {
            return Ok(known.clone());
        }
        let written = view.message(id)?.and_then(|message| serde_json::from_str::<Vec<Value>>(&message.resources).ok());
        let names = written.unwrap_or_default();
        let patients: Vec<String> = names
            .iter()
            .filter_map(Value::as_str)
            .filter_map(reference::split)
            .filter(|(kind, _)| *kind == "Patient")
            .map(|(_, id)| id.to_owned())
            .collect();
        self.received.insert(id.to_owned(), patients.clone());
        Ok(patients)
    }
}

/// The events of an act, one for each patient.
pub fn of_act(view: &dyn View, known: &mut Known, one: &ChainedEntry) -> Result<Vec<Event>, StoreError> {
    let entry = &one.entry;
    let detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let mut event = Event {
        id: String::new(),
        at: entry.at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond),
        sort: Sort::Act,
        act: entry.action.clone(),
        actor: entry.actor.clone(),
        role: text("role"),
        target: entry.target.clone(),
        parameters: String::new(),
        patient: None,
        shown: 0,
        outcome: 200,
        purpose: text("purpose"),
        request_id: String::new(),
        origin: String::new(),
        peer: text("peer"),
    };
    let mut patients: Vec<String> = Vec::new();
    match entry.action.as_str() {
        "record.write" | "record.delete" => {
            event.sort = Sort::Rest;
            event.act = match (entry.target.contains(' '), entry.action.as_str()) {
                (true, _) => "transaction",
                (false, "record.delete") => "delete",
                (false, _) if text("created") == entry.target => "create",
                (false, _) => "update",
            }
            .to_owned();
            patients.extend(text("patients").split_ascii_whitespace().map(str::to_owned));
            event.shown = detail.get("count").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        }
        "referral.read" => {
            event.sort = Sort::Looked;
            event.target = format!("referral/{}", entry.target);
            patients.extend(known.of_referral(view, &entry.target)?);
        }
        "message.reveal" => {
            event.sort = Sort::Looked;
            event.target = format!("message/{}", entry.target);
            patients = known.of_message(view, &entry.target)?;
        }
        "message.delivered" | "message.accept" => {
            let (referral, patient) = known.of_exchange(view, &entry.target)?;
            event.sort = if entry.action == "message.accept" { Sort::Received } else { Sort::Sent };
            if let Some(peer) = entry.actor.strip_prefix("peer:") {
                peer.clone_into(&mut event.peer);
            }
            event.request_id.clone_from(&entry.target);
            event.target = referral.map_or_else(|| format!("message/{}", entry.target), |id| format!("referral/{id}"));
            patients.extend(patient);
        }
        "access.sign-in" | "access.sign-out" => {
            event.sort = Sort::SignIn;
            event.act = entry.action.trim_start_matches("access.").to_owned();
        }
        action if action.starts_with("referral.") => {
            event.target = format!("referral/{}", entry.target);
            patients.extend(known.of_referral(view, &entry.target)?);
        }
        _ => {}
    }
    let patients: Vec<&str> = patients.iter().map(String::as_str).collect();
    Ok(of_each(&event, &one.chain, 'a', one.position, &patients))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::requests::RequestRow;

    #[test]
    fn each_patient_has_an_event_whose_id_leads_back() {
        let row = RequestRow {
            act: "search-type".to_owned(),
            target: "Observation".to_owned(),
            patients: "1 2".to_owned(),
            outcome: 200,
            ..RequestRow::default()
        };
        for chain in ["", "a", "a-1"] {
            let one = ChainedRequest { chain: chain.to_owned(), position: 17, row: row.clone(), hash: [0; 32] };
            let events = of_row(&one, None);
            assert_eq!(events.iter().filter_map(|event| event.patient.as_deref()).collect::<Vec<_>>(), ["1", "2"]);
            for event in &events {
                assert_eq!(place(&event.id), Some((chain.to_owned(), 'r', 17)), "{}", event.id);
            }
        }
        for other in ["", "1", "r1", "x1.0", "r.0", "rx.0", "r1.", "r-1.0"] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn a_refused_read_is_about_the_patient_it_named() {
        let row = RequestRow {
            act: "read".to_owned(),
            target: "Patient/1/_history/2".to_owned(),
            outcome: 403,
            ..RequestRow::default()
        };
        let events = of_row(&ChainedRequest { chain: String::new(), position: 1, row, hash: [0; 32] }, None);
        assert_eq!((events[0].patient.as_deref(), events[0].outcome_code(), events[0].action()), (Some("1"), "4", "R"));
    }
}
