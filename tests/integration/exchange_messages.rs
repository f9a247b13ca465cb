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

use crate::two_nodes::{Node, Told, base64url_of_hex, noon, paired, receipt_of};

/// Loses answers, or the whole network, and remembers what passed.
#[derive(Default)]
pub struct Faulty {
    pub network: Https,
    pub lose_answers: AtomicBool,
    pub down: AtomicBool,
    pub passed: Mutex<Vec<Outgoing>>,
    pub answers: Mutex<Vec<Reply>>,
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

pub fn told() -> (Arc<Told>, Arc<dyn Outcome>) {
    let told = Arc::new(Told::default());
    (told.clone(), told)
}

pub fn advance(clock: &TestClock, seconds: i64) {
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
