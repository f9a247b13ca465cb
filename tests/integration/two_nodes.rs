//! Two institutions with their own stores, keys and real TLS listeners on loopback, for the stories of the exchange.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watari::clock::TestClock;
use watari::config::{Country, ExchangeConfig, InstitutionConfig, LocalName, OutsideConfig, ServiceConfig};
use watari::exchange::deliver::Outcome;
use watari::exchange::endpoints::{ExchangeState, OutsideUrl};
use watari::exchange::envelope::{self, MessageClaims};
use watari::exchange::identity::Identity;
use watari::exchange::token::{self, Confirmation, RequestClaims};
use watari::exchange::transport::{Https, Outgoing, Reply, Transport, TransportError};
use watari::exchange::{Institution, endpoints, pairing, receive};
use watari::server::outside::serve_outside;
use watari::server::peer::{PeerMessage, Receipted};
use watari::server::problem::Problem;
use watari::store::audit::AuditEntry;
use watari::store::deliveries::Delivery;
use watari::store::peers::Peer;
use watari::store::{Change, Changes, Handle, StoreError, View, sqlite::SqliteStore};
use watari::wire::submit_message;

/// A handler that takes this long, for tests of shutting down.
pub const SLOW: Duration = Duration::from_millis(400);
pub const SLOW_PATH: &str = "/peer/v1/slow";

pub fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// One institution and its outside door.
pub struct Node {
    pub here: Institution,
    pub url: String,
    pub address: SocketAddr,
    shutdown: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    /// Database and keys live as long as the node.
    _folder: tempfile::TempDir,
}

impl Node {
    pub async fn start(id: &str, country: Country, clock: &TestClock) -> Self {
        Self::start_with(id, country, clock, OutsideConfig::default()).await
    }

    pub async fn start_with(id: &str, country: Country, clock: &TestClock, config: OutsideConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(&folder.path().join("keys"), id, &[], noon()).unwrap();
        Self::serve(id, country, clock, config, identity, folder).await
    }

    pub async fn serve(
        id: &str,
        country: Country,
        clock: &TestClock,
        config: OutsideConfig,
        identity: Identity,
        folder: tempfile::TempDir,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("https://{address}");
        let here = Institution {
            profiles: std::sync::Arc::default(),
            config: Arc::new(institution(id, country)),
            exchange: Arc::new(ExchangeConfig { attempt_seconds: 5, ..ExchangeConfig::default() }),
            filing: Arc::default(),
            identity: Arc::new(identity),
            store: Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap())),
            clock: Arc::new(clock.clone()),
            catalog: watari::harmonise::builtin().unwrap(),
        };
        let (shutdown, stopped) = watch::channel(false);
        let (there, app) = (here.clone(), app(&here, &url));
        let server = tokio::spawn(async move { serve_outside(listener, there, config, app, stopped).unwrap().await });
        Self { here, url, address, shutdown, server: Some(server), _folder: folder }
    }

    pub async fn stop(&mut self) {
        self.shutdown.send_replace(true);
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
    }

    pub fn peer(&self, id: &str) -> Peer {
        self.here.store.view(|view| view.peer(id)).unwrap().unwrap()
    }

    /// How often the effect of an accepted message was applied.
    pub fn effects(&self) -> usize {
        self.audited("test.effect")
    }

    pub fn audited(&self, action: &str) -> usize {
        let tail = self.here.store.view(|view| view.audit_tail(10_000)).unwrap();
        tail.iter().filter(|entry| entry.entry.action == action).count()
    }

    pub fn delivery(&self, message_id: &str) -> Delivery {
        self.here.store.view(|view| view.delivery(message_id)).unwrap().unwrap()
    }

    /// Seals a message for `to` and puts it into the outbox.
    pub fn queue(&self, to: &Node, message_id: &str, body: &[u8]) -> Delivery {
        self.queue_in(to, message_id, message_id, body)
    }

    /// As [`Node::queue`], in a stream with others.
    pub fn queue_in(&self, to: &Node, stream: &str, message_id: &str, body: &[u8]) -> Delivery {
        let delivery = Delivery { stream: stream.to_owned(), ..self.seal(to, message_id, body) };
        self.here.store.commit(Changes::new().with(Change::Queue(delivery.clone()))).unwrap();
        delivery
    }

    pub fn seal(&self, to: &Node, message_id: &str, body: &[u8]) -> Delivery {
        let peer = self.peer(&to.here.config.id);
        let (path, content_type) = (submit_message::PATH, submit_message::CONTENT_TYPE);
        envelope::seal(&self.here, &peer, path, content_type, "TREAT", message_id, body.to_vec()).unwrap()
    }

    /// The claims of a right request token for `message`.
    pub fn token_claims(&self, to: &Node, message: &Delivery) -> RequestClaims {
        let now = self.here.clock.now().as_second();
        RequestClaims {
            iss: self.here.config.id.clone(),
            aud: to.here.config.id.clone(),
            iat: now,
            exp: now + 120,
            jti: watari::ids::fresh(),
            cnf: Confirmation { x5t_s256: base64url_of_hex(self.here.identity.certificate_sha256()) },
            body_sha256: message.body_sha256.clone(),
            purpose: message.purpose.clone(),
            htu: message.path.clone(),
        }
    }

    pub fn token(&self, claims: &RequestClaims) -> String {
        self.here.identity.sign(token::TYPE, claims).unwrap()
    }

    pub fn message_claims(&self, message: &Delivery) -> MessageClaims {
        MessageClaims {
            message_id: message.message_id.clone(),
            sender: self.here.config.id.clone(),
            recipient: message.peer.clone(),
            purpose: message.purpose.clone(),
            path: message.path.clone(),
            content_type: message.content_type.clone(),
            time: message.created_at.clone(),
            body_sha256: message.body_sha256.clone(),
        }
    }

    /// A right request for `message`, to be spoilt by a test.
    pub fn outgoing(&self, to: &Node, message: &Delivery) -> Outgoing {
        Outgoing {
            url: to.url.clone(),
            certificate_sha256: to.here.identity.certificate_sha256().to_owned(),
            path: message.path.clone(),
            content_type: message.content_type.clone(),
            token: Some(self.token(&self.token_claims(to, message))),
            signature: Some(message.signature.clone()),
            body: Bytes::from(message.body.clone()),
        }
    }

    /// Posts over a fresh connection.
    pub async fn post(&self, outgoing: Outgoing) -> Result<Reply, TransportError> {
        Https::new().post(&self.here, outgoing).await
    }

    pub async fn send(&self, to: &Node, message: &Delivery) -> Result<Reply, TransportError> {
        self.post(self.outgoing(to, message)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
    }
}

/// Toronto and Tokyo, paired through the front door.
pub async fn paired() -> (Node, Node, TestClock) {
    let clock = TestClock::new(noon());
    let toronto = Node::start("toronto", Country::Ca, &clock).await;
    let tokyo = Node::start("tokyo", Country::Jp, &clock).await;
    pair(&toronto, &tokyo).await;
    (toronto, tokyo, clock)
}

pub async fn pair(inviter: &Node, joiner: &Node) {
    let code = pairing::invite(&inviter.here, &inviter.url, 600).unwrap();
    pairing::join(&joiner.here, &code, &joiner.url).await.unwrap();
}

/// Pins `other` at `node` by hand, for certificates that could not pair.
pub fn trust(node: &Node, other: &Node) {
    let identity = &other.here.identity;
    let peer = Peer {
        id: other.here.config.id.clone(),
        names: r#"{"en":"x"}"#.to_owned(),
        country: "jp".to_owned(),
        url: other.url.clone(),
        certificate_sha256: identity.certificate_sha256().to_owned(),
        signing_key: identity.public_key().json(),
        status: "active".to_owned(),
        paired_at: node.here.now(),
        services: "[]".to_owned(),
    };
    node.here.store.commit(Changes::new().with(Change::PutPeer(peer))).unwrap();
}

pub fn receipt_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice::<submit_message::Response>(&reply.body).unwrap().receipt
}

pub fn base64url_of_hex(hex: &str) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Counts what the delivery worker tells.
#[derive(Default)]
pub struct Told {
    pub delivered: AtomicUsize,
    pub gave_up: Mutex<Vec<String>>,
}

impl Outcome for Told {
    fn delivered(&self, _view: &dyn View, delivery: &Delivery, _receipt: &str, at: &str) -> Vec<Change> {
        self.delivered.fetch_add(1, Ordering::SeqCst);
        vec![Change::Audit(entry(at, "test.delivered", &delivery.message_id))]
    }

    fn gave_up(&self, _view: &dyn View, delivery: &Delivery, error: &str, at: &str) -> Vec<Change> {
        self.gave_up.lock().unwrap().push(error.to_owned());
        vec![Change::Audit(entry(at, "test.gave-up", &delivery.message_id))]
    }
}

fn entry(at: &str, action: &str, target: &str) -> AuditEntry {
    AuditEntry {
        at: at.to_owned(),
        actor: "node".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: String::new(),
    }
}

fn institution(id: &str, country: Country) -> InstitutionConfig {
    InstitutionConfig {
        id: id.to_owned(),
        name: LocalName { en: format!("Hospital of {id}"), ..LocalName::default() },
        country,
        services: vec![ServiceConfig {
            code: "oncology".to_owned(),
            name: LocalName { en: "Oncology".to_owned(), fr: "Oncologie".to_owned(), ja: "腫瘍内科".to_owned() },
            languages: vec!["en".to_owned()],
        }],
        ..InstitutionConfig::default()
    }
}

#[derive(Clone)]
struct Messages(Institution);

impl FromRef<Messages> for Institution {
    fn from_ref(state: &Messages) -> Self {
        state.0.clone()
    }
}

fn app(here: &Institution, url: &str) -> Router {
    let exchange = ExchangeState { here: here.clone(), outside_url: OutsideUrl(url.to_owned()) };
    Router::new()
        .route(submit_message::PATH, post(accept))
        .route(SLOW_PATH, post(slow))
        .with_state(Messages(here.clone()))
        .merge(endpoints::router(exchange))
}

async fn accept(State(here): State<Institution>, PeerMessage(message): PeerMessage) -> Result<Receipted, Problem> {
    let accepted = tokio::task::spawn_blocking(move || {
        let effect = Changes::new().with(Change::Audit(entry(&here.now(), "test.effect", message.message_id())));
        receive::accept_once(&here, &message, effect)
    });
    Ok(Receipted(accepted.await.unwrap_or(Err(StoreError::Closed.into()))?))
}

async fn slow(State(here): State<Institution>) -> Json<submit_message::Response> {
    here.store.write(Changes::new().with(Change::Audit(entry(&here.now(), "test.begun", "slow")))).await.unwrap();
    tokio::time::sleep(SLOW).await;
    Json(submit_message::Response { receipt: "slow".to_owned() })
}
