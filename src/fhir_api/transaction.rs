//! transaction, <https://hl7.org/fhir/R4/http.html#transaction>: all entries or none.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::code_maps::CodeMaps;
use super::{json_body, value_response};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::outcome::Issue;
use crate::fhir::{bundle, structure};
use crate::harmonise::{self, HarmoniseSetting};
use crate::records::accept::{self, AcceptError, Done, EntryOutcome, Origin};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, CommitError, Expect};
use crate::web::bearer::Bearer;

/// How often a transaction is resolved anew when another act changed the record in between.
const ATTEMPTS: usize = 5;

/// `POST /fhir`
pub(super) async fn transaction(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    let transaction = json_body(&headers, body).await?;
    if transaction.get("type").and_then(Value::as_str) == Some("batch") {
        return Err(Problem::new(Kind::NotSupported, "batch is not served by this release; send a transaction"));
    }
    let outcomes = commit(&here, &maps, &staff, transaction, Origin::default(), Sent::Transaction).await?;
    let entries = outcomes.iter().map(response_entry).collect();
    Ok(value_response(StatusCode::OK, &bundle::of("transaction-response", entries)))
}

fn response_entry(outcome: &EntryOutcome) -> Value {
    let status = if outcome.done == Done::Created { "201 Created" } else { "200 OK" };
    json!({"response": {
        "status": status,
        "location": format!("{}/{}/_history/{}", outcome.kind, outcome.id, outcome.version),
        "etag": format!("W/\"{}\"", outcome.version),
    }})
}

/// What was sent, and so how elements of a resource are named in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The resource itself.
    Resource,
    /// A transaction with the resource as one of its entries.
    Transaction,
}

/// Commits a transaction for `staff`, with its audit entry.
pub(super) async fn commit(
    here: &Institution,
    maps: &CodeMaps,
    staff: &Staff,
    mut transaction: Value,
    origin: Origin,
    sent: Sent,
) -> Result<Vec<EntryOutcome>, Problem> {
    let (here, maps, staff) = (here.clone(), maps.clone(), staff.clone());
    let work = tokio::task::spawn_blocking(move || {
        maps.unwritten(&transaction)?;
        // Every way into the record harmonises: a cohort question must find what came by this door too.
        harmonise::harmonise_bundle(maps.catalog, &HarmoniseSetting::from(here.config.as_ref()), &mut transaction);
        commit_now(&here, &staff, &transaction, &origin, sent)
    });
    work.await.map_err(|_| Problem::new(Kind::Internal, "the transaction was interrupted"))?
}

fn commit_now(
    here: &Institution,
    staff: &Staff,
    transaction: &Value,
    origin: &Origin,
    sent: Sent,
) -> Result<Vec<EntryOutcome>, Problem> {
    for _ in 0..ATTEMPTS {
        let now = here.now();
        let accepted = here
            .store
            .view(|view| accept::accept(view, &now, transaction, origin))
            .map_err(|error| with_elements(error, sent))?;
        let audit = AuditEntry {
            at: now,
            actor: staff.user.clone(),
            action: "record.write".to_owned(),
            target: accepted
                .entries
                .iter()
                .map(|entry| format!("{}/{}", entry.kind, entry.id))
                .collect::<Vec<_>>()
                .join(" "),
            detail: String::new(),
        };
        let mut changes = Changes { expect: accepted.expect, changes: accepted.changes };
        changes.changes.push(Change::Audit(audit));
        match here.store.commit(changes) {
            Ok(()) => return Ok(accepted.entries),
            // Somebody else wrote one of the resources since the snapshot: resolve again.
            Err(CommitError::Unexpected(Expect::ResourceVersion { .. } | Expect::NoneIdentified { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::new(Kind::Conflict, "the resources kept changing while they were written; try again"))
}

/// Names each element that the structure check found wrong.
fn with_elements(error: AcceptError, sent: Sent) -> Problem {
    let issues = match &error {
        AcceptError::Structure { entry, cause } => cause.issues.iter().map(|one| issue(*entry, one, sent)).collect(),
        _ => Vec::new(),
    };
    Problem::from(error).of(issues)
}

fn issue(entry: usize, found: &structure::Issue, sent: Sent) -> Issue {
    let expression = match (sent, found.place.split_once('.')) {
        (Sent::Resource, _) => found.place.clone(),
        (Sent::Transaction, Some((_, element))) => format!("Bundle.entry[{entry}].resource.{element}"),
        (Sent::Transaction, None) => format!("Bundle.entry[{entry}].resource"),
    };
    Issue { code: found.code, diagnostics: format!("{expression} {}", found.text), expression }
}
