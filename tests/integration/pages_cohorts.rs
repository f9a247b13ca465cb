//! The cohort pages: a form that keeps what was typed, and answers that say no more than the nodes allowed.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::json;
use watari::access::Role;
use watari::config::{CohortConfig, Config};
use watari::fhir::systems;
use watari::store::cohorts::{Answer, Question};
use watari::store::{Change, Changes};

use super::page_desk::Desk;
use super::referral_pair::pair;

fn answer(node: &str, status: &str, count: Option<u64>) -> Change {
    Change::PutAnswer(Answer {
        question_sha256: "q1".to_owned(),
        node: node.to_owned(),
        status: status.to_owned(),
        count,
        evidence: if node == "toronto" { String::new() } else { "a.b.c".to_owned() },
        reason: (status == "refused").then(|| "not <open> to questions".to_owned()),
        answered_at: "2026-11-24T11:00:00.000Z".to_owned(),
    })
}

#[tokio::test]
async fn answers_say_no_more_than_allowed() {
    let (toronto, _, _) = pair();
    let json = r#"{"version":"watari-cohort/1","inclusion":[[{"context":"observation",
        "termCodes":[{"system":"http://loinc.org","code":"4548-4"}],
        "valueFilter":{"type":"quantity-comparator","comparator":"ge","value":7.0,"unit":{"code":"%"}}}]]}"#;
    let question = Question {
        sha256: "q1".to_owned(),
        json: json.to_owned(),
        asked_by: "okafor".to_owned(),
        asked_at: "2026-11-24T11:00:00.000Z".to_owned(),
    };
    let changes = Changes::new()
        .with(Change::PutQuestion(question))
        .with(answer("toronto", "ok", Some(1240)))
        // A count beside this status must not show, wherever it came from.
        .with(answer("tokyo", "too-few", Some(7)))
        .with(answer("osaka", "refused", None))
        .with(answer("kyoto", "no-answer", None));
    toronto.here.store.commit(changes).unwrap();
    let mut desk = Desk::signed_in(&toronto.here, Role::Researcher).await;
    let page = desk.get("/cohorts/q1").await;
    page.says("Patients with HbA1c ≥ 7.0 %.").says("about 1,240").says("fewer than 10").says("Tokyo Bay Hospital");
    page.says("not &lt;open&gt; to questions".replace("&lt;", "&#60;").replace("&gt;", "&#62;").as_str())
        .says("No answer");
    let row = page.body.split("Tokyo Bay Hospital").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(!row.contains('7') || !row.contains(">7<"), "{row}");
    for (language, words) in [("fr", "environ 1\u{202f}240"), ("ja", "約 1,240 人")] {
        desk = desk.reading(language);
        desk.get("/cohorts/q1").await.says(words);
        desk.get("/cohorts").await.says("HbA1c");
    }
}

#[tokio::test]
async fn an_incomplete_question_comes_back_as_typed() {
    let (toronto, _, _) = pair();
    let mut desk = Desk::signed_in(&toronto.here, Role::Researcher).await;
    let typed = [
        ("do", "form"),
        ("age-from", "40"),
        ("must-1-code", "hba1c"),
        ("must-1-comparator", "ge"),
        ("must-1-value", "7.0"),
        ("not-2-code", "kidney-disease"),
    ];
    let page = desk.post("/cohorts", &typed).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("Choose the unit of the value").says("value=\"40\"").says("value=\"7.0\"");
    page.says("<option value=\"kidney-disease\" selected>").says("<option value=\"hba1c\" selected>");
    let page = desk.post("/cohorts", &[("do", "json"), ("json", "{\"no\":1}")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("The question cannot be used").says("&#34;no&#34;:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_protection_holds_and_a_silent_partner_is_not_waited_for() {
    let (toronto, _, _) = pair();
    // Somebody listens where Tokyo is said to be, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tokyo = toronto.peer("tokyo");
    tokyo.url = format!("https://{}", silent.local_addr().unwrap());
    toronto.here.store.commit(Changes::new().with(Change::PutPeer(tokyo))).unwrap();
    for person in 0..15 {
        let id = format!("p{person}");
        let mut result = json!({
            "resourceType": "Observation", "status": "final", "effectiveDateTime": "2025-01-01",
            "code": {"coding": [{"system": systems::LOINC, "code": "4548-4"}]},
            "valueQuantity": {"value": 8, "unit": "%", "system": systems::UCUM, "code": "%"},
        });
        let country = toronto.here.config.country;
        crate::cohort::put(&toronto.here.store, country, "Observation", &format!("hba1c-{person}"), &id, &mut result);
    }
    let asked = [
        ("do", "form"),
        ("must-1-code", "hba1c"),
        ("must-1-comparator", "ge"),
        ("must-1-value", "7"),
        ("must-1-unit", "%"),
    ];
    for (threshold, status, count) in [(10, "ok", Some(20)), (20, "too-few", None)] {
        let mut config = Config { cohort: CohortConfig { threshold, rounding: 10 }, ..Config::default() };
        config.inside.request_seconds = 7;
        let mut desk = Desk::signed_in_under(&toronto.here, Role::Researcher, &config).await;
        let start = Instant::now();
        let page = desk.post("/cohorts", &asked).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        assert!(start.elapsed() < Duration::from_secs(config.inside.request_seconds), "{:?}", start.elapsed());
        let sha256 = page.location().rsplit('/').next().unwrap().to_owned();
        let answers = toronto.here.store.view(|view| view.answers(&sha256)).unwrap();
        let kept = |node: &str| answers.iter().find(|answer| answer.node == node).unwrap();
        assert_eq!((kept("toronto").status.as_str(), kept("toronto").count), (status, count), "{threshold}");
        assert_eq!(kept("tokyo").status, "no-answer");
    }
}
