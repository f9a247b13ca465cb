//! One cohort question, answered by both nodes: each counts its own record, in its own codes and units.

use std::time::Duration;

use super::checks::Checks;
use super::person::Person;
use super::report::{CohortReport, SiteAnswer};
use super::site::Site;
use super::tale::Tale;
use super::{DemoError, population};
use crate::access::Role;
use crate::cohort::{self, answer::CohortPolicy};
use crate::store::StoreError;
use crate::store::cohorts::Answer;

/// Type 2 diabetes, HbA1c at least 7 % (NGSP), 40 to 75 years, no chronic kidney disease.
const QUESTION: &str = include_str!("samples/question.json");
/// A question that next to nobody meets.
const RARE: &str = include_str!("samples/rare-question.json");

pub(super) async fn play(
    toronto: &Site,
    tokyo: &Site,
    tale: &mut Tale,
    checks: &mut Checks,
) -> Result<CohortReport, DemoError> {
    tale.act("One question to both hospitals");
    let sha256 = ask(toronto, QUESTION).await?;
    let answers = toronto.node.parts.here.store.view(|view| view.answers(&sha256))?;
    // Élodie meets the question too.
    for (site, expected) in [(toronto, population::expected_in_toronto() + 1), (tokyo, population::expected_in_tokyo())]
    {
        let found = answers.iter().find(|answer| answer.node == site.plan.id);
        let right = found.is_some_and(|answer| answer.status == "ok" && answer.count == Some(rounded(expected)));
        checks.expect(&format!("{} counts its own cohort", site.plan.id), right, || format!("{found:?}"));
    }
    let signed = answers.iter().any(|answer| answer.node == tokyo.plan.id && answer.evidence.split('.').count() == 3);
    checks.expect("Tokyo's answer is signed", signed, || format!("{answers:?}"));
    tale.say("Type 2 diabetes, HbA1c ≥ 7 %, 40–75 years, no chronic kidney disease:");
    for answer in &answers {
        tale.say(&format!("   {:8} {}", answer.node, shown(answer)));
    }
    let rare = ask(toronto, RARE).await?;
    let few = toronto.node.parts.here.store.view(|view| view.answers(&rare))?;
    let hidden = few.iter().all(|answer| answer.status == "too-few" && answer.count.is_none()) && few.len() == 2;
    checks.expect("few and none look the same", hidden, || format!("{few:?}"));
    page(toronto, &sha256, checks).await?;
    let sites = answers
        .into_iter()
        .map(|answer| SiteAnswer { node: answer.node, status: answer.status, count: answer.count })
        .collect();
    Ok(CohortReport { question_sha256: sha256, sites })
}

async fn ask(site: &Site, question: &str) -> Result<String, DemoError> {
    let staff = crate::access::Staff { user: "dr-singh".to_owned(), role: Role::Researcher };
    let policy = CohortPolicy::of(&site.config.cohort, &site.config.access);
    let within = Duration::from_secs(site.config.exchange.attempt_seconds);
    cohort::ask(&site.node.parts.here, &staff, question.as_bytes(), &policy, within)
        .await
        .map_err(|error| DemoError::Story(error.to_string()))
}

async fn page(toronto: &Site, sha256: &str, checks: &mut Checks) -> Result<(), DemoError> {
    let singh = Person::sign_in(toronto, Role::Researcher, "en").await?;
    let shown = singh.read(&format!("/cohorts/{sha256}")).await?;
    checks.expect("the researcher reads both answers", shown.status == 200 && shown.text.contains("Tokyo"), || {
        format!("{} {}", shown.status, shown.text)
    });
    let inbox = singh.read("/referrals").await?;
    checks.expect("a researcher sees no patient", inbox.status == 403, || inbox.status.to_string());
    let kept = toronto.node.parts.here.store.view(|view| Ok::<_, StoreError>(view.question(sha256)?.is_some()))?;
    checks.expect("the question is kept under its digest", kept, String::new);
    Ok(())
}

fn shown(answer: &Answer) -> String {
    match answer.count {
        Some(count) => format!("about {count} patients (rounded to 10)"),
        None => format!("{}: no number below 10 is told, zero alike", answer.status),
    }
}

fn rounded(count: u64) -> u64 {
    (count + 5) / 10 * 10
}
