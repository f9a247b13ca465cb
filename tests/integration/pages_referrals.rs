//! The referral pages, on referrals that two institutions really exchange.

use axum::http::StatusCode;
use serde_json::{Value, json};
use watari::access::Role;
use watari::referral;
use watari::store::records::{ResourceWrite, StoredResource};
use watari::store::{Change, Changes, StoreError};

use super::page_desk::Desk;
use super::referral_pair::{Side, Wire, clinician, deliver, draft, pair};

async fn sent() -> (Side, Side, Wire, String) {
    let (toronto, tokyo, _) = pair();
    let wire = Wire::default();
    let id = referral::send(&toronto.here, &clinician(), &draft()).unwrap();
    deliver(&wire, &toronto, &tokyo).await;
    (toronto, tokyo, wire, id)
}

#[tokio::test]
async fn a_referral_reads_the_same_at_both_ends() {
    let (toronto, tokyo, _, id) = sent().await;
    for (side, turn, peer) in [(&toronto, "Partner’s turn", "Tokyo Bay"), (&tokyo, "Your turn", "Toronto Harbour")] {
        for language in ["fr", "ja"] {
            let mut desk = Desk::signed_in(&side.here, Role::Clinician).await.reading(language);
            assert_eq!(desk.get(&format!("/referrals/{id}")).await.status, StatusCode::OK);
            assert_eq!(desk.get("/referrals?box=sent").await.status, StatusCode::OK);
        }
        let mut desk = Desk::signed_in(&side.here, Role::Clinician).await;
        let page = desk.get(&format!("/referrals/{id}")).await;
        page.says(turn).says(peer).says("Advanced gonarthrosis").says("Candidate for cultured cartilage?");
        page.says("1 tablet twice a day with meals · dose: 1.0 tablet");
        page.says("Écuyer-Bélanger").says("Wheelchair").says("Interpreter needed").says("French");
        page.says("132.60 umol/L").says("1.50 mg/dL").says("molar mass 113.12 g/mol").says("JLAC10");
        page.says(
            "Gonarthrose primaire &#60;genou droit&#62;".replace("&#60;", "&lt;").replace("&#62;", "&gt;").as_str(),
        );
        page.says("renseignements de santé").says("EST").says("JST");
        let row = side.referral(&id);
        let sha256 = watari::ids::sha256_hex(&row.package);
        page.says(&row.message_id).says(&sha256);
    }
}

#[tokio::test]
async fn no_information_is_not_none_known() {
    let (_, tokyo, _, id) = sent().await;
    let mut desk = Desk::signed_in(&tokyo.here, Role::Clinician).await;
    let page = desk.get(&format!("/referrals/{id}")).await;
    let allergies = page.body.split("id=\"allergies\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(allergies.contains("No information") && !allergies.contains("No known"), "{allergies}");
}

#[tokio::test]
async fn the_page_offers_what_the_table_allows_and_does_it() {
    let (toronto, tokyo, wire, id) = sent().await;
    let mut there = Desk::signed_in(&tokyo.here, Role::Clinician).await;
    let address = |act: &str| format!("/referrals/{id}/{act}");
    let page = there.get(&format!("/referrals/{id}")).await;
    page.says(&address("accept")).says(&address("decline")).does_not_say(&address("complete"));
    // What is missing is said at the field, and nothing happens.
    let page = there.post(&address("decline"), &[("value", "  ")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("Please write something here").says("aria-invalid");
    assert_eq!(tokyo.state(&id), "received");
    // What the table does not allow is a conflict, whoever asks.
    assert_eq!(there.post(&address("complete"), &[("value", "x")]).await.status, StatusCode::CONFLICT);
    assert_eq!(there.post(&address("fly"), &[]).await.status, StatusCode::NOT_FOUND);

    for (act, value) in [("ask", "Éléments d’imagerie?"), ("accept", ""), ("schedule", "2026-12-01T10:30")] {
        let page = there.post(&address(act), &[("value", value)]).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, format!("/referrals/{id}").as_str()),
            "{act}"
        );
    }
    assert_eq!(tokyo.state(&id), "in-progress/scheduled");
    deliver(&wire, &tokyo, &toronto).await;
    let mut here = Desk::signed_in(&toronto.here, Role::Clinician).await;
    let page = here.get(&format!("/referrals/{id}")).await;
    // Tokyo asked, and Toronto has not answered.
    page.says("Your turn").says("Éléments d’imagerie?").says("Appointment given");
    // 10:30 in Tokyo is the evening before in Toronto.
    page.says("Nov 30, 2026, 20:30 EST");
    here.post(&address("answer"), &[("value", "IRM jointe")]).await;
    deliver(&wire, &toronto, &tokyo).await;
    there.post(&address("complete"), &[("value", "経過良好です。\n<6か月後に再診>")]).await;
    deliver(&wire, &tokyo, &toronto).await;
    let page = here.get(&format!("/referrals/{id}")).await;
    page.says("Reply of the specialist").says("経過良好です。\n&lt;6か月後に再診&gt;").says("Closed");
    page.does_not_say("What you can do now");
}

#[tokio::test]
async fn what_is_typed_is_not_lost() {
    let (toronto, _, _) = pair();
    let mut desk = Desk::signed_in(&toronto.here, Role::Clinician).await;
    let typed = [
        ("do", "send"),
        ("reason", "Douleur <depuis> mai"),
        ("question", "Greffe?"),
        ("travel", "Fauteuil"),
        ("priority", "stat"),
        ("interpreter", "fr"),
        ("find", "L'Écuyer"),
    ];
    for (language, words) in
        [("en", "Choose the patient."), ("fr", "Choisissez le patient."), ("ja", "患者を選択してください。")]
    {
        desk = desk.reading(language);
        let page = desk.post("/referrals/new", &typed).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.says(words).says("Douleur &lt;depuis&gt; mai".replace("&lt;", "&#60;").replace("&gt;", "&#62;").as_str());
        page.says("Greffe?").says("Fauteuil").says("id=\"priority-stat\" value=\"stat\" checked");
    }
    let none = toronto.here.store.view(|view| view.referrals("sent", 10)).map_err(|error: StoreError| error).unwrap();
    assert!(none.is_empty());
}

/// A patient as the record indexes one.
fn put_patient(side: &Side, id: &str, family: &str, given: &str, number: &str) {
    let patient = json!({"resourceType": "Patient", "id": id, "birthDate": "1958-03-09", "gender": "female",
        "identifier": [{"system": "urn:mrn", "value": number}], "name": [{"family": family, "given": [given]}]});
    let write = ResourceWrite {
        resource: StoredResource {
            kind: "Patient".to_owned(),
            id: id.to_owned(),
            version: 1,
            last_updated: "2026-03-01T10:00:00.000Z".to_owned(),
            event_time: None,
            json: patient.to_string(),
        },
        patient: Some(id.to_owned()),
        index: watari::records::index::rows(&patient),
        message_id: None,
    };
    side.here.store.commit(Changes::new().with(Change::PutResource(write))).unwrap();
}

#[tokio::test]
async fn a_referral_is_composed_step_by_step() {
    let (toronto, _, _) = pair();
    put_patient(&toronto, "x1", "渡邉", "花子", "8001");
    put_patient(&toronto, "x2", "Bélanger", "Maëlle", "8002");
    put_patient(&toronto, "x3", "Bélanger", "Marc", "8003");
    let mut desk = Desk::signed_in(&toronto.here, Role::Clinician).await;
    for (find, expected) in [
        ("8001", vec!["x1"]),
        ("渡邉", vec!["x1"]),
        ("belanger", vec!["x2", "x3"]),
        ("Bélanger Maë", vec!["x2"]),
        ("渡辺", vec!["x1"]),
        ("%", vec![]),
    ] {
        let page = desk.post("/referrals/new", &[("do", "find"), ("find", find)]).await;
        let found: Vec<&str> =
            page.body.split("id=\"patient-").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let mut found = found.clone();
        found.sort_unstable();
        assert_eq!(found, expected, "{find}");
    }
    // The consent text is that of the chosen institution.
    let service = ("service", "tokyo/regenerative-medicine");
    let page = desk.post("/referrals/new", &[("do", "consent"), service, ("patient", "x2")]).await;
    page.says("Tokyo Bay Hospital (Japan)").says("東京湾病院").says("name=\"consent_for\" value=\"tokyo\"");
    let whole = [
        ("do", "send"),
        service,
        ("patient", "x2"),
        ("priority", "urgent"),
        ("reason", "Gonarthrose"),
        ("consent", "yes"),
        ("consent_language", "fr"),
    ];
    // Ticked without having seen the text for this institution.
    let page = desk.post("/referrals/new", &whole).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("The institution was changed");
    let mut whole = whole.to_vec();
    whole.push(("consent_for", "tokyo"));
    let page = desk.post("/referrals/new", &whole).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    let address = page.location().to_owned();
    desk.get(&address).await.says("On its way").says("Being delivered").says("Maëlle");
    let package: Value =
        serde_json::from_slice(&toronto.referral(address.rsplit('/').next().unwrap()).package).unwrap();
    assert!(package.to_string().contains("\"language\":\"fr\""));
}

#[tokio::test]
async fn each_look_at_a_patient_is_audited() {
    let (toronto, _, _, id) = sent().await;
    let mut desk = Desk::signed_in(&toronto.here, Role::Clinician).await;
    desk.get(&format!("/referrals/{id}")).await;
    let trail = toronto.here.store.view(|view| view.audit_tail(1)).map_err(|error: StoreError| error).unwrap();
    assert_eq!((trail[0].entry.action.as_str(), trail[0].entry.target.as_str()), ("referral.read", id.as_str()));
}

fn hidden<'a>(body: &'a str, name: &str) -> &'a str {
    let start = body.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    start.split('"').next().unwrap()
}

#[tokio::test]
async fn a_double_click_sends_one_referral() {
    let (toronto, _, _) = pair();
    let mut desk = Desk::signed_in(&toronto.here, Role::Clinician).await;
    let first = desk.get("/referrals/new").await;
    let service = ("service", "tokyo/regenerative-medicine");
    let nonce = hidden(&first.body, "nonce").to_owned();
    let page = desk.post("/referrals/new", &[("do", "consent"), service, ("nonce", &nonce)]).await;
    assert_eq!(hidden(&page.body, "nonce"), nonce, "the form stays the same form");
    let whole = |reason, nonce| {
        vec![
            ("do", "send"),
            service,
            ("patient", "p1"),
            ("priority", "urgent"),
            ("reason", reason),
            ("consent", "yes"),
            ("consent_language", "fr"),
            ("consent_for", "tokyo"),
            ("nonce", nonce),
        ]
    };
    let once = desk.post("/referrals/new", &whole("Gonarthrose", &nonce)).await;
    let twice = desk.post("/referrals/new", &whole("Gonarthrose", &nonce)).await;
    assert_eq!((once.status, once.location()), (StatusCode::SEE_OTHER, twice.location()));
    let sent = || toronto.here.store.view(|view| view.referrals("sent", 10)).map_err(|e: StoreError| e).unwrap().len();
    assert_eq!((sent(), toronto.queued().len()), (1, 1));
    // Two who click at the same moment.
    let click = || {
        let draft = referral::Draft { nonce: "n".to_owned(), ..draft() };
        let here = toronto.here.clone();
        std::thread::spawn(move || referral::send(&here, &clinician(), &draft).unwrap())
    };
    let (one, other) = (click(), click());
    assert_eq!(one.join().unwrap(), other.join().unwrap());
    assert_eq!(sent(), 2);
    // Gone back, changed, and sent again: a referral of its own, not one that only seems to be sent.
    let changed = desk.post("/referrals/new", &whole("Coxarthrose", &nonce)).await;
    assert_ne!(changed.location(), once.location());
    assert_eq!(sent(), 3);
}

#[tokio::test]
async fn a_double_click_acts_once() {
    let (_, tokyo, _, id) = sent().await;
    let mut desk = Desk::signed_in(&tokyo.here, Role::Clinician).await;
    let address = |act: &str| format!("/referrals/{id}/{act}");
    for (act, value) in [("ask", "Imagerie?"), ("accept", ""), ("schedule", "2026-12-01T10:30")] {
        let page = desk.get(&format!("/referrals/{id}")).await;
        let form = page.body.split(&format!("action=\"{}\"", address(act))).nth(1).unwrap().to_owned();
        let nonce = hidden(&form, "nonce");
        for _ in 0..2 {
            let page = desk.post(&address(act), &[("value", value), ("nonce", nonce)]).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{act}");
        }
    }
    assert_eq!(tokyo.words(&id), ["receive", "ask", "accept", "schedule"]);
    assert_eq!(tokyo.queued().len(), 3);
}
