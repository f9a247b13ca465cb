//! One cohort question asked across two nodes over real mutual TLS.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use watari::access::{Role, Staff};
use watari::clock::TestClock;
use watari::cohort::answer::{CohortPolicy, NOT_FOR_REAL_PATIENTS, answer};
use watari::cohort::{CohortError, result_json};
use watari::config::{Country, ExchangeConfig, InstitutionConfig, LocalName, OutsideConfig};
use watari::exchange::ask::exchange;
use watari::exchange::endpoints::{self, ExchangeState, OutsideUrl};
use watari::exchange::identity::Identity;
use watari::exchange::{Institution, pairing};
use watari::fault::Kind;
use watari::fhir::systems;
use watari::server::outside::serve_outside;
use watari::server::peer::{Answer, PeerQuestion};
use watari::server::problem::Problem;
use watari::store::{Change, Changes, Handle, sqlite::SqliteStore};
use watari::wire::cohort_question::{PATH, PURPOSE, Request};

use crate::cohort::put;

struct Node {
    here: Institution,
    url: String,
    shutdown: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
    }
}

impl Node {
    async fn start(id: &str, country: Country, answer_peers: bool) -> Self {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = InstitutionConfig {
            id: id.to_owned(),
            name: LocalName { en: id.to_owned(), ..LocalName::default() },
            country,
            ..InstitutionConfig::default()
        };
        let here = Institution {
            profiles: std::sync::Arc::default(),
            config: Arc::new(config),
            exchange: Arc::new(ExchangeConfig { attempt_seconds: 5, ..ExchangeConfig::default() }),
            filing: Arc::default(),
            identity: Arc::new(Identity::create(&folder.path().join("keys"), id, &[], now).unwrap()),
            store: Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap())),
            clock: Arc::new(TestClock::new(now)),
            catalog: watari::harmonise::builtin().unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let policy = CohortPolicy { answer_peers, ..CohortPolicy::default() };
        let state = ExchangeState { here: here.clone(), outside_url: OutsideUrl(url.clone()) };
        let questions = Router::new().route(PATH, post(count_for_peer)).with_state(Door { here: here.clone(), policy });
        let app = endpoints::router(state).merge(questions);
        let (shutdown, stopped) = watch::channel(false);
        let there = here.clone();
        tokio::spawn(serve_outside(listener, there, OutsideConfig::default(), app, stopped).unwrap());
        Self { here, url, shutdown, _folder: folder }
    }

    /// `people` patients with HbA1c of 7.4 %, in the country's own codes and units.
    fn populate(&self, people: usize) {
        let country = self.here.config.country;
        for person in 0..people {
            let id = format!("p{person}");
            let mut patient = json!({"resourceType": "Patient", "birthDate": "1960-01-01"});
            put(&self.here.store, country, "Patient", &id, &id, &mut patient);
            let (system, code, value, unit) = match country {
                Country::Ca => (systems::LOINC, "59261-8", 57, "mmol/mol"),
                Country::Jp => (systems::JLAC10, "3D046000001906202", 7, "%"),
            };
            let mut result = json!({
                "resourceType": "Observation", "status": "final", "effectiveDateTime": "2025-01-01",
                "code": {"coding": [{"system": system, "code": code}]},
                "valueQuantity": {"value": value, "unit": unit, "system": systems::UCUM, "code": unit},
            });
            put(&self.here.store, country, "Observation", &format!("o{person}"), &id, &mut result);
        }
    }

    fn result(&self, sha256: &str) -> Value {
        self.here.store.view(|view| result_json(view, sha256)).unwrap()
    }

    fn audited(&self, action: &str) -> usize {
        let tail = self.here.store.view(|view| view.audit_tail(1000)).unwrap();
        tail.iter().filter(|entry| entry.entry.action == action).count()
    }
}

#[derive(Clone)]
struct Door {
    here: Institution,
    policy: CohortPolicy,
}

impl axum::extract::FromRef<Door> for Institution {
    fn from_ref(door: &Door) -> Self {
        door.here.clone()
    }
}

async fn count_for_peer(State(door): State<Door>, PeerQuestion(question): PeerQuestion) -> Result<Answer, Problem> {
    let body = answer(&door.here, &question, &door.policy)
        .await
        .map_err(|error| Problem::new(Kind::Unprocessable, error.to_string()))?;
    Answer::new(&door.here, &question, body)
}

async fn pair(inviter: &Node, joiner: &Node) {
    let code = pairing::invite(&inviter.here, &inviter.url, 600).unwrap();
    pairing::join(&joiner.here, &code, &joiner.url).await.unwrap();
}

fn researcher() -> Staff {
    Staff { user: "r.tremblay".to_owned(), role: Role::Researcher }
}

async fn ask(here: &Institution, staff: &Staff, question: &[u8]) -> Result<String, CohortError> {
    watari::cohort::ask(here, staff, question, &CohortPolicy::default(), Duration::from_secs(5)).await
}

fn question() -> Vec<u8> {
    json!({"version": "watari-cohort/1", "inclusion": [[{
        "context": "observation",
        "termCodes": [{"system": systems::LOINC, "code": "4548-4"}],
        "valueFilter": {"type": "quantity-comparator", "comparator": "ge", "value": 7, "unit": {"code": "%"}},
    }]]})
    .to_string()
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_answer_in_their_own_units_protected_and_signed() {
    let toronto = Node::start("toronto", Country::Ca, true).await;
    let tokyo = Node::start("tokyo", Country::Jp, true).await;
    pair(&toronto, &tokyo).await;
    toronto.populate(23);
    tokyo.populate(16);

    let sha256 = ask(&toronto.here, &researcher(), &question()).await.unwrap();
    let result = toronto.result(&sha256);
    assert_eq!(
        result["sites"],
        json!([
            {"node": "tokyo", "status": "ok", "count": 20, "rounded_to": 10},
            {"node": "toronto", "status": "ok", "count": 20, "rounded_to": 10},
        ])
    );
    let answers = toronto.here.store.view(|view| view.answers(&sha256)).unwrap();
    assert_eq!(answers[0].evidence.split('.').count(), 3, "the peer's signature is kept");
    assert_eq!((toronto.audited("cohort.ask"), tokyo.audited("cohort.answer")), (1, 1));
    // Asked again, by the other: the same question, the same id.
    assert_eq!(ask(&tokyo.here, &researcher(), &question()).await.unwrap(), sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_a_few_look_the_same() {
    let toronto = Node::start("toronto", Country::Ca, true).await;
    let tokyo = Node::start("tokyo", Country::Jp, true).await;
    pair(&toronto, &tokyo).await;
    toronto.populate(9);

    let sha256 = ask(&toronto.here, &researcher(), &question()).await.unwrap();
    let sites = toronto.result(&sha256)["sites"].clone();
    assert_eq!(sites, json!([{"node": "tokyo", "status": "too-few"}, {"node": "toronto", "status": "too-few"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_outside_the_demonstration_refuses_and_an_absent_one_holds_up_nobody() {
    let toronto = Node::start("toronto", Country::Ca, true).await;
    let tokyo = Node::start("tokyo", Country::Jp, false).await;
    let osaka = Node::start("osaka", Country::Jp, true).await;
    pair(&toronto, &tokyo).await;
    pair(&toronto, &osaka).await;
    toronto.populate(12);
    tokyo.populate(30);
    // Nothing listens where Osaka is said to be.
    let mut gone = toronto.here.store.view(|view| view.peer("osaka")).unwrap().unwrap();
    gone.url = "https://127.0.0.1:9".to_owned();
    toronto.here.store.commit(Changes::new().with(Change::PutPeer(gone))).unwrap();

    let sha256 = ask(&toronto.here, &researcher(), &question()).await.unwrap();
    let result = toronto.result(&sha256);
    assert_eq!(result["sites"][0]["status"], "no-answer");
    assert_eq!(result["sites"][1]["status"], "refused");
    assert_eq!(result["sites"][1]["reason"], NOT_FOR_REAL_PATIENTS);
    assert_eq!(result["sites"][1].get("count"), None);
    assert_eq!(result["sites"][2]["count"], 10);
    // The refusing node told nothing, and remembers who asked.
    assert_eq!(tokyo.audited("cohort.answer"), 1);
    assert!(tokyo.here.store.view(|view| view.answers(&sha256)).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_researchers_ask_and_only_questions_are_answered() {
    let toronto = Node::start("toronto", Country::Ca, true).await;
    let tokyo = Node::start("tokyo", Country::Jp, true).await;
    pair(&toronto, &tokyo).await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Researcher) {
        let refused = ask(&toronto.here, &Staff { user: "x".to_owned(), role }, &question()).await;
        assert!(matches!(refused, Err(CohortError::Forbidden(_))), "{role}");
    }
    let unknown = toronto.here.store.view(|view| result_json(view, "00"));
    assert!(matches!(unknown, Err(CohortError::Unknown)));

    let peer = toronto.here.store.view(|view| view.peer("tokyo")).unwrap().unwrap();
    let asked = |purpose: &'static str, body: Vec<u8>| exchange(&toronto.here, &peer, PATH, purpose, body);
    let request = |question_sha256: &str| {
        let question = serde_json::from_slice(&question()).unwrap();
        serde_json::to_vec(&Request { question_sha256: question_sha256.to_owned(), question }).unwrap()
    };
    let right = watari::cohort::question::check(&question()).unwrap();
    assert!(asked(PURPOSE, request(right.sha256())).await.is_ok());
    assert!(asked(PURPOSE, request("00")).await.is_err(), "another digest");
    assert!(asked("TREAT", request(right.sha256())).await.is_err(), "another purpose");
    assert!(asked(PURPOSE, b"{}".to_vec()).await.is_err(), "no question");
}
