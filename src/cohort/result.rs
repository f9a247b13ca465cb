//! The result of a question as `watari cohort run --json` prints it.

use serde_json::{Value, json};

use super::CohortError;
use super::disclosure::FLOOR;
use crate::store::View;
use crate::store::cohorts::Answer;

/// Question, one line per site, and the range in which the number of different people lies.
pub fn result_json(view: &dyn View, sha256: &str) -> Result<Value, CohortError> {
    if view.question(sha256)?.is_none() {
        return Err(CohortError::Unknown);
    }
    let answers = view.answers(sha256)?;
    let mut sites: Vec<Value> = answers.iter().map(site).collect();
    for peer in view.peers()?.iter().filter(|peer| peer.is_active()) {
        if answers.iter().all(|answer| answer.node != peer.id) {
            sites.push(json!({"node": peer.id, "status": "pending"}));
        }
    }
    Ok(json!({
        "question_sha256": sha256,
        "sites": sites,
        "total": total(&answers),
        "budget": {"kept": false},
    }))
}

fn site(answer: &Answer) -> Value {
    let mut site = json!({"node": answer.node, "status": answer.status});
    if let Some(count) = answer.count {
        site["count"] = count.into();
        site["rounded_to"] = FLOOR.into();
    }
    if let Some(reason) = &answer.reason {
        site["reason"] = reason.as_str().into();
    }
    site
}

/// A person may be known at several sites: at least as many as the largest site has, at most the sum. Both ends allow
/// for rounding, and a site with too few for up to nine.
fn total(answers: &[Answer]) -> Value {
    let half = FLOOR / 2;
    let mut low = 0;
    let mut high: u64 = 0;
    for answer in answers {
        match (answer.status.as_str(), answer.count) {
            ("ok", Some(count)) => {
                low = low.max(count.saturating_sub(half));
                high = high.saturating_add(count).saturating_add(half - 1);
            }
            ("too-few", _) => high = high.saturating_add(FLOOR - 1),
            _ => {}
        }
    }
    json!({"low": low / FLOOR * FLOOR, "high": high.div_ceil(FLOOR) * FLOOR})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(node: &str, status: &str, count: Option<u64>) -> Answer {
        Answer {
            question_sha256: "q".into(),
            node: node.into(),
            status: status.into(),
            count,
            evidence: String::new(),
            reason: None,
            answered_at: String::new(),
        }
    }

    #[test]
    fn the_total_is_a_range_that_holds_the_truth() {
        let answers = [
            answered("toronto", "ok", Some(120)),
            answered("tokyo", "too-few", None),
            answered("kyoto", "refused", None),
        ];
        assert_eq!(total(&answers), json!({"low": 110, "high": 140}));
        assert_eq!(total(&[]), json!({"low": 0, "high": 0}));
        assert_eq!(site(&answers[1]), json!({"node": "tokyo", "status": "too-few"}));
    }
}
