//! What all pages share: languages, errors, the style sheet.

use axum::http::{StatusCode, header};
use watari::access::Role;
use watari::config::Country;

use super::page_desk::Desk;
use super::referral_pair::{Side, pair};

fn tokyo() -> Side {
    let clock = watari::clock::TestClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    Side::new("tokyo", Country::Jp, &clock)
}

#[tokio::test]
async fn the_language_follows_the_reader() {
    let side = tokyo();
    let mut desk = Desk::signed_in(&side.here, Role::It).await.reading("ja");
    desk.get("/").await.says("東京湾病院").says("医療情報部門");
    let page = desk.get("/messages?status=quarantined&lang=fr").await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/messages?status=quarantined"));
    assert!(desk.has_cookie("watari_language"));
    // From now on the choice wins over the browser's own language.
    let mut desk = desk.reading("fr");
    desk.get("/").await.says("Informatique hospitalière").says("Hôpital de la baie de Tokyo");
}

#[tokio::test]
async fn errors_are_pages_in_the_readers_language() {
    let side = tokyo();
    for (language, words) in [("en", "Not found"), ("fr", "Introuvable"), ("ja", "見つかりません")] {
        let mut desk = Desk::signed_in(&side.here, Role::It).await.reading(language);
        let page = desk.get("/messages/none").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.says(words);
    }
}

#[tokio::test]
async fn home_shows_each_role_its_work_and_partners() {
    let (toronto, _, _) = pair();
    for (role, words) in [
        (Role::Clinician, "open referrals received"),
        (Role::Researcher, "cohort questions asked"),
        (Role::It, "kept aside, need attention"),
    ] {
        let mut desk = Desk::signed_in(&toronto.here, role).await;
        desk.get("/").await.says(words).says("Tokyo Bay Hospital").says("Active");
    }
}

#[tokio::test]
async fn the_style_sheet_is_kept_by_its_digest() {
    let side = tokyo();
    let mut desk = Desk::stranger(&side.here);
    let page = desk.post_foreign("/assets/watari.css", None, &[]).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    let home = desk.get("/").await;
    let address = home.body.split("href=\"").find(|rest| rest.starts_with("/assets/")).unwrap();
    assert!(address.contains("?v="));
    assert_eq!(home.headers.get(header::CACHE_CONTROL).unwrap(), "no-store");
}

#[tokio::test]
async fn no_address_leads_the_language_switch_to_another_host() {
    use tower::ServiceExt as _;
    let side = tokyo();
    let state = watari::web::PageState::new(
        side.here.clone(),
        std::sync::Arc::new(tokio::sync::Notify::new()),
        &watari::config::Config::default(),
    );
    let access = watari::config::AccessConfig::default();
    let smart =
        watari::access::endpoints::SmartState::new(side.here.clone(), "https://desk.example:8443".into(), access);
    let app = watari::routes::inside(state, watari::config::FhirConfig::default(), smart);
    for path in ["//evil.example/", "/\\evil.example/", "///evil.example/"] {
        let request =
            axum::http::Request::get(path).header("accept", "text/html").body(axum::body::Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let links: Vec<&str> = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.iter().any(|link| link.starts_with("/evil.example/?lang=")), "{links:?}");
        assert!(links.iter().all(|link| !link.starts_with("//") && !link.starts_with("/\\")), "{links:?}");
    }
}
