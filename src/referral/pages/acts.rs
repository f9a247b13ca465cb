//! `POST /referrals/{id}/{act}`: what a person does to a referral. The state table decides; the page only offers what the
//! table allows and says what is missing.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::detail;
use crate::access::permit::Permission;
use crate::fault::Kind;
use crate::ids;
use crate::referral::{self, Act};
use crate::server::problem::Problem;
use crate::web::PageState;
use crate::web::form::{Fields, Submitted};
use crate::web::frame::{Frame, see};
use crate::web::sign_in::blocking;

/// What an act asks the person for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing but the button.
    Nothing,
    /// Free text.
    Text,
    /// Long free text.
    Report,
    /// Date and time in this institution's zone.
    Moment,
}

/// An act's name and what it asks for, in the order of the page.
const ACTS: [(&str, Asks); 8] = [
    ("answer", Asks::Text),
    ("accept", Asks::Nothing),
    ("schedule", Asks::Moment),
    ("complete", Asks::Report),
    ("ask", Asks::Text),
    ("confirm-cancel", Asks::Nothing),
    ("request-cancel", Asks::Text),
    ("decline", Asks::Text),
];

/// A form of the page.
pub struct ActForm {
    /// Name in the address.
    pub name: &'static str,
    /// Heading of the form.
    pub title: String,
    /// What it does.
    pub about: String,
    /// Words on the button.
    pub button: String,
    /// Label of the field, if there is one.
    pub label: String,
    /// `text`, `report`, `moment` or empty.
    pub field: &'static str,
    /// What was typed.
    pub typed: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Ends the referral or asks to.
    pub grave: bool,
    /// The step that is expected next.
    pub next: bool,
    /// Show the form unfolded.
    pub open: bool,
    /// Drawn with the form, so that a double click acts once.
    pub nonce: String,
}

/// An act that was tried and could not be read.
pub struct Failed {
    /// Name of the act.
    pub name: String,
    /// What was typed.
    pub typed: String,
    /// What is wrong.
    pub error: String,
}

/// What the timeline leads to expect, among what the table allows.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The other side waits for an answer.
    pub is_asked: bool,
    /// An appointment was given.
    pub is_booked: bool,
}

/// The forms for the acts that the state table allows now, the expected one first and unfolded. An answer is offered only
/// to an open question.
pub fn forms(f: &Frame, allowed: &[&str], expected: Expected, failed: Option<&Failed>) -> Vec<ActForm> {
    let is_offered = |name: &str| allowed.contains(&name) && (expected.is_asked || name != "answer");
    let mut listed: Vec<(&'static str, Asks)> = ACTS.into_iter().filter(|(name, _)| is_offered(name)).collect();
    if expected.is_booked {
        // Stable: everything else keeps its order.
        listed.sort_by_key(|(name, _)| match *name {
            "answer" => 0,
            "complete" => 1,
            _ => 2,
        });
    }
    listed
        .into_iter()
        .enumerate()
        .map(|(place, (name, asks))| {
            let failed = failed.filter(|failed| failed.name == name);
            let grave = matches!(name, "decline" | "request-cancel" | "confirm-cancel");
            let next = place == 0 && !grave && name != "ask";
            ActForm {
                name,
                title: f.t.say(&format!("act-{name}")),
                about: f.t.say(&format!("act-{name}-about")),
                button: f.t.say(&format!("act-{name}-button")),
                label: if asks == Asks::Nothing { String::new() } else { f.t.say(&format!("act-{name}-label")) },
                field: match asks {
                    Asks::Nothing => "",
                    Asks::Text => "text",
                    Asks::Report => "report",
                    Asks::Moment => "moment",
                },
                typed: failed.map(|failed| failed.typed.clone()).unwrap_or_default(),
                error: failed.map(|failed| failed.error.clone()),
                grave,
                next,
                open: next || failed.is_some(),
                nonce: ids::fresh(),
            }
        })
        .collect()
}

/// Does it, then shows the referral again.
pub async fn act(
    State(state): State<PageState>,
    Path((id, name)): Path<(String, String)>,
    form: Submitted,
) -> Result<Response, Problem> {
    form.who.may(Permission::AnswerReferrals)?;
    let zone = state.here.config.zone();
    let act = match read(&form.who.frame, &name, &form.fields, &zone) {
        Ok(act) => act,
        Err(Unread::NoSuchAct) => return Err(Problem::new(Kind::NotFound, "there is no such act")),
        Err(Unread::Field(error)) => {
            let failed = Failed { name, typed: form.fields.get("value").to_owned(), error };
            return detail::page_with_failed(&state, &form.who, id, Some(failed), StatusCode::UNPROCESSABLE_ENTITY)
                .await;
        }
    };
    let (here, staff) = (state.here.clone(), form.who.staff.clone());
    let address = format!("/referrals/{id}");
    let nonce = form.fields.get("nonce").to_owned();
    blocking(move || referral::act_once(&here, &staff, &id, &act, &nonce)).await?;
    state.wake.notify_one();
    Ok(see(&address))
}

enum Unread {
    NoSuchAct,
    Field(String),
}

fn read(f: &Frame, name: &str, fields: &Fields, zone: &TimeZone) -> Result<Act, Unread> {
    let value = fields.get("value").to_owned();
    let text = || if value.is_empty() { Err(Unread::Field(f.t.say("act-text-missing"))) } else { Ok(value.clone()) };
    Ok(match name {
        "accept" => Act::Accept,
        "confirm-cancel" => Act::ConfirmCancel,
        "decline" => Act::Decline { reason: text()? },
        "request-cancel" => Act::RequestCancel { reason: text()? },
        "ask" => Act::Ask { text: text()? },
        "answer" => Act::Answer { text: text()? },
        "complete" => Act::Complete { report: text()? },
        "schedule" => {
            let at = moment(&value, zone).ok_or_else(|| Unread::Field(f.t.say("act-moment-unreadable")))?;
            Act::Schedule { at }
        }
        _ => return Err(Unread::NoSuchAct),
    })
}

/// `2026-12-01T10:30` of the institution's wall clock as an RFC 3339 instant with its offset. A time that the clocks skip
/// is refused.
fn moment(text: &str, zone: &TimeZone) -> Option<String> {
    let civil: DateTime = text.replace(' ', "T").parse().ok()?;
    let zoned = zone.to_ambiguous_zoned(civil).unambiguous().ok()?;
    Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_carry_their_offset() {
        let toronto = TimeZone::get("America/Toronto").unwrap();
        assert_eq!(moment("2026-12-01T10:30", &toronto).as_deref(), Some("2026-12-01T10:30:00-05:00"));
        assert_eq!(moment("2026-07-01 10:30", &toronto).as_deref(), Some("2026-07-01T10:30:00-04:00"));
        // Clocks go forward at 02:00 on this day.
        assert_eq!(moment("2027-03-14T02:30", &toronto), None);
        assert_eq!(moment("tomorrow", &toronto), None);
        assert_eq!(moment("", &toronto), None);
    }
}
