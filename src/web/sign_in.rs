//! `/sign-in/{secret}` and `/sign-out`. Opening the link shows a button; pressing it uses the link up, so that previews of
//! mail programs and chat rooms do not.

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};

use super::PageState;
use super::form::{Submitted, check_origin};
use super::frame::{Frame, page, see};
use crate::access::{AccessError, session};
use crate::server::problem::Problem;

/// The routes.
pub fn routes() -> Router<PageState> {
    Router::new().route("/sign-in/{secret}", get(show).post(redeem)).route("/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "web/sign_in.html")]
struct SignInPage<'a> {
    f: &'a Frame,
    user: String,
    role: String,
}

async fn show(
    State(state): State<PageState>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let now = state.here.now();
    let staff = state.here.store.read(move |view| session::peek(view, &now, &secret)).await?;
    let frame = Frame::new(&state.here, request.headers(), request.uri());
    let role = frame.t.code("role", staff.role.as_str());
    page(&SignInPage { f: &frame, user: staff.user, role })
}

async fn redeem(State(state): State<PageState>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    check_origin(&parts)?;
    let Path(secret) =
        Path::<String>::from_request_parts(&mut parts, &state).await.map_err(|_| AccessError::SpentLink)?;
    let here = state.here.clone();
    let opened = blocking(move || session::redeem(&here.store, here.clock.as_ref(), &secret)).await?;
    let mut response = see("/");
    set_cookie(&mut response, &session::cookie(&opened));
    Ok(response)
}

async fn sign_out(State(state): State<PageState>, form: Submitted) -> Result<Response, Problem> {
    let here = state.here.clone();
    blocking(move || session::end(&here.store, here.clock.as_ref(), &form.who.staff, &form.who.session)).await?;
    let mut response = see("/");
    set_cookie(&mut response, &session::removed_cookie());
    Ok(response)
}

/// Runs a blocking act of the domain off the async threads.
pub async fn blocking<T, E>(act: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(act).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(Problem::new(crate::fault::Kind::Internal, format!("a task ended early: {error}"))),
    }
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
