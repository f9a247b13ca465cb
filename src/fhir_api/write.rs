//! One way into the record for all interactions that write: a transaction bundle, committed with its audit entries.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::Api;
use super::audit_event;
use super::conditions;
use super::respond::{unseen_response, written_response};
use crate::access::Staff;
use crate::audit::shown::Patients;
use crate::fault::Kind;
use crate::fhir::outcome::Issue;
use crate::fhir::{bundle, reference, structure};
use crate::records::accept::{self, AcceptError, Done, EntryOutcome, Origin};
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, CommitError, Expect, StoreError, View};
use crate::validation;
use crate::web::trail::acted;

/// How often a transaction is resolved anew when another act changed the record in between.
const ATTEMPTS: usize = 5;

/// What was sent, and so how elements of a resource are named in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The resource itself.
    Resource,
    /// A transaction with the resource as one of its entries.
    Transaction,
}

/// Commits one request on one resource, and answers with what it wrote.
pub(super) async fn one(
    api: &Api,
    staff: &Staff,
    request: Value,
    resource: Value,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let entry = serde_json::json!({"request": request, "resource": resource});
    let written = only(commit(api, staff, bundle::of("transaction", vec![entry]), Sent::Resource).await?)?;
    let is_act = !matches!(written.done, Done::Deleted | Done::Absent | Done::Read);
    let status = if written.done == Done::Created { StatusCode::CREATED } else { StatusCode::OK };
    let stored = api
        .here
        .store
        .read({
            let (kind, id) = (written.kind.clone(), written.id.clone());
            move |view| view.resource_version(&kind, &id, written.version)
        })
        .await?;
    let response = match stored {
        Some(stored) => written_response(status, stored, headers),
        // With a label that the writer is not cleared for, or of a patient who refuses: written, and not shown.
        None => unseen_response(status, &written),
    };
    Ok(if is_act { acted(response) } else { response })
}

/// The outcome of a transaction of one entry.
pub(super) fn only(outcomes: Vec<EntryOutcome>) -> Result<EntryOutcome, Problem> {
    outcomes.into_iter().next().ok_or_else(|| Problem::new(Kind::Internal, "nothing was written"))
}

/// Commits a transaction for `staff`; what becomes of each entry, in order. What is stored is what the client sent; it is found
/// by what harmonising makes of it, too, so that a cohort question counts what came by this door.
pub(super) async fn commit(
    api: &Api,
    staff: &Staff,
    transaction: Value,
    sent: Sent,
) -> Result<Vec<EntryOutcome>, Problem> {
    let (api, staff) = (api.clone(), staff.clone());
    let work = tokio::task::spawn_blocking(move || {
        api.maps.unwritten(&transaction)?;
        audit_event::unwritten(&transaction)?;
        is_of_its_profiles(&api, &transaction, sent)?;
        let _held = conditions::are_loose(&transaction)
            .then(|| api.conditional.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        commit_now(&api, &staff, &transaction, sent)
    });
    work.await.map_err(|_| Problem::new(Kind::Internal, "the transaction was interrupted"))?
}

fn commit_now(api: &Api, staff: &Staff, transaction: &Value, sent: Sent) -> Result<Vec<EntryOutcome>, Problem> {
    let origin = Origin {
        meaning: Some(api.here.meaning()),
        read_condition: Some(conditions::read),
        no_create_on_update: !api.fhir.create_on_update,
        keep_referred: api.fhir.keep_referred,
        ..Origin::default()
    };
    for _ in 0..ATTEMPTS {
        let now = api.here.now();
        let accepted = api.here.store.view(|view| {
            let accepted =
                accept::accept(view, &now, transaction, &origin).map_err(|error| with_elements(error, sent))?;
            let patients = patients(view, &accepted.changes)?;
            Ok::<_, Problem>((accepted, patients))
        })?;
        let (accepted, patients) = accepted;
        let mut changes = Changes { expect: accepted.expect, changes: accepted.changes };
        changes.changes.extend(audited(staff, &now, &accepted.entries, patients));
        match api.here.store.commit(changes) {
            Ok(()) => return Ok(accepted.entries),
            // Somebody else wrote one of the resources since the snapshot: resolve again.
            Err(CommitError::Unexpected(
                Expect::ResourceVersion { .. } | Expect::NoneIdentified { .. } | Expect::Unreferred { .. },
            )) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::new(Kind::Conflict, "the resources kept changing while they were written; try again"))
}

/// The patients whom changes to the record are about, those of what is deleted included.
fn patients(view: &dyn View, changes: &[Change]) -> Result<Patients, StoreError> {
    let mut patients = Patients::default();
    for change in changes {
        match change {
            Change::PutResource(write) => {
                let own = (write.resource.kind == "Patient").then_some(&write.resource.id);
                own.or(write.patient.as_ref()).into_iter().for_each(|id| patients.add(id));
            }
            Change::DeleteResource { kind, id, .. } => {
                let deleted = view.resource(kind, id)?.and_then(|one| serde_json::from_str::<Value>(&one.json).ok());
                deleted.as_ref().and_then(reference::patient_of).into_iter().for_each(|id| patients.add(id));
            }
            _ => {}
        }
    }
    Ok(patients)
}

/// Who wrote and who deleted what, and about whom.
fn audited(staff: &Staff, now: &str, outcomes: &[EntryOutcome], patients: Patients) -> Vec<Change> {
    let (patients, count) = patients.told();
    let created = outcomes.iter().filter(|outcome| outcome.done == Done::Created);
    let created: Vec<String> = created.map(|outcome| format!("{}/{}", outcome.kind, outcome.id)).collect();
    let detail = serde_json::json!({"role": staff.role.as_str(), "patients": patients, "count": count, "created": created.join(" ")});
    let detail = detail.to_string();
    let entry = |action: &str, is_it: &dyn Fn(Done) -> bool| {
        let names: Vec<String> = outcomes
            .iter()
            .filter(|outcome| is_it(outcome.done))
            .map(|outcome| format!("{}/{}", outcome.kind, outcome.id))
            .collect();
        (!names.is_empty()).then(|| {
            Change::Audit(AuditEntry {
                at: now.to_owned(),
                actor: staff.user.clone(),
                action: action.to_owned(),
                target: names.join(" "),
                detail: detail.clone(),
            })
        })
    };
    let written = entry("record.write", &|done| !matches!(done, Done::Deleted | Done::Absent | Done::Read));
    let deleted = entry("record.delete", &|done| done == Done::Deleted);
    written.into_iter().chain(deleted).collect()
}

/// Refuses what is not of the profiles that it declares, or that its type must meet.
fn is_of_its_profiles(api: &Api, transaction: &Value, sent: Sent) -> Result<(), Problem> {
    let Some((entry, issues)) = validation::check_transaction(&api.here.profiles, transaction, &api.here.now()) else {
        return Ok(());
    };
    let issues = issues.into_iter().map(|one| structure::Issue { place: one.place, code: one.code, text: one.text });
    let issues: Vec<Issue> = issues.map(|one| issue(entry, &one, sent)).collect();
    Err(Problem::new(Kind::Unprocessable, format!("entry {entry} is not of its profiles")).of(issues))
}

/// Names each element that the structure check found wrong.
fn with_elements(error: AcceptError, sent: Sent) -> Problem {
    let issues = match &error {
        AcceptError::Structure { entry, cause } => cause.issues.iter().map(|one| issue(*entry, one, sent)).collect(),
        _ => Vec::new(),
    };
    let problem = match (sent, &error) {
        // Of one request there is no entry to name.
        (Sent::Resource, AcceptError::Store(_) | AcceptError::Structure { .. }) | (Sent::Transaction, _) => {
            Problem::from(error)
        }
        (Sent::Resource, _) => {
            let kind = crate::fault::Classified::kind(&error);
            let text = error.to_string();
            Problem::new(kind, text.strip_prefix("entry 0: ").unwrap_or(&text))
        }
    };
    problem.of(issues)
}

fn issue(entry: usize, found: &structure::Issue, sent: Sent) -> Issue {
    let expression = match (sent, found.place.split_once('.')) {
        (Sent::Resource, _) => found.place.clone(),
        (Sent::Transaction, Some((_, element))) => format!("Bundle.entry[{entry}].resource.{element}"),
        (Sent::Transaction, None) => format!("Bundle.entry[{entry}].resource"),
    };
    Issue { code: found.code, diagnostics: format!("{expression} {}", found.text), expression }
}
