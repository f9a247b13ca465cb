//! Who comes in: links work once and not for ever, sessions end, tokens expire, and the database holds no secret.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use jiff::SignedDuration;
use watari::access::{AccessError, Role, session, token};
use watari::config::Country;
use watari::store::StoreError;

use super::page_desk::{Desk, ORIGIN};
use super::referral_pair::Side;

fn toronto() -> Side {
    let clock = watari::clock::TestClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    Side::new("toronto", Country::Ca, &clock)
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up() {
    let side = toronto();
    let secret = session::create_link(&side.here.store, side.here.clock.as_ref(), "okafor", Role::Clinician).unwrap();
    let address = format!("/sign-in/{secret}");
    let mut desk = Desk::stranger(&side.here);
    for _ in 0..3 {
        let page = desk.get(&address).await;
        assert_eq!(page.status, StatusCode::OK);
        page.says("okafor").says("Clinician");
        assert!(!desk.has_cookie("watari_session"));
    }
    let page = desk.post(&address, &[]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"));
    let cookie = page.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(desk.get("/").await.status, StatusCode::OK);
    let mut another = Desk::stranger(&side.here);
    assert_eq!(another.post(&address, &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(another.get(&address).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn links_and_sessions_end() {
    let side = toronto();
    let link = |user| session::create_link(&side.here.store, side.here.clock.as_ref(), user, Role::It).unwrap();
    let late = link("late");
    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    side.clock.advance(SignedDuration::from_hours(12) - SignedDuration::from_secs(1));
    assert_eq!(desk.get("/").await.status, StatusCode::OK);
    side.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(desk.get("/").await.status, StatusCode::UNAUTHORIZED);
    side.clock.advance(SignedDuration::from_hours(12));
    assert_eq!(
        Desk::stranger(&side.here).post(&format!("/sign-in/{late}"), &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_at_the_node() {
    let side = toronto();
    let secret = session::create_link(&side.here.store, side.here.clock.as_ref(), "okafor", Role::It).unwrap();
    let opened = session::redeem(&side.here.store, side.here.clock.as_ref(), &secret).unwrap();
    let find = || side.here.store.view(|view| session::find(view, &side.here.now(), &opened.secret));
    let (staff, kept) = find().unwrap();
    session::end(&side.here.store, side.here.clock.as_ref(), &staff, &kept).unwrap();
    assert!(matches!(find(), Err(AccessError::NoSession)));

    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    desk.post("/sign-out", &[]).await;
    assert!(!desk.has_cookie("watari_session"));
}

#[test]
fn of_two_at_once_one_redeems() {
    let side = toronto();
    let secret = session::create_link(&side.here.store, side.here.clock.as_ref(), "okafor", Role::Clinician).unwrap();
    let start = Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (store, clock, secret, start) =
                (side.here.store.clone(), side.here.clock.clone(), secret.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                session::redeem(&store, clock.as_ref(), &secret).is_ok()
            })
        })
        .collect();
    let redeemed = threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|ok| *ok).count();
    assert_eq!(redeemed, 1);
}

#[test]
fn tokens_expire_and_keep_their_role() {
    let side = toronto();
    let make = |ttl| token::create(&side.here.store, side.here.clock.as_ref(), Role::System, ttl).unwrap();
    let check = |bearer: &str| side.here.store.view(|view| token::check(view, &side.here.now(), bearer));
    let short = make(SignedDuration::from_secs(60));
    let endless = make(SignedDuration::from_hours(24 * 365 * 50));
    assert_eq!(check(&short).unwrap().role, Role::System);
    assert!(matches!(check("guess"), Err(AccessError::NoToken)));
    side.clock.advance(SignedDuration::from_secs(60));
    assert!(matches!(check(&short), Err(AccessError::NoToken)));
    assert!(check(&endless).is_ok());
    side.clock.advance(token::LONGEST);
    assert!(check(&endless).is_err());
}

#[tokio::test]
async fn the_store_holds_digests_only() {
    let side = toronto();
    let link = session::create_link(&side.here.store, side.here.clock.as_ref(), "okafor", Role::It).unwrap();
    let bearer = token::create(&side.here.store, side.here.clock.as_ref(), Role::It, token::LONGEST).unwrap();
    let opened = session::redeem(&side.here.store, side.here.clock.as_ref(), &link).unwrap();
    let kept = |secret: &str| {
        let by_secret = side.here.store.view(|view| {
            Ok::<_, StoreError>((view.sign_in_link(secret)?, view.session(secret)?, view.api_token(secret)?))
        });
        by_secret.unwrap()
    };
    for secret in [&link, &bearer, &opened.secret] {
        assert_eq!(kept(secret), (None, None, None));
    }
    let trail = side.here.store.view(|view| view.audit_tail(10)).map_err(|error: StoreError| error).unwrap();
    let text = format!("{trail:?}");
    assert!(text.contains("access.sign-in") && text.contains("access.token") && text.contains("access.link"));
    for secret in [&link, &bearer, &opened.secret] {
        assert!(!text.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let side = toronto();
    let mut desk = Desk::signed_in(&side.here, Role::It).await;
    let token = desk.form_token().await;
    let good = [("form_token", token.as_str())];
    for (origin, fields) in [
        (None, &good[..]),
        (Some("null"), &good[..]),
        (Some("https://evil.example"), &good[..]),
        (Some("http://desk.example:8443"), &good[..]),
        (Some(ORIGIN), &[]),
        (Some(ORIGIN), &[("form_token", "")]),
        (Some(ORIGIN), &[("form_token", "guess")]),
    ] {
        let page = desk.post_foreign("/sign-out", origin, fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin:?} {fields:?}");
        assert!(desk.has_cookie("watari_session"));
    }
    let secret = session::create_link(&side.here.store, side.here.clock.as_ref(), "victim", Role::It).unwrap();
    let page = desk.post_foreign(&format!("/sign-in/{secret}"), Some("https://evil.example"), &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

/// Each role at each door.
#[tokio::test]
async fn every_role_finds_its_own_doors_only() {
    let side = toronto();
    let doors = [
        ("/", [200, 200, 200]),
        ("/referrals", [200, 403, 403]),
        ("/referrals/new", [200, 403, 403]),
        ("/referrals/none", [404, 403, 403]),
        ("/cohorts", [403, 200, 403]),
        ("/cohorts/none", [403, 404, 403]),
        ("/messages", [403, 403, 200]),
        ("/messages/none", [403, 403, 404]),
    ];
    for (column, role) in [Role::Clinician, Role::Researcher, Role::It].into_iter().enumerate() {
        let mut desk = Desk::signed_in(&side.here, role).await;
        for (address, statuses) in doors {
            assert_eq!(desk.get(address).await.status.as_u16(), statuses[column], "{role} {address}");
        }
        for address in ["/referrals/none/accept", "/referrals/new"] {
            let refused = desk.post(address, &[("value", "x"), ("do", "send")]).await.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, role != Role::Clinician, "{role} {address}");
        }
        let refused = desk.post("/messages/none/reveal", &[]).await.status == StatusCode::FORBIDDEN;
        assert_eq!(refused, role != Role::It, "{role}");
        let refused = desk.post("/cohorts", &[]).await.status == StatusCode::FORBIDDEN;
        assert_eq!(refused, role != Role::Researcher, "{role}");
    }
    let mut stranger = Desk::stranger(&side.here);
    for (address, _) in doors {
        assert_eq!(stranger.get(address).await.status, StatusCode::UNAUTHORIZED, "{address}");
    }
}
