//! What an operation is asked with.

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use serde_json::Value;

use super::super::json_body;
use crate::fault::Kind;
use crate::fhir;
use crate::server::body::WholeBody;
use crate::server::problem::Problem;

/// Names and values, in order. Values of a Parameters resource that are no primitives stay JSON.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Asked(Vec<(String, Value)>);

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or("").to_owned();
        let pairs = super::super::search::form_pairs(&query)?;
        let mut asked: Vec<(String, Value)> =
            pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        if parts.method == Method::POST {
            let headers = parts.headers.clone();
            let WholeBody(body, _held) = WholeBody::from_request(Request::from_parts(parts, body), state).await?;
            if !body.is_empty() {
                asked.extend(of_resource(json_body(&headers, body).await?)?);
            }
        }
        Ok(Self(asked))
    }
}

/// Names and values of a Parameters resource.
pub(in super::super) fn of_resource(mut body: Value) -> Result<Vec<(String, Value)>, Problem> {
    if fhir::resource_type(&body) != Some("Parameters") {
        return Err(Problem::new(Kind::Malformed, "an operation takes a Parameters resource").at("resourceType"));
    }
    let mut asked = Vec::new();
    for parameter in body.get_mut("parameter").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(members) = parameter.as_object_mut() else { continue };
        let name = members.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
        let value = members.iter_mut().find(|(key, _)| key.starts_with("value") || *key == "resource");
        if let Some((_, value)) = value {
            asked.push((name, value.take()));
        }
    }
    Ok(asked)
}

impl Asked {
    /// Refuses parameters that are not among `known`: they would change the answer.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Problem::new(Kind::Malformed, format!("the parameter {name:?} of this operation is not served")))
            }
            None => Ok(()),
        }
    }

    /// The names, in order.
    pub(in super::super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// All texts of a name.
    pub(in super::super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).filter_map(|(_, value)| value.as_str())
    }

    /// A value as it came.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A primitive as text.
    pub(in super::super) fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Object(_) | Value::Array(_) | Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// A whole number, not above `most`.
    pub(super) fn number(&self, name: &str, most: usize) -> Result<Option<usize>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(number) => Ok(Some(number.min(most))),
            Err(_) => Err(Problem::new(Kind::Malformed, format!("{name} must be a whole number"))),
        }
    }

    /// All values of a name, and what stands between commas in them.
    pub(in super::super) fn listed(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(|text| text.split(',')).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// The parameters that are texts, for a link to a further page.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }
}
