//! A desk: one institution's pages and somebody in front of them, without a socket. Every page that is opened is checked for
//! what a page must have: headers, language, labels, ids.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use std::sync::Arc;
use tower::ServiceExt as _;
use watari::access::{Role, session};
use watari::config::Config;
use watari::exchange::Institution;
use watari::web::PageState;

pub const HOST: &str = "desk.example:8443";
pub const ORIGIN: &str = "https://desk.example:8443";

/// All pages of an institution.
pub fn pages(here: &Institution) -> Router {
    pages_under(here, &Config::default())
}

/// The same, under a configuration of its own.
pub fn pages_under(here: &Institution, config: &Config) -> Router {
    let state = PageState::new(here.clone(), Arc::new(tokio::sync::Notify::new()), config);
    watari::web::router(state.clone())
        .merge(watari::intake::pages::router(state.clone()))
        .merge(watari::referral::pages::router(state.clone()))
        .merge(watari::cohort::pages::router(state))
}

fn desk_of(router: Router) -> Desk {
    Desk { router, cookies: Vec::new(), language: "en" }
}

/// An answer.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).unwrap().to_str().unwrap()
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "the page does not say {text:?}:\n{}", self.body);
        self
    }

    #[track_caller]
    pub fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "the page says {text:?}:\n{}", self.body);
        self
    }
}

/// A browser with its cookies.
pub struct Desk {
    router: Router,
    cookies: Vec<(String, String)>,
    language: &'static str,
}

impl Desk {
    /// A browser nobody has signed in with.
    pub fn stranger(here: &Institution) -> Self {
        desk_of(pages(here))
    }

    /// Somebody signed in through a link, as people are.
    pub async fn signed_in(here: &Institution, role: Role) -> Self {
        Self::signed_in_under(here, role, &Config::default()).await
    }

    /// The same, at a node with a configuration of its own.
    pub async fn signed_in_under(here: &Institution, role: Role, config: &Config) -> Self {
        let secret = session::create_link(&here.store, here.clock.as_ref(), "okafor", role).unwrap();
        let mut desk = desk_of(pages_under(here, config));
        let page = desk.post(&format!("/sign-in/{secret}"), &[]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        desk
    }

    /// The same browser, set to another language.
    pub fn reading(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    pub fn has_cookie(&self, name: &str) -> bool {
        self.cookies.iter().any(|(key, _)| key == name)
    }

    pub async fn get(&mut self, address: &str) -> Page {
        let page = self.send(self.request(Method::GET, address), String::new()).await;
        if page.status != StatusCode::SEE_OTHER {
            check(&page, self.language);
        }
        page
    }

    /// Posts as a form of the desk's own page, with the form token of the session.
    pub async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.form_token().await;
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        let request = self.request(Method::POST, address).header(header::ORIGIN, ORIGIN);
        let page = self.send(request, encode(&all)).await;
        if page.status != StatusCode::SEE_OTHER {
            check(&page, self.language);
        }
        page
    }

    /// Posts with whatever origin and token.
    pub async fn post_foreign(&mut self, address: &str, origin: Option<&str>, fields: &[(&str, &str)]) -> Page {
        let mut request = self.request(Method::POST, address);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        self.send(request, encode(fields)).await
    }

    pub async fn form_token(&self) -> String {
        let request = self.request(Method::GET, "/").body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let start = body.split("name=\"form_token\" value=\"").nth(1).unwrap_or("");
        start.split('"').next().unwrap_or("").to_owned()
    }

    fn request(&self, method: Method, address: &str) -> axum::http::request::Builder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Request::builder()
            .method(method)
            .uri(address)
            .header(header::HOST, HOST)
            .header(header::ACCEPT_LANGUAGE, self.language)
            .header(header::COOKIE, cookies.join("; "))
    }

    async fn send(&mut self, request: axum::http::request::Builder, form: String) -> Page {
        let request =
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(form)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(key, _)| key != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
        Page { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

/// What every page must have.
#[track_caller]
fn check(page: &Page, language: &str) {
    let header =
        |name: &str| page.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert!(header("content-type").starts_with("text/html"), "{} {}", page.status, page.body);
    assert!(header("content-security-policy").contains("default-src 'none'"));
    assert!(!header("content-security-policy").contains("unsafe"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "same-origin");
    let body = &page.body;
    assert!(body.contains(&format!("<html lang=\"{language}\">")), "{body}");
    assert!(body.contains("<meta name=\"viewport\"") && body.contains("class=\"skip\""));
    assert_eq!(body.matches("<h1").count(), 1, "{body}");
    assert!(!body.contains("style=\"") && !body.contains("<script"), "the policy would block it");
    assert!(!body.contains("[Error") && !body.contains("{$"), "a text lacks an argument");
    let tags: Vec<&str> = body.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
    let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
    for id in &ids {
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "id {id} twice");
    }
    for name in ["for", "aria-labelledby", "aria-describedby"] {
        for target in tags.iter().filter_map(|tag| attribute(tag, name)).flat_map(str::split_whitespace) {
            assert!(ids.contains(&target), "{name}={target} names nothing");
        }
    }
    let labelled: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "for")).collect();
    for tag in &tags {
        let is_field = ["input", "select", "textarea"].iter().any(|name| tag.split_whitespace().next() == Some(*name));
        if is_field && attribute(tag, "type") != Some("hidden") {
            assert!(attribute(tag, "id").is_some_and(|id| labelled.contains(&id)), "no label for <{tag}>");
        }
    }
    assert_eq!(body.matches("<table").count(), body.matches("<caption").count(), "a table without caption");
    assert!(!body.contains("<th>"), "a header without scope");
    for text in body.split('>').filter_map(|part| part.split('<').next()) {
        assert!(!text.trim().starts_with('[') || !text.contains('-'), "missing text {text}");
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next()
}
