//! Referrals through the real outside door: TLS on loopback, the delivery worker, the endpoint.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use watari::config::OutsideConfig;
use watari::exchange::deliver::{self, Outcome};
use watari::exchange::transport::{Https, Transport};
use watari::referral::delivered::Delivered;
use watari::referral::{self, Act, endpoints};
use watari::server::outside::serve_outside;
use watari::store::{Change, Changes};

use super::referral_pair::{Side, clinician, draft, pair};

/// Opens the outside door of `side` and tells `other` where it is.
async fn open(side: &Side, other: &Side, closed: watch::Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = other.peer(&side.here.config.id);
    peer.url = format!("https://{}", listener.local_addr().unwrap());
    other.here.store.commit(Changes::new().with(Change::PutPeer(peer))).unwrap();
    let (here, app): (_, Router) = (side.here.clone(), endpoints::router(side.here.clone()));
    tokio::spawn(async move { serve_outside(listener, here, OutsideConfig::default(), app, closed).unwrap().await });
}

async fn deliver_all(side: &Side, wire: &dyn Transport) {
    let outcome: Arc<dyn Outcome> = Arc::new(Delivered);
    while deliver::deliver_due(&side.here, wire, &outcome).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_crosses_and_is_answered() {
    let (toronto, tokyo, _) = pair();
    let (close, closed) = watch::channel(false);
    open(&tokyo, &toronto, closed.clone()).await;
    open(&toronto, &tokyo, closed).await;
    let wire = Https::new();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver_all(&toronto, &wire).await;
    assert_eq!((toronto.state(&id).as_str(), tokyo.state(&id).as_str()), ("received", "received"));
    referral::act(&tokyo.here, &clinician(), &id, &Act::Accept).unwrap();
    referral::act(&tokyo.here, &clinician(), &id, &Act::Complete { report: "Seen.".to_owned() }).unwrap();
    deliver_all(&tokyo, &wire).await;
    assert_eq!((toronto.state(&id).as_str(), tokyo.state(&id).as_str()), ("completed", "completed"));
    assert_eq!(toronto.referral(&id).outcome, tokyo.referral(&id).outcome);

    // A service that is not offered is refused by the other end, and the refusal is told to staff.
    let mut services = toronto.peer("tokyo");
    services.services = services.services.replace("regenerative-medicine", "closed-clinic");
    toronto.here.store.commit(Changes::new().with(Change::PutPeer(services))).unwrap();
    let mut gone = draft();
    gone.service = "closed-clinic".to_owned();
    let id = referral::send(&toronto.here, &clinician(), &gone).unwrap();
    deliver_all(&toronto, &wire).await;
    assert_eq!(toronto.state(&id), "failed");
    let note = toronto.events(&id).pop().unwrap().note.unwrap();
    assert!(note.contains("does not offer the service"), "{note}");
    close.send_replace(true);
}
