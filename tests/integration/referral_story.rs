//! A referral from one institution to another: the whole way, and the ways it goes wrong.

use jiff::SignedDuration;
use watari::access::{Role, Staff};
use watari::referral::{self, Act, Draft, ReferralError};
use watari::store::{Change, Changes, StoreError};

use super::referral_pair::{Side, Wire, clinician, deliver, draft, pair};

fn act(side: &Side, id: &str, act: Act) {
    referral::act(&side.here, &clinician(), id, &act).unwrap();
}

fn refused(side: &Side, id: &str, act: &Act) {
    let error = referral::act(&side.here, &clinician(), id, act).unwrap_err();
    assert!(matches!(error, ReferralError::NotAllowed { .. }), "{error}");
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// Sends the draft and brings it to the other side.
async fn sent(toronto: &Side, tokyo: &Side) -> String {
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver(&Wire::default(), toronto, tokyo).await;
    id
}

#[tokio::test]
async fn from_the_draft_to_the_answer() {
    let (toronto, tokyo, clock) = pair();
    let wire = Wire::default();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    assert_eq!(toronto.state(&id), "requested");
    assert_eq!(toronto.referral(&id).patient_name, "L'Écuyer-Bélanger Maëlle Françoise");
    assert!(tokyo.found(&id).is_none());

    deliver(&wire, &toronto, &tokyo).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("received"), text("received")));
    let received = tokyo.referral(&id);
    assert_eq!(received.package, toronto.referral(&id).package);
    assert_eq!(received.patient, None);
    assert_eq!(received.patient_name, "L'Écuyer-Bélanger Maëlle Françoise");
    assert_eq!((received.service.as_str(), received.priority.as_str()), ("regenerative-medicine", "urgent"));
    // Nothing of the enclosure is in the record of the receiver.
    let counts = tokyo.here.store.view(|view| view.resource_counts()).map_err(|error: StoreError| error).unwrap();
    assert_eq!(counts.iter().find(|(kind, _)| kind == "Patient").map(|(_, count)| *count), Some(1));
    assert!(counts.iter().all(|(kind, _)| kind != "Condition"), "{counts:?}");

    clock.advance(SignedDuration::from_mins(5));
    act(&tokyo, &id, Act::Ask { text: text("Since when is she on metformin?") });
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!(toronto.state(&id), "received");
    act(&toronto, &id, Act::Answer { text: text("Since 2019.") });
    deliver(&wire, &toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    act(&tokyo, &id, Act::Schedule { at: text("2027-01-15T10:30") });
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("in-progress/scheduled"), text("in-progress/scheduled")));

    act(&tokyo, &id, Act::Complete { report: text("治療は終了しました。\n経過良好です。") });
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("completed"), text("completed")));
    let outcome = toronto.referral(&id).outcome.unwrap();
    assert_eq!(Some(&outcome), tokyo.referral(&id).outcome.as_ref());
    assert!(String::from_utf8(outcome).unwrap().contains("<p>治療は終了しました。</p><p>経過良好です。</p>"));

    let words = ["send", "deliver", "ask", "answer", "delivered", "accept", "schedule", "complete"];
    assert_eq!(toronto.words(&id), words);
    let words = [
        "receive",
        "ask",
        "delivered",
        "answer",
        "accept",
        "schedule",
        "delivered",
        "delivered",
        "complete",
        "delivered",
    ];
    assert_eq!(tokyo.words(&id), words);
    let notes: Vec<_> = toronto.events(&id).into_iter().filter_map(|event| event.note).collect();
    assert_eq!(notes, ["Since when is she on metformin?", "Since 2019.", "2027-01-15T10:30:00+09:00"]);
}

#[tokio::test]
async fn a_refusal_says_why_and_ends_it() {
    let (toronto, tokyo, _) = pair();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Decline { reason: text("No capacity before summer.") });
    deliver(&Wire::default(), &tokyo, &toronto).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("rejected"), text("rejected")));
    assert_eq!(toronto.events(&id).last().unwrap().note.as_deref(), Some("No capacity before summer."));
    refused(&tokyo, &id, &Act::Accept);
    refused(&toronto, &id, &Act::RequestCancel { reason: text("x") });
}

#[tokio::test]
async fn the_table_holds_at_the_acting_end() {
    let (toronto, tokyo, _) = pair();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    refused(&toronto, &id, &Act::RequestCancel { reason: text("not delivered yet") });
    deliver(&Wire::default(), &toronto, &tokyo).await;
    refused(&toronto, &id, &Act::Accept);
    refused(&tokyo, &id, &Act::Complete { report: text("before it was accepted") });
    refused(&tokyo, &id, &Act::Schedule { at: text("2027-01-15") });
    refused(&tokyo, &id, &Act::ConfirmCancel);
    assert!(toronto.queued().is_empty() && tokyo.queued().is_empty());
}

#[tokio::test]
async fn a_lost_answer_gives_one_referral_and_the_same_receipt() {
    let (toronto, mut tokyo, clock) = pair();
    let wire = Wire::default();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    wire.lose_answers(1);
    deliver(&wire, &toronto, &tokyo).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("requested"), text("received")));
    let message_id = toronto.referral(&id).message_id;
    let seen = |side: &Side| {
        side.here.store.view(|view| view.seen("toronto", &message_id)).map_err(|e: StoreError| e).unwrap().unwrap()
    };
    let first = seen(&tokyo);
    tokyo.reopened();
    clock.advance(SignedDuration::from_mins(1));
    deliver(&wire, &toronto, &tokyo).await;
    assert_eq!(toronto.state(&id), "received");
    assert_eq!(seen(&tokyo), first);
    assert_eq!(tokyo.words(&id), ["receive"]);
    let kept = toronto.here.store.view(|view| view.delivery(&message_id)).map_err(|e: StoreError| e).unwrap().unwrap();
    assert_eq!(kept.receipt, Some(first.receipt));
}

/// The receiver acts before its receipt has come home: the act counts, and the late receipt moves nothing back.
#[tokio::test]
async fn an_act_may_overtake_the_receipt() {
    let (toronto, tokyo, clock) = pair();
    let wire = Wire::default();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    wire.lose_answers(1);
    deliver(&wire, &toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!(toronto.state(&id), "accepted");
    clock.advance(SignedDuration::from_mins(1));
    deliver(&wire, &toronto, &tokyo).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("accepted"), text("accepted")));
    assert_eq!(toronto.words(&id), ["send", "accept", "deliver"]);
}

#[tokio::test]
async fn a_cancellation_and_an_outcome_that_cross_end_alike() {
    let (toronto, tokyo, _) = pair();
    let wire = Wire::default();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    deliver(&wire, &tokyo, &toronto).await;
    act(&toronto, &id, Act::RequestCancel { reason: text("The patient changed her mind.") });
    act(&tokyo, &id, Act::Complete { report: text("Seen today.") });
    deliver(&wire, &toronto, &tokyo).await;
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("completed"), text("completed")));
    assert!(tokyo.words(&id).contains(&text("request-cancel")));
    assert!(toronto.queued().is_empty() && tokyo.queued().is_empty());
}

#[tokio::test]
async fn a_cancellation_and_an_appointment_that_cross_wait_for_confirmation() {
    let (toronto, tokyo, _) = pair();
    let wire = Wire::default();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    act(&tokyo, &id, Act::Schedule { at: text("2027-01-15") });
    act(&toronto, &id, Act::RequestCancel { reason: text("x") });
    deliver(&wire, &tokyo, &toronto).await;
    deliver(&wire, &toronto, &tokyo).await;
    let waiting = "in-progress/cancellation-requested";
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text(waiting), text(waiting)));
    act(&tokyo, &id, Act::ConfirmCancel);
    deliver(&wire, &tokyo, &toronto).await;
    assert_eq!((toronto.state(&id), tokyo.state(&id)), (text("cancelled"), text("cancelled")));
}

#[tokio::test]
async fn messages_out_of_order_wait_for_the_missing_one() {
    let (toronto, tokyo, clock) = pair();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    act(&tokyo, &id, Act::Schedule { at: text("2027-01-15") });
    let queued = tokyo.queued();
    assert!(queued[0].created_at < queued[1].created_at, "one moment for two messages");
    let error = tokyo.hand(&queued[1], &toronto).unwrap_err();
    assert!(matches!(error, referral::ReceiveError::Early), "{error}");
    tokyo.hand(&queued[0], &toronto).unwrap();
    tokyo.hand(&queued[1], &toronto).unwrap();
    assert_eq!(toronto.state(&id), "in-progress/scheduled");

    // A gap that does not close is refused for good.
    let (toronto, tokyo, _) = pair();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Accept);
    act(&tokyo, &id, Act::Schedule { at: text("2027-01-15") });
    clock.advance(SignedDuration::ZERO);
    toronto.clock.advance(SignedDuration::from_mins(16));
    let error = tokyo.hand(&tokyo.queued()[1], &toronto).unwrap_err();
    assert!(matches!(error, referral::ReceiveError::NotAllowed { .. }), "{error}");
}

/// Seventy-odd copies of one package at once, and one more after the case has ended: one referral, one receipt.
#[tokio::test]
async fn many_copies_of_one_message_are_one_referral() {
    let (toronto, tokyo, _) = pair();
    for _ in 0..8 {
        let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
        let message_id = toronto.referral(&id).message_id;
        let package = toronto.queued().into_iter().find(|queued| queued.message_id == message_id).unwrap();
        let copies = || (0..9).map(|_| toronto.hand(&package, &tokyo).unwrap()).collect::<Vec<_>>();
        let mut receipts: Vec<String> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..8).map(|_| scope.spawn(copies)).collect();
            running.into_iter().flat_map(|one| one.join().unwrap()).collect()
        });
        act(&tokyo, &id, Act::Decline { reason: text("x") });
        receipts.push(toronto.hand(&package, &tokyo).unwrap());
        receipts.dedup();
        assert_eq!(receipts.len(), 1);
        assert_eq!(tokyo.words(&id), ["receive", "decline"]);
    }
}

/// Two people act at the same moment: contradicting acts leave one winner, questions both get through, and no two
/// messages carry the same number.
#[tokio::test]
async fn all_messages_of_a_referral_are_one_stream_at_each_end() {
    let (toronto, tokyo, _) = pair();
    let id = sent(&toronto, &tokyo).await;
    let other = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    act(&toronto, &id, Act::RequestCancel { reason: text("moved") });
    let streams: Vec<String> = toronto.queued().into_iter().map(|delivery| delivery.stream).collect();
    assert_eq!(streams, [other, id.clone()]);
    act(&tokyo, &id, Act::Accept);
    assert_eq!(tokyo.queued()[0].stream, id);
}

#[tokio::test]
async fn two_people_at_once() {
    for _ in 0..5 {
        let (toronto, tokyo, _) = pair();
        let id = sent(&toronto, &tokyo).await;
        let both = |one: Act, other: Act| {
            std::thread::scope(|scope| {
                let run = |act: Act| {
                    let (here, id) = (&tokyo.here, &id);
                    scope.spawn(move || referral::act(here, &clinician(), id, &act).is_ok())
                };
                let (one, other) = (run(one), run(other));
                [one.join().unwrap(), other.join().unwrap()].into_iter().filter(|ok| *ok).count()
            })
        };
        assert_eq!(both(Act::Ask { text: text("a") }, Act::Ask { text: text("b") }), 2);
        assert_eq!(both(Act::Accept, Act::Accept), 1);
        let mut numbers: Vec<u64> = tokyo
            .queued()
            .iter()
            .filter_map(|delivery| referral::incoming::read(&delivery.body).unwrap().sequence)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        deliver(&Wire::default(), &tokyo, &toronto).await;
        assert_eq!(toronto.state(&id), "accepted");
    }
}

#[tokio::test]
async fn the_enclosure_is_ready_for_the_record_with_its_source() {
    let (toronto, tokyo, _) = pair();
    let id = sent(&toronto, &tokyo).await;
    let received = tokyo.referral(&id);
    let transaction = referral::enclosure::enclosure(&received).unwrap();
    let entries = transaction["entry"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["resource"]["resourceType"] == "Observation"));
    assert!(entries.iter().all(|entry| entry["resource"]["resourceType"] != "Composition"));
    let source = format!("urn:watari:institution:toronto#{}", received.message_id);
    assert!(entries.iter().all(|entry| entry["resource"]["meta"]["source"] == source.as_str()));
    assert!(transaction.to_string().contains("\"value\":132.60"));
}

#[tokio::test]
async fn a_package_that_cannot_be_delivered_fails_and_says_so() {
    let (toronto, tokyo, clock) = pair();
    let wire = Wire::default();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    for _ in 0..9 {
        wire.down(1);
        deliver(&wire, &toronto, &tokyo).await;
        assert_eq!(toronto.state(&id), "requested");
        clock.advance(SignedDuration::from_hours(9));
    }
    wire.down(1);
    deliver(&wire, &toronto, &tokyo).await;
    assert_eq!(toronto.state(&id), "failed");
    assert_eq!(toronto.words(&id), ["send", "give-up"]);
    assert!(toronto.events(&id)[1].note.is_some());
    assert!(tokyo.found(&id).is_none());
}

#[tokio::test]
async fn a_draft_is_checked_against_partner_service_patient_and_role() {
    let (toronto, tokyo, _) = pair();
    let try_with = |change: &dyn Fn(&mut Draft)| {
        let mut draft = draft();
        change(&mut draft);
        match referral::send(&toronto.here, &clinician(), &draft) {
            Err(ReferralError::Draft { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(try_with(&|draft| draft.peer = text("osaka")), "peer");
    assert_eq!(try_with(&|draft| draft.service = text("oncology")), "service");
    assert_eq!(try_with(&|draft| draft.patient = text("nobody")), "patient");
    assert_eq!(try_with(&|draft| draft.consent = false), "consent");

    let researcher = Staff { user: text("r"), role: Role::Researcher };
    let error = referral::send(&toronto.here, &researcher, &draft()).unwrap_err();
    assert!(matches!(error, ReferralError::Forbidden(_)));

    let mut revoked = toronto.peer(&tokyo.here.config.id);
    revoked.status = text("revoked");
    toronto.here.store.commit(Changes::new().with(Change::PutPeer(revoked))).unwrap();
    assert_eq!(try_with(&|_| {}), "peer");
    assert!(toronto.queued().is_empty());
}

#[tokio::test]
async fn the_audit_tells_what_was_done_without_the_patient() {
    let (toronto, tokyo, _) = pair();
    let id = sent(&toronto, &tokyo).await;
    act(&tokyo, &id, Act::Decline { reason: text("secret reason") });
    for side in [&toronto, &tokyo] {
        let trail = side.here.store.view(|view| view.audit_tail(100)).map_err(|e: StoreError| e).unwrap();
        let all = format!("{trail:?}");
        for private in ["Écuyer", "gonarthrosis", "secret reason", "1980"] {
            assert!(!all.contains(private), "{private}");
        }
        assert!(trail.iter().any(|entry| entry.entry.target == id) || all.contains("message.accept"));
    }
}
