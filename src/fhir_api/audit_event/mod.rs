//! AuditEvent: what both trails tell, as FHIR in IHE BALP's patterns (<https://profiles.ihe.net/ITI/BALP/>). Read and searched by who
//! looks after the node, and by clients with the scope for it; nobody writes it. AuditEvents that other systems send are kept
//! as resources of the record, apart from these, and are what the record's own readers find.

mod query;
mod resource;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::read::unknown;
use super::{search, value_response};
use crate::access::{Role, Staff};
use crate::audit::event::place;
use crate::audit::find::{self, Mark};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::bundle;
use crate::server::problem::Problem;
use query::Query;
pub(super) use query::SERVED;

/// The type.
pub(super) const KIND: &str = "AuditEvent";
/// The parameter of a link to a further page: time and id of the last event of the page before.
const AFTER: &str = "_after";

/// Whether somebody is shown the trails: who looks after the node, and clients, whose scopes were checked.
pub(super) fn sees_the_trails(staff: &Staff) -> bool {
    staff.role == Role::It || staff.user.starts_with("client:")
}

/// A search of the trails.
pub(super) async fn answer(here: &Institution, query: &str) -> Result<Response, Problem> {
    let pairs = search::form_pairs(query)?;
    let after = pairs.iter().find(|(name, _)| name == AFTER).map(|(_, mark)| read_mark(mark)).transpose()?;
    let asked = Query::read(&pairs)?;
    let question = asked.clone();
    let (events, has_more) = here
        .store
        .read(move |view| {
            find::page(view, &question.filter, after.as_ref(), question.count, &|event| question.is_met(event))
        })
        .await?;
    let mut links = vec![json!({"relation": "self", "url": link(&pairs, None)})];
    if let Some(last) = events.last().filter(|_| has_more) {
        links.push(json!({"relation": "next", "url": link(&pairs, Some(&(last.at, last.id.clone())))}));
    }
    let entries: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "fullUrl": format!("{}/{KIND}/{}", here.config.namespace, event.id),
                "resource": resource::of(&here.config, event),
                "search": {"mode": "match"},
            })
        })
        .collect();
    let mut found = bundle::of("searchset", entries);
    found["link"] = Value::Array(links);
    Ok(value_response(StatusCode::OK, &found))
}

/// Addresses hold ids and codes only: none of these parameters takes a name.
fn link(pairs: &[(String, String)], after: Option<&Mark>) -> String {
    let mut pairs: Vec<(&str, String)> = pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    if let Some((at, id)) = after {
        pairs.retain(|(name, _)| *name != AFTER);
        pairs.push((AFTER, format!("{at}~{id}")));
    }
    format!("{KIND}?{}", serde_urlencoded::to_string(&pairs).unwrap_or_default())
}

fn read_mark(mark: &str) -> Result<Mark, Problem> {
    let read = mark.split_once('~').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    read.ok_or_else(|| Problem::new(Kind::Malformed, format!("{AFTER} is no link of this node; begin the search anew")))
}

/// An event of the trails by its id; none, if it is no id of theirs.
pub(super) async fn read(here: &Institution, staff: &Staff, id: &str) -> Option<Result<Response, Problem>> {
    place(id)?;
    Some(read_event(here, staff, id.to_owned()).await)
}

async fn read_event(here: &Institution, staff: &Staff, id: String) -> Result<Response, Problem> {
    if !sees_the_trails(staff) {
        return Err(Problem::new(
            Kind::Forbidden,
            "the audit trail is read by the role it, and by clients with its scope",
        ));
    }
    let name = format!("{KIND}/{id}");
    let found = here.store.read(move |view| find::one(view, &id)).await?;
    let event = found.ok_or_else(|| unknown(&name))?;
    Ok(value_response(StatusCode::OK, &resource::of(&here.config, &event)))
}

/// Refuses what would write an event of the trails.
pub(super) fn unwritten(transaction: &Value) -> Result<(), Problem> {
    let is_ours = |entry: &Value| {
        let url = entry.pointer("/request/url").and_then(Value::as_str).unwrap_or("");
        url.strip_prefix(KIND).and_then(|rest| rest.strip_prefix('/')).is_some_and(|id| place(id).is_some())
    };
    if bundle::entries(transaction).any(is_ours) {
        return Err(Problem::new(Kind::NotAllowed, "the audit trail is read only"));
    }
    Ok(())
}
