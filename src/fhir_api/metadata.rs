//! capabilities, <https://hl7.org/fhir/R4/http.html#capabilities>: exactly what is served, from the same tables that
//! serve it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::code_maps::CONCEPT_MAP;
use super::value_response;
use crate::exchange::Institution;
use crate::fhir::structure;
use crate::records::parameters::{self, ParameterType};

/// `GET /fhir/metadata`, open to everybody inside.
pub(super) async fn capabilities(State(here): State<Institution>) -> Response {
    let resources: Vec<Value> = structure::types().iter().map(|kind| resource(kind)).collect();
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": crate::clock::instant(here.clock.now()),
        "kind": "instance",
        "software": {"name": "Watari", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": here.config.name.en},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": {"description": "Bearer tokens made by `watari token`; each role sees what it may."},
            "resource": resources,
            "interaction": [{"code": "transaction"}],
        }],
    });
    value_response(StatusCode::OK, &statement)
}

fn resource(kind: &str) -> Value {
    let parameters: Vec<Value> = std::iter::once(json!({"name": "_id", "type": "token"}))
        .chain(
            parameters::of(kind)
                .iter()
                .filter(|parameter| parameter.kind != ParameterType::Quantity)
                .map(|parameter| json!({"name": parameter.name, "type": parameter.kind.as_str()})),
        )
        .collect();
    let mut resource = json!({
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "vread"}, {"code": "create"}, {"code": "search-type"}],
        "versioning": "versioned",
        "conditionalCreate": true,
        "searchParam": parameters,
    });
    if kind == CONCEPT_MAP {
        resource["documentation"] = json!(
            "The code maps that this node goes by are read and searched before those of the record; they are not written here."
        );
    }
    resource
}
