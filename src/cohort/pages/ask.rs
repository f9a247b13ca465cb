//! `/cohorts`: the form, and the questions asked before. A question that cannot be used comes back with everything typed.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::builder::{self, MUST, MUST_NOT, RowError};
use super::choices::{CHOICES, COMPARATORS, Group, UNITS};
use super::explain;
use crate::access::permit::Permission;
use crate::cohort::answer::CohortPolicy;
use crate::cohort::{self, CohortError};
use crate::server::problem::Problem;
use crate::store::StoreError;
use crate::store::cohorts::{Answer, Question};
use crate::web::PageState;
use crate::web::form::{Fields, Submitted};
use crate::web::frame::{Frame, page_with, see};
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;

/// Earlier questions shown.
const MOST: usize = 30;

/// Kept of the time for a page to write answers and page; also the least that peers are waited for.
const FOR_THE_PAGE: Duration = Duration::from_secs(5);

/// An option of a select.
pub struct Opt {
    value: &'static str,
    text: String,
    chosen: bool,
}

struct OptGroup {
    label: String,
    options: Vec<Opt>,
}

struct Row {
    name: String,
    number: String,
    codes: Vec<OptGroup>,
    comparators: Vec<Opt>,
    value: String,
    units: Vec<Opt>,
    error: Option<String>,
}

struct Earlier {
    href: String,
    sentence: String,
    asked_at: Markup,
    asked_by: String,
    answers: String,
}

#[derive(Template)]
#[template(path = "cohort/ask.html")]
struct AskPage<'a> {
    f: &'a Frame,
    must: Vec<Row>,
    must_not: Vec<Row>,
    age_from: &'a str,
    age_to: &'a str,
    age_error: Option<String>,
    json: &'a str,
    error: Option<String>,
    advanced: bool,
    earlier: Vec<Earlier>,
}

/// The empty form.
pub async fn list(State(state): State<PageState>, who: SignedIn) -> Result<Response, Problem> {
    who.may(Permission::AskCohorts)?;
    form(&state, &who.frame, &Fields::default(), &[], None, StatusCode::OK).await
}

/// Asks every node, then shows the answers.
pub async fn submitted(State(state): State<PageState>, submitted: Submitted) -> Result<Response, Problem> {
    let Submitted { who, fields } = submitted;
    who.may(Permission::AskCohorts)?;
    let question = if fields.get("do") == "json" {
        fields.get("json").to_owned()
    } else {
        match builder::question(who.frame.t, &fields) {
            Ok(question) => question.to_string(),
            Err(errors) => {
                return form(&state, &who.frame, &fields, &errors, None, StatusCode::UNPROCESSABLE_ENTITY).await;
            }
        }
    };
    let policy = CohortPolicy::of(&state.cohort, &state.access);
    match cohort::ask(&state.here, &who.staff, question.as_bytes(), &policy, patience(&state)).await {
        Ok(sha256) => Ok(see(&format!("/cohorts/{sha256}"))),
        Err(CohortError::Question(reason)) => {
            form(&state, &who.frame, &fields, &[], Some(reason), StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(error.into()),
    }
}

/// How long peers are waited for: so long that the page itself is still answered in time.
fn patience(state: &PageState) -> Duration {
    state.within.saturating_sub(FOR_THE_PAGE).max(FOR_THE_PAGE)
}

async fn form(
    state: &PageState,
    f: &Frame,
    fields: &Fields,
    errors: &[RowError],
    error: Option<String>,
    status: StatusCode,
) -> Result<Response, Problem> {
    let asked = state
        .here
        .store
        .read(|view| {
            let questions = view.questions(MOST)?;
            let with_answers = questions.into_iter().map(|question| {
                let answers = view.answers(&question.sha256)?;
                Ok((question, answers))
            });
            with_answers.collect::<Result<Vec<_>, StoreError>>()
        })
        .await?;
    let of = |name: &str| errors.iter().find(|(row, _)| row == name).map(|(_, message)| message.clone());
    let rows = |prefix: &str, n: usize| {
        (1..=n)
            .map(|number| {
                let name = format!("{prefix}-{number}");
                row(f, fields, &name, number, of(&name))
            })
            .collect()
    };
    let page = AskPage {
        f,
        must: rows("must", MUST),
        must_not: rows("not", MUST_NOT),
        age_from: fields.get("age-from"),
        age_to: fields.get("age-to"),
        age_error: of("age"),
        json: fields.get("json"),
        advanced: fields.get("do") == "json",
        error,
        earlier: asked.iter().map(|(question, answers)| earlier(f, question, answers)).collect(),
    };
    page_with(status, &page)
}

fn row(f: &Frame, fields: &Fields, name: &str, number: usize, error: Option<String>) -> Row {
    let get = |part: &str| fields.get(&format!("{name}-{part}"));
    let codes = Group::ALL
        .into_iter()
        .map(|group| OptGroup {
            label: f.t.say(&format!("choices-{}", group.context())),
            options: CHOICES
                .iter()
                .filter(|choice| choice.group == group)
                .map(|choice| Opt {
                    value: choice.key,
                    text: format!("{} ({})", f.t.say(&format!("choice-{}", choice.key)), choice.codes[0]),
                    chosen: choice.key == get("code"),
                })
                .collect(),
        })
        .collect();
    Row {
        codes,
        comparators: COMPARATORS
            .iter()
            .map(|(value, sign)| Opt { value, text: (*sign).to_owned(), chosen: *value == get("comparator") })
            .collect(),
        units: UNITS
            .into_iter()
            .map(|value| Opt { value, text: value.to_owned(), chosen: value == get("unit") })
            .collect(),
        value: get("value").to_owned(),
        number: f.t.number(number as u64),
        name: name.to_owned(),
        error,
    }
}

fn earlier(f: &Frame, question: &Question, answers: &[Answer]) -> Earlier {
    let json: Value = serde_json::from_str(&question.json).unwrap_or_default();
    let answered = answers.iter().filter(|answer| answer.status != "no-answer").count() as u64;
    Earlier {
        href: format!("/cohorts/{}", question.sha256),
        sentence: explain::sentence(f.t, &json),
        asked_at: f.moment(&question.asked_at),
        asked_by: person(&question.asked_by).to_owned(),
        answers: f.t.count("cohort-answered", answered),
    }
}

/// The person of an actor as audited (`user:…`).
pub fn person(actor: &str) -> &str {
    actor.strip_prefix("user:").unwrap_or(actor)
}

/// Every choice has its words in every language.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;
    use crate::web::texts::Texts;

    #[test]
    fn choices_have_words() {
        for language in Language::ALL {
            let texts = Texts::of(language);
            for choice in CHOICES {
                assert!(texts.has(&format!("choice-{}", choice.key)), "{language:?} {}", choice.key);
                assert_eq!(
                    super::super::choices::by_code(choice.system, choice.codes[0]).map(|one| one.key),
                    Some(choice.key)
                );
            }
            for group in Group::ALL {
                assert!(texts.has(&format!("choices-{}", group.context())));
            }
        }
    }
}
