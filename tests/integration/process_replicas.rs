//! Several `watari serve` on one PostgreSQL: what one leaves undone another does, once; and the node says so while the
//! database is away.

use serde_json::{Value, json};
use watari::config::PostgresConfig;
use watari::store::exports::ExportStatus;

use super::fhir_client::System;
use super::fhir_export;
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

/// Resources of an export.
const EXPORTED: usize = 6_000;

/// Begins an export for each of three replicas; when it returns, each of them works at one.
async fn exports_under_way(a: &Site, system: &System<'_>) -> Vec<String> {
    for first in (0..EXPORTED).step_by(500) {
        let entries: Vec<Value> = (first..first + 500)
            .map(|number| {
                let id = format!("b{number:05}");
                let resource = json!({"resourceType": "Basic", "id": id, "code": {"text": "x".repeat(3000)}});
                json!({"resource": resource, "request": {"method": "PUT", "url": format!("Basic/{id}")}})
            })
            .collect();
        system.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await.is(200);
    }
    let is_open = |place: &String| {
        let id = place.rsplit('/').next().unwrap_or_default();
        a.read(|view| view.export(id)).is_some_and(|export| export.status == ExportStatus::Open)
    };
    let mut places = Vec::new();
    for _ in 0..5 {
        for _ in 0..3 {
            let begun = system.get_with("/fhir/$export?_type=Basic", &[("prefer", "respond-async")]).await.is(202);
            places.push(begun.header("content-location").to_owned());
        }
        // A replica works at one at a time: when none waits and three are open, each has one.
        until("an export at each replica", || {
            let now = watari::clock::instant(watari::clock::Clock::now(&watari::clock::SystemClock));
            a.read(|view| view.exports_due(&now, 5)).is_empty().then_some(())
        })
        .await;
        if places.iter().filter(|place| is_open(place)).count() == 3 {
            return places;
        }
        for place in &places {
            fhir_export::followed(system, place).await.is(200);
        }
    }
    panic!("exports are done before a replica could be killed: make them larger");
}

/// DB-07: one of three replicas is killed while referrals and exports are under way.
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
    let system = System::new(&a, &node_a, "system");
    let exports = exports_under_way(&a, &system).await;
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
    for place in &exports {
        let manifest = fhir_export::followed(&system, place).await.is(200).json();
        let file = system.get(manifest["output"][0]["url"].as_str().unwrap()).await.is(200);
        let mut ids: Vec<&str> = file.text.lines().map(|line| line.get(..40).unwrap_or(line)).collect();
        assert_eq!((ids.len(), &manifest["output"][0]["count"]), (EXPORTED, &EXPORTED.into()));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), EXPORTED, "each resource once");
    }
    assert_eq!(a.audited("export.done").len(), exports.len(), "done once each");
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
