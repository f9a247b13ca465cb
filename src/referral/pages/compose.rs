//! `/referrals/new`: a new referral on one page. The same form finds the patient, shows the consent text for the chosen
//! institution, and sends; whatever happens, what was typed stays. Searches are posted, so that no name stands in an
//! address.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::services::{self, Destination};
use super::show::{self, PersonShown};
use crate::access::permit::Permission;
use crate::fhir;
use crate::fhir::search::{Criterion, Match, Search};
use crate::harmonise::search_keys;
use crate::ids;
use crate::records::parameters;
use crate::referral::party::Party;
use crate::referral::{self, Draft, ReferralError, consent, reading};
use crate::server::problem::Problem;
use crate::store::peers::Peer;
use crate::store::{StoreError, View};
use crate::web::PageState;
use crate::web::form::{Fields, Submitted, parse};
use crate::web::frame::{Frame, page_with, see};
use crate::web::markup::Markup;
use crate::web::signed_in::SignedIn;
use crate::web::trail::showing;

/// Patients shown for a search; more ask for a narrower search.
const MOST: usize = 20;
const PRIORITIES: [&str; 4] = ["routine", "urgent", "asap", "stat"];
/// Languages that an interpreter can be asked for.
const SPOKEN: [&str; 12] = ["en", "fr", "ja", "zh", "ko", "es", "pt", "vi", "tl", "pa", "ar", "uk"];

/// What is wrong, by field.
#[derive(Default)]
struct Errors {
    patient: Option<String>,
    service: Option<String>,
    priority: Option<String>,
    reason: Option<String>,
    consent: Option<String>,
    other: Option<String>,
}

impl Errors {
    /// For the summary on top: anchor and message, in the order of the page.
    fn listed(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("find", &self.patient),
            ("service", &self.service),
            ("priority-routine", &self.priority),
            ("reason", &self.reason),
            ("consent", &self.consent),
            ("main", &self.other),
        ];
        all.into_iter().filter_map(|(anchor, error)| Some((anchor, error.as_deref()?))).collect()
    }
}

struct Choosable {
    value: &'static str,
    text: String,
    chosen: bool,
}

struct Candidate {
    id: String,
    person: PersonShown,
    chosen: bool,
}

/// The consent text in one language.
struct ConsentText {
    tag: &'static str,
    name: String,
    text: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "referral/compose.html")]
struct ComposePage<'a> {
    f: &'a Frame,
    errors: Errors,
    find: &'a str,
    searched: bool,
    more: bool,
    candidates: Vec<Candidate>,
    destinations: Vec<Destination>,
    receiver: Option<Markup>,
    priorities: Vec<Choosable>,
    reason: &'a str,
    question: &'a str,
    spoken: Vec<Choosable>,
    travel: &'a str,
    consent_texts: Vec<ConsentText>,
    consented: bool,
    nonce: String,
}

/// What the page reads.
struct Known {
    peers: Vec<Peer>,
    candidates: Vec<Value>,
    more: bool,
}

/// An empty form; `?patient=` names a patient already chosen elsewhere.
pub async fn empty(
    State(state): State<PageState>,
    RawQuery(query): RawQuery,
    who: SignedIn,
) -> Result<Response, Problem> {
    who.may(Permission::SendReferrals)?;
    let mut pairs = parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    pairs.retain(|(name, _)| name == "patient" || name == "service");
    form(&state, &who.frame, &Fields::from_pairs(pairs), Errors::default(), StatusCode::OK).await
}

/// The form came back: look for the patient, show the consent text, or send.
pub async fn submitted(State(state): State<PageState>, submitted: Submitted) -> Result<Response, Problem> {
    let Submitted { who, fields } = submitted;
    who.may(Permission::SendReferrals)?;
    if fields.get("do") != "send" {
        return form(&state, &who.frame, &fields, Errors::default(), StatusCode::OK).await;
    }
    let draft = draft(&fields);
    let errors = check(&who.frame, &fields, &draft);
    if !errors.listed().is_empty() {
        return form(&state, &who.frame, &fields, errors, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let (here, staff) = (state.here.clone(), who.staff.clone());
    let sent = tokio::task::spawn_blocking(move || referral::send(&here, &staff, &draft)).await;
    match sent {
        Ok(Ok(id)) => {
            state.wake.notify_one();
            Ok(see(&format!("/referrals/{id}")))
        }
        Ok(Err(ReferralError::Draft { field, problem })) => {
            let errors = placed(field, problem);
            form(&state, &who.frame, &fields, errors, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(Problem::new(crate::fault::Kind::Internal, format!("sending ended early: {error}"))),
    }
}

fn draft(fields: &Fields) -> Draft {
    let (peer, service) = fields.get("service").split_once('/').unwrap_or_default();
    Draft {
        patient: fields.get("patient").to_owned(),
        peer: peer.to_owned(),
        service: service.to_owned(),
        priority: fields.get("priority").to_owned(),
        reason: fields.get("reason").to_owned(),
        question: fields.get("question").to_owned(),
        consent: fields.has("consent"),
        consent_language: consent_language(fields).to_owned(),
        interpreter: SPOKEN.into_iter().find(|code| *code == fields.get("interpreter")).map(str::to_owned),
        travel: fields.get("travel").to_owned(),
        nonce: fields.get("nonce").to_owned(),
    }
}

fn check(f: &Frame, fields: &Fields, draft: &Draft) -> Errors {
    let wrong = |is_wrong: bool, key: &str| is_wrong.then(|| f.t.say(key));
    Errors {
        patient: wrong(draft.patient.is_empty(), "compose-patient-missing"),
        service: wrong(draft.service.is_empty(), "compose-service-missing"),
        priority: wrong(!PRIORITIES.contains(&draft.priority.as_str()), "compose-priority-missing"),
        reason: wrong(draft.reason.is_empty(), "compose-reason-missing"),
        // The text names the institution: consent to one cannot be sent to another that was chosen afterwards.
        consent: wrong(!draft.consent, "compose-consent-missing")
            .or_else(|| wrong(fields.get("consent_for") != draft.peer, "compose-consent-changed")),
        other: None,
    }
}

/// A refusal of the referral area, at the field it names.
fn placed(field: &str, problem: String) -> Errors {
    let mut errors = Errors::default();
    let place = match field {
        "patient" => &mut errors.patient,
        "peer" | "service" => &mut errors.service,
        "priority" => &mut errors.priority,
        "reason" => &mut errors.reason,
        "consent" | "consent_language" => &mut errors.consent,
        _ => &mut errors.other,
    };
    *place = Some(problem);
    errors
}

/// Of this form from its first page to its sending.
fn nonce(fields: &Fields) -> String {
    let known = fields.get("nonce");
    if known.is_empty() { ids::fresh() } else { known.to_owned() }
}

fn consent_language(fields: &Fields) -> &str {
    let chosen = fields.get("consent_language");
    if ["en", "fr", "ja"].contains(&chosen) { chosen } else { "" }
}

async fn form(
    state: &PageState,
    f: &Frame,
    fields: &Fields,
    errors: Errors,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (find, chosen) = (fields.get("find").to_owned(), fields.get("patient").to_owned());
    let known = state.here.store.read(move |view| known(view, &find, &chosen)).await?;
    let peer_id = fields.get("service").split('/').next().unwrap_or("");
    let peer = known.peers.iter().find(|peer| peer.id == peer_id && peer.is_active());
    let candidates: Vec<Candidate> = known
        .candidates
        .iter()
        .map(|patient| {
            let person = reading::person(patient);
            Candidate { chosen: person.id == fields.get("patient"), person: show::person(f, &person), id: person.id }
        })
        .collect();
    let is_fresh = !fields.has("do");
    let priority = if is_fresh { "routine" } else { fields.get("priority") };
    let page = ComposePage {
        f,
        errors,
        find: fields.get("find"),
        searched: !fields.get("find").is_empty(),
        more: known.more,
        candidates,
        destinations: services::destinations(&known.peers, f.t.tag(), fields.get("service")),
        receiver: peer.map(|peer| f.words(Party::peer(peer).name(f.t.tag()))),
        priorities: PRIORITIES
            .into_iter()
            .map(|value| Choosable { value, text: f.t.code("priority", value), chosen: value == priority })
            .collect(),
        reason: fields.get("reason"),
        question: fields.get("question"),
        spoken: SPOKEN
            .into_iter()
            .map(|value| Choosable {
                value,
                text: f.t.code("spoken", value),
                chosen: value == fields.get("interpreter"),
            })
            .collect(),
        travel: fields.get("travel"),
        consent_texts: peer.map(|peer| consent_texts(state, f, fields, peer)).unwrap_or_default(),
        // A tick given for one institution is not carried over to another.
        consented: fields.has("consent") && peer.is_some_and(|peer| fields.get("consent_for") == peer.id),
        nonce: nonce(fields),
    };
    let shown = page.candidates.iter().map(|candidate| candidate.id.clone()).collect();
    Ok(showing(page_with(status, &page)?, shown))
}

/// The text that the Consent resource will carry, in each language, for the chosen institution.
fn consent_texts(state: &PageState, f: &Frame, fields: &Fields, peer: &Peer) -> Vec<ConsentText> {
    let (from, to) = (Party::here(&state.here.config), Party::peer(peer));
    let chosen = if consent_language(fields).is_empty() { f.t.tag() } else { consent_language(fields) };
    ["en", "fr", "ja"]
        .into_iter()
        .map(|tag| ConsentText {
            tag,
            name: f.t.say(&format!("language-{tag}")),
            text: consent::text(tag, &from, &to),
            chosen: tag == chosen,
        })
        .collect()
}

fn known(view: &dyn View, find: &str, chosen: &str) -> Result<Known, StoreError> {
    let mut found: Vec<Value> = Vec::new();
    let mut more = false;
    let mut add = |json: &str| {
        if let Ok(patient) = serde_json::from_str::<Value>(json)
            && !found.iter().any(|known| fhir::id(known) == fhir::id(&patient))
        {
            found.push(patient);
        }
    };
    if !chosen.is_empty()
        && let Some(patient) = view.resource("Patient", chosen)?
    {
        add(&patient.json);
    }
    if !find.is_empty() {
        for criteria in [by_identifier(find), by_name(find)] {
            let page = crate::records::find::search(view, &Search::new("Patient", criteria, MOST))
                .map_err(StoreError::from)?;
            more |= page.next.is_some();
            page.resources.iter().for_each(|patient| add(&patient.json));
        }
    }
    Ok(Known { peers: view.peers()?, candidates: found, more })
}

fn by_identifier(find: &str) -> Vec<Criterion> {
    vec![Criterion::token("identifier", None, find)]
}

/// Every word must begin some part of the name.
fn by_name(find: &str) -> Vec<Criterion> {
    let words = find.split([' ', '\u{3000}', ',']).filter(|word| !word.is_empty()).take(6);
    let places = parameters::find("Patient", "name").map_or(&[][..], |parameter| &parameter.places);
    let begins = |start: &String| {
        let at = places.iter().map(|place| Match::Text { path: place.path.clone(), start: start.clone() });
        at.collect::<Vec<_>>()
    };
    words.map(|word| Criterion::any(search_keys(word).iter().flat_map(begins).collect())).collect()
}
