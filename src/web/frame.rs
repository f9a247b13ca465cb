//! What every page shares: institution, navigation by role, language switch, and the headers that keep a page safe.

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use jiff::tz::TimeZone;

use super::PageState;
use super::language::{self, Language};
use super::markup::Markup;
use super::texts::Texts;
use super::{assets, clock_face};
use crate::access::permit::{Permission, allows};
use crate::access::{Role, Staff};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::server::problem::{Problem, Shown};
use crate::store::access::Session;

/// The frame around a page, and what its templates need to say and show things.
pub struct Frame {
    /// The words.
    pub t: &'static Texts,
    /// Name of this institution in the page's language.
    pub institution: String,
    /// Its time zone.
    pub zone: TimeZone,
    /// Now.
    pub now: jiff::Timestamp,
    /// Who is signed in.
    pub user: Option<Staff>,
    /// Token for the forms of this session.
    pub form_token: String,
    /// Address of the style sheet.
    pub style: String,
    path: String,
    query: String,
}

/// An entry of the navigation.
pub struct NavEntry {
    /// Address.
    pub href: &'static str,
    /// Words.
    pub text: String,
    /// The reader is there.
    pub current: bool,
}

/// A language of the switch.
pub struct Switch {
    /// Language tag.
    pub tag: &'static str,
    /// Its own name.
    pub name: String,
    /// Address of this page in it.
    pub href: String,
    /// The page is in it.
    pub current: bool,
}

impl Frame {
    /// A frame for a stranger.
    pub fn new(here: &Institution, headers: &HeaderMap, uri: &Uri) -> Self {
        let language = Language::of(headers);
        Self {
            t: Texts::of(language),
            institution: here.config.name.get(language.as_str()).to_owned(),
            zone: here.config.zone(),
            now: here.clock.now(),
            user: None,
            form_token: String::new(),
            style: assets::style_address(),
            path: language::own_path(uri),
            query: uri.query().unwrap_or("").to_owned(),
        }
    }

    /// The same for somebody signed in.
    #[must_use]
    pub fn signed_in(mut self, staff: &Staff, session: &Session) -> Self {
        self.user = Some(staff.clone());
        self.form_token = session.form_token.clone();
        self
    }

    /// The page's language.
    pub fn language(&self) -> Language {
        self.t.language()
    }

    /// Where this person may go.
    pub fn nav(&self) -> Vec<NavEntry> {
        let Some(staff) = &self.user else { return Vec::new() };
        let places = [
            ("/", "nav-home", None),
            ("/referrals", "nav-referrals", Some(Permission::ReadReferrals)),
            ("/cohorts", "nav-cohorts", Some(Permission::AskCohorts)),
            ("/messages", "nav-messages", Some(Permission::ReadMessages)),
        ];
        places
            .into_iter()
            .filter(|(_, _, permission)| permission.is_none_or(|permission| allows(staff.role, permission)))
            .map(|(href, key, _)| {
                let current = self.path == href || (href != "/" && self.path.starts_with(href));
                NavEntry { href, text: self.t.say(key), current }
            })
            .collect()
    }

    /// The language switch.
    pub fn switches(&self) -> Vec<Switch> {
        Language::ALL
            .into_iter()
            .map(|language| {
                let tag = language.as_str();
                let query = if self.query.is_empty() { String::new() } else { format!("{}&", self.query) };
                Switch {
                    tag,
                    name: self.t.say(&format!("language-{tag}")),
                    href: format!("{}?{query}lang={tag}", self.path),
                    current: language == self.language(),
                }
            })
            .collect()
    }

    /// The role in words.
    pub fn role(&self) -> String {
        self.user.as_ref().map_or_else(String::new, |staff| self.t.say(role_key(staff.role)))
    }

    /// A moment in this institution's zone.
    pub fn moment(&self, at: &str) -> Markup {
        clock_face::moment(self.t, at, &self.zone)
    }

    /// A date at its own precision.
    pub fn date(&self, text: &str) -> Markup {
        clock_face::date(self.t, text)
    }

    /// How long ago.
    pub fn age(&self, at: &str) -> String {
        clock_face::age(self.t, self.now, at)
    }

    /// Words from a record, marked if they are Japanese.
    pub fn words(&self, text: &str) -> Markup {
        Markup::words(text, self.language())
    }
}

fn role_key(role: Role) -> &'static str {
    match role {
        Role::Clinician => "role-clinician",
        Role::Researcher => "role-researcher",
        Role::It => "role-it",
        Role::System => "role-system",
    }
}

/// Renders a page.
pub fn page(template: &impl Template) -> Result<Response, Problem> {
    page_with(StatusCode::OK, template)
}

/// Renders a page with a status of its own, e.g. a form with its errors.
pub fn page_with(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| Problem::new(Kind::Internal, format!("template: {error}")))?;
    Ok((status, Html(html)).into_response())
}

/// See other, after a form was accepted (303: a reload repeats nothing).
pub fn see(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address.to_owned())]).into_response()
}

/// Puts the frame's safeguards around routes: language choice, error pages, headers.
pub fn around(routes: Router, state: &PageState) -> Router {
    routes.route_layer(from_fn_with_state(state.here.clone(), guard))
}

/// The page for an address that is not there; for the router's fallback.
pub async fn not_found(State(here): State<Institution>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shown = Shown { kind: Kind::NotFound, diagnostics: None, reference: None };
    let mut response = problem_page(&here, &parts.headers, &parts.uri, StatusCode::NOT_FOUND, &shown);
    harden(response.headers_mut(), Language::of(&parts.headers));
    response
}

async fn guard(State(here): State<Institution>, request: Request, next: Next) -> Response {
    let (headers, uri, method) = (request.headers().clone(), request.uri().clone(), request.method().clone());
    if method == Method::GET
        && let Some(choice) = Language::chosen(&uri)
    {
        let mut response = see(&language::without_choice(&uri));
        if let Ok(cookie) = HeaderValue::from_str(&choice.cookie()) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        harden(response.headers_mut(), choice);
        return response;
    }
    let mut response = next.run(request).await;
    if let Some(shown) = response.extensions().get::<Shown>().cloned() {
        response = problem_page(&here, &headers, &uri, response.status(), &shown);
    }
    harden(response.headers_mut(), Language::of(&headers));
    response
}

/// Headers of every page. No script runs, nothing is loaded from elsewhere, no other site may frame it, nothing is kept
/// by caches. The referrer stays on this host rather than being withheld: with `no-referrer` browsers send `Origin: null`
/// with forms, and the origin check needs the origin.
fn harden(headers: &mut HeaderMap, language: Language) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                          frame-ancestors 'none'";
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
    headers.insert(header::VARY, HeaderValue::from_static("cookie, accept-language"));
}

#[derive(Template)]
#[template(path = "web/problem.html")]
struct ProblemPage<'a> {
    f: &'a Frame,
    title: String,
    advice: String,
    detail: Option<&'a str>,
    reference: Option<&'a str>,
}

fn problem_page(here: &Institution, headers: &HeaderMap, uri: &Uri, status: StatusCode, shown: &Shown) -> Response {
    let frame = Frame::new(here, headers, uri);
    let name = problem_key(shown.kind);
    let template = ProblemPage {
        title: frame.t.say(&format!("problem-{name}")),
        advice: frame.t.say(&format!("problem-{name}-advice")),
        detail: shown.diagnostics.as_deref(),
        reference: shown.reference.as_deref(),
        f: &frame,
    };
    page_with(status, &template).unwrap_or_else(|_| status.into_response())
}

fn problem_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthenticated => "sign-in",
        Kind::Forbidden => "forbidden",
        Kind::NotFound | Kind::Gone => "not-found",
        Kind::Conflict | Kind::PreconditionFailed => "conflict",
        Kind::Malformed | Kind::TooLarge | Kind::UnsupportedMediaType | Kind::Unprocessable | Kind::TooMany => {
            "refused"
        }
        Kind::NotSupported | Kind::NotAllowed | Kind::NotAcceptable => "not-supported",
        Kind::PeerFailed => "peer",
        Kind::Unavailable | Kind::Configuration | Kind::Internal => "failed",
    }
}
