//! Every request of the inside door is written into the trail of requests before it is answered: who asked for what, how it
//! ended, and whose data the answer shows. An answer that cannot be written down is not given (503).

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::access::Staff;
use crate::audit::asked::{self, Asked};
use crate::audit::shown::Patients;
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::ids;
use crate::server::origin::Origin;
use crate::server::problem::Problem;
use crate::store::requests::RequestRow;

/// The header that tells one request from others, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id of a request that is taken over.
const LONGEST_ID: usize = 128;
/// Largest form of a posted search.
const LARGEST_FORM: usize = 1 << 20;

/// Who a request is by; rides on it, and is filled where the credentials are checked.
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<OnceLock<(String, String)>>);

impl Caller {
    /// Notes that the request is by `actor`, whose credentials were checked.
    pub fn is(extensions: &Extensions, actor: &str, staff: &Staff) {
        if let Some(Self(who)) = extensions.get() {
            let _ = who.set((actor.to_owned(), staff.role.as_str().to_owned()));
        }
    }
}

/// On an answer: what was done is in the trail of acts, by the same commit. It needs no row.
#[derive(Debug, Clone, Copy)]
pub struct Acted;

/// On an answer that is a page: the local ids of the patients whom it shows.
#[derive(Debug, Clone, Default)]
pub struct Showed(pub Vec<String>);

#[derive(Clone)]
struct Trail {
    here: Institution,
    /// What addresses begin with, beside what requests say.
    prefix: &'static str,
}

/// Puts the trail around a router.
pub fn around(router: Router, here: &Institution) -> Router {
    router.layer(from_fn_with_state(Trail { here: here.clone(), prefix: "" }, note))
}

/// The same for the entries of a bundle, each a request below `/fhir` of its own.
pub fn around_entries(router: Router, here: &Institution) -> Router {
    router.layer(from_fn_with_state(Trail { here: here.clone(), prefix: "/fhir" }, note))
}

async fn note(State(trail): State<Trail>, mut request: Request, next: Next) -> Response {
    let asked = match trail.prefix {
        "" => asked::read(request.method().as_str(), request.uri().path()),
        prefix => asked::read(request.method().as_str(), &format!("{prefix}{}", request.uri().path())),
    };
    if asked.act.is_empty() {
        return next.run(request).await;
    }
    let id = request_id(request.headers());
    let mut parameters = asked::parameters(request.uri().query().unwrap_or(""));
    if request.method() == Method::POST
        && asked.act == "search-type"
        && request.headers().contains_key(header::AUTHORIZATION)
    {
        request = match with_form(request, &mut parameters).await {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        };
    }
    let caller = Caller::default();
    request.extensions_mut().insert(caller.clone());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let origin = request.extensions().get::<Origin>().map(|Origin(address)| address.to_string()).unwrap_or_default();
    let host = host(&request);
    let mut response = next.run(request).await;
    if response.extensions().get::<Acted>().is_none() {
        let (actor, role) = caller.0.get().cloned().unwrap_or_default();
        let (told, answer) = told(&trail.here, &asked, &host, response).await;
        response = answer;
        let row = RequestRow {
            at: trail.here.clock.now().as_millisecond(),
            actor,
            role,
            act: told.act.to_owned(),
            target: told.target,
            parameters,
            patients: told.patients,
            shown: told.shown,
            outcome: response.status().as_u16(),
            purpose: String::new(),
            request_id: id.to_str().unwrap_or("").to_owned(),
            origin,
        };
        if let Err(error) = trail.here.store.note(row).await {
            response = Problem::new(Kind::Unavailable, format!("the trail of requests cannot be written: {error}"))
                .into_response();
        }
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// What an answer tells for its row.
struct Told {
    act: &'static str,
    target: String,
    patients: String,
    shown: u32,
}

/// Reads an answer that is whole in memory; what is sent as a stream is told by its target alone.
async fn told(here: &Institution, asked: &Asked, host: &str, response: Response) -> (Told, Response) {
    let mut told = Told { act: asked.act, target: asked.target.clone(), patients: String::new(), shown: 0 };
    let mut patients = Patients::default();
    // A form with its errors shows them, too.
    if let Some(Showed(ids)) = response.extensions().get() {
        ids.iter().for_each(|id| patients.add(id));
    }
    if !response.status().is_success() {
        (told.patients, told.shown) = patients.told();
        return (told, response);
    }
    let (parts, body) = response.into_parts();
    let mut answer = body;
    if asked.is_rest && answer.size_hint().exact().is_some() {
        let bytes = to_bytes(answer, usize::MAX).await.unwrap_or_default();
        if asked.act == "transaction" {
            // Its entries have rows of their own, or are acts.
            if memchr::memmem::find(bytes.get(..200).unwrap_or(&bytes), b"\"batch-response\"").is_some() {
                told.act = "batch";
            }
        } else if !bytes.is_empty() {
            if let Some(id) = told.target.strip_prefix("Patient/") {
                patients.add(id.split('/').next().unwrap_or(""));
            }
            if let Some(found) = location(&parts.headers) {
                told.target = found;
            }
            patients.of_json(&bytes, &[&here.config.namespace, &format!("https://{host}/fhir")]);
        }
        answer = Body::from(bytes);
    }
    (told.patients, told.shown) = patients.told();
    (told, Response::from_parts(parts, answer))
}

/// `Type/id` of a resource that a conditional request was led to.
fn location(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let (kind, id) = crate::fhir::reference::split(location.strip_prefix("/fhir/")?)?;
    Some(format!("{kind}/{id}"))
}

/// Host and port that the caller named.
fn host(request: &Request) -> String {
    let of_header = || request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(of_header);
    host.unwrap_or("").to_owned()
}

/// The caller's own id of the request, if it is one; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let own = headers.get(&REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=LONGEST_ID).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=~".contains(byte))
    });
    own.cloned().unwrap_or_else(|| HeaderValue::from_str(&ids::fresh()).unwrap_or(HeaderValue::from_static("none")))
}

/// Reads the names of a form beside the query's, and gives the request back as it was.
async fn with_form(request: Request, parameters: &mut String) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let form: Bytes = to_bytes(body, LARGEST_FORM)
        .await
        .map_err(|_| Problem::new(Kind::TooLarge, "the form of a search may have a megabyte"))?;
    let query = format!("{}&{}", parts.uri.query().unwrap_or(""), String::from_utf8_lossy(&form));
    *parameters = asked::parameters(&query);
    Ok(Request::from_parts(parts, Body::from(form)))
}

/// Notes on an answer that its act is in the trail already.
pub fn acted(mut response: Response) -> Response {
    response.extensions_mut().insert(Acted);
    response
}

/// Notes on a page whom it shows.
pub fn showing(mut response: Response, patients: Vec<String>) -> Response {
    response.extensions_mut().insert(Showed(patients));
    response
}
