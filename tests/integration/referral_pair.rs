//! Two institutions side by side, without sockets: what one has in its outbox is opened and received by the other, with
//! real keys, tokens and signatures. Answers can be lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use watari::access::{Role, Staff};
use watari::clock::TestClock;
use watari::config::{Country, ExchangeConfig, InstitutionConfig, LocalName, ServiceConfig};
use watari::exchange::deliver::{self, Outcome};
use watari::exchange::envelope::{self, RequestParts};
use watari::exchange::identity::Identity;
use watari::exchange::tls::TlsPeer;
use watari::exchange::transport::{Outgoing, Reply, Transport, TransportError};
use watari::exchange::{Institution, ask, directory};
use watari::fault::{Classified, Kind};
use watari::referral::delivered::Delivered;
use watari::referral::{self, Draft, ReceiveError};
use watari::store::deliveries::Delivery;
use watari::store::peers::Peer;
use watari::store::referrals::{Referral, ReferralEvent};
use watari::store::{Change, Changes, Handle, StoreError, View, sqlite::SqliteStore};

use super::referral_package::{keep, record};

/// One institution.
pub struct Side {
    pub here: Institution,
    pub clock: TestClock,
    folder: tempfile::TempDir,
}

impl Side {
    pub fn new(id: &str, country: Country, clock: &TestClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = "2026-11-24T00:00:00Z".parse().unwrap();
        let identity = Identity::create(&folder.path().join("keys"), id, &[], start).unwrap();
        let here = Institution {
            profiles: std::sync::Arc::default(),
            config: Arc::new(config(id, country)),
            exchange: Arc::new(ExchangeConfig::default()),
            filing: Arc::default(),
            identity: Arc::new(identity),
            store: Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap())),
            clock: Arc::new(clock.clone()),
            catalog: watari::harmonise::builtin().unwrap(),
        };
        Self { here, clock: clock.clone(), folder }
    }

    /// As a restart would: the same files, opened again.
    pub fn reopened(&mut self) {
        let path = self.folder.path().join("watari.db");
        self.here.store = Handle::new(Arc::new(SqliteStore::open(&path).unwrap()));
    }

    pub fn knows(&self, other: &Side) {
        let names = &other.here.config.name;
        let peer = Peer {
            id: other.here.config.id.clone(),
            names: json!({"en": names.en, "fr": names.fr, "ja": names.ja}).to_string(),
            country: other.here.config.country.as_str().to_owned(),
            url: format!("https://{}.invalid", other.here.config.id),
            certificate_sha256: other.here.identity.certificate_sha256().to_owned(),
            signing_key: other.here.identity.public_key().json(),
            status: "active".to_owned(),
            paired_at: self.here.now(),
            services: Value::Array(directory::services(&other.here.config)).to_string(),
        };
        self.here.store.commit(Changes::new().with(Change::PutPeer(peer))).unwrap();
    }

    pub fn peer(&self, id: &str) -> Peer {
        self.here.store.view(|view| view.peer(id)).map_err(|error: StoreError| error).unwrap().unwrap()
    }

    pub fn referral(&self, id: &str) -> Referral {
        self.found(id).unwrap()
    }

    pub fn found(&self, id: &str) -> Option<Referral> {
        self.here.store.view(|view| view.referral(id)).map_err(|error: StoreError| error).unwrap()
    }

    /// `status` or `status/business status`.
    pub fn state(&self, id: &str) -> String {
        let referral = self.referral(id);
        match referral.business_status {
            Some(business) => format!("{}/{business}", referral.status),
            None => referral.status,
        }
    }

    pub fn events(&self, id: &str) -> Vec<ReferralEvent> {
        self.here.store.view(|view| view.referral_events(id)).map_err(|error: StoreError| error).unwrap()
    }

    pub fn words(&self, id: &str) -> Vec<String> {
        self.events(id).into_iter().map(|event| event.event).collect()
    }

    pub fn queued(&self) -> Vec<Delivery> {
        let read = |view: &dyn View| {
            let queued = view.deliveries("queued", 100)?;
            queued.iter().map(|one| Ok(view.delivery(&one.message_id)?.unwrap())).collect::<Result<_, StoreError>>()
        };
        self.here.store.view(read).unwrap()
    }

    /// Seals any body for `to`, as this institution.
    pub fn seal(&self, to: &Side, message_id: &str, body: &Value) -> Delivery {
        let peer = self.peer(&to.here.config.id);
        let body = body.to_string().into_bytes();
        let (path, kind) = (referral::message::PATH, referral::message::CONTENT_TYPE);
        envelope::seal(&self.here, &peer, path, kind, "TREAT", message_id, body).unwrap()
    }

    /// Hands a delivery over, as the outside door does.
    pub fn hand(&self, delivery: &Delivery, to: &Side) -> Result<String, ReceiveError> {
        let outgoing = ask::outgoing(&self.here, &self.peer(&to.here.config.id), delivery).unwrap();
        take(&to.here, self.here.identity.certificate().as_ref(), &outgoing)
    }
}

fn take(there: &Institution, certificate: &[u8], outgoing: &Outgoing) -> Result<String, ReceiveError> {
    let authorization = format!("Bearer {}", outgoing.token.as_deref().unwrap());
    let parts = RequestParts {
        path: &outgoing.path,
        content_type: Some(&outgoing.content_type),
        authorization: Some(&authorization),
        signature: outgoing.signature.as_deref(),
    };
    let caller = TlsPeer::from_certificate(certificate).unwrap();
    let message = envelope::open(there, &caller, parts, outgoing.body.clone()).unwrap();
    referral::receive(there, &message)
}

/// The wire between two sides.
#[derive(Default)]
pub struct Wire {
    other: Mutex<Option<Institution>>,
    lose_answers: AtomicUsize,
    down: AtomicUsize,
}

impl Wire {
    /// The next `count` answers are lost after the other side has stored the message.
    pub fn lose_answers(&self, count: usize) {
        self.lose_answers.store(count, Ordering::SeqCst);
    }

    /// The next `count` requests do not arrive.
    pub fn down(&self, count: usize) {
        self.down.store(count, Ordering::SeqCst);
    }

    fn spend(counter: &AtomicUsize) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl Transport for Wire {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            if Self::spend(&self.down) {
                return Err(TransportError::Unreachable);
            }
            let there = self.other.lock().unwrap().clone().unwrap();
            let taken = take(&there, here.identity.certificate().as_ref(), &outgoing);
            if Self::spend(&self.lose_answers) {
                return Err(TransportError::Unreachable);
            }
            Ok(match taken {
                Ok(receipt) => reply(200, &json!({"receipt": receipt})),
                Err(error) => {
                    reply(status(error.kind()), &watari::fhir::outcome::error("processing", &error.to_string(), None))
                }
            })
        })
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, answer_signature: None, retry_after: None, body: Bytes::from(body.to_string()) }
}

fn status(kind: Kind) -> u16 {
    match kind {
        Kind::Malformed => 400,
        Kind::Forbidden => 403,
        Kind::Conflict => 409,
        Kind::Unprocessable => 422,
        Kind::Unavailable => 503,
        other => panic!("{other:?}"),
    }
}

/// Empties the outbox of `from` towards `to`, as far as it goes now.
pub async fn deliver(wire: &Wire, from: &Side, to: &Side) {
    *wire.other.lock().unwrap() = Some(to.here.clone());
    let outcome: Arc<dyn Outcome> = Arc::new(Delivered);
    while deliver::deliver_due(&from.here, wire, &outcome).await.unwrap() > 0 {}
}

/// Toronto and Tokyo, paired; each with a patient of the fixtures.
pub fn pair() -> (Side, Side, TestClock) {
    let clock = TestClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let toronto = Side::new("toronto", Country::Ca, &clock);
    let tokyo = Side::new("tokyo", Country::Jp, &clock);
    toronto.knows(&tokyo);
    tokyo.knows(&toronto);
    keep(&toronto.here.store, &record("toronto-to-tokyo"));
    keep(&tokyo.here.store, &record("tokyo-to-toronto"));
    (toronto, tokyo, clock)
}

pub fn clinician() -> Staff {
    Staff { user: "okafor".to_owned(), role: Role::Clinician }
}

pub fn draft() -> Draft {
    Draft {
        patient: "p1".to_owned(),
        peer: "tokyo".to_owned(),
        service: "regenerative-medicine".to_owned(),
        priority: "urgent".to_owned(),
        reason: "Advanced gonarthrosis".to_owned(),
        question: "Candidate for cultured cartilage?".to_owned(),
        consent: true,
        consent_language: "fr".to_owned(),
        interpreter: Some("fr".to_owned()),
        travel: "Wheelchair".to_owned(),
        nonce: String::new(),
    }
}

fn config(id: &str, country: Country) -> InstitutionConfig {
    let party = super::referral_package::party(id);
    let [en, fr, ja] = party.names;
    let service = if country == Country::Jp { "regenerative-medicine" } else { "oncology" };
    InstitutionConfig {
        id: id.to_owned(),
        name: LocalName { en, fr, ja },
        country,
        time_zone: if country == Country::Jp { "Asia/Tokyo" } else { "America/Toronto" }.to_owned(),
        services: vec![ServiceConfig {
            code: service.to_owned(),
            name: LocalName { en: service.to_owned(), ..LocalName::default() },
            languages: Vec::new(),
        }],
        ..InstitutionConfig::default()
    }
}
