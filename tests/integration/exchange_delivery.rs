//! The worker that delivers: what counts as an answer, retries, leases, and what a silent or revoked peer holds up.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::json;
use watari::clock::TestClock;
use watari::config::Country;
use watari::exchange::deliver::{Outcome, deliver_due};
use watari::exchange::transport::{Https, Outgoing, Reply, Transport, TransportError};
use watari::exchange::{Institution, envelope, pairing, receipt, token};
use watari::wire::submit_message;

use crate::exchange_messages::{Faulty, advance, told};
use crate::two_nodes::{Node, noon, paired, receipt_of};

/// Answers everything with what it was given.
struct Answers(Reply);

impl Transport for Answers {
    fn post<'a>(
        &'a self,
        _here: &'a Institution,
        _outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        Box::pin(async move { Ok(self.0.clone()) })
    }
}

fn answer(status: u16, body: serde_json::Value) -> Answers {
    let body = serde_json::to_vec(&body).unwrap().into();
    Answers(Reply { status, answer_signature: None, retry_after: None, body })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_proves_nothing_is_not_accepted() {
    let (toronto, tokyo, clock) = paired().await;
    let message = toronto.queue(&tokyo, "m-1", b"{}");
    let (told, outcome) = told();
    let right = receipt::ReceiptClaims {
        message_id: "m-1".to_owned(),
        sender: "toronto".to_owned(),
        recipient: "tokyo".to_owned(),
        body_sha256: message.body_sha256.clone(),
        received_at: tokyo.here.now(),
        disposition: receipt::Disposition::Stored,
    };
    let signed = |node: &Node, claims: &receipt::ReceiptClaims| json!({"receipt": node.here.identity.sign(receipt::TYPE, claims).unwrap()});
    let bodies = [
        ("other message", signed(&tokyo, &receipt::ReceiptClaims { message_id: "m-2".to_owned(), ..right.clone() })),
        ("other digest", signed(&tokyo, &receipt::ReceiptClaims { body_sha256: "00".repeat(32), ..right.clone() })),
        ("other sender", signed(&tokyo, &receipt::ReceiptClaims { sender: "osaka".to_owned(), ..right.clone() })),
        ("other key", signed(&toronto, &right)),
        ("other type", json!({"receipt": tokyo.here.identity.sign(token::TYPE, &right).unwrap()})),
        ("no receipt", json!({})),
        ("a web page", json!("<html>")),
    ];
    for (name, body) in bodies {
        deliver_due(&toronto.here, &answer(200, body), &outcome).await.unwrap();
        let waiting = toronto.delivery("m-1");
        assert_eq!((waiting.status.as_str(), waiting.receipt), ("queued", None), "{name}");
        assert!(waiting.last_error.unwrap().contains("receipt"), "{name}");
        advance(&clock, 1000);
    }
    assert_eq!(told.delivered.load(Ordering::SeqCst), 0);
    deliver_due(&toronto.here, &answer(200, signed(&tokyo, &right)), &outcome).await.unwrap();
    assert_eq!(toronto.delivery("m-1").status, "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_definitive_refusal_ends_the_attempts() {
    let (toronto, tokyo, clock) = paired().await;
    let (told, outcome) = told();
    for status in [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503] {
        let id = format!("m-{status}");
        toronto.queue(&tokyo, &id, b"{}");
        let refusal = watari::fhir::outcome::error("processing", "because", None);
        deliver_due(&toronto.here, &answer(status, refusal), &outcome).await.unwrap();
        let after = toronto.delivery(&id);
        assert!(after.last_error.unwrap().contains("because"), "{status}");
        if [400, 403, 409, 413, 415, 422].contains(&status) {
            assert_eq!(after.status, "dead", "{status}");
        } else {
            assert_eq!(after.status, "queued", "{status}");
            advance(&clock, 1000);
            deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();
            assert_eq!(toronto.delivery(&id).status, "delivered", "{status}");
        }
    }
    assert_eq!(told.gave_up.lock().unwrap().len(), 6);
    assert_eq!(toronto.audited("test.gave-up"), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_down_is_tried_ever_more_rarely_and_gets_everything_in_order_when_it_returns() {
    let (toronto, tokyo, clock) = paired().await;
    for n in 1..=3 {
        toronto.queue_in(&tokyo, "r-1", &format!("m-{n}"), format!("{{\"n\":{n}}}").as_bytes());
    }
    let (_, outcome) = told();
    let faulty = Faulty::default();
    faulty.down.store(true, Ordering::SeqCst);
    let mut waits = Vec::new();
    for _ in 0..14 {
        assert_eq!(deliver_due(&toronto.here, &faulty, &outcome).await.unwrap(), 1, "only the oldest is tried");
        let next: jiff::Timestamp = toronto.delivery("m-1").next_attempt_at.parse().unwrap();
        let wait = next.duration_since(watari::clock::Clock::now(&clock)).as_millis();
        waits.push(wait);
        clock.advance(SignedDuration::from_millis(i64::try_from(wait).unwrap()));
    }
    for (n, wait) in waits.iter().enumerate() {
        let full = (2000_i128 << n).min(900_000);
        assert!((full / 2..=full).contains(wait), "attempt {n}: {wait} ms of {full}");
    }
    assert_eq!(faulty.passed.lock().unwrap().len(), 14);
    faulty.down.store(false, Ordering::SeqCst);
    for n in 1..=3 {
        assert_eq!(deliver_due(&toronto.here, &faulty, &outcome).await.unwrap(), 1);
        assert_eq!(toronto.delivery(&format!("m-{n}")).status, "delivered");
        assert_eq!(tokyo.effects(), n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_configured_time_a_message_is_given_up() {
    let (toronto, tokyo, clock) = paired().await;
    toronto.queue(&tokyo, "m-1", b"{}");
    let (told, outcome) = told();
    let faulty = Faulty::default();
    faulty.down.store(true, Ordering::SeqCst);
    for attempt in 1..=9 {
        advance(&clock, 8 * 3600 - 1);
        deliver_due(&toronto.here, &faulty, &outcome).await.unwrap();
        let waiting = toronto.delivery("m-1");
        assert_eq!((waiting.status.as_str(), waiting.attempts), ("queued", attempt));
    }
    advance(&clock, 900);
    deliver_due(&toronto.here, &faulty, &outcome).await.unwrap();
    assert_eq!(toronto.delivery("m-1").status, "dead");
    assert_eq!(told.gave_up.lock().unwrap().as_slice(), ["the partner cannot be reached"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_this_node_alone_gives_nothing_up() {
    let (toronto, tokyo, clock) = paired().await;
    toronto.queue(&tokyo, "m-1", b"{}");
    let (told, outcome) = told();
    let faulty = Faulty::default();
    faulty.down.store(true, Ordering::SeqCst);
    advance(&clock, 100 * 3600);
    for attempt in 1..=9 {
        deliver_due(&toronto.here, &faulty, &outcome).await.unwrap();
        let waiting = toronto.delivery("m-1");
        assert_eq!((waiting.status.as_str(), waiting.attempts), ("queued", attempt));
        advance(&clock, 900);
    }
    deliver_due(&toronto.here, &faulty, &outcome).await.unwrap();
    assert_eq!(toronto.delivery("m-1").status, "dead");
    assert_eq!(told.gave_up.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_peer_does_not_take_yet_holds_up_its_own_stream_only() {
    let (toronto, tokyo, _clock) = paired().await;
    let (_, outcome) = told();
    toronto.queue_in(&tokyo, "r-1", "m-1", b"{}");
    let early = watari::fhir::outcome::error("transient", "not yet", None);
    deliver_due(&toronto.here, &answer(503, early), &outcome).await.unwrap();
    toronto.queue_in(&tokyo, "r-1", "m-2", b"{}");
    toronto.queue_in(&tokyo, "r-2", "m-3", b"{}");
    assert_eq!(deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap(), 1);
    let status = |id: &str| toronto.delivery(id).status;
    assert_eq!([status("m-1"), status("m-2"), status("m-3")], ["queued", "queued", "delivered"]);
}

/// Never answers for one institution.
struct Silent {
    network: Https,
    url: String,
}

impl Transport for Silent {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        if outgoing.url == self.url { Box::pin(std::future::pending()) } else { self.network.post(here, outgoing) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_silent_holds_up_no_later_message_to_another() {
    let (toronto, tokyo, clock) = paired().await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    crate::two_nodes::pair(&toronto, &osaka).await;
    let (_, outcome) = told();
    let silent = Silent { network: Https::new(), url: tokyo.url.clone() };
    let (wake, (_stop, stopped)) = (Arc::new(tokio::sync::Notify::new()), tokio::sync::watch::channel(false));
    toronto.queue(&tokyo, "m-1", b"{}");
    let (here, woken) = (toronto.here.clone(), wake.clone());
    let worker = tokio::spawn(watari::exchange::deliver::run(here, Arc::new(silent), outcome, woken, stopped));
    until("the first message is under way", || toronto.delivery("m-1").attempts == 1).await;
    toronto.queue(&osaka, "m-2", b"{}");
    wake.notify_one();
    until("the second message has arrived", || toronto.delivery("m-2").status == "delivered").await;
    assert_eq!(toronto.delivery("m-1").status, "queued");
    worker.abort();
}

/// Waits for a few seconds at most.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_revoked_peer() {
    let (toronto, tokyo, _clock) = paired().await;
    toronto.queue(&tokyo, "m-1", b"{}");
    pairing::revoke(&toronto.here, "tokyo", "user:it").unwrap();
    let (_, outcome) = told();
    let faulty = Faulty::default();
    deliver_due(&toronto.here, &faulty, &outcome).await.unwrap();
    assert_eq!(toronto.delivery("m-1").status, "dead");
    assert!(faulty.passed.lock().unwrap().is_empty());
    let peer = toronto.peer("tokyo");
    let sealed = envelope::seal(&toronto.here, &peer, submit_message::PATH, "text/plain", "TREAT", "m-2", vec![]);
    assert!(matches!(sealed, Err(envelope::EnvelopeError::PeerRevoked(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_worker_died_is_taken_up_when_the_lease_ends() {
    let (toronto, tokyo, clock) = paired().await;
    let message = toronto.queue(&tokyo, "m-1", b"{}");
    let now = toronto.here.now();
    let lease_until = watari::clock::instant(noon() + SignedDuration::from_secs(15));
    let claim = watari::store::deliveries::Claim {
        lease: "dead".to_owned(),
        now,
        lease_until,
        bytes_per_second: 1024,
        limit: 1,
        per_peer: 1,
    };
    assert_eq!(toronto.here.store.claim(&claim).unwrap().len(), 1);
    // It had sent the message, and died before it could write that down.
    receipt_of(&toronto.send(&tokyo, &message).await.unwrap());

    let (told, outcome) = told();
    assert_eq!(deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap(), 0);
    advance(&clock, 15);
    assert_eq!(deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap(), 1);
    assert_eq!(toronto.delivery("m-1").status, "delivered");
    assert_eq!((tokyo.effects(), told.delivered.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_its_lease_changes_nothing() {
    let (toronto, tokyo, clock) = paired().await;
    toronto.queue(&tokyo, "m-1", b"{}");
    let (told, outcome) = told();
    let thief = Arc::new(Faulty::default());
    // While the first worker waits for the answer, its lease ends and a second one delivers.
    let slow = Slow { here: toronto.here.clone(), clock, network: thief.clone(), outcome: outcome.clone() };
    assert_eq!(deliver_due(&toronto.here, &slow, &outcome).await.unwrap(), 1);
    assert_eq!(thief.passed.lock().unwrap().len(), 2, "both sent it");
    assert_eq!((tokyo.effects(), toronto.audited("test.delivered")), (1, 1));
    assert_eq!(toronto.delivery("m-1").status, "delivered");
    assert_eq!(told.delivered.load(Ordering::SeqCst), 2, "both were told, one was written");
}

/// Sends, and lets another worker do the same before it brings the answer.
struct Slow {
    here: Institution,
    clock: TestClock,
    network: Arc<Faulty>,
    outcome: Arc<dyn Outcome>,
}

impl Transport for Slow {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            let reply = self.network.post(here, outgoing).await;
            advance(&self.clock, 60);
            deliver_due(&self.here, self.network.as_ref(), &self.outcome).await.unwrap();
            reply
        })
    }
}

/// A log to be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_partners_words_are_for_staff_and_not_for_the_log() {
    let (toronto, tokyo, _clock) = paired().await;
    let (_, outcome) = told();
    toronto.queue(&tokyo, "m-1", b"{}");
    let (log, refusal) = (Log::default(), watari::fhir::outcome::error("processing", "Hanako is unknown", None));
    let into = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || into.clone()).finish();
    let listening = tracing::subscriber::set_default(subscriber);
    deliver_due(&toronto.here, &answer(422, refusal), &outcome).await.unwrap();
    drop(listening);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("given up") && text.contains("m-1") && text.contains("status=422"), "{text}");
    assert!(!text.contains("Hanako"), "{text}");
    assert!(toronto.delivery("m-1").last_error.unwrap().contains("Hanako is unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_delivers_at_once_when_woken_and_stops_when_told() {
    let (toronto, tokyo, _clock) = paired().await;
    let (told, outcome) = told();
    let (wake, (stop, stopped)) = (Arc::new(tokio::sync::Notify::new()), tokio::sync::watch::channel(false));
    let worker = tokio::spawn(watari::exchange::deliver::run(
        toronto.here.clone(),
        Arc::new(Https::new()),
        outcome,
        wake.clone(),
        stopped,
    ));
    toronto.queue(&tokyo, "m-1", b"{}");
    wake.notify_one();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while told.delivered.load(Ordering::SeqCst) == 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(tokyo.effects(), 1);
    stop.send_replace(true);
    tokio::time::timeout(std::time::Duration::from_secs(2), worker).await.unwrap().unwrap();
}
