//! Operations, <https://hl7.org/fhir/R4/operations.html>: one file each. Their parameters come in the query, or in a Parameters
//! resource by POST.

mod document;
mod everything;
mod expand;
mod lookup;
mod parameters;
mod summary;
mod translate;

pub(super) use parameters::{Asked, of_resource};

use axum::Router;
use axum::routing::get;

use super::{Api, only};

/// Stands for every resource type.
pub(super) const ANY: &str = "*";

/// Name, resource type (none: of the system), and canonical definition of each operation: for the CapabilityStatement.
pub(super) const SERVED: &[(&str, &str, &str)] = &[
    (ANY, "validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    ("CodeSystem", "lookup", "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    ("Composition", "document", "http://hl7.org/fhir/OperationDefinition/Composition-document"),
    ("ConceptMap", "translate", "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
    ("Group", "export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"),
    ("Patient", "everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"),
    ("Patient", "export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"),
    ("Patient", "summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
    ("ValueSet", "expand", "http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
];

/// Name and definition of each operation of the whole.
pub(super) const OF_SYSTEM: &[(&str, &str)] =
    &[("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")];

/// The addresses of the operations.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/Patient/{id}/$everything",
            get(everything::everything).post(everything::everything).fallback(only("GET, HEAD, POST")),
        )
        .route("/Patient/{id}/$summary", get(summary::summary).post(summary::summary).fallback(only("GET, HEAD, POST")))
        .route(
            "/Composition/{id}/$document",
            get(document::document).post(document::document).fallback(only("GET, HEAD, POST")),
        )
        .route(
            "/ConceptMap/$translate",
            get(translate::by_url).post(translate::by_url).fallback(only("GET, HEAD, POST")),
        )
        .route(
            "/ConceptMap/{id}/$translate",
            get(translate::by_id).post(translate::by_id).fallback(only("GET, HEAD, POST")),
        )
        .route("/ValueSet/$expand", get(expand::by_url).post(expand::by_url).fallback(only("GET, HEAD, POST")))
        .route("/ValueSet/{id}/$expand", get(expand::by_id).post(expand::by_id).fallback(only("GET, HEAD, POST")))
        .route("/CodeSystem/$lookup", get(lookup::lookup).post(lookup::lookup).fallback(only("GET, HEAD, POST")))
}
