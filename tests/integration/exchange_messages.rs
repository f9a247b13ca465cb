//! Messages between two nodes: once and only once, with evidence at both ends; everything forged is refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::json;
use watari::clock::TestClock;
use watari::config::Country;
use watari::exchange::deliver::{Outcome, deliver_due};
use watari::exchange::evidence::{self, Evidence};
use watari::exchange::transport::{Https, Outgoing, Reply, Transport, TransportError};
use watari::exchange::{Institution, envelope, pairing, receipt, token};
use watari::wire::submit_message;

use crate::two_nodes::{Node, Told, base64url_of_hex, noon, paired, receipt_of};

/// Loses answers, or the whole network, and remembers what passed.
#[derive(Default)]
struct Faulty {
    network: Https,
    lose_answers: AtomicBool,
    down: AtomicBool,
    passed: Mutex<Vec<Outgoing>>,
    answers: Mutex<Vec<Reply>>,
}

impl Transport for Faulty {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            self.passed.lock().unwrap().push(outgoing.clone());
            if self.down.load(Ordering::SeqCst) {
                return Err(TransportError::Unreachable);
            }
            let reply = self.network.post(here, outgoing).await?;
            self.answers.lock().unwrap().push(reply.clone());
            if self.lose_answers.load(Ordering::SeqCst) { Err(TransportError::TimedOut) } else { Ok(reply) }
        })
    }
}

fn told() -> (Arc<Told>, Arc<dyn Outcome>) {
    let told = Arc::new(Told::default());
    (told.clone(), told)
}

fn advance(clock: &TestClock, seconds: i64) {
    clock.advance(SignedDuration::from_secs(seconds));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_delivered_with_evidence_at_both_ends() {
    let (toronto, tokyo, _clock) = paired().await;
    let sent = toronto.queue(&tokyo, "m-1", br#"{"value":1.50}"#);
    let (told, outcome) = told();
    let network = Https::new();
    assert_eq!(deliver_due(&toronto.here, &network, &outcome).await.unwrap(), 1);
    assert_eq!(deliver_due(&toronto.here, &network, &outcome).await.unwrap(), 0);

    let delivered = toronto.delivery("m-1");
    assert_eq!(delivered.status, "delivered");
    assert_eq!(told.delivered.load(Ordering::SeqCst), 1);
    assert_eq!((toronto.audited("test.delivered"), toronto.audited("message.delivered")), (1, 1));
    let seen = tokyo.here.store.view(|view| view.seen("toronto", "m-1")).unwrap().unwrap();
    assert_eq!(seen.body, br#"{"value":1.50}"#);
    assert_eq!((&seen.body_sha256, &seen.signature), (&sent.body_sha256, &sent.signature));
    assert_eq!(delivered.receipt.as_deref(), Some(seen.receipt.as_str()));
    let claims = receipt::verify(&toronto.here, &toronto.peer("tokyo"), &sent, &seen.receipt).unwrap();
    assert_eq!(claims.received_at, seen.received_at);
    assert_eq!((tokyo.effects(), tokyo.audited("message.accept")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_retried_with_the_same_bytes_and_gets_the_same_receipt() {
    let (toronto, tokyo, clock) = paired().await;
    toronto.queue(&tokyo, "m-1", b"{}");
    let (told, outcome) = told();
    let faulty = Faulty::default();
    faulty.lose_answers.store(true, Ordering::SeqCst);
    assert_eq!(deliver_due(&toronto.here, &faulty, &outcome).await.unwrap(), 1);
    let waiting = toronto.delivery("m-1");
    assert_eq!((waiting.status.as_str(), waiting.attempts), ("queued", 1));
    assert!(waiting.last_error.unwrap().contains("in time"));
    assert_eq!(tokyo.effects(), 1, "the work was done, only the answer was lost");

    advance(&clock, 60);
    faulty.lose_answers.store(false, Ordering::SeqCst);
    assert_eq!(deliver_due(&toronto.here, &faulty, &outcome).await.unwrap(), 1);
    assert_eq!(toronto.delivery("m-1").status, "delivered");
    assert_eq!(tokyo.effects(), 1);
    assert_eq!(told.delivered.load(Ordering::SeqCst), 1);
    let passed = faulty.passed.lock().unwrap();
    assert_eq!((&passed[0].body, &passed[0].signature), (&passed[1].body, &passed[1].signature));
    assert_ne!(passed[0].token, passed[1].token, "every request has a token of its own");
    let answers = faulty.answers.lock().unwrap();
    assert_eq!(receipt_of(&answers[0]), receipt_of(&answers[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_months_still_gets_the_original_receipt() {
    let (toronto, tokyo, clock) = paired().await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    let first = receipt_of(&toronto.send(&tokyo, &message).await.unwrap());
    advance(&clock, 90 * 24 * 3600);
    assert_eq!(receipt_of(&toronto.send(&tokyo, &message).await.unwrap()), first);
    assert_eq!(tokyo.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deliveries_of_one_message_at_once_have_one_effect_and_one_receipt() {
    let (toronto, tokyo, _clock) = paired().await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    let toronto = Arc::new(toronto);
    let network = Arc::new(Https::new());
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (toronto, network, outgoing) = (toronto.clone(), network.clone(), toronto.outgoing(&tokyo, &message));
        requests.spawn(async move { network.post(&toronto.here, outgoing).await.unwrap() });
    }
    let receipts: std::collections::BTreeSet<String> = requests.join_all().await.iter().map(receipt_of).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!(tokyo.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_other_bytes_is_refused_and_noted() {
    let (toronto, tokyo, _clock) = paired().await;
    let original = toronto.seal(&tokyo, "m-1", b"{}");
    let first = receipt_of(&toronto.send(&tokyo, &original).await.unwrap());
    let (_, outcome) = told();
    toronto.queue(&tokyo, "m-1", br#"{"other":true}"#);
    deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();
    let refused = toronto.delivery("m-1");
    assert_eq!(refused.status, "dead");
    assert!(refused.last_error.unwrap().contains("409"));
    assert_eq!((tokyo.effects(), tokyo.audited("message.conflict")), (1, 1));
    let seen = tokyo.here.store.view(|view| view.seen("toronto", "m-1")).unwrap().unwrap();
    assert_eq!((seen.body, seen.receipt), (b"{}".to_vec(), first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_token_counts_once() {
    let (toronto, tokyo, _clock) = paired().await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    let captured = toronto.outgoing(&tokyo, &message);
    assert_eq!(toronto.post(captured.clone()).await.unwrap().status, 200);
    let replayed = toronto.post(captured).await.unwrap();
    assert_eq!(replayed.status, 401);
    assert!(replayed.refusal_text().contains("used before"));
    assert_eq!(tokyo.audited("message.replay"), 1);

    let raced = toronto.outgoing(&tokyo, &toronto.seal(&tokyo, "m-2", b"{}"));
    let toronto = Arc::new(toronto);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (toronto, raced) = (toronto.clone(), raced.clone());
        requests.spawn(async move { toronto.post(raced).await.unwrap().status });
    }
    let statuses = requests.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_lets_nobody_in() {
    let (toronto, tokyo, clock) = paired().await;
    let montreal = Node::start("montreal", Country::Ca, &clock).await;
    crate::two_nodes::pair(&tokyo, &montreal).await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    let right = toronto.token_claims(&tokyo, &message);
    let now = noon().as_second();
    let montreals = base64url_of_hex(montreal.here.identity.certificate_sha256());

    type Spoil = Box<dyn Fn(&mut token::RequestClaims)>;
    let cases: Vec<(&str, u16, Spoil)> = vec![
        ("expired", 401, Box::new(move |claims| (claims.iat, claims.exp) = (now - 200, now - 31))),
        ("just over its time", 401, Box::new(move |claims| (claims.iat, claims.exp) = (now - 100, now - 30))),
        ("in the future", 401, Box::new(move |claims| (claims.iat, claims.exp) = (now + 31, now + 60))),
        ("too long", 401, Box::new(move |claims| claims.exp = claims.iat + 301)),
        ("for another institution", 401, Box::new(|claims| claims.aud = "montreal".to_owned())),
        ("by another institution", 403, Box::new(|claims| claims.iss = "montreal".to_owned())),
        ("over another certificate", 403, Box::new(move |claims| claims.cnf.x5t_s256.clone_from(&montreals))),
        ("for another body", 403, Box::new(|claims| claims.body_sha256 = "00".repeat(32))),
        ("for another address", 401, Box::new(|claims| claims.htu = "/peer/v1/directory".to_owned())),
        ("for another purpose", 403, Box::new(|claims| claims.purpose = "HRESCH".to_owned())),
        ("without id", 401, Box::new(|claims| claims.jti.clear())),
        ("with an endless id", 401, Box::new(|claims| claims.jti = "x".repeat(65))),
    ];
    for (name, status, spoil) in cases {
        let mut claims = right.clone();
        spoil(&mut claims);
        let mut outgoing = toronto.outgoing(&tokyo, &message);
        outgoing.token = Some(toronto.token(&claims));
        assert_eq!(toronto.post(outgoing).await.unwrap().status, status, "{name}");
    }
    let mut edge = right.clone();
    (edge.iat, edge.exp) = (now - 100, now - 29);
    let mut outgoing = toronto.outgoing(&tokyo, &message);
    outgoing.token = Some(toronto.token(&edge));
    assert_eq!(toronto.post(outgoing).await.unwrap().status, 200, "within the tolerated difference of the clocks");
    assert_eq!(tokyo.effects(), 1);

    // Toronto's whole request, stolen and sent over Montréal's connection.
    let stolen = toronto.outgoing(&tokyo, &toronto.seal(&tokyo, "m-2", b"{}"));
    assert_eq!(montreal.post(stolen).await.unwrap().status, 401);
    assert_eq!(tokyo.effects(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_making_are_refused() {
    use base64::Engine as _;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let (toronto, tokyo, _clock) = paired().await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    let claims = toronto.token_claims(&tokyo, &message);
    let right = toronto.token(&claims);
    let encode = |value: serde_json::Value| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(serde_json::to_vec(&value).unwrap())
    };
    let mut parts = right.split('.');
    let (_, payload, signature) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
    let kid = toronto.here.identity.public_key().thumbprint();
    let with_header = |header: serde_json::Value| format!("{}.{payload}.{signature}", encode(header));
    let mut tokens = vec![
        ("alg none", format!("{}.{payload}.", encode(json!({"typ": token::TYPE, "alg": "none", "kid": kid})))),
        ("alg NONE", with_header(json!({"typ": token::TYPE, "alg": "NONE", "kid": kid}))),
        ("jku", with_header(json!({"typ": token::TYPE, "alg": "ES256", "kid": kid, "jku": "https://127.0.0.1:9"}))),
        ("crit", with_header(json!({"typ": token::TYPE, "alg": "ES256", "kid": kid, "crit": ["x"]}))),
        ("other type", toronto.here.identity.sign(envelope::TYPE, &claims).unwrap()),
        ("foreign key", tokyo.token(&claims)),
        ("no token", String::new()),
        ("not a token", "x.y.z".to_owned()),
        ("too long", format!("{right}{}", "A".repeat(5000))),
    ];
    let with_claim = |name: &str, value: serde_json::Value| {
        let mut claims = serde_json::to_value(&claims).unwrap();
        claims[name] = value;
        toronto.here.identity.sign(token::TYPE, &claims).unwrap()
    };
    tokens.push(("a list of audiences", with_claim("aud", json!(["tokyo", "montreal"]))));
    tokens.push(("no end", with_claim("exp", json!(null))));
    tokens.push(("an end that is no number", with_claim("exp", json!("tomorrow"))));
    tokens.push(("an end beyond all time", with_claim("exp", json!(i64::MAX))));
    tokens.push(("an unknown claim", with_claim("scope", json!("*"))));
    for kid in ["", "../../etc/passwd", "' OR 1=1 --", &tokyo.here.identity.public_key().thumbprint()] {
        tokens.push(("other kid", with_header(json!({"typ": token::TYPE, "alg": "ES256", "kid": kid}))));
    }
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(token::TYPE.to_owned());
    header.kid = Some(kid);
    let public = EncodingKey::from_secret(toronto.here.identity.public_key().json().as_bytes());
    tokens.push(("HS256 with the public key", jsonwebtoken::encode(&header, &claims, &public).unwrap()));
    for (name, token) in tokens {
        let mut outgoing = toronto.outgoing(&tokyo, &message);
        outgoing.token = Some(token);
        assert_eq!(toronto.post(outgoing).await.unwrap().status, 401, "{name}");
    }
    let mut outgoing = toronto.outgoing(&tokyo, &message);
    outgoing.token = None;
    assert_eq!(toronto.post(outgoing).await.unwrap().status, 401, "no Authorization header");
    assert_eq!(tokyo.effects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_message_is_refused() {
    let (toronto, tokyo, _clock) = paired().await;
    let message = toronto.seal(&tokyo, "m-1", b"{}");
    type Spoil = Box<dyn Fn(&mut envelope::MessageClaims)>;
    let cases: Vec<(&str, u16, Spoil)> = vec![
        ("addressed to another", 403, Box::new(|claims| claims.recipient = "montreal".to_owned())),
        ("in another's name", 403, Box::new(|claims| claims.sender = "montreal".to_owned())),
        ("other digest", 403, Box::new(|claims| claims.body_sha256 = "00".repeat(32))),
        ("other address", 403, Box::new(|claims| claims.path = "/peer/v1/directory".to_owned())),
        ("other media type", 403, Box::new(|claims| claims.content_type = "text/plain".to_owned())),
        ("other purpose", 403, Box::new(|claims| claims.purpose = "HRESCH".to_owned())),
        ("from the future", 401, Box::new(|claims| claims.time = "2026-11-24T12:00:31Z".to_owned())),
        ("no time", 400, Box::new(|claims| claims.time = "yesterday".to_owned())),
        ("no id", 400, Box::new(|claims| claims.message_id.clear())),
        ("an id with a path", 400, Box::new(|claims| claims.message_id = "../m".to_owned())),
    ];
    for (name, status, spoil) in cases {
        let mut claims = toronto.message_claims(&message);
        spoil(&mut claims);
        let mut outgoing = toronto.outgoing(&tokyo, &message);
        outgoing.signature = Some(toronto.here.identity.sign(envelope::TYPE, &claims).unwrap());
        assert_eq!(toronto.post(outgoing).await.unwrap().status, status, "{name}");
    }
    let claims = toronto.message_claims(&message);
    for (name, status, signature) in [
        ("by another key", 403, Some(tokyo.here.identity.sign(envelope::TYPE, &claims).unwrap())),
        ("of another type", 403, Some(toronto.here.identity.sign(token::TYPE, &claims).unwrap())),
        ("unsigned", 400, None),
    ] {
        let mut outgoing = toronto.outgoing(&tokyo, &message);
        outgoing.signature = signature;
        assert_eq!(toronto.post(outgoing).await.unwrap().status, status, "{name}");
    }
    // The token goes with the changed body, the message signature does not.
    let mut changed = toronto.outgoing(&tokyo, &message);
    changed.body = bytes::Bytes::from_static(b"{ }");
    let mut claims = toronto.token_claims(&tokyo, &message);
    claims.body_sha256 = watari::ids::sha256_hex(b"{ }");
    changed.token = Some(toronto.token(&claims));
    assert_eq!(toronto.post(changed).await.unwrap().status, 403, "changed body");
    let mut changed = toronto.outgoing(&tokyo, &message);
    changed.body = bytes::Bytes::from_static(b"{ }");
    assert_eq!(toronto.post(changed).await.unwrap().status, 403, "changed body, old token");
    let mut query = toronto.outgoing(&tokyo, &message);
    query.path.push_str("?x=1");
    assert_eq!(toronto.post(query).await.unwrap().status, 400, "with a query");
    assert_eq!(tokyo.effects(), 0);
    assert_eq!(tokyo.audited("message.refuse"), 15, "every forgery of a partner is written down");
    assert_eq!(toronto.send(&tokyo, &message).await.unwrap().status, 200, "the right one still gets in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_captured_on_the_way_to_one_node_is_worth_nothing_at_another() {
    let (toronto, tokyo, clock) = paired().await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    crate::two_nodes::pair(&toronto, &osaka).await;
    let for_tokyo = toronto.seal(&tokyo, "m-1", b"{}");
    let mut outgoing = toronto.outgoing(&osaka, &for_tokyo);
    assert_eq!(outgoing.signature.as_ref(), Some(&for_tokyo.signature));
    let reply = toronto.post(outgoing.clone()).await.unwrap();
    assert_eq!(reply.status, 403);
    assert!(reply.refusal_text().contains("another institution"));
    outgoing.token = toronto.outgoing(&tokyo, &for_tokyo).token;
    assert_eq!(toronto.post(outgoing).await.unwrap().status, 401);
    assert_eq!(osaka.effects(), 0);
}

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

#[tokio::test(flavor = "multi_thread")]
async fn the_evidence_holds_without_a_node_and_for_these_bytes_only() {
    let (toronto, tokyo, _clock) = paired().await;
    toronto.queue(&tokyo, "m-1", br#"{"value":1.50}"#);
    let (_, outcome) = told();
    assert!(Evidence::of_sent(&toronto.here, "m-1").unwrap().is_none(), "no receipt, no evidence");
    deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();
    let sent = Evidence::of_sent(&toronto.here, "m-1").unwrap().unwrap();
    let received = Evidence::of_received(&tokyo.here, "toronto", "m-1").unwrap().unwrap();
    assert_eq!(sent, received, "both ends hold the same");
    let file = serde_json::to_vec_pretty(&sent).unwrap();
    let verified = evidence::verify(&file).unwrap();
    assert_eq!((verified.message.sender.as_str(), verified.receipt.recipient.as_str()), ("toronto", "tokyo"));

    type Spoil = Box<dyn Fn(&mut Evidence)>;
    let other = toronto.here.identity.public_key().clone();
    let cases: Vec<(&str, Spoil)> = vec![
        ("body", Box::new(|evidence| evidence.body = "eyJ2YWx1ZSI6MS41MX0=".to_owned())),
        ("no base64", Box::new(|evidence| evidence.body.push('!'))),
        ("receipt", Box::new(|evidence| evidence.receipt = evidence.message_signature.clone())),
        ("signature", Box::new(|evidence| evidence.message_signature = evidence.receipt.clone())),
        ("keys", Box::new(move |evidence| evidence.recipient_key = other.clone())),
    ];
    for (name, spoil) in cases {
        let mut spoilt = sent.clone();
        spoil(&mut spoilt);
        assert!(evidence::verify(&serde_json::to_vec(&spoilt).unwrap()).is_err(), "{name}");
    }
    toronto.queue(&tokyo, "m-2", b"{}");
    deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();
    let mut mixed = sent;
    mixed.receipt = Evidence::of_sent(&toronto.here, "m-2").unwrap().unwrap().receipt;
    assert!(evidence::verify(&serde_json::to_vec(&mixed).unwrap()).is_err(), "the receipt of another message");
    assert!(evidence::verify(b"{}").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_holds_after_either_side_has_new_keys() {
    let (toronto, tokyo, clock) = paired().await;
    let (_, outcome) = told();
    toronto.queue(&tokyo, "m-1", b"{}");
    deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();
    tokyo.queue(&toronto, "m-2", b"{}");
    deliver_due(&tokyo.here, &Https::new(), &outcome).await.unwrap();
    let sent = Evidence::of_sent(&toronto.here, "m-1").unwrap().unwrap();
    let received = Evidence::of_received(&toronto.here, "tokyo", "m-2").unwrap().unwrap();

    pairing::revoke(&toronto.here, "tokyo", "user:it").unwrap();
    let renewed = Node::start("tokyo", Country::Jp, &clock).await;
    crate::two_nodes::pair(&toronto, &renewed).await;
    toronto.queue(&renewed, "m-3", b"{}");
    deliver_due(&toronto.here, &Https::new(), &outcome).await.unwrap();

    assert_eq!(Evidence::of_sent(&toronto.here, "m-1").unwrap(), Some(sent.clone()));
    assert_eq!(Evidence::of_received(&toronto.here, "tokyo", "m-2").unwrap(), Some(received.clone()));
    // The same store at the renewed end, under its new keys.
    let there = Institution { identity: renewed.here.identity.clone(), ..tokyo.here.clone() };
    assert_eq!(Evidence::of_received(&there, "toronto", "m-1").unwrap(), Some(sent.clone()));
    assert_eq!(Evidence::of_sent(&there, "m-2").unwrap(), Some(received.clone()));
    let new = Evidence::of_sent(&toronto.here, "m-3").unwrap().unwrap();
    assert_eq!(&new.recipient_key, renewed.here.identity.public_key());
    for evidence in [sent, received, new] {
        evidence::verify(&serde_json::to_vec(&evidence).unwrap()).unwrap();
    }
    let kept = toronto.here.store.view(|view| view.signing_keys("tokyo")).unwrap();
    assert_eq!(kept.len(), 2);
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
