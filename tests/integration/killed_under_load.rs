//! `kill -9` at any moment under load: what was acknowledged is there, exactly once, and nothing is there by half.
//!
//! 20 kills, or as many as `WATARI_KILLS` says (`tests/run --long`: 200). The seed is printed; `WATARI_SEED` repeats it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::fhir_client::{FHIR, System, bundle};
use super::process::Site;
use super::process::mllp::{Feed, message};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const SYSTEM: &str = "https://bayview.example/load";
/// Who write at once.
const WRITERS: usize = 3;
const FEEDS: usize = 2;

/// What one sender knows of what it sent.
#[derive(Clone)]
struct Sent {
    name: String,
    /// Whether its acceptance came back.
    is_known: bool,
}

/// Numbers that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// A patient and two results, each with the name as identifier, made once however often it is sent.
fn transaction(name: &str) -> Value {
    let identifier = json!([{"system": SYSTEM, "value": name}]);
    let once = format!("identifier={SYSTEM}|{name}");
    let result = |number: usize| {
        let once = format!("identifier={SYSTEM}|{name}-{number}");
        json!({"request": {"method": "POST", "url": "Observation", "ifNoneExist": once}, "resource": {
            "resourceType": "Observation", "status": "final", "identifier": [{"system": SYSTEM, "value": format!("{name}-{number}")}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
            "subject": {"reference": "urn:uuid:6f0d6a0e-8c2b-4c6f-9b57-3f1f0a5bc41d"},
        }})
    };
    let patient = json!({"fullUrl": "urn:uuid:6f0d6a0e-8c2b-4c6f-9b57-3f1f0a5bc41d",
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": once},
        "resource": {"resourceType": "Patient", "identifier": identifier}});
    bundle("transaction", json!([patient, result(1), result(2)]))
}

/// Sends until the node dies; first again what it does not know of.
async fn write(client: reqwest::Client, url: String, token: String, names: String, again: Vec<String>) -> Vec<Sent> {
    let mut sent = Vec::new();
    let fresh = (0..).map(|number| format!("{names}-{number}"));
    for name in again.into_iter().chain(fresh) {
        let body = transaction(&name).to_string();
        let request = client.post(&url).bearer_auth(&token).header("content-type", FHIR).body(body);
        let Ok(answer) = request.send().await else {
            sent.push(Sent { name, is_known: false });
            break;
        };
        // An answer whose status came is an acceptance, even when its body was cut off.
        assert_eq!(answer.status(), 200, "{name}: {:?}", answer.text().await);
        sent.push(Sent { name, is_known: true });
    }
    sent
}

fn arrival(name: &str) -> Vec<u8> {
    message(&ARRIVAL.replace("BV-1001", name).replace("BV700101", name))
}

/// As [`write`], over MLLP: the same control id when it is sent again.
async fn feed(door: SocketAddr, names: String, again: Vec<String>, stop: Arc<AtomicBool>) -> Vec<Sent> {
    let mut sent = Vec::new();
    let Ok(stream) = tokio::net::TcpStream::connect(door).await else { return sent };
    let mut feed = Feed(stream);
    let fresh = (0..).map(|number| format!("{names}-{number}"));
    for name in again.into_iter().chain(fresh) {
        use tokio::io::AsyncWriteExt as _;
        let bytes = super::process::mllp::framed(&arrival(&name));
        let answer = if feed.0.write_all(&bytes).await.is_ok() { feed.answer_or_end().await } else { None };
        let Some(answer) = answer else {
            assert!(stop.load(Ordering::SeqCst), "the connection ended before the kill");
            sent.push(Sent { name, is_known: false });
            break;
        };
        assert_eq!(answer.code, "AA", "{name}: {answer:?}");
        sent.push(Sent { name, is_known: true });
    }
    sent
}

/// How often each identifier of the load stands in the record.
async fn found(system: &System<'_>, kind: &str, of: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    let mut next = Some(format!("/fhir/{kind}?_count=500"));
    while let Some(path) = next {
        let page = system.get(&path).await.is(200);
        for entry in page.json()["entry"].as_array().unwrap_or(&Vec::new()) {
            for identifier in entry["resource"]["identifier"].as_array().unwrap_or(&Vec::new()) {
                let value = identifier["value"].as_str().unwrap_or("");
                if value.starts_with(of) {
                    *count.entry(value.to_owned()).or_default() += 1;
                }
            }
        }
        let links = page.json()["link"].as_array().cloned().unwrap_or_default();
        let further = links.iter().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
        next = further.map(|url| format!("/fhir/{url}"));
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_once_and_nothing_stands_by_half() {
    let kills = from_environment("WATARI_KILLS").unwrap_or(20);
    let seed = from_environment("WATARI_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kills} kills, WATARI_SEED={seed}");
    let mut chance = Chance(seed);
    let site = Site::canada("bayview");
    let token = site.run(&["token", "--role", "system"]).good()["token"].as_str().unwrap().to_owned();
    let (mut written, mut fed): (Vec<Sent>, Vec<Sent>) = (Vec::new(), Vec::new());
    let (mut write_again, mut feed_again): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for round in 0..kills {
        let node = site.serve().await;
        let stop = Arc::new(AtomicBool::new(false));
        let (mut writers, mut feeds) = (JoinSet::new(), JoinSet::new());
        for writer in 0..WRITERS {
            let again = if writer == 0 { std::mem::take(&mut write_again) } else { Vec::new() };
            let names = format!("w{round}-{writer}");
            writers.spawn(write(node.client.clone(), node.inside("/fhir"), token.clone(), names, again));
        }
        for number in 0..FEEDS {
            let again = if number == 0 { std::mem::take(&mut feed_again) } else { Vec::new() };
            feeds.spawn(feed(node.mllp(), format!("M{round}-{number}"), again, Arc::clone(&stop)));
        }
        tokio::time::sleep(Duration::from_millis(50 + chance.below(700))).await;
        stop.store(true, Ordering::SeqCst);
        node.kill();
        for sent in writers.join_all().await.concat() {
            // Half of what is not known is sent again: then it must be there once, whether it was or not.
            if !sent.is_known && chance.below(2) == 0 {
                write_again.push(sent.name.clone());
            }
            written.push(sent);
        }
        for sent in feeds.join_all().await.concat() {
            if !sent.is_known && chance.below(2) == 0 {
                feed_again.push(sent.name.clone());
            }
            fed.push(sent);
        }
    }
    let node = site.serve().await;
    let system = System { node: &node, token };
    let patients = found(&system, "Patient", "w").await;
    let results = found(&system, "Observation", "w").await;
    let arrived = found(&system, "Patient", "M").await;
    let once = |count: Option<&usize>| count.copied().unwrap_or(0);
    for sent in &written {
        let here = [
            once(patients.get(&sent.name)),
            once(results.get(&format!("{}-1", sent.name))),
            once(results.get(&format!("{}-2", sent.name))),
        ];
        let right = here == [1; 3] || (!sent.is_known && here == [0; 3]);
        assert!(right, "seed {seed}: {} was acknowledged: {}; there are {here:?}", sent.name, sent.is_known);
    }
    for sent in &fed {
        let here = once(arrived.get(&sent.name));
        assert!(here == 1 || (!sent.is_known && here == 0), "seed {seed}: {}: {here}", sent.name);
    }
    let known = |all: &[Sent]| all.iter().filter(|sent| sent.is_known).count();
    let (transactions, messages) = (known(&written), known(&fed));
    assert!(transactions as u64 > kills && messages as u64 > kills, "there was no load: {transactions}, {messages}");
    assert!(patients.values().chain(results.values()).all(|count| *count == 1));
    let told: BTreeMap<_, usize> = site.messages().into_iter().fold(BTreeMap::new(), |mut told, message| {
        *told.entry(message.control_id.unwrap_or_default()).or_default() += 1;
        told
    });
    for sent in fed.iter().filter(|sent| sent.is_known) {
        assert!(told.contains_key(&sent.name) || told.len() >= 10_000, "seed {seed}: the bytes of {}", sent.name);
    }
    assert_eq!(site.run(&["audit", "verify"]).code, 0, "both trails hold");
    println!("{kills} kills: {transactions} transactions and {messages} messages acknowledged, all there, each once");
}
