//! Asking: the own node is counted at once, every active peer is asked side by side, each within its deadline. A peer
//! that does not answer holds up nobody.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::{CohortPolicy, own_count};
use super::disclosure::Protected;
use super::question::{self, Checked};
use super::{CohortError, disclosure};
use crate::access::{Role, Staff};
use crate::exchange::Institution;
use crate::exchange::ask::{PeerError, SignedAnswer, exchange};
use crate::exchange::transport::TransportError;
use crate::store::audit::AuditEntry;
use crate::store::cohorts::{Answer, Question};
use crate::store::peers::Peer;
use crate::store::{Change, Changes};
use crate::wire::cohort_question::{MAX_BYTES, PATH, PURPOSE, Request, Response, Status};

/// Longest reason kept of a peer, characters.
const LONGEST_REASON: usize = 300;

/// Asks the own node and every active peer; keeps question and answers. Gives the question's SHA-256.
///
/// The own count is protected as `policy` says: the own researchers get no more than a partner's would. Whoever has not
/// answered `within` this time is kept as `no-answer`.
pub async fn ask(
    here: &Institution,
    staff: &Staff,
    question: &[u8],
    policy: &CohortPolicy,
    within: Duration,
) -> Result<String, CohortError> {
    let deadline = Instant::now() + within;
    if staff.role != Role::Researcher {
        return Err(CohortError::Forbidden(staff.role.to_string()));
    }
    let checked = question::check(question)?;
    let own = own_count(here, &checked, policy).await?;
    let peers = here.store.read(|view| view.peers()).await?;
    let peers: Vec<Peer> = peers.into_iter().filter(Peer::is_active).collect();
    let changes = keep_question(here, staff, &checked, peers.len()).with(Change::PutAnswer(own_answer(
        here,
        checked.sha256(),
        own,
    )));
    here.store.write(changes).await?;
    ask_peers(here, &checked, peers, deadline).await?;
    Ok(checked.sha256().to_owned())
}

/// All at once: partners are paired by hand, there are never many.
async fn ask_peers(
    here: &Institution,
    question: &Checked,
    peers: Vec<Peer>,
    deadline: Instant,
) -> Result<(), CohortError> {
    let request = Request {
        question_sha256: question.sha256().to_owned(),
        question: serde_json::from_str(question.canonical()).map_err(|e| CohortError::Question(e.to_string()))?,
    };
    let body = serde_json::to_vec(&request).map_err(|e| CohortError::Question(e.to_string()))?;
    let mut asking = JoinSet::new();
    for peer in peers {
        let (here, body, sha256) = (here.clone(), body.clone(), request.question_sha256.clone());
        asking.spawn(async move {
            let answer = tokio::time::timeout_at(deadline, exchange(&here, &peer, PATH, PURPOSE, body)).await;
            let answer = answer.unwrap_or(Err(PeerError::Transport(TransportError::TimedOut)));
            peer_answer(&here, &peer, &sha256, answer)
        });
    }
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok(answer) => here.store.write(Changes::new().with(Change::PutAnswer(answer))).await?,
            Err(error) => tracing::error!(%error, "asking a peer broke off"),
        }
    }
    Ok(())
}

fn keep_question(here: &Institution, staff: &Staff, question: &Checked, peers: usize) -> Changes {
    Changes::new()
        .with(Change::PutQuestion(Question {
            sha256: question.sha256().to_owned(),
            json: question.canonical().to_owned(),
            asked_by: staff.user.clone(),
            asked_at: here.now(),
        }))
        .with(Change::Audit(AuditEntry {
            at: here.now(),
            actor: format!("user:{}", staff.user),
            action: "cohort.ask".to_owned(),
            target: question.sha256().to_owned(),
            detail: serde_json::json!({ "peers": peers }).to_string(),
        }))
}

/// The own node's answer, as kept.
pub(super) fn own_answer(here: &Institution, sha256: &str, count: Protected) -> Answer {
    Answer {
        question_sha256: sha256.to_owned(),
        node: here.config.id.clone(),
        status: count.status().to_owned(),
        count: count.count(),
        evidence: String::new(),
        reason: None,
        answered_at: here.now(),
    }
}

/// What is kept of a peer's answer. One that tells more or other than the protocol allows counts as none.
fn peer_answer(here: &Institution, peer: &Peer, sha256: &str, answer: Result<SignedAnswer, PeerError>) -> Answer {
    let kept = |status: &str, count, evidence, reason| Answer {
        question_sha256: sha256.to_owned(),
        node: peer.id.clone(),
        status: status.to_owned(),
        count,
        evidence,
        reason,
        answered_at: here.now(),
    };
    match answer {
        Ok(answer) => match read(&peer.id, sha256, &answer.body) {
            Some(response) => {
                let reason = response.reason.as_deref().map(clean);
                kept(response.status.as_str(), response.count, answer.evidence, reason)
            }
            None => kept("no-answer", None, answer.evidence, Some("its answer cannot be used".to_owned())),
        },
        Err(PeerError::Refused { status, text }) if (400..500).contains(&status) || status == 501 => {
            kept("refused", None, String::new(), Some(clean(&text)))
        }
        Err(error) => kept("no-answer", None, String::new(), Some(clean(&error.to_string()))),
    }
}

fn read(node: &str, sha256: &str, body: &[u8]) -> Option<Response> {
    if body.len() > MAX_BYTES {
        return None;
    }
    let response: Response = serde_json::from_slice(body).ok()?;
    let protected = match (response.status, response.count, response.rounded_to) {
        (Status::Ok, Some(count), Some(step)) => {
            step >= disclosure::FLOOR && count >= disclosure::FLOOR && count % step == 0
        }
        (Status::TooFew | Status::Refused, None, None) => true,
        _ => false,
    };
    (protected && response.node == node && response.question_sha256 == sha256).then_some(response)
}

fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: &str, rest: &str) -> String {
        format!(r#"{{"question_sha256":"q","node":"tokyo","status":"{status}"{rest},"answered_at":"t"}}"#)
    }

    #[test]
    fn an_answer_that_is_not_protected_is_not_taken() {
        let taken = |text: String| read("tokyo", "q", text.as_bytes()).is_some();
        assert!(taken(body("ok", r#","count":120,"rounded_to":10"#)));
        assert!(taken(body("too-few", "")));
        assert!(taken(body("refused", r#","reason":"no""#)));
        for rest in ["", r#","count":120"#, r#","count":123,"rounded_to":10"#, r#","count":4,"rounded_to":1"#] {
            assert!(!taken(body("ok", rest)), "{rest}");
        }
        assert!(!taken(body("too-few", r#","count":3,"rounded_to":1"#)), "a small count must not slip through");
        assert!(!taken(body("ok", r#","count":120,"rounded_to":10,"patients":["p"]"#)));
        assert!(read("kyoto", "q", body("too-few", "").as_bytes()).is_none());
        assert!(read("tokyo", "other", body("too-few", "").as_bytes()).is_none());
    }
}
