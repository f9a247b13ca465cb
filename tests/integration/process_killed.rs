//! `kill -9` at the worst moments of a delivery. Afterwards there is one referral, one acceptance and one receipt, the
//! same at both ends: nothing is lost, nothing happens twice.

use watari::config::Config;
use watari::exchange::receipt;
use watari::node::{Parts, Purpose};
use watari::store::StoreError;
use watari::store::deliveries::{Delivery, SeenMessage};
use watari::store::referrals::Referral;

use super::process::clinician::Clinician;
use super::process::mllp::{Feed, message};
use super::process::proxy::Proxy;
use super::process::running::RunningNode;
use super::process::{Site, pair, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");

/// Two hospitals; the receiver is reached through a proxy. Both are up and paired, and the sender knows a patient.
struct Pair {
    sender: Site,
    receiver: Site,
    proxy: Proxy,
}

impl Pair {
    async fn new() -> (Self, RunningNode, RunningNode) {
        let sender = Site::canada("bayview");
        let mut receiver = Site::japan("sumida");
        let proxy = Proxy::to(receiver.config.outside.listen.parse().unwrap());
        receiver.config.outside.public_url = Some(proxy.url());
        let (sending, receiving) = tokio::join!(sender.serve(), receiver.serve());
        pair(&receiver, &sender);
        let mut feed = Feed::connect(sending.mllp()).await;
        for text in [ARRIVAL, RESULTS] {
            assert_eq!(feed.send(&message(text)).await.code, "AA");
        }
        (Self { sender, receiver, proxy }, sending, receiving)
    }

    /// A clinician of the sender refers the patient; gives the referral's id.
    async fn refer(&self, sending: &RunningNode) -> String {
        let patients = self.sender.read(watari::records::find::all_patients);
        let patient = patients.first().expect("the patient is in the record");
        let clinician = Clinician::sign_in(&self.sender, sending).await;
        clinician.refer(patient, "Lefebvre", "sumida").await
    }

    fn sent(&self, id: &str) -> Referral {
        self.sender.read(|view| view.referral(id)).expect("the sender has the referral")
    }

    fn delivery(&self, id: &str) -> Delivery {
        let message_id = self.sent(id).message_id;
        self.sender.read(|view| view.delivery(&message_id)).expect("the message is in the outbox")
    }

    fn seen(&self, id: &str) -> Option<SeenMessage> {
        let message_id = self.sent(id).message_id;
        self.receiver.read(|view| view.seen("bayview", &message_id))
    }

    /// What must be so at the end, whatever happened on the way.
    fn exactly_once(&self, id: &str) {
        let delivery = self.delivery(id);
        let seen = self.seen(id).expect("the receiver has accepted the message");
        assert_eq!(delivery.status, "delivered");
        assert_eq!(delivery.receipt.as_deref(), Some(seen.receipt.as_str()), "both ends hold the same receipt");
        assert_eq!(seen.body, delivery.body, "the bytes as sent");
        assert_eq!(seen.signature, delivery.signature);
        self.receipt_is_of_the_receiver(&delivery);
        let received = self.receiver.read(|view| view.referrals("received", 100));
        assert_eq!(received.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [id], "one referral");
        assert_eq!(self.receiver.audited("message.accept").len(), 1, "accepted once");
        assert_eq!(self.sender.audited("message.delivered").len(), 1, "delivered once");
        for site in [&self.sender, &self.receiver] {
            let events = site.read(|view| view.referral_events(id));
            let received = events.iter().filter(|event| event.to == "received").count();
            assert_eq!(received, 1, "one line of the timeline: {events:#?}");
        }
        assert_eq!(self.sent(id).status, "received");
        assert_eq!(self.sender.read(|view| view.referrals("sent", 100)).len(), 1);
    }

    fn receipt_is_of_the_receiver(&self, delivery: &Delivery) {
        let config = Config::load(&self.sender.configuration()).unwrap();
        let here = Parts::open(&config, Purpose::Care).unwrap().here;
        let peer = here.store.view(|view| view.peer("sumida")).map_err(|error: StoreError| error).unwrap().unwrap();
        assert_eq!(peer.signing_key, self.receiver.identity().public_key().json());
        receipt::verify(&here, &peer, delivery, delivery.receipt.as_deref().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_connection_on_which_the_answers_vanish_is_left_for_another() {
    let (pair, sending, _receiving) = Pair::new().await;
    pair.proxy.lose_answers(true);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(pair.refer(&sending).await);
    }
    for id in &ids {
        until("a second attempt", || (pair.delivery(id).attempts > 1).then_some(())).await;
    }
    pair.proxy.lose_answers(false);
    for id in &ids {
        until("the receipt at the sender", || pair.delivery(id).receipt).await;
    }
    assert_eq!(pair.receiver.audited("message.accept").len(), ids.len(), "accepted once each");
    assert_eq!(pair.sender.audited("message.delivered").len(), ids.len(), "delivered once each");
}

#[tokio::test]
async fn the_sender_is_killed_between_commit_and_sending() {
    let (pair, sending, receiving) = Pair::new().await;
    receiving.kill();
    let id = pair.refer(&sending).await;
    assert_eq!(pair.sent(&id).status, "requested", "committed before anything is sent");
    sending.kill();
    assert_eq!(pair.delivery(&id).status, "queued");
    assert!(pair.seen(&id).is_none(), "nothing has arrived yet");

    let _receiving = pair.receiver.serve().await;
    let _sending = pair.sender.serve().await;
    until("the receipt at the sender", || pair.delivery(&id).receipt).await;
    pair.exactly_once(&id);
}

#[tokio::test]
async fn the_receiver_is_killed_between_receiving_and_its_receipt() {
    let (pair, sending, receiving) = Pair::new().await;
    pair.proxy.lose_answers(true);
    let id = pair.refer(&sending).await;
    let first = until("the message at the receiver", || pair.seen(&id)).await;
    receiving.kill();
    assert_eq!(pair.delivery(&id).receipt, None, "the sender does not know yet");
    assert_eq!(pair.sent(&id).status, "requested");

    pair.proxy.lose_answers(false);
    let _receiving = pair.receiver.serve().await;
    let receipt = until("the receipt at the sender", || pair.delivery(&id).receipt).await;
    assert_eq!(receipt, first.receipt, "the receipt of the first time, not a new one");
    assert!(pair.delivery(&id).attempts >= 2, "it was sent again");
    pair.exactly_once(&id);
}

#[tokio::test]
async fn the_sender_is_killed_after_the_receiver_has_committed() {
    let (pair, sending, _receiving) = Pair::new().await;
    pair.proxy.lose_answers(true);
    let id = pair.refer(&sending).await;
    let first = until("the message at the receiver", || pair.seen(&id)).await;
    sending.kill();
    let delivery = pair.delivery(&id);
    assert_eq!((delivery.status.as_str(), delivery.receipt), ("queued", None));

    pair.proxy.lose_answers(false);
    let _sending = pair.sender.serve().await;
    let receipt = until("the receipt at the sender", || pair.delivery(&id).receipt).await;
    assert_eq!(receipt, first.receipt);
    pair.exactly_once(&id);
}

#[tokio::test]
async fn the_answer_is_lost_and_the_sender_tries_again() {
    let (pair, sending, _receiving) = Pair::new().await;
    pair.proxy.lose_answers(true);
    let id = pair.refer(&sending).await;
    let first = until("the message at the receiver", || pair.seen(&id)).await;
    until("an answer that was lost", || (pair.proxy.lost() > 0).then_some(())).await;
    until("a failed attempt", || pair.delivery(&id).last_error).await;
    assert_eq!(pair.delivery(&id).receipt, None);

    pair.proxy.lose_answers(false);
    let receipt = until("the receipt at the sender", || pair.delivery(&id).receipt).await;
    assert_eq!(receipt, first.receipt);
    pair.exactly_once(&id);
}
