//! Several `watari serve` on one PostgreSQL: what one leaves undone another does, once; and the node says so while the
//! database is away.

use watari::config::PostgresConfig;

use super::postgres_server::{self, Server};
use super::process::clinician::Clinician;
use super::process::mllp::{Feed, message};
use super::process::proxy::Proxy;
use super::process::{Site, pair, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");

/// Another replica of the same node: the same keys, the same database, doors of its own.
fn replica(of: &Site, name: &str) -> Site {
    let site = Site::canada(&of.config.institution.id);
    for file in std::fs::read_dir(of.path().join("keys")).unwrap().flatten() {
        std::fs::copy(file.path(), site.path().join("keys").join(file.file_name())).unwrap();
    }
    let postgres =
        of.config.store.postgres.clone().map(|postgres| PostgresConfig { replica: name.to_owned(), ..postgres });
    site.with(|config| config.store.postgres = postgres)
}

/// DB-07: one of three replicas is killed while referrals are under way.
#[tokio::test]
async fn the_others_send_what_a_killed_replica_leaves_each_referral_once() {
    if !postgres_server::is_there() {
        return;
    }
    let database = tempfile::tempdir().unwrap();
    let settings = PostgresConfig { replica: "a".to_owned(), ..postgres_server::settings(database.path()) };
    let a = Site::canada("bayview").with(|config| config.store.postgres = Some(settings));
    let (b, c) = (replica(&a, "b"), replica(&a, "c"));
    let mut receiver = Site::japan("sumida");
    let proxy = Proxy::to(receiver.config.outside.listen.parse().unwrap());
    receiver.config.outside.public_url = Some(proxy.url());
    let _receiving = receiver.serve().await;
    let (node_a, node_b, node_c) = (a.serve().await, b.serve().await, c.serve().await);
    pair(&receiver, &a);
    let mut feed = Feed::connect(node_a.mllp()).await;
    for text in [ARRIVAL, RESULTS] {
        assert_eq!(feed.send(&message(text)).await.code, "AA");
    }
    let patient = a.read(watari::records::find::all_patients).pop_first().unwrap();
    // The partner takes what is sent, and its answers are lost: every replica has deliveries under way.
    proxy.lose_answers(true);
    let mut referrals = Vec::new();
    for (site, node) in [(&a, &node_a), (&b, &node_b), (&c, &node_c), (&b, &node_b), (&b, &node_b)] {
        let clinician = Clinician::sign_in(site, node).await;
        referrals.push(clinician.refer(&patient, "Lefebvre", "sumida").await);
    }
    until("a message at the receiver", || (proxy.lost() > 0).then_some(())).await;
    node_b.kill();
    proxy.lose_answers(false);
    for id in &referrals {
        until("the receipt", || {
            let sent = a.read(|view| view.referral(id))?;
            a.read(|view| view.delivery(&sent.message_id))?.receipt
        })
        .await;
    }
    assert_eq!(receiver.read(|view| view.referrals("received", 100)).len(), referrals.len());
    assert_eq!(receiver.audited("message.accept").len(), referrals.len(), "accepted once each");
    assert_eq!(a.audited("message.delivered").len(), referrals.len(), "delivered once each");
    for id in &referrals {
        let events = a.read(|view| view.referral_events(id));
        assert_eq!(events.iter().filter(|event| event.to == "received").count(), 1, "{events:#?}");
    }
    for chain in a.store().view(|view| watari::audit::verify(view)).unwrap() {
        assert!(["a", "b", "c"].contains(&chain.chain.as_str()), "{chain:?}");
    }
}

#[tokio::test]
async fn a_node_whose_database_is_away_says_so_and_recovers_by_itself() {
    if !postgres_server::is_there() {
        return;
    }
    let mut server = Server::start();
    let database = tempfile::tempdir().unwrap();
    let settings = server.settings(database.path());
    let site = Site::canada("bayview").with(|config| config.store.postgres = Some(settings));
    let node = site.serve().await;
    let token = site.run(&["token", "--role", "system"]).good()["token"].as_str().unwrap().to_owned();
    let create = || {
        let body = r#"{"resourceType":"Patient","name":[{"family":"Essai"}]}"#;
        let request = node.client.post(node.inside("/fhir/Patient")).bearer_auth(&token);
        request.header("content-type", "application/fhir+json").body(body).send()
    };
    assert_eq!(create().await.unwrap().status(), 201);
    server.tell("crash");
    assert_eq!(create().await.unwrap().status(), 503);
    assert_eq!(node.client.get(node.inside("/ready")).send().await.unwrap().status(), 503);
    assert_eq!(node.client.get(node.inside("/health")).send().await.unwrap().status(), 200);
    server.tell("start");
    assert_eq!(create().await.unwrap().status(), 201);
    assert_eq!(node.client.get(node.inside("/ready")).send().await.unwrap().status(), 200);
    assert_eq!(site.count("Patient"), 2);
}

#[test]
fn a_node_moves_by_one_command_and_serves_from_there() {
    if !postgres_server::is_there() {
        return;
    }
    let database = tempfile::tempdir().unwrap();
    let settings = postgres_server::settings(database.path());
    let mut site = Site::canada("bayview");
    let nothing = site.run(&["db", "move-to-postgres", "--to", &settings.url]);
    nothing.refused(2, "nothing to move");
    site.run(&["token", "--role", "system"]).good();
    site.run(&["db", "move-to-postgres"]).refused(2, "[store.postgres]");
    site.run(&["db", "move-to-postgres", "--to", &settings.url]).refused(2, "unsealed = true");
    let to = ["db", "move-to-postgres", "--unsealed", "--to", &settings.url];
    let moved = site.run(&to).good();
    assert_eq!((&moved["tables"]["api_token"], &moved["tables"]["audit"]), (&1.into(), &1.into()));
    site.run(&to).refused(2, "holds a node already");
    site.config.store.postgres = Some(settings);
    let verified = site.run(&["audit", "verify"]).good();
    assert_eq!(verified["chains"][0]["entries"], 2, "the token, and the move");
}
