//! Proof that a submitted form came from a page of this node in this session, and its fields.
//!
//! Two independent checks: the browser's `Origin` must be this host, and the form must carry the session's token. The
//! session cookie is `SameSite=Strict` besides.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};

use super::signed_in::SignedIn;
use crate::access::AccessError;
use crate::access::session::same_secret;
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::server::problem::Problem;

/// Largest form read, bytes. A referral's free text fits many times.
const LARGEST: usize = 256 * 1024;
/// Most fields read.
const MOST: usize = 500;

/// A signed-in person's form that passed both checks.
pub struct Submitted {
    /// Who.
    pub who: SignedIn,
    /// What.
    pub fields: Fields,
}

/// The fields of a form, in order; a name may repeat.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Fields by hand, e.g. for an empty form.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of `name`, without white space around it; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// Whether there is a field `name`, empty or not (ticks, buttons).
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

impl<S> FromRequest<S> for Submitted
where
    S: Send + Sync,
    Institution: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        check_origin(&parts)?;
        let who = SignedIn::from_request_parts(&mut parts, state).await?;
        let fields = read(&parts.headers, body).await?;
        if !same_secret(fields.get("form_token"), &who.session.form_token) {
            return Err(AccessError::ForeignForm.into());
        }
        Ok(Self { who, fields })
    }
}

/// Refuses a form that another site made the browser send, or whose origin the browser does not tell.
pub fn check_origin(parts: &Parts) -> Result<(), AccessError> {
    let origin = parts.headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let host = host(&parts.uri, &parts.headers);
    match (origin.and_then(|origin| origin.strip_prefix("https://")), host) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(AccessError::ForeignForm),
    }
}

/// Host and port that the browser meant: `:authority` in HTTP/2, `Host` in HTTP/1.1.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    uri.authority().map(axum::http::uri::Authority::as_str).or_else(|| headers.get(header::HOST)?.to_str().ok())
}

async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Fields, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !media.starts_with("application/x-www-form-urlencoded") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "a form is sent as application/x-www-form-urlencoded"));
    }
    let bytes = axum::body::to_bytes(body, LARGEST)
        .await
        .map_err(|_| Problem::new(Kind::TooLarge, format!("a form may have {LARGEST} bytes")))?;
    let fields = parse(&bytes).ok_or_else(|| Problem::new(Kind::Malformed, "the form is not valid UTF-8"))?;
    if fields.len() > MOST {
        return Err(Problem::new(Kind::TooLarge, format!("a form may have {MOST} fields")));
    }
    Ok(Fields(fields))
}

/// `application/x-www-form-urlencoded`; `None` if a value is not UTF-8.
pub fn parse(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(middle + 1..).unwrap_or_default();
            Some((decode(&pair[..middle])?, decode(value)?))
        })
        .collect()
}

fn decode(text: &[u8]) -> Option<String> {
    let hex = |byte: Option<&u8>| (*byte? as char).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let value = hex(text.get(at + 1))? * 16 + hex(text.get(at + 2))?;
                out.push(u8::try_from(value).ok()?);
                at += 2;
            }
            other => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_decode() {
        let fields = Fields(parse("a=1+2&b=%E6%B8%A1%E9%82%89&a=x&c&d=%20%C3%A9%0D%0A".as_bytes()).unwrap());
        assert_eq!(fields.get("a"), "1 2");
        assert_eq!(fields.get("b"), "渡邉");
        assert!(fields.has("c") && !fields.has("e"));
        assert_eq!(fields.get("d"), "é");
        assert!(parse(b"a=%ff").is_none());
        assert!(parse(b"a=%f").is_none());
        assert!(parse(b"a=%+1").is_none());
    }

    fn parts(origin: Option<&str>, host: &str) -> Parts {
        let mut request = Request::builder().uri("/referrals").header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn other_origins_are_refused() {
        assert!(check_origin(&parts(Some("https://here.example:8443"), "here.example:8443")).is_ok());
        for origin in [
            None,
            Some("null"),
            Some("https://evil.example"),
            Some("http://here.example:8443"),
            Some("https://here.example"),
        ] {
            assert!(check_origin(&parts(origin, "here.example:8443")).is_err(), "{origin:?}");
        }
    }
}
