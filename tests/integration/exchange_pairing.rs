//! Pairing: an invitation works once, for a short time, for one institution, and opens nothing else.

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use watari::clock::TestClock;
use watari::config::Country;
use watari::exchange::pairing::{self, PairingError};
use watari::exchange::tls::TlsPeer;
use watari::exchange::transport::{Outgoing, Reply, Transport, TransportError};
use watari::exchange::{Institution, ask, directory, receipt};
use watari::store::{Change, Changes};
use watari::wire;

use crate::two_nodes::{Node, noon, pair, paired, receipt_of, trust};

async fn two() -> (Node, Node, TestClock) {
    let clock = TestClock::new(noon());
    let toronto = Node::start("toronto", Country::Ca, &clock).await;
    let tokyo = Node::start("tokyo", Country::Jp, &clock).await;
    (toronto, tokyo, clock)
}

fn status_of<T: std::fmt::Debug>(result: Result<T, PairingError>) -> (u16, String) {
    match result {
        Err(PairingError::Refused { status, text }) => (status, text),
        other => panic!("{other:?}"),
    }
}

/// The code with one of its members changed.
fn altered(code: &str, member: &str, value: Value) -> String {
    let (prefix, encoded) = code.split_once('.').unwrap();
    let mut json: Value = serde_json::from_slice(&BASE64URL.decode(encoded).unwrap()).unwrap();
    assert!(json.get(member).is_some(), "{json}");
    json[member] = value;
    format!("{prefix}.{}", BASE64URL.encode(json.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_pins_the_keys_and_keeps_the_directory_of_the_other() {
    let (toronto, tokyo, _clock) = two().await;
    pair(&toronto, &tokyo).await;
    for (node, other) in [(&toronto, &tokyo), (&tokyo, &toronto)] {
        let peer = node.peer(&other.here.config.id);
        assert!(peer.is_active());
        assert_eq!(peer.certificate_sha256, other.here.identity.certificate_sha256());
        assert_eq!(peer.signing_key, other.here.identity.public_key().json());
        assert_eq!(
            (peer.url.as_str(), peer.country.as_str()),
            (other.url.as_str(), other.here.config.country.as_str())
        );
        let services: Value = serde_json::from_str(&peer.services).unwrap();
        assert_eq!(services[0]["type"][0]["coding"][0]["code"], "oncology");
        assert_eq!(node.audited("peer.pair"), 1);
    }
    receipt_of(&toronto.send(&tokyo, &toronto.seal(&tokyo, "m-1", b"{}")).await.unwrap());
    receipt_of(&tokyo.send(&toronto, &tokyo.seal(&toronto, "m-1", b"{}")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_works_once() {
    let (toronto, tokyo, clock) = two().await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    pairing::join(&tokyo.here, &code, &tokyo.url).await.unwrap();
    // The door is closed again: a stranger does not even get through the handshake.
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    let again = pairing::join(&osaka.here, &code, &osaka.url).await;
    assert!(matches!(again, Err(PairingError::Transport(_))), "{again:?}");
    // Another invitation is open: the used one still does not work.
    pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    assert_eq!(status_of(pairing::join(&osaka.here, &code, &osaka.url).await).0, 403);
    assert!(toronto.here.store.view(|view| view.peer("osaka")).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_joined_by_many_at_once_pairs_one() {
    let (toronto, _tokyo, clock) = two().await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    let mut joiners = Vec::new();
    for n in 0..8 {
        joiners.push(Node::start(&format!("joiner-{n}"), Country::Jp, &clock).await);
    }
    let start = std::sync::Barrier::new(joiners.len());
    let paired: usize = std::thread::scope(|scope| {
        let attempts: Vec<_> = joiners
            .iter()
            .map(|joiner| {
                let request = right_request(joiner, &toronto, &code, &joiner.here.config.id);
                let request = serde_json::from_value(request).unwrap();
                let caller = TlsPeer::from_certificate(joiner.here.identity.certificate()).unwrap();
                let (start, toronto) = (&start, &toronto);
                scope.spawn(move || {
                    start.wait();
                    match pairing::accept(&toronto.here, &caller, &toronto.url, &request) {
                        Ok(_) => 1,
                        Err(PairingError::InviteClosed) => 0,
                        Err(error) => panic!("{error:?}"),
                    }
                })
            })
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).sum()
    });
    assert_eq!(paired, 1);
    assert_eq!(toronto.here.store.view(|view| view.peers()).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends_with_its_time() {
    let (toronto, tokyo, clock) = two().await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    clock.advance(SignedDuration::from_secs(600));
    let late = pairing::join(&tokyo.here, &code, &tokyo.url).await;
    assert!(matches!(late, Err(PairingError::InviteClosed)), "{late:?}");
    // A joiner that claims more time than there is.
    let stretched = altered(&code, "expires_at", json!("2030-01-01T00:00:00Z"));
    let late = pairing::join(&tokyo.here, &stretched, &tokyo.url).await;
    assert!(matches!(late, Err(PairingError::Transport(_))), "the door is closed: {late:?}");
    pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    assert_eq!(status_of(pairing::join(&tokyo.here, &stretched, &tokyo.url).await).0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_or_a_wrong_inviter_pairs_nobody() {
    let (toronto, tokyo, clock) = two().await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    let wrong_secret = altered(&code, "secret", json!(watari::ids::secret()));
    assert_eq!(status_of(pairing::join(&tokyo.here, &wrong_secret, &tokyo.url).await).0, 403);
    let elsewhere = altered(&code, "url", json!(osaka.url));
    let wrong = pairing::join(&tokyo.here, &elsewhere, &tokyo.url).await;
    assert!(matches!(wrong, Err(PairingError::Transport(TransportError::PeerIdentity))), "{wrong:?}");
    let renamed = altered(&code, "institution", json!("kyoto"));
    let wrong = pairing::join(&tokyo.here, &renamed, &tokyo.url).await;
    assert!(matches!(wrong, Err(PairingError::Card("institution"))), "{wrong:?}");
    for (nonsense, why) in [
        ("", "empty"),
        ("watari1.", "no content"),
        ("watari1.!!!", "not base64url"),
        ("watari1.e30", "no members"),
        ("watari2.e30", "another version"),
    ] {
        let refused = pairing::join(&tokyo.here, nonsense, &tokyo.url).await;
        assert!(matches!(refused, Err(PairingError::Code)), "{why}: {refused:?}");
    }
    for url in ["http://127.0.0.1", "https://u:p@127.0.0.1", "https://127.0.0.1/x", "https://127.0.0.1/?x", "x"] {
        assert!(matches!(pairing::invite(&toronto.here, url, 600), Err(PairingError::Address)), "{url}");
    }
    assert!(tokyo.here.store.view(|view| view.peers()).unwrap().is_empty());
}

/// Posts a pairing request as `caller`, whatever it says.
async fn post_pairing(caller: &Node, to: &Node, request: &Value) -> Reply {
    caller.post(pairing_outgoing(to, request)).await.unwrap()
}

fn pairing_outgoing(to: &Node, request: &Value) -> Outgoing {
    Outgoing {
        url: to.url.clone(),
        certificate_sha256: to.here.identity.certificate_sha256().to_owned(),
        path: wire::pairing::PATH.to_owned(),
        content_type: "application/json".to_owned(),
        token: None,
        signature: None,
        body: Bytes::from(request.to_string()),
    }
}

/// The pairing request that `joiner` would send for `code`, with a right proof.
fn right_request(joiner: &Node, inviter: &Node, code: &str, institution: &str) -> Value {
    let encoded = code.split_once('.').unwrap().1;
    let code: Value = serde_json::from_slice(&BASE64URL.decode(encoded).unwrap()).unwrap();
    let secret = code["secret"].as_str().unwrap();
    let mut card = wire::pairing::Card {
        institution: institution.to_owned(),
        names: joiner.here.config.name.clone(),
        country: joiner.here.config.country,
        url: joiner.url.clone(),
        certificate_sha256: joiner.here.identity.certificate_sha256().to_owned(),
        signing_key: joiner.here.identity.public_key().clone(),
        services: Vec::new(),
        proof: String::new(),
    };
    let claims = wire::pairing::ProofClaims {
        institution: card.institution.clone(),
        certificate_sha256: card.certificate_sha256.clone(),
        partner_certificate_sha256: inviter.here.identity.certificate_sha256().to_owned(),
        invitation_sha256: watari::ids::sha256_hex(secret.as_bytes()),
        card_sha256: watari::ids::sha256_hex(&serde_json::to_vec(&card).unwrap()),
    };
    card.proof = joiner.here.identity.sign(wire::pairing::PROOF_TYPE, &claims).unwrap();
    json!({"secret": secret, "card": card})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_must_agree_with_certificate_and_proof() {
    let (toronto, tokyo, clock) = two().await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    let right = right_request(&tokyo, &toronto, &code, "tokyo");
    let cases: Vec<(&str, u16, &str, Value)> = vec![
        ("another certificate", 422, "/card/certificate_sha256", json!(osaka.here.identity.certificate_sha256())),
        ("a name after signing", 422, "/card/names/en", json!("Mercy")),
        ("an address after signing", 422, "/card/url", json!(osaka.url)),
        ("an address that is none", 422, "/card/url", json!("http://x")),
        ("no name", 422, "/card/names/en", json!("")),
        ("an endless name", 422, "/card/names/en", json!("x".repeat(201))),
        ("a directory of patients", 422, "/card/services", json!([{"resourceType": "Patient"}])),
        ("a key that did not sign", 403, "/card/signing_key/x", json!(osaka.here.identity.public_key().x)),
        ("no proof", 403, "/card/proof", json!("")),
        ("another institution", 422, "/card/institution", json!("kyoto")),
        ("an unknown member", 400, "/card", json!({"institution": "tokyo"})),
    ];
    for (name, status, pointer, value) in cases {
        let mut request = right.clone();
        *request.pointer_mut(pointer).unwrap() = value;
        assert_eq!(post_pairing(&tokyo, &toronto, &request).await.status, status, "{name}");
    }
    let in_anothers_name = right_request(&tokyo, &toronto, &code, "osaka");
    assert_eq!(post_pairing(&tokyo, &toronto, &in_anothers_name).await.status, 422, "certificate of another name");
    let own_name = Node::start("toronto", Country::Ca, &clock).await;
    let as_ourselves = right_request(&own_name, &toronto, &code, "toronto");
    assert_eq!(post_pairing(&own_name, &toronto, &as_ourselves).await.status, 422, "our own name");
    let stolen = post_pairing(&osaka, &toronto, &right).await;
    assert_eq!(stolen.status, 422, "the request of one institution over the connection of another");
    assert!(toronto.here.store.view(|view| view.peers()).unwrap().is_empty());
    assert_eq!(post_pairing(&tokyo, &toronto, &right).await.status, 200, "the right one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_invitation_opens_nothing_but_pairing() {
    let (toronto, tokyo, clock) = paired().await;
    let osaka = Node::start("osaka", Country::Jp, &clock).await;
    pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    trust(&osaka, &toronto);
    let message = osaka.seal(&toronto, "m-1", b"{}");
    assert_eq!(osaka.send(&toronto, &message).await.unwrap().status, 403);
    for path in [wire::directory::PATH, "/", "/fhir/metadata", "/peer/v1/pairing/", "/peer/v1/pairing/../directory"] {
        let mut outgoing = osaka.outgoing(&toronto, &message);
        outgoing.path = path.to_owned();
        assert_eq!(osaka.post(outgoing).await.unwrap().status, 403, "{path}");
    }
    assert_eq!(toronto.effects(), 0);
    receipt_of(&tokyo.send(&toronto, &tokyo.seal(&toronto, "m-1", b"{}")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_place_of_a_partner() {
    let (toronto, tokyo, clock) = paired().await;
    let impostor = Node::start("tokyo", Country::Jp, &clock).await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    assert_eq!(status_of(pairing::join(&impostor.here, &code, &impostor.url).await).0, 409);
    assert_eq!(toronto.peer("tokyo").certificate_sha256, tokyo.here.identity.certificate_sha256());
    assert!(impostor.here.store.view(|view| view.peers()).unwrap().is_empty());
    // After a revocation the old certificate stays out; new keys may pair.
    pairing::revoke(&toronto.here, "tokyo", "user:it").unwrap();
    let old = pairing::join(&tokyo.here, &code, &tokyo.url).await;
    assert!(matches!(old, Err(PairingError::Transport(_))), "{old:?}");
    pairing::join(&impostor.here, &code, &impostor.url).await.unwrap();
    assert_eq!(toronto.peer("tokyo").certificate_sha256, impostor.here.identity.certificate_sha256());
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_again_with_the_same_keys_changes_nothing_but_the_address() {
    let (toronto, tokyo, _clock) = paired().await;
    let code = pairing::invite(&toronto.here, &toronto.url, 600).unwrap();
    pairing::join(&tokyo.here, &code, "https://gateway.example:9443").await.unwrap();
    let peer = toronto.peer("tokyo");
    assert_eq!(peer.url, "https://gateway.example:9443");
    assert_eq!(peer.certificate_sha256, tokyo.here.identity.certificate_sha256());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_fetched_with_a_signed_answer() {
    let (toronto, tokyo, _clock) = paired().await;
    let stale = watari::store::peers::Peer { services: "[]".to_owned(), ..toronto.peer("tokyo") };
    toronto.here.store.commit(Changes::new().with(Change::PutPeer(stale.clone()))).unwrap();
    let refreshed = directory::refresh(&toronto.here, &stale).await.unwrap();
    let services: Value = serde_json::from_str(&refreshed.services).unwrap();
    assert_eq!(services[0]["name"], "Oncology");
    assert_eq!(services[0]["_name"]["extension"][1]["extension"][1]["valueString"], "腫瘍内科");
    assert_eq!(toronto.peer("tokyo"), refreshed);

    let (path, purpose) = (wire::directory::PATH, wire::directory::PURPOSE);
    let answer = ask::exchange(&toronto.here, &refreshed, path, purpose, b"{}".to_vec()).await.unwrap();
    assert_eq!(answer.evidence.split('.').count(), 3);
    let refused = ask::exchange(&toronto.here, &refreshed, path, purpose, b"{\"x\":1}".to_vec()).await;
    assert!(matches!(&refused, Err(ask::PeerError::Refused { status: 400, text }) if !text.is_empty()), "{refused:?}");
    // Revoked while it was asked: its directory is not kept.
    pairing::revoke(&toronto.here, "tokyo", "user:it").unwrap();
    let late = directory::refresh(&toronto.here, &refreshed).await;
    assert!(matches!(late, Err(directory::DirectoryError::Moved)), "{late:?}");
    assert!(!toronto.peer("tokyo").is_active());
    assert_eq!(tokyo.audited("peer.pair"), 1);
}

/// Answers a question with what `forge` makes of the right claims, signed by `signer`.
struct Forger<'a> {
    signer: &'a Node,
    typ: &'a str,
    forge: &'a (dyn Fn(&mut ask::AnswerClaims) + Send + Sync),
}

const ANSWER: &[u8] = b"{\"services\":[]}";

impl Transport for Forger<'_> {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        let signature = outgoing.signature.unwrap();
        let question = BASE64URL.decode(signature.split('.').nth(1).unwrap()).unwrap();
        let question: Value = serde_json::from_slice(&question).unwrap();
        let mut claims = ask::AnswerClaims {
            in_reply_to: question["message_id"].as_str().unwrap().to_owned(),
            question_sha256: watari::ids::sha256_hex(&outgoing.body),
            body_sha256: watari::ids::sha256_hex(ANSWER),
            sender: "tokyo".to_owned(),
            recipient: here.config.id.clone(),
            time: here.now(),
        };
        (self.forge)(&mut claims);
        let evidence = self.signer.here.identity.sign(self.typ, &claims).unwrap();
        let body = Bytes::from_static(ANSWER);
        Box::pin(async move { Ok(Reply { status: 200, answer_signature: Some(evidence), retry_after: None, body }) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_must_be_signed_for_this_question_by_the_one_asked() {
    let (toronto, tokyo, _clock) = paired().await;
    let peer = toronto.peer("tokyo");
    type Forge = Box<dyn Fn(&mut ask::AnswerClaims) + Send + Sync>;
    let nothing = || -> Forge { Box::new(|_| {}) };
    let cases: Vec<(&str, bool, &Node, &str, Forge)> = vec![
        ("right", true, &tokyo, ask::TYPE, nothing()),
        ("another key", false, &toronto, ask::TYPE, nothing()),
        ("another type", false, &tokyo, receipt::TYPE, nothing()),
        ("another question", false, &tokyo, ask::TYPE, Box::new(|claims| claims.in_reply_to = "m-1".to_owned())),
        ("other words", false, &tokyo, ask::TYPE, Box::new(|claims| claims.question_sha256 = "00".repeat(32))),
        ("another answer", false, &tokyo, ask::TYPE, Box::new(|claims| claims.body_sha256 = "00".repeat(32))),
        ("another's name", false, &tokyo, ask::TYPE, Box::new(|claims| claims.sender = "osaka".to_owned())),
        ("another asker", false, &tokyo, ask::TYPE, Box::new(|claims| claims.recipient = "osaka".to_owned())),
    ];
    for (name, holds, signer, typ, forge) in cases {
        let forger = Forger { signer, typ, forge: forge.as_ref() };
        let (path, purpose) = (wire::directory::PATH, wire::directory::PURPOSE);
        let answer = ask::exchange_over(&forger, &toronto.here, &peer, path, purpose, b"{}".to_vec()).await;
        assert_eq!(answer.is_ok(), holds, "{name}: {answer:?}");
    }
}
