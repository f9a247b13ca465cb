//! The case: Toronto refers Élodie Tremblay-Gagnon to Tokyo for regenerative medicine; Tokyo asks, accepts, books and
//! reports back. Then Tokyo refers a patient to Toronto, which declines. Everything through pages and peer doors.

use std::time::{Duration, Instant};

use super::checks::Checks;
use super::person::Person;
use super::report::ReferralReport;
use super::site::Site;
use super::tale::Tale;
use super::{DemoError, intake_act};
use crate::access::Role;
use crate::exchange::{directory, pairing, receipt};
use crate::fhir::search::{Criterion, Search};
use crate::records::find;
use crate::store::StoreError;
use crate::store::referrals::Referral;

/// Longest wait for a message to cross.
const CROSSING: Duration = Duration::from_secs(20);

/// Toronto invites, Tokyo joins.
pub(super) async fn pair(toronto: &Site, tokyo: &Site, tale: &mut Tale, checks: &mut Checks) -> Result<(), DemoError> {
    tale.act("The two hospitals pair");
    let (here, url) = (toronto.node.parts.here.clone(), toronto.node.doors.outside_url.clone());
    let code = blocking(move || pairing::invite(&here, &url, 600)).await?;
    tale.say("Toronto makes a code, good once, for ten minutes. Tokyo types it in:");
    tale.say(&format!("   {}…", code.get(..48).unwrap_or(&code)));
    let joined = pairing::join(&tokyo.node.parts.here, &code, &tokyo.node.doors.outside_url)
        .await
        .map_err(|error| DemoError::Story(format!("pairing: {error}")))?;
    for (site, other) in [(toronto, "tokyo"), (tokyo, "toronto")] {
        let peer = site.node.parts.here.store.view(|view| view.peer(other))?;
        let active = peer.as_ref().is_some_and(crate::store::peers::Peer::is_active);
        checks.expect(&format!("{} has pinned the keys of {other}", site.plan.id), active, || format!("{peer:?}"));
        if let Some(peer) = peer {
            directory::refresh(&site.node.parts.here, &peer)
                .await
                .map_err(|error| DemoError::Story(format!("directory: {error}")))?;
        }
    }
    tale.say(&format!(
        "Each now holds the other's certificate and signing key ({}…).",
        &joined.certificate_sha256[..16]
    ));
    Ok(())
}

/// The referral out and back, and one that is declined.
pub(super) async fn play(
    toronto: &Site,
    tokyo: &Site,
    tale: &mut Tale,
    checks: &mut Checks,
) -> Result<ReferralReport, DemoError> {
    tale.act("A referral goes out");
    let okafor = Person::sign_in(toronto, Role::Clinician, "en").await?;
    let aikawa = Person::sign_in(tokyo, Role::Clinician, "ja").await?;
    let sent_at = Instant::now();
    let id = compose(
        &okafor,
        "Tremblay-Gagnon",
        &patient(toronto, intake_act::ELODIE)?,
        "tokyo/regenerative-medicine",
        "fr",
        "Gonarthrose unilatérale droite (M17.1) évoluant depuis 2024 malgré le traitement conservateur; diabète de type 2 \
         équilibré par la metformine. Évaluation pour une thérapie régénérative du genou.",
        "Is Ms. Tremblay-Gagnon a candidate for autologous cell therapy of the right knee, and what should be done about her \
         glucose control beforehand?",
    )
    .await?;
    tale.say("Dr. Okafor finds \"Regenerative medicine\" in Tokyo's directory and refers Élodie Tremblay-Gagnon, 58.");
    let sent = until(toronto, &id, "received").await?;
    let delivered_ms = u64::try_from(sent_at.elapsed().as_millis()).unwrap_or(u64::MAX);
    let verified = receipt_is_good(toronto, &sent)?;
    checks.expect("the receipt is signed by Tokyo for these very bytes", verified, || sent.message_id.clone());
    tale.say(&format!("Delivered in {delivered_ms} ms; Tokyo's signed receipt names the SHA-256 of the bytes sent."));
    received(tokyo, &aikawa, &id, tale, checks).await?;
    conversation(toronto, tokyo, &okafor, &aikawa, &id, tale, checks).await?;
    let report = reported(toronto, &id, verified, delivered_ms, checks)?;
    declined(toronto, tokyo, tale, checks).await?;
    Ok(report)
}

async fn received(
    tokyo: &Site,
    aikawa: &Person<'_>,
    id: &str,
    tale: &mut Tale,
    checks: &mut Checks,
) -> Result<(), DemoError> {
    tale.act("Tokyo's desk reads it");
    let page = aikawa.read(&format!("/referrals/{id}")).await?;
    let shows = |what: &str| page.text.contains(what);
    checks.expect("Tokyo's desk shows the name with its accent", shows("Élodie"), || page.text.clone());
    checks.expect("the page is in Japanese", shows("lang=\"ja\""), || page.text.clone());
    checks.expect("1.50 mmol/L arrived as 1.50", shows("1.50"), || page.text.clone());
    checks.expect("glucose is shown in mg/dL beside mmol/L", shows("mg/dL") && shows("mmol/L"), || page.text.clone());
    let other = tokyo.node.parts.here.store.view(|view| view.referral(id))?;
    checks.expect("one referral stands in Tokyo's inbox", other.is_some(), String::new);
    tale.say("相川医師 sees it in Japanese: values in mg/dL beside mmol/L, French and kanji untouched.");
    Ok(())
}

async fn conversation(
    toronto: &Site,
    tokyo: &Site,
    okafor: &Person<'_>,
    aikawa: &Person<'_>,
    id: &str,
    tale: &mut Tale,
    checks: &mut Checks,
) -> Result<(), DemoError> {
    tale.act("Question, answer, appointment, report");
    let page = format!("/referrals/{id}");
    act(aikawa, &page, "ask", "右膝のMRI画像はありますか。最近のHbA1cの推移も知りたいです。").await?;
    until_event(toronto, id, "ask").await?;
    tale.say("Tokyo asks for the MRI; the state does not move, and it is Toronto's turn.");
    act(okafor, &page, "answer", "The MRI of 12 October will follow on disc. HbA1c was 7.9 % in April and 7.4 % now.")
        .await?;
    until_event(tokyo, id, "answer").await?;
    act(aikawa, &page, "accept", "").await?;
    until(toronto, id, "accepted").await?;
    tale.say("Toronto answers. Tokyo accepts.");
    act(aikawa, &page, "schedule", "2027-01-18T10:00").await?;
    until(toronto, id, "in-progress").await?;
    tale.say("Tokyo books 18 January 2027, 10:00 in Tokyo — 20:00 on the 17th in Toronto.");
    let report = "自家細胞治療の適応と判断しました。HbA1c 7.0 %未満を目標とし、術前に再検査をお願いします。";
    act(aikawa, &page, "complete", report).await?;
    let done = until(toronto, id, "completed").await?;
    let document = done.outcome.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    checks.expect("the reply is a document in the original words", document.contains("自家細胞治療"), || {
        document.to_string()
    });
    let shown = okafor.read(&page).await?;
    checks.expect("Toronto reads the reply", shown.text.contains("自家細胞治療"), || shown.text.clone());
    tale.say("Tokyo reports back; Toronto holds the reply as a signed document. Completed.");
    let refused = aikawa.submit(&shown, &format!("{page}/accept"), &[]).await?;
    checks
        .expect("a completed referral cannot be accepted again", refused.status >= 400, || refused.status.to_string());
    Ok(())
}

fn reported(
    toronto: &Site,
    id: &str,
    receipt_verified: bool,
    delivered_ms: u64,
    checks: &mut Checks,
) -> Result<ReferralReport, DemoError> {
    let store = &toronto.node.parts.here.store;
    let (referral, events) = store.view(|view| Ok::<_, StoreError>((view.referral(id)?, view.referral_events(id)?)))?;
    let referral = referral.ok_or_else(|| DemoError::Story("the referral is gone".to_owned()))?;
    let delivery = store.view(|view| view.delivery(&referral.message_id))?;
    let mut states = vec!["draft".to_owned()];
    for event in events {
        if !event.to.is_empty() && states.last() != Some(&event.to) {
            states.push(event.to);
        }
    }
    let walked = ["draft", "requested", "received", "accepted", "in-progress", "completed"];
    checks.expect("the referral walked through every state", states == walked, || states.join(" → "));
    Ok(ReferralReport {
        id: id.to_owned(),
        message_id: referral.message_id,
        body_sha256: delivery.map(|delivery| delivery.body_sha256).unwrap_or_default(),
        receipt_verified,
        states,
        delivered_ms,
    })
}

async fn declined(toronto: &Site, tokyo: &Site, tale: &mut Tale, checks: &mut Checks) -> Result<(), DemoError> {
    tale.act("A referral the other way is declined");
    let aikawa = Person::sign_in(tokyo, Role::Clinician, "ja").await?;
    let okafor = Person::sign_in(toronto, Role::Clinician, "fr").await?;
    let id = compose(
        &aikawa,
        "ワタナベ ケンイチ",
        &patient(tokyo, intake_act::KENICHI)?,
        "toronto/second-opinion-oncology",
        "ja",
        "胃癌（C16.9）の治療方針についてセカンドオピニオンを希望されています。",
        "",
    )
    .await?;
    until(toronto, &id, "received").await?;
    let page = okafor.read(&format!("/referrals/{id}")).await?;
    let scripts = ["渡邉", "ワタナベ", "WATANABE"];
    let all = scripts.iter().all(|script| page.text.contains(script));
    checks.expect("渡邉 ワタナベ WATANABE stand beside each other", all, || page.text.clone());
    act(
        &okafor,
        &format!("/referrals/{id}"),
        "decline",
        "L'anatomopathologie manque; merci de renvoyer avec le rapport.",
    )
    .await?;
    let sent = until(tokyo, &id, "rejected").await?;
    checks.expect("a refusal reaches the sender with its reason", sent.status == "rejected", || sent.status.clone());
    let shown = aikawa.read(&format!("/referrals/{id}")).await?;
    checks.expect("the reason is shown in its own words", shown.text.contains("anatomopathologie"), || {
        shown.text.clone()
    });
    tale.say("Tokyo refers 渡邉 健一 (ワタナベ ケンイチ, WATANABE KENICHI); Toronto declines and says why.");
    Ok(())
}

/// Fills in `/referrals/new` as the page asks: find the patient, choose the service, read the consent text, send.
async fn compose(
    person: &Person<'_>,
    find: &str,
    patient: &str,
    service: &str,
    language: &str,
    reason: &str,
    question: &str,
) -> Result<String, DemoError> {
    let path = "/referrals/new";
    let blank = person.read(path).await?;
    let found = person.submit(&blank, path, &[("do", "find"), ("find", find)]).await?;
    if !found.text.contains(patient) {
        return Err(DemoError::Story(format!("the search for a patient answered {}", found.status)));
    }
    let (peer, _) = service.split_once('/').unwrap_or((service, ""));
    let mut fields = vec![
        ("find", find),
        ("patient", patient),
        ("service", service),
        ("priority", "routine"),
        ("reason", reason),
        ("question", question),
        ("interpreter", language),
        ("travel", "Companion: one. Diet: no restriction."),
    ];
    let mut asking = fields.clone();
    asking.push(("do", "consent"));
    let consent = person.submit(&found, path, &asking).await?;
    fields.extend([("consent_language", language), ("consent_for", peer), ("consent", "yes"), ("do", "send")]);
    let sent = person.submit(&consent, path, &fields).await?;
    let address =
        sent.leads_to.ok_or_else(|| DemoError::Story(format!("the referral was not sent ({})", sent.status)))?;
    Ok(address.rsplit('/').next().unwrap_or_default().to_owned())
}

async fn act(person: &Person<'_>, page: &str, name: &str, value: &str) -> Result<(), DemoError> {
    let shown = person.read(page).await?;
    let answer = person.submit(&shown, &format!("{page}/{name}"), &[("value", value)]).await?;
    if answer.leads_to.is_none() {
        return Err(DemoError::Story(format!("{name} was answered with status {}", answer.status)));
    }
    Ok(())
}

/// Logical id of the patient with this record number.
fn patient(site: &Site, number: &str) -> Result<String, DemoError> {
    let search = Search::new("Patient", vec![Criterion::token("identifier", None, number)], 2);
    let found = site.node.parts.here.store.view(|view| find::search(view, &search).map_err(StoreError::from))?;
    match &found.resources[..] {
        [one] => Ok(one.id.clone()),
        other => Err(DemoError::Story(format!("{} patients have number {number} at {}", other.len(), site.plan.id))),
    }
}

/// Waits until the referral has this status at `site`.
async fn until(site: &Site, id: &str, status: &str) -> Result<Referral, DemoError> {
    let started = Instant::now();
    loop {
        let referral = site.node.parts.here.store.view(|view| view.referral(id))?;
        match referral {
            Some(referral) if referral.status == status => return Ok(referral),
            _ if started.elapsed() < CROSSING => tokio::time::sleep(Duration::from_millis(20)).await,
            other => {
                let found = other.map_or_else(|| "absent".to_owned(), |referral| referral.status);
                return Err(DemoError::Story(format!("the referral is {found} at {}, not {status}", site.plan.id)));
            }
        }
    }
}

async fn until_event(site: &Site, id: &str, event: &str) -> Result<(), DemoError> {
    let started = Instant::now();
    loop {
        let events = site.node.parts.here.store.view(|view| view.referral_events(id))?;
        if events.iter().any(|found| found.event == event) {
            return Ok(());
        }
        if started.elapsed() > CROSSING {
            return Err(DemoError::Story(format!("no {event} arrived at {}", site.plan.id)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn receipt_is_good(site: &Site, referral: &Referral) -> Result<bool, DemoError> {
    let here = &site.node.parts.here;
    let (delivery, peer) = here
        .store
        .view(|view| Ok::<_, StoreError>((view.delivery(&referral.message_id)?, view.peer(&referral.peer)?)))?;
    let (Some(delivery), Some(peer)) = (delivery, peer) else { return Ok(false) };
    let receipt = delivery.receipt.clone().unwrap_or_default();
    Ok(receipt::verify(here, &peer, &delivery, &receipt).is_ok())
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, DemoError>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| DemoError::Story(error.to_string())),
        Err(error) => Err(DemoError::Story(error.to_string())),
    }
}
