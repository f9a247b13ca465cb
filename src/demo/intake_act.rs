//! Records come in: Toronto by MLLP and CSV, Tokyo by an SS-MIX2 storage, and whatever folders were given.

use std::path::Path;

use super::checks::Checks;
use super::mllp_sender::Sender;
use super::site::Site;
use super::tale::Tale;
use super::{DemoError, Options, population, samples};
use crate::access::{Role, token};
use crate::intake::feed::Feed;
use crate::intake::{self, Intake, IntakeError, Summary};

/// Record number of the patient Toronto refers.
pub(super) const ELODIE: &str = "LS0048213";
/// Record number of the patient Tokyo refers.
pub(super) const KENICHI: &str = "0012340001";

/// Files that were no messages.
pub(super) struct Taken {
    pub(super) toronto_skipped: u64,
    pub(super) tokyo_skipped: u64,
}

pub(super) async fn play(
    options: &Options,
    folder: &Path,
    toronto: &Site,
    tokyo: &Site,
    tale: &mut Tale,
    checks: &mut Checks,
) -> Result<Taken, DemoError> {
    tale.act("Records come in, each in its own tongue");
    mllp(toronto, tale, checks).await?;
    let (csv, tree) = (folder.join("toronto-csv"), folder.join("tokyo-ssmix2"));
    population::write_toronto(&csv)?;
    samples::write_tokyo(&tree)?;
    population::write_tokyo(&tree)?;
    let mut in_toronto = vec![Job::Csv(csv)];
    let mut in_tokyo = vec![Job::Ssmix2(tree)];
    in_toronto.extend(options.toronto_hl7v2.clone().map(Job::Hl7v2));
    in_toronto.extend(options.toronto_csv.clone().map(Job::Csv));
    in_tokyo.extend(options.tokyo_ssmix2.clone().map(Job::Ssmix2));
    for jobs in [&mut in_toronto, &mut in_tokyo] {
        jobs.extend(options.fhir.clone().map(Job::Fhir));
    }
    let work = [(toronto, in_toronto), (tokyo, in_tokyo)].map(|(site, jobs)| {
        let intake = site.node.parts.intake.clone();
        tokio::task::spawn_blocking(move || run(&intake, &jobs))
    });
    let mut skipped = Vec::new();
    for (task, site) in work.into_iter().zip([toronto, tokyo]) {
        let summary = task.await.map_err(|error| DemoError::Story(error.to_string()))??;
        tale.say(&format!(
            "{}: {} records from its folders, {} in the record, {} quarantined with a reason.",
            site.config.institution.name.en, summary.received, summary.translated, summary.quarantined
        ));
        skipped.push(summary.skipped);
    }
    record(toronto, tokyo, tale, checks).await?;
    Ok(Taken { toronto_skipped: skipped[0], tokyo_skipped: skipped[1] })
}

/// A folder to take in.
enum Job {
    Hl7v2(std::path::PathBuf),
    Csv(std::path::PathBuf),
    Ssmix2(std::path::PathBuf),
    Fhir(std::path::PathBuf),
}

fn run(intake: &Intake, jobs: &[Job]) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let mut ignore = |_: intake::Told<'_>| {};
    for job in jobs {
        summary.add(&match job {
            Job::Hl7v2(path) => intake::feed::import(intake, &Feed::Hl7v2, path, &mut ignore)?,
            Job::Csv(path) => intake::csv::import_folder(intake, path, &mut ignore)?,
            Job::Ssmix2(path) => intake::feed::import(intake, &Feed::Ssmix2, path, &mut ignore)?,
            Job::Fhir(path) => intake::feed::import(intake, &Feed::Fhir, path, &mut ignore)?,
        });
    }
    Ok(summary)
}

async fn mllp(toronto: &Site, tale: &Tale, checks: &mut Checks) -> Result<(), DemoError> {
    let door = toronto.node.doors.mllp.ok_or_else(|| DemoError::Story("Toronto's MLLP door is closed".to_owned()))?;
    let mut sender = Sender::connect(door).await?;
    let messages = samples::toronto();
    let mut codes = Vec::new();
    for message in &messages {
        codes.push(sender.send(message).await?);
    }
    tale.say(&format!("Toronto's HL7 v2 feed: {} messages over MLLP, answered {}.", messages.len(), codes.join(" ")));
    checks.expect("every MLLP message was stored before its AA", codes.iter().all(|code| code == "AA"), || {
        codes.join(" ")
    });
    Ok(())
}

/// What is now in the record, read by the FHIR API.
async fn record(toronto: &Site, tokyo: &Site, tale: &Tale, checks: &mut Checks) -> Result<(), DemoError> {
    let lipids = fhir(toronto, "Observation?code=http://loinc.org|14927-8&_count=200").await?;
    checks.expect("1.50 in, 1.50 out", lipids.contains("\"value\":1.50"), || lipids.clone());
    let glucose = fhir(toronto, "Observation?code=14749-6&status=corrected").await?;
    checks.expect("a corrected result is marked corrected", glucose.contains("\"value\":8.6"), || glucose.clone());
    let watanabe = fhir(tokyo, "Patient?name=ワタナベ&_count=200").await?;
    let both = watanabe.contains("渡邉") && watanabe.contains("渡辺");
    checks.expect("ワタナベ finds 渡邉 and 渡辺, each as written", both, || watanabe.clone());
    checks
        .expect("romaji is proposed and marked so", watanabe.contains("proposed-transliteration"), || watanabe.clone());
    let names = fhir(toronto, "Patient?family=tremblay-gagnon").await?;
    checks.expect("Élodie keeps her accent (Latin-1)", names.contains("Élodie"), || names.clone());
    let store = &toronto.node.parts.here.store;
    let kept = store.view(|view| {
        view.messages(&crate::store::messages::MessageFilter {
            status: Some(crate::store::messages::MessageStatus::Quarantined),
            channel: Some("mllp".to_owned()),
            limit: 10,
            offset: 0,
        })
    })?;
    let reason = kept.first().and_then(|message| message.reason.clone()).unwrap_or_default();
    checks.expect("what is not translated yet is quarantined with a reason", reason.contains("A17"), || reason.clone());
    tale.say(&format!("ADT^A17 is kept aside: \"{reason}\""));
    Ok(())
}

async fn fhir(site: &Site, query: &str) -> Result<String, DemoError> {
    let here = site.node.parts.here.clone();
    let made = tokio::task::spawn_blocking(move || {
        token::create(&here.store, here.clock.as_ref(), Role::System, jiff::SignedDuration::from_mins(5))
    });
    let token = made
        .await
        .map_err(|error| DemoError::Story(error.to_string()))?
        .map_err(|error| DemoError::Story(error.to_string()))?;
    let response = site
        .client
        .get(site.inside(&format!("/fhir/{query}")))
        .bearer_auth(token)
        .send()
        .await
        .map_err(|error| DemoError::Story(format!("the FHIR API: {error}")))?;
    response.text().await.map_err(|error| DemoError::Story(format!("the FHIR API: {error}")))
}
