//! Two nodes by hand: `peer invite` at one, `peer join` at the other, both running; then what the pairing is good for
//! and how it ends.

use std::time::Duration;

use super::process::clinician::Clinician;
use super::process::mllp::{Feed, message};
use super::process::{Site, pair, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const QUESTION: &[u8] = include_bytes!("../fixtures/process/question.json");

#[tokio::test]
async fn invite_join_list_show() {
    let (bayview, sumida) = (Site::canada("bayview"), Site::japan("sumida"));
    let (_one, _other) = tokio::join!(bayview.serve(), sumida.serve());
    assert_eq!(bayview.run(&["peer", "list"]).good(), serde_json::json!([]));

    let invited = bayview.run(&["peer", "invite", "--ttl", "60"]).good();
    let code = invited["code"].as_str().unwrap().to_owned();
    assert!(code.starts_with("watari1."), "{invited}");
    let joined = sumida.run(&["peer", "join", &code]).good();
    assert_eq!(
        (&joined["id"], &joined["country"], &joined["status"]),
        (&"bayview".into(), &"ca".into(), &"active".into())
    );
    assert_eq!(joined["fingerprint"], bayview.identity().certificate_sha256());
    for (site, other) in [(&bayview, &sumida), (&sumida, &bayview)] {
        let id = other.config.institution.id.as_str();
        let listed = site.run(&["peer", "list"]).good();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        let shown = site.run(&["peer", "show", id]).good();
        assert_eq!(shown, listed[0]);
        assert_eq!(shown["fingerprint"], other.identity().certificate_sha256());
        assert_eq!(shown["url"], format!("https://{}", other.config.outside.listen));
    }
    // The code was good once, and for this partner.
    let third = Site::canada("lakeshore");
    let _third = third.serve().await;
    third.run(&["peer", "join", &code]).refused(1, "not accept this node's certificate");
    assert_eq!(third.run(&["peer", "list"]).good(), serde_json::json!([]));
    assert_eq!(bayview.run(&["peer", "list"]).good().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn codes_that_do_not_pair() {
    let (bayview, sumida) = (Site::canada("bayview"), Site::japan("sumida"));
    let (_one, _other) = tokio::join!(bayview.serve(), sumida.serve());
    sumida.run(&["peer", "join", "nonsense"]).refused(1, "not an invitation code");
    let code = bayview.run(&["peer", "invite", "--ttl", "1"]).good()["code"].as_str().unwrap().to_owned();
    sumida.run(&["peer", "join", &code[..code.len() - 9]]).refused(1, "not an invitation code");
    bayview.run(&["peer", "join", &code]).refused(1, "");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    sumida.run(&["peer", "join", &code]).refused(1, "expired");
    sumida.run(&["peer", "show", "bayview"]).refused(1, "bayview is not paired");
    sumida.run(&["peer", "revoke", "bayview"]).refused(1, "no institution of that name");
    sumida.run(&["peer", "rotate"]).refused(2, "not built");
    let portless = Site::canada("lakeshore").with(|config| "127.0.0.1:0".clone_into(&mut config.outside.listen));
    portless.run(&["peer", "invite"]).refused(2, "fixed port");
    assert_eq!(bayview.run(&["peer", "list"]).good(), serde_json::json!([]));
}

#[tokio::test]
async fn a_revoked_partner_gets_nothing_and_gives_nothing() {
    let (bayview, sumida) = (Site::canada("bayview"), Site::japan("sumida"));
    let (sending, _receiving) = tokio::join!(bayview.serve(), sumida.serve());
    pair(&sumida, &bayview);
    let mut feed = Feed::connect(sending.mllp()).await;
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
    let patient = bayview.read(watari::records::find::all_patients).pop_first().unwrap();
    let clinician = Clinician::sign_in(&bayview, &sending).await;
    let status = |id: &str| bayview.read(|view| view.referral(id)).unwrap().status;
    let first = clinician.refer(&patient, "Lefebvre", "sumida").await;
    until("the first referral", || (status(&first) == "received").then_some(())).await;

    // Revoked beside the running node, which keeps its connection to the sender open.
    let revoked = sumida.run(&["peer", "revoke", "bayview"]).good();
    assert_eq!(revoked["status"], "revoked");
    let second = clinician.refer(&patient, "Lefebvre", "sumida").await;
    let message_id = bayview.read(|view| view.referral(&second)).unwrap().message_id;
    let read = || bayview.read(|view| view.delivery(&message_id)).unwrap();
    let ended = until("an attempt that was refused", || {
        let delivery = read();
        (delivery.status == "dead" || delivery.last_error.is_some()).then_some(delivery)
    })
    .await;
    assert_eq!(ended.receipt, None);
    assert_eq!(sumida.read(|view| view.referrals("received", 10)).len(), 1, "nothing new came in");
    assert_ne!(status(&second), "received");

    // The other way round: nothing is sent to one who is revoked.
    let revoked = bayview.run(&["peer", "revoke", "sumida"]).good();
    assert_eq!(revoked["status"], "revoked");
    until("the message is given up", || (read().status == "dead").then_some(())).await;
    until("the referral has failed", || (status(&second) == "failed").then_some(())).await;
}

#[tokio::test]
async fn cohort_questions_of_partners_are_answered_in_demonstrations_only() {
    let (bayview, sumida) = (Site::canada("bayview"), Site::japan("sumida"));
    let question = bayview.write("question.json", QUESTION);
    let question = question.to_str().unwrap();
    let (_asking, answering) = tokio::join!(bayview.serve(), sumida.serve());
    pair(&sumida, &bayview);

    let checked = bayview.run(&["cohort", "check", question]).good();
    let result = bayview.run(&["cohort", "run", question]).good();
    assert_eq!(result["question_sha256"], checked["question_sha256"]);
    let site_of = |result: &serde_json::Value, node: &str| {
        let sites = result["sites"].as_array().unwrap();
        assert_eq!(sites.len(), 2, "{result}");
        sites.iter().find(|site| site["node"] == node).cloned().unwrap()
    };
    let refused = site_of(&result, "sumida");
    assert_eq!(refused["status"], "refused", "{result}");
    assert!(refused.get("count").is_none());
    assert!(refused["reason"].as_str().unwrap().contains("in the demonstration only"), "{refused}");
    assert_eq!(site_of(&result, "bayview")["status"], "too-few", "zero looks like any small number");

    answering.kill();
    let _answering = sumida.serve_demo().await;
    let result = bayview.run(&["cohort", "run", question]).good();
    let answered = site_of(&result, "sumida");
    assert_eq!(answered["status"], "too-few", "{result}");
    assert!(answered.get("count").is_none());

    let wrong = bayview.write("wrong.json", br#"{"version":"watari-cohort/1","inclusion":[],"drop":"table"}"#);
    let done = bayview.run(&["cohort", "check", wrong.to_str().unwrap()]);
    assert!(done.code != 0 && done.stderr.contains("drop"), "{done:?}");
}

/// The example keys under the name they were made for.
fn example(site: Site) -> Site {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("certs-example");
    for name in ["tls.pem", "tls.key", "signing.key"] {
        let from = examples.join(&site.config.institution.id).join(name);
        std::fs::copy(from, site.path().join("keys").join(name)).unwrap();
    }
    site
}

#[tokio::test]
async fn the_two_example_nodes_by_hand() {
    let (toronto, tokyo) = (example(Site::canada("toronto")), example(Site::japan("tokyo")));
    let (_one, _other) = tokio::join!(toronto.serve_demo(), tokyo.serve_demo());
    toronto.run(&["peer", "invite"]).refused(2, "published examples");
    let code = toronto.run(&["peer", "invite", "--demo"]).good()["code"].as_str().unwrap().to_owned();
    tokyo.run(&["peer", "join", &code]).refused(2, "published examples");
    assert_eq!(tokyo.run(&["peer", "join", "--demo", &code]).good()["id"], "toronto");

    let question = tokyo.write("question.json", QUESTION);
    let question = question.to_str().unwrap();
    tokyo.run(&["cohort", "run", question]).refused(2, "published examples");
    let result = tokyo.run(&["cohort", "run", "--demo", question]).good();
    let answered: Vec<_> =
        result["sites"].as_array().unwrap().iter().map(|site| site["status"].as_str().unwrap()).collect();
    assert_eq!(answered, ["too-few", "too-few"], "{result}");
}
