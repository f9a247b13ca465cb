//! `Composition/$document`, <https://hl7.org/fhir/R4/composition-operation-document.html>: the composition and what it is made of.

use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Api;
use super::super::base::Base;
use super::super::read::unknown;
use super::super::respond::{gone, value_response};
use super::everything::targets;
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir::bundle;
use crate::ids;
use crate::server::problem::Problem;
use crate::store::{StoreError, View};
use crate::web::bearer::Bearer;

/// Resources of one document at most.
const MOST: usize = 5_000;
/// Rings of references: what the composition names, what that names, and what that names.
const RINGS: usize = 3;

/// `GET` or `POST /fhir/Composition/{id}/$document`
pub(super) async fn document(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&["persist"])?;
    if asked.text("persist").as_deref() == Some("true") {
        return Err(Problem::new(
            Kind::Unprocessable,
            "the document is not kept here; store the answer by POST /fhir/Bundle",
        ));
    }
    let name = format!("Composition/{id}");
    let Some(last) = api.here.store.read(move |view| view.last_version("Composition", &id)).await? else {
        return Err(unknown(&name));
    };
    if last.is_deletion() {
        return Ok(gone(&last));
    }
    let composition: Value =
        serde_json::from_str(&last.json).map_err(|_| Problem::new(Kind::Internal, format!("{name} is damaged")))?;
    let resources = api.here.store.read(move |view| gathered(view, composition)).await?;
    let resources = resources
        .ok_or_else(|| Problem::new(Kind::TooLarge, format!("the document would have more than {MOST} resources")))?;
    let entries = resources
        .into_iter()
        .map(|(address, resource)| json!({"fullUrl": format!("{}/{address}", base.0), "resource": resource}))
        .collect();
    let mut document = json!({
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", ids::fresh())},
        "type": "document",
        "timestamp": api.here.now(),
    });
    document["entry"] = bundle::of("document", entries)["entry"].take();
    Ok(value_response(StatusCode::OK, &document))
}

/// The composition first, and what it is made of, each once; none, if that is too much. What is not here is left out: its
/// reference stays.
fn gathered(view: &dyn View, composition: Value) -> Result<Option<Vec<(String, Value)>>, StoreError> {
    let address = |resource: &Value| {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        (text("resourceType"), text("id"))
    };
    let mut known = HashSet::from([address(&composition)]);
    let mut resources = vec![composition];
    let mut ring = 0..1;
    for _ in 0..RINGS {
        let named: Vec<(String, String)> =
            resources.get_mut(ring.clone()).into_iter().flatten().flat_map(targets).collect();
        ring = resources.len()..resources.len();
        for (kind, id) in named {
            if !known.insert((kind.clone(), id.clone())) {
                continue;
            }
            let Some(stored) = view.resource(&kind, &id)? else { continue };
            resources.extend(serde_json::from_str::<Value>(&stored.json));
            if resources.len() > MOST {
                return Ok(None);
            }
        }
        ring.end = resources.len();
    }
    let named = |resource: Value| {
        let (kind, id) = address(&resource);
        (format!("{kind}/{id}"), resource)
    };
    Ok(Some(resources.into_iter().map(named).collect()))
}
