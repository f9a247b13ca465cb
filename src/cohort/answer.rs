//! Answering a peer's question: read, count on the own record, protect, audit.

use super::ask::own_answer;
use super::disclosure::{Protected, protect};
use super::question::{self, Checked};
use super::{CohortError, count};
use crate::access::limits::{Limits, Permitted};
use crate::config::{AccessConfig, CohortConfig};
use crate::exchange::Institution;
use crate::exchange::envelope::VerifiedMessage;
use crate::harmonise;
use crate::store::audit::AuditEntry;
use crate::store::cohorts::Question;
use crate::store::{Change, Changes};
use crate::wire::cohort_question::{MAX_BYTES, PURPOSE, Request, Response, Status};

/// Why a node that is not the demonstration refuses its peers.
pub const NOT_FOR_REAL_PATIENTS: &str = "this release protects counts by threshold and rounding only, which is not \
     enough for real patients; it answers partners' cohort questions in the demonstration only";

/// How questions are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortPolicy {
    /// Peers are answered at all. Only the demonstration sets this.
    pub answer_peers: bool,
    /// `[cohort] threshold`.
    pub threshold: u64,
    /// `[cohort] rounding`.
    pub rounding: u64,
    /// What is not counted: what researchers are not cleared for, and patients who refuse research.
    pub limits: Limits,
}

impl CohortPolicy {
    /// The policy of a configuration: peers are refused.
    pub fn of(config: &CohortConfig, access: &AccessConfig) -> Self {
        let limits = Limits::of_research(access);
        Self { answer_peers: false, threshold: config.threshold, rounding: config.rounding, limits }
    }
}

impl Default for CohortPolicy {
    fn default() -> Self {
        Self::of(&CohortConfig::default(), &AccessConfig::default())
    }
}

/// Answers the question in `message`: the JSON body of the answer, to be signed by the caller. A question that cannot be
/// counted, or not for peers, is answered `refused` with the reason; an error is for bodies that are no question.
pub async fn answer(
    here: &Institution,
    message: &VerifiedMessage,
    policy: &CohortPolicy,
) -> Result<Vec<u8>, CohortError> {
    let checked = read(message)?;
    let outcome = match policy.answer_peers {
        true => own_count(here, &checked, policy).await.map(Ok).or_else(|error| match error {
            CohortError::Question(reason) => Ok(Err(reason)),
            other => Err(other),
        })?,
        false => Err(NOT_FOR_REAL_PATIENTS.to_owned()),
    };
    let response = response(here, &checked, &outcome, policy);
    keep(here, message, &checked, &outcome, &response).await?;
    serde_json::to_vec(&response).map_err(|error| CohortError::Question(error.to_string()))
}

/// The protected count of the own record.
pub(super) async fn own_count(
    here: &Institution,
    question: &Checked,
    policy: &CohortPolicy,
) -> Result<Protected, CohortError> {
    let catalog = harmonise::builtin().map_err(|error| CohortError::Tables(error.to_string()))?;
    let plan = count::plan(catalog, question, here.clock.now().to_zoned(here.config.zone()).date())?;
    let (limits, now) = (policy.limits.clone(), here.now());
    let exact = here.store.read(move |view| count::count(&Permitted::new(view, &limits, &now), &plan)).await?;
    Ok(protect(exact, policy.threshold, policy.rounding))
}

fn read(message: &VerifiedMessage) -> Result<Checked, CohortError> {
    let refuse = |text: &str| Err(CohortError::Question(text.to_owned()));
    if message.purpose() != PURPOSE {
        return refuse("a cohort question is asked for the purpose HRESCH");
    }
    if message.body().len() > MAX_BYTES {
        return refuse("it is larger than allowed");
    }
    let request: Request =
        serde_json::from_slice(message.body()).map_err(|error| CohortError::Question(error.to_string()))?;
    let checked = question::check(request.question.to_string().as_bytes())?;
    if checked.sha256() != request.question_sha256 {
        return refuse("its SHA-256 is not that of its canonical form");
    }
    Ok(checked)
}

fn response(
    here: &Institution,
    question: &Checked,
    outcome: &Result<Protected, String>,
    policy: &CohortPolicy,
) -> Response {
    let status = match outcome {
        Ok(Protected::Count(_)) => Status::Ok,
        Ok(Protected::TooFew) => Status::TooFew,
        Err(_) => Status::Refused,
    };
    let count = outcome.as_ref().ok().and_then(|count| count.count());
    Response {
        question_sha256: question.sha256().to_owned(),
        node: here.config.id.clone(),
        status,
        count,
        rounded_to: count.map(|_| policy.rounding.max(super::disclosure::FLOOR)),
        reason: outcome.as_ref().err().cloned(),
        answered_at: here.now(),
    }
}

/// Keeps question and answer, and who asked. A question the own researchers asked before stays theirs.
async fn keep(
    here: &Institution,
    message: &VerifiedMessage,
    question: &Checked,
    outcome: &Result<Protected, String>,
    response: &Response,
) -> Result<(), CohortError> {
    let asker = format!("peer:{}", message.peer().id);
    let mut changes = Changes::new().with(Change::Audit(AuditEntry {
        at: response.answered_at.clone(),
        actor: asker.clone(),
        action: "cohort.answer".to_owned(),
        target: question.sha256().to_owned(),
        detail: serde_json::json!({
            "status": response.status.as_str(),
            "message_id": message.message_id(),
        })
        .to_string(),
    }));
    if let Ok(count) = outcome {
        let sha256 = question.sha256().to_owned();
        let known = here.store.read(move |view| view.question(&sha256)).await?;
        if known.is_none() {
            changes = changes.with(Change::PutQuestion(Question {
                sha256: question.sha256().to_owned(),
                json: question.canonical().to_owned(),
                asked_by: asker,
                asked_at: response.answered_at.clone(),
            }));
        }
        changes = changes.with(Change::PutAnswer(own_answer(here, question.sha256(), *count)));
    }
    here.store.write(changes).await?;
    Ok(())
}
