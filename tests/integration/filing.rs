//! What arrives is filed into the hospital's own systems: a referral at the institution asked, its answer at the one that
//! referred. Two real nodes, real MLLP listeners.

use std::path::{Path, PathBuf};

use watari::access::{Role, Staff};
use watari::config::{Config, DestinationConfig, FiledKind};
use watari::node::{Parts, Purpose};
use watari::referral::{self, Act};
use watari::store::filings::Filing;

use super::process::clinician::Clinician;
use super::process::local_system::{LocalSystem, Manner, control_id, kind};
use super::process::mllp::{Feed, message};
use super::process::{Site, free_port, pair, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");

fn destination(name: &str) -> DestinationConfig {
    DestinationConfig {
        name: name.to_owned(),
        mllp: None,
        folder: None,
        ssmix2: None,
        tls: None,
        events: vec![FiledKind::Referral, FiledKind::Reply, FiledKind::Document, FiledKind::Results],
        charset: "UNICODE UTF-8".to_owned(),
        application: "HIS".to_owned(),
        facility: "H".to_owned(),
    }
}

fn quick(config: &mut Config) {
    config.filing.attempt_seconds = 2;
    config.filing.first_retry_seconds = 1;
    config.filing.longest_retry_seconds = 1;
}

fn filings(site: &Site, status: &str) -> Vec<Filing> {
    site.read(|view| view.filings(status, 100))
}

/// As a clinician of `site` would on the page.
fn act(site: &Site, id: &str, act: &Act) {
    let config = Config::load(&site.configuration()).unwrap();
    let here = Parts::open(&config, Purpose::Care).unwrap().here;
    let staff = Staff { user: "dr-sato".to_owned(), role: Role::Clinician };
    referral::act(&here, &staff, id, act).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn japanese(message: &[u8]) -> String {
    encoding_rs::ISO_2022_JP.decode_without_bom_handling(message).0.into_owned()
}

fn segment<'a>(text: &'a str, name: &str) -> &'a str {
    text.split('\r').find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test]
async fn a_referral_and_its_answer_reach_the_local_systems_of_both_ends() {
    let his_of_receiver = format!("127.0.0.1:{}", free_port());
    let his_of_sender = LocalSystem::start("127.0.0.1:0", &[Manner::Forget, Manner::Error]).await;
    let storage = tempfile::tempdir().unwrap();
    let sender = Site::canada("bayview").with(|config| {
        quick(config);
        let mllp = Some(his_of_sender.address.to_string());
        config.filing.destinations = vec![DestinationConfig { mllp, ..destination("his") }];
    });
    let receiver = Site::japan("sumida").with(|config| {
        quick(config);
        let his = DestinationConfig {
            mllp: Some(his_of_receiver.clone()),
            charset: "~ISO IR87".to_owned(),
            ..destination("his")
        };
        let documents = DestinationConfig { ssmix2: Some(storage.path().to_owned()), ..destination("documents") };
        config.filing.destinations = vec![his, documents];
    });
    let (sending, _receiving) = tokio::join!(sender.serve(), receiver.serve());
    pair(&receiver, &sender);
    let mut feed = Feed::connect(sending.mllp()).await;
    for text in [ARRIVAL, RESULTS] {
        assert_eq!(feed.send(&message(text)).await.code, "AA");
    }
    let patient = sender.read(watari::records::find::all_patients).pop_first().unwrap();
    let id = Clinician::sign_in(&sender, &sending).await.refer(&patient, "Lefebvre", "sumida").await;

    // The local system is down: the referral is received all the same, what is for it waits, and the storage has its own.
    until("an attempt in vain", || {
        let waiting = filings(&receiver, "queued");
        waiting.iter().any(|one| one.attempts > 1 && one.last_error.is_some()).then_some(())
    })
    .await;
    let kinds: Vec<String> = filings(&receiver, "queued").into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds, ["REF^I12", "MDM^T02", "ORU^R01"], "in this order");
    let stored = until("the document in the extended storage", || files(storage.path()).pop()).await;
    assert_eq!(files(storage.path()).len(), 1);
    let place = stored.strip_prefix(storage.path()).unwrap().to_string_lossy().into_owned();
    let parts: Vec<&str> = place.split('/').collect();
    assert_eq!((parts.len(), parts[6]), (7, "main_document.hl7"), "{place}");
    assert!(parts[2].starts_with('R') && parts[2].starts_with(&format!("{}{}", parts[0], parts[1])), "{place}");
    assert!(parts[4].contains("60591-5") && parts[5].starts_with(parts[2]) && parts[5].ends_with("_-_1"), "{place}");

    // It comes back: everything, once, in order, in the character set it reads.
    let his = LocalSystem::start(&his_of_receiver, &[]).await;
    until("all of it filed", || (filings(&receiver, "filed").len() == 4).then_some(())).await;
    let taken = his.taken();
    assert_eq!(taken.iter().map(|one| kind(one)).collect::<Vec<_>>(), ["REF^I12", "MDM^T02", "ORU^R01"]);
    let referral = japanese(&taken[0]);
    assert!(segment(&referral, "MSH|").contains("|~ISO IR87||ISO 2022-1994"), "{referral}");
    assert!(segment(&referral, "RF1|").contains(&id), "{referral}");
    assert!(segment(&referral, "PID|").contains("BV700101"), "{referral}");
    assert!(
        segment(&referral, "PID|").contains("Lefebvre^Noemie"),
        "an accent JIS lacks is told, see below: {referral}"
    );
    assert!(referral.contains("\rPRD|RP^") && referral.contains("\rPRD|RT^"), "{referral}");
    assert!(referral.contains("Is cell therapy an option?"), "{referral}");
    assert!(!referral.contains("\rAL1|"), "no information is no segment");
    let document = japanese(&taken[1]);
    assert!(
        segment(&document, "TXA|").contains("|60591-5|TX|") || segment(&document, "TXA|").contains("60591-5"),
        "{document}"
    );
    assert!(segment(&document, "OBX|").contains(r"\.br\"), "{document}");
    let results = japanese(&taken[2]);
    assert!(results.contains("|NM|14749-6^") && results.contains("|1.50|"), "1.50 stays 1.50: {results}");
    for filing in filings(&receiver, "filed").iter().filter(|one| one.destination == "his") {
        assert_eq!(filing.answer.as_deref(), Some("AA"));
    }
    assert_eq!(receiver.audited("filing.filed").len(), 4);

    // The answer. The first acknowledgement is lost on the way, then the system has no time: the same message comes again.
    act(&receiver, &id, &Act::Accept);
    until("the acceptance at the sender", || (filings(&sender, "filed").len() == 1).then_some(())).await;
    let taken = his_of_sender.taken();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|one| one == &taken[0]), "the same bytes under the same control id");
    let acceptance = String::from_utf8(taken[0].clone()).unwrap();
    assert_eq!(kind(&taken[0]), "RRI^I12");
    assert!(segment(&acceptance, "RF1|").starts_with("RF1|A|"), "{acceptance}");
    assert!(segment(&acceptance, "PID|").starts_with("PID|1||BV700101^^^BAYVIEW^MR"), "our own number: {acceptance}");
    assert!(segment(&acceptance, "PID|").contains("Lefebvre^Noémie"), "{acceptance}");
    let filed = filings(&sender, "filed").remove(0);
    assert_eq!((filed.attempts, filed.control_id), (3, control_id(&taken[0])));
    assert!(!filed.last_error.unwrap().contains("Lefebvre"), "the words of an answer are not kept");

    act(&receiver, &id, &Act::Complete { report: "経過良好です。\nVoir dans trois mois.".to_owned() });
    until("the reply at the sender", || (filings(&sender, "filed").len() == 3).then_some(())).await;
    let taken = his_of_sender.taken();
    assert_eq!(taken[3..].iter().map(|one| kind(one)).collect::<Vec<_>>(), ["RRI^I12", "MDM^T02"]);
    let document = String::from_utf8(taken[4].clone()).unwrap();
    assert!(document.contains(r"経過良好です。\.br\Voir dans trois mois."), "{document}");
    assert!(segment(&document, "TXA|").contains("|AU||AV"), "{document}");
    assert_eq!(filings(&sender, "queued").len() + filings(&sender, "dead").len(), 0);

    let listed = sender.run(&["filing", "list", "--status", "filed"]).good();
    assert_eq!(listed.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_message_that_is_refused_is_shown_and_can_be_tried_again() {
    let his = LocalSystem::start("127.0.0.1:0", &[Manner::Reject]).await;
    let folder = tempfile::tempdir().unwrap();
    let sender = Site::canada("bayview");
    let receiver = Site::japan("sumida").with(|config| {
        quick(config);
        let mllp = Some(his.address.to_string());
        let only = vec![FiledKind::Referral];
        let first = DestinationConfig { mllp, events: only.clone(), ..destination("his") };
        let second = DestinationConfig { folder: Some(folder.path().to_owned()), events: only, ..destination("inbox") };
        config.filing.destinations = vec![first, second];
    });
    let (sending, _receiving) = tokio::join!(sender.serve(), receiver.serve());
    pair(&receiver, &sender);
    assert_eq!(Feed::connect(sending.mllp()).await.send(&message(ARRIVAL)).await.code, "AA");
    let patient = sender.read(watari::records::find::all_patients).pop_first().unwrap();
    let id = Clinician::sign_in(&sender, &sending).await.refer(&patient, "Lefebvre", "sumida").await;
    let dead = until("the refusal", || filings(&receiver, "dead").pop()).await;
    assert_eq!((dead.answer.as_deref(), dead.attempts, dead.referral.as_str()), (Some("AR"), 1, id.as_str()));
    let shown = receiver.run(&["filing", "list", "--status", "dead"]).good();
    assert_eq!(shown[0]["id"], dead.id.as_str());
    assert!(!shown.to_string().contains("Lefebvre"), "{shown}");
    let file = until("the file of the other destination", || files(folder.path()).pop()).await;
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.contains("_REF-I12_") && name.ends_with(".hl7"), "{name}");
    assert_eq!(kind(&std::fs::read(&file).unwrap()), "REF^I12");

    receiver.run(&["filing", "retry", &dead.id]).good();
    until("the second attempt", || filings(&receiver, "filed").iter().any(|one| one.id == dead.id).then_some(())).await;
    let taken = his.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0], taken[1], "the same bytes");
    receiver.run(&["filing", "retry", &dead.id]).refused(1, "filed, not given up");
}
