//! capabilities, <https://hl7.org/fhir/R4/http.html#capabilities>: exactly what is served, from the same tables that
//! serve it.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::audit_event;
use super::code_maps::CONCEPT_MAP;
use super::{Api, operations, value_response};
use crate::config::FhirConfig;
use crate::fhir::structure;
use crate::records::accept::JSON_PATCH;
use crate::records::parameters::{self, ParameterType};
use crate::server::problem::Problem;

/// Interactions of each type.
const OF_TYPE: [&str; 9] =
    ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"];
/// What a server of bulk data is held to.
const BULK_DATA: &str = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data";
/// Interactions of the whole.
const OF_SYSTEM: [&str; 3] = ["transaction", "batch", "history-system"];

/// `GET /fhir/metadata`, open to everybody inside; with `_summary=true` types without their details.
pub(super) async fn capabilities(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let pairs = super::search::form_pairs(&query.unwrap_or_default())?;
    let is_summary = pairs.iter().any(|(name, value)| name == "_summary" && value == "true");
    let resources: Vec<Value> = structure::types()
        .iter()
        .map(|kind| if is_summary { json!({"type": kind}) } else { resource(kind, &api.fhir) })
        .collect();
    let mut rest = json!({
        "mode": "server",
        "security": {
            "service": [{"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                "code": "SMART-on-FHIR",
            }]}],
            "description": "Bearer tokens: of SMART Backend Services (/.well-known/smart-configuration), or made by `watari token`; each sees what its scopes or its role may.",
        },
        "resource": resources,
    });
    if !is_summary {
        rest["interaction"] = coded(&OF_SYSTEM);
        let of_system = operations::OF_SYSTEM.iter();
        rest["operation"] =
            of_system.map(|(name, definition)| json!({"name": name, "definition": definition})).collect();
    }
    let mut statement = json!({"resourceType": "CapabilityStatement"});
    if is_summary {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
        statement["meta"] = json!({"tag": [{"system": system, "code": "SUBSETTED"}]});
    }
    for (name, value) in [
        ("status", json!("active")),
        ("date", json!(api.here.now())),
        ("kind", json!("instance")),
        ("instantiates", json!([BULK_DATA])),
        ("software", json!({"name": "Watari", "version": env!("CARGO_PKG_VERSION")})),
        ("implementation", json!({"description": api.here.config.name.en})),
        ("fhirVersion", json!("4.0.1")),
        ("format", json!(["application/fhir+json", "json"])),
        ("patchFormat", json!([JSON_PATCH])),
        ("rest", json!([rest])),
    ] {
        statement[name] = value;
    }
    Ok(value_response(StatusCode::OK, &statement))
}

fn coded(codes: &[&str]) -> Value {
    codes.iter().map(|code| json!({"code": code})).collect()
}

fn resource(kind: &str, fhir: &FhirConfig) -> Value {
    let served = || parameters::of(kind).iter().filter(|parameter| parameter.kind.is_served());
    let parameters: Vec<Value> =
        served().map(|parameter| json!({"name": parameter.name, "type": parameter.kind.as_str()})).collect();
    let references = served().filter(|parameter| parameter.kind == ParameterType::Reference);
    let includes: Vec<String> = references.map(|parameter| format!("{kind}:{}", parameter.name)).collect();
    let mut resource = json!({
        "type": kind,
        "interaction": coded(&OF_TYPE),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": fhir.create_on_update,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "searchParam": parameters,
    });
    let operations: Vec<Value> = operations::SERVED
        .iter()
        .filter(|(of, ..)| *of == kind || *of == operations::ANY)
        .map(|(_, name, definition)| json!({"name": name, "definition": definition}))
        .collect();
    if !operations.is_empty() {
        resource["operation"] = Value::Array(operations);
    }
    if !includes.is_empty() {
        resource["searchInclude"] = json!(includes);
    }
    if kind == audit_event::KIND {
        let served: Vec<&str> = audit_event::SERVED.iter().map(|(name, _)| *name).collect();
        resource["documentation"] = json!(format!(
            "The node's own audit trails, in IHE BALP's patterns: read and searched by the role it and by clients with a scope for \
             AuditEvent (by {}), and written by nobody. AuditEvents that other systems send are resources of the record.",
            served.join(", ")
        ));
    }
    if kind == CONCEPT_MAP {
        resource["documentation"] = json!(
            "The code maps that this node goes by are read and searched before those of the record; they are not written here."
        );
    }
    resource
}
