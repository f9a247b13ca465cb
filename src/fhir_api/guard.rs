//! Who may, at one place before every interaction: the scopes of the token
//! (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>) against what a request would do, with its chains,
//! includes and the entries of a bundle. What a request may reach only through a narrowed scope is searched with the
//! narrowing added; what cannot be told to lie within the scopes is refused, never let through.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt as _;

use super::needs::{self, Narrow, Need};
use super::search::{self, page};
use crate::access::AccessError;
use crate::access::permit::{self, Permission};
use crate::access::scope::{Act, Reach};
use crate::access::token::{self, Holder};
use crate::config::AccessConfig;
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir;
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::trail::Caller;

/// What is known of a token is believed for so long: a removed client is out after this time at the latest.
const BELIEVED: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
/// Tokens remembered at most.
const MOST_TOKENS: usize = 1000;
/// Largest answer of a look-up, bytes.
const LARGEST_LOOK_UP: usize = 1024 * 1024;

/// Holders by the digest of their token, with the time of the look-up.
type Known = HashMap<String, (Timestamp, Arc<Holder>)>;

/// What the guard works with.
#[derive(Clone)]
pub(super) struct Guard {
    here: Institution,
    access: Arc<AccessConfig>,
    known: Arc<Mutex<Known>>,
    /// The interactions themselves, for look-ups of the guard's own.
    interactions: Router,
}

impl Guard {
    async fn holder(&self, headers: &HeaderMap) -> Result<Arc<Holder>, Problem> {
        let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = text.and_then(token::bearer).ok_or(AccessError::NoCredentials)?.to_owned();
        let digest = crate::ids::sha256_hex(secret.as_bytes());
        let now = self.here.clock.now();
        let at = crate::clock::instant(now);
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((looked_up, holder)) = lock().get(&digest)
            && now.duration_since(*looked_up) < BELIEVED
            && holder.expires_at > at
        {
            return Ok(Arc::clone(holder));
        }
        let access = Arc::clone(&self.access);
        let holder = Arc::new(self.here.store.look_up(move |view| token::holder(view, &access, &at, &secret)).await?);
        let mut known = lock();
        if known.len() >= MOST_TOKENS {
            known.clear();
        }
        known.insert(digest, (now, Arc::clone(&holder)));
        Ok(holder)
    }

    /// Whether a narrowed search finds the resource.
    async fn finds(
        &self,
        holder: &Holder,
        kind: &str,
        id: &str,
        narrowing: &[(String, String)],
    ) -> Result<bool, Problem> {
        let pairs: Vec<(&str, &str)> = std::iter::once(("_id", id))
            .chain(narrowing.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .chain([("_count", "1")])
            .collect();
        let query = serde_urlencoded::to_string(pairs).map_err(|error| broken(&error))?;
        let mut request =
            Request::builder().uri(format!("/{kind}?{query}")).body(Body::empty()).map_err(|error| broken(&error))?;
        request.extensions_mut().insert(holder.staff.clone());
        let response = self.interactions.clone().oneshot(request).await.map_err(|error| broken(&error))?;
        if !response.status().is_success() {
            let told = "the search parameters of a narrowed scope are not served here";
            return Err(Problem::new(Kind::Forbidden, told));
        }
        let body = to_bytes(response.into_body(), LARGEST_LOOK_UP).await.map_err(|error| broken(&error))?;
        let found: Value = serde_json::from_slice(&body).map_err(|error| broken(&error))?;
        Ok(found["entry"]
            .as_array()
            .is_some_and(|entries| entries.iter().any(|entry| entry.get("resource").and_then(fhir::id) == Some(id))))
    }

    /// The request as it may go on, with what narrows its search.
    async fn admitted(&self, request: Request, holder: &Holder) -> Result<Request, Problem> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let mut asked = pairs(parts.uri.query().unwrap_or_default())?;
        let is_form = parts.method == Method::POST && path.ends_with("/_search");
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let bytes = if is_read { Bytes::new() } else { whole(&parts, body).await? };
        if is_form {
            let text = std::str::from_utf8(&bytes);
            asked.extend(pairs(text.map_err(|_| Problem::new(Kind::Malformed, "the form is not UTF-8"))?)?);
        }
        let page = self.page(&mut asked);
        let mut wanted = Vec::new();
        if !is_form && !bytes.is_empty() {
            let posted = posted(&parts.method, &path, bytes.clone()).await?;
            asked.extend(posted.asked);
            wanted.extend(posted.needs);
        }
        wanted.extend(needs::of(&parts.method, &path, &asked));
        for query in parts.headers.get_all("if-none-exist") {
            let kind = path.split('/').find(|part| !part.is_empty());
            wanted.extend(needs::condition(kind, &String::from_utf8_lossy(query.as_bytes())));
        }
        let mut added = self.check(&wanted, holder).await?;
        if wanted.iter().any(|need| shows_what_it_wrote(need, holder)) {
            // What may be written and not read is not given back.
            parts.headers.insert("prefer", HeaderValue::from_static("return=minimal"));
        }
        if !added.is_empty() {
            // Strict, lest a parameter that narrows be left out.
            parts.headers.remove("prefer");
        }
        // On a further page only the search counts that the link is of.
        added.retain(|pair| !page.as_ref().unwrap_or(&asked).contains(pair));
        if added.is_empty() {
            return Ok(Request::from_parts(parts, Body::from(bytes)));
        }
        if page.is_some() {
            let told = "the link is of a search that the scopes of this token do not allow; begin the search anew";
            return Err(Problem::new(Kind::Forbidden, told));
        }
        let text = serde_urlencoded::to_string(&added).map_err(|error| broken(&error))?;
        if is_form {
            let form = [&bytes[..], b"&", text.as_bytes()].concat();
            parts.headers.remove(header::CONTENT_LENGTH);
            return Ok(Request::from_parts(parts, Body::from(form)));
        }
        let own = parts.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
        parts.uri = format!("{path}?{own}{text}").parse::<Uri>().map_err(|error| broken(&error))?;
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    /// The query that a link to a further page stands for; it takes the place of the link in `asked`, which so shows all that
    /// the search leads through.
    fn page(&self, asked: &mut Vec<(String, String)>) -> Option<Vec<(String, String)>> {
        let at = asked.iter().position(|(name, _)| name == page::PARAMETER)?;
        let query = search::continued(&self.here, &asked.get(at)?.1)?;
        asked.splice(at..=at, query.iter().cloned());
        Some(query)
    }

    /// Refuses what lies outside of the scopes; gives the parameters by which a search must be narrowed.
    async fn check(&self, wanted: &[Need], holder: &Holder) -> Result<Vec<(String, String)>, Problem> {
        let mut added = Vec::new();
        for need in wanted {
            let kind = need.kind.as_deref();
            match (holder.scopes.reach(need.act, kind), &need.narrow, kind) {
                (Some(Reach::All), _, _) => {}
                (Some(Reach::Narrowed(by)), Narrow::Search, _) => added.extend(by.iter().cloned()),
                (Some(Reach::Narrowed(by)), Narrow::Instance(id), Some(kind)) => {
                    if !self.finds(holder, kind, id, by).await? {
                        return Err(out_of_scope(holder, need));
                    }
                }
                _ => return Err(out_of_scope(holder, need)),
            }
        }
        Ok(added)
    }
}

impl Guard {
    /// A guard who looks things up by `interactions`.
    pub(super) fn new(here: Institution, access: AccessConfig, interactions: Router) -> Self {
        Self { here, access: Arc::new(access), known: Arc::default(), interactions }
    }

    /// The interactions that entries of bundles are answered by, behind this guard.
    pub(super) fn before_entries(&self, router: Router) -> Router {
        router.layer(axum::middleware::from_fn_with_state(self.clone(), admit))
    }

    /// The request as it may go on, and who comes with it; both stand in its extensions.
    pub(super) async fn enter(&self, request: Request) -> Result<(Request, Arc<Holder>), Problem> {
        let holder = self.holder(request.headers()).await?;
        Caller::is(request.extensions(), &holder.staff.user, &holder.staff);
        let mut request = if holder.scopes.is_everything() { request } else { self.admitted(request, &holder).await? };
        request.extensions_mut().insert(holder.staff.clone());
        request.extensions_mut().insert(Arc::clone(&holder));
        Ok((request, holder))
    }
}

/// Lets an entry of a bundle through as far as its token reaches.
async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.enter(request).await {
        Ok((request, _)) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether an answer to a write would show what the token may not read, or not all of it.
fn shows_what_it_wrote(need: &Need, holder: &Holder) -> bool {
    let writes = matches!(need.act, Act::Create | Act::Update);
    writes && holder.scopes.reach(Act::Read, need.kind.as_deref()) != Some(Reach::All)
}

/// A refusal. What no token of the role may is said in those words.
fn out_of_scope(holder: &Holder, need: &Need) -> Problem {
    let permission = match need.act {
        Act::Read | Act::Search => Permission::ReadRecord,
        Act::Create | Act::Update | Act::Delete => Permission::WriteRecord,
    };
    if let Err(error) = permit::check(&holder.staff, permission) {
        return error.into();
    }
    let what = match &need.kind {
        // A type as the caller wrote it, cut short.
        Some(kind) => kind.chars().take(64).collect(),
        None => "every type, as this request may lead to any (name the types of its chains and includes)".to_owned(),
    };
    AccessError::OutOfScope { role: holder.staff.role, act: need.act.as_str(), what }.into()
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    serde_urlencoded::from_str(query).map_err(|_| Problem::new(Kind::Malformed, "the query cannot be read"))
}

/// The body, within the limit of the door, which stands in the extensions of the request.
async fn whole(parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let mut request = Request::new(body);
    *request.headers_mut() = parts.headers.clone();
    *request.extensions_mut() = parts.extensions.clone();
    Ok(WholeBody::from_request(request, &()).await?.0)
}

/// What a body asks for.
#[derive(Default)]
struct Posted {
    needs: Vec<Need>,
    /// Parameters of an operation.
    asked: Vec<(String, String)>,
}

/// Of a body that is JSON; of one that is not, the interaction itself says what is wrong.
async fn posted(method: &Method, path: &str, bytes: Bytes) -> Result<Posted, Problem> {
    let (is_patch, is_operation) = (method == Method::PATCH, needs::is_operation(path));
    let is_bundle = path.trim_matches('/').is_empty();
    let path = path.to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let Ok(body) = fhir::json::parse(&bytes) else { return Posted::default() };
        let asked = if is_operation { needs::asked_of(&body) } else { Vec::new() };
        let needs = match () {
            // Each entry of a batch is asked by itself.
            () if is_bundle && body["type"] == "batch" => Vec::new(),
            () if is_bundle => needs::of_bundle(&body),
            () if is_patch => needs::of_patch(needs::kind_of(&path), &body),
            () => needs::of_resource(&body),
        };
        Posted { needs, asked }
    });
    work.await.map_err(|_| Problem::new(Kind::Internal, "reading the body was interrupted"))
}

fn broken(cause: &dyn std::fmt::Display) -> Problem {
    Problem::new(Kind::Internal, format!("the guard of the FHIR API: {cause}"))
}
