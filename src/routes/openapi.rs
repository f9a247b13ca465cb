//! `/openapi.json`: what answers at the inside door, as OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.0>). FHIR addresses are described
//! by their shape; what each type takes, `/fhir/metadata` tells. A test compares it with the routers.

use axum::Json;
use serde_json::{Map, Value, json};

use crate::fhir::structure;

/// `GET /openapi.json`
pub(super) async fn openapi() -> Json<Value> {
    Json(description())
}

/// The whole description.
fn description() -> Value {
    let mut paths = Map::new();
    for (path, methods) in of_node().into_iter().chain(of_pages()).chain(of_fhir()) {
        let mut operations: Map<String, Value> =
            methods.into_iter().map(|(name, one)| (name.to_owned(), one)).collect();
        let parameters = parameters(&path);
        if !parameters.is_empty() {
            operations.insert("parameters".to_owned(), Value::Array(parameters));
        }
        paths.insert(path, Value::Object(operations));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Watari, inside door", "version": env!("CARGO_PKG_VERSION"),
            "description": "For people and local systems of the institution. Partners use the outside door, whose messages are described in schemas/peer."},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Made by `watari token --role ROLE`."},
                "session": {"type": "apiKey", "in": "cookie", "name": crate::access::session::COOKIE, "description": "Given at sign-in."},
            },
            "schemas": {
                "Resource": {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}},
                "OperationOutcome": {"type": "object", "required": ["resourceType", "issue"], "properties": {
                    "resourceType": {"const": "OperationOutcome"},
                    "issue": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["severity", "code"]}}}},
                "JsonPatch": {"type": "array", "items": {"type": "object", "required": ["op", "path"], "properties": {
                    "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]}, "path": {"type": "string"}, "from": {"type": "string"}}}},
            },
            "responses": {
                "Refused": {"description": "An OperationOutcome says what to change.", "content": {
                    "application/fhir+json": {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}}},
            },
        },
    })
}

type Methods = Vec<(&'static str, Value)>;

/// Parameters in the path.
fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let schema = match name {
                "type" => json!({"enum": structure::types()}),
                "id" | "secret" | "sha256" => json!({"type": "string", "pattern": "^[A-Za-z0-9\\-.]{1,64}$"}),
                "file" => json!({"type": "string", "pattern": "^[A-Za-z]{1,64}\\.ndjson$"}),
                "version" => json!({"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}),
                _ => json!({"type": "string", "pattern": "^[a-z-]{1,32}$"}),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

fn of_node() -> Vec<(String, Methods)> {
    let json_answer = |summary: &str| {
        json!({"summary": summary, "security": [], "responses": {"200": {"description": "JSON",
            "content": {"application/json": {"schema": {"type": "object"}}}}}})
    };
    let mut ready = json_answer("Whether the store reads and writes");
    ready["responses"]["503"] = json!({"$ref": "#/components/responses/Refused"});
    let mut token = json_answer("A token for a registered client (SMART Backend Services)");
    token["requestBody"] = json!({"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}});
    for status in ["400", "401"] {
        token["responses"][status] =
            json!({"description": "RFC 6749 5.2", "content": {"application/json": {"schema": {"type": "object"}}}});
    }
    let smart = || json_answer("What of SMART the node supports");
    vec![
        ("/.well-known/smart-configuration".to_owned(), vec![("get", smart())]),
        ("/fhir/.well-known/smart-configuration".to_owned(), vec![("get", smart())]),
        ("/oauth/token".to_owned(), vec![("post", token)]),
        ("/health".to_owned(), vec![("get", json_answer("That the process lives"))]),
        ("/ready".to_owned(), vec![("get", ready)]),
        ("/openapi.json".to_owned(), vec![("get", json_answer("This description"))]),
    ]
}

/// Pages for people; forms carry a secret of the session, without which they are refused.
fn of_pages() -> Vec<(String, Methods)> {
    let page = |summary: &str| page(summary, "200");
    let form = |summary: &str| {
        let mut form = self::page(summary, "303");
        form["requestBody"] = json!({"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}});
        form
    };
    let mut style = page("The style of the pages");
    style["responses"] = json!({"200": {"description": "CSS", "content": {"text/css": {}}}});
    [
        ("/", vec![("get", page("The home page"))]),
        ("/assets/watari.css", vec![("get", style)]),
        (
            "/sign-in/{secret}",
            vec![("get", page("Asks whether to sign in")), ("post", form("Signs in by a link that works once"))],
        ),
        ("/sign-out", vec![("post", form("Ends the session"))]),
        ("/messages", vec![("get", page("Received messages"))]),
        ("/messages/fields", vec![("get", page("What is lost most often"))]),
        ("/messages/{id}", vec![("get", page("A message with its losses; content is masked"))]),
        ("/messages/{id}/reveal", vec![("post", form("Shows the content; audited"))]),
        ("/referrals", vec![("get", page("Referrals"))]),
        ("/referrals/new", vec![("get", page("The form of a referral")), ("post", form("Sends it"))]),
        ("/referrals/{id}", vec![("get", page("A referral with its enclosures"))]),
        (
            "/referrals/{id}/{act}",
            vec![("post", form("Accepts, declines, asks, answers, schedules, completes or cancels"))],
        ),
        ("/cohorts", vec![("get", page("Questions asked")), ("post", form("Asks one"))]),
        ("/cohorts/{sha256}", vec![("get", page("The protected answers"))]),
    ]
    .into_iter()
    .map(|(path, methods)| (path.to_owned(), methods))
    .collect()
}

fn page(summary: &str, good: &str) -> Value {
    let html = |text: &str| json!({"description": text, "content": {"text/html": {}}});
    let mut responses = json!({good: html("The page, or the way to it")});
    for (status, text) in [
        ("303", "To another page"),
        ("400", "The form cannot be read"),
        ("401", "Not signed in"),
        ("403", "Not allowed"),
        ("404", "Nothing is here"),
        ("409", "Something has changed"),
        ("413", "Too large"),
        ("415", "Not a form"),
        ("422", "Not accepted"),
    ] {
        if status != good {
            responses[status] = html(text);
        }
    }
    json!({"summary": summary, "security": [{"session": []}], "responses": responses})
}

fn of_fhir() -> Vec<(String, Methods)> {
    let query = |names: &[(&str, &str)]| -> Vec<Value> {
        let own = names.iter().map(|(name, kind)| json!({"name": name, "in": "query", "schema": {"type": kind}}));
        own.collect()
    };
    let search = query(&[("_id", "string"), ("_count", "integer")]);
    let history = query(&[("_count", "integer"), ("_since", "string"), ("_at", "string")]);
    let everything = query(&[
        ("start", "string"),
        ("end", "string"),
        ("_since", "string"),
        ("_type", "string"),
        ("_count", "integer"),
    ]);
    let translate = query(&[
        ("url", "string"),
        ("system", "string"),
        ("code", "string"),
        ("targetsystem", "string"),
        ("reverse", "boolean"),
    ]);
    let expand = query(&[("url", "string"), ("filter", "string"), ("offset", "integer"), ("count", "integer")]);
    let lookup = query(&[("system", "string"), ("code", "string")]);
    let read = |summary: &str, parameters: &[Value]| fhir(summary, &["200"], None, parameters);
    let write = |summary: &str, good: &[&str]| fhir(summary, good, Some("application/fhir+json"), &[]);
    let patch = |summary: &str| fhir(summary, &["200"], Some("application/json-patch+json"), &[]);
    let operation = |summary: &str, parameters: &[Value]| {
        vec![("get", read(summary, parameters)), ("post", write(summary, &["200"]))]
    };
    let export =
        query(&[("_type", "string"), ("_since", "string"), ("_typeFilter", "string"), ("_outputFormat", "string")]);
    let begin = |summary: &str, parameters: &[Value]| {
        let one = |body| {
            let mut one = fhir(summary, &["202"], body, parameters);
            one["responses"]["429"] = json!({"$ref": "#/components/responses/Refused"});
            one
        };
        vec![("get", one(None)), ("post", one(Some("application/fhir+json")))]
    };
    let mut followed = fhir("how far an export is; its manifest, when it is done", &["200", "202"], None, &[]);
    followed["responses"]["200"] =
        json!({"description": "The manifest", "content": {"application/json": {"schema": {"type": "object"}}}});
    let mut lines = fhir("a file of an export", &["200"], None, &[]);
    lines["responses"]["200"] =
        json!({"description": "Resources, one on a line", "content": {"application/fhir+ndjson": {}}});
    let mut metadata = read("What is served, type by type", &query(&[("_summary", "string")]));
    metadata["security"] = json!([]);
    let mut condition = search.clone();
    condition.truncate(1);
    let conditional = |mut one: Value| {
        one["parameters"] = json!(condition);
        one
    };
    let form = fhir("search", &["200"], Some("application/x-www-form-urlencoded"), &[]);
    [
        ("", vec![("post", write("batch, transaction", &["200"]))]),
        ("/", vec![("post", write("batch, transaction", &["200"]))]),
        ("/metadata", vec![("get", metadata)]),
        ("/_history", vec![("get", read("history of everything", &history))]),
        (
            "/{type}",
            vec![
                ("get", read("search", &search)),
                ("post", write("create, with If-None-Exist only if nothing is found", &["200", "201"])),
                ("put", conditional(write("update of the one that is found", &["200", "201"]))),
                ("patch", conditional(patch("patch of the one that is found"))),
                ("delete", conditional(fhir("delete of the one that is found", &["200", "204"], None, &[]))),
            ],
        ),
        ("/{type}/_search", vec![("post", form)]),
        ("/{type}/_history", vec![("get", read("history of a type", &history))]),
        (
            "/{type}/{id}",
            vec![
                ("get", read("read", &[])),
                ("put", write("update; creates, if the node allows it", &["200", "201"])),
                ("patch", patch("patch by JSON Patch")),
                ("delete", fhir("delete", &["200", "204"], None, &[])),
            ],
        ),
        ("/{type}/{id}/_history", vec![("get", read("history of a resource", &history))]),
        ("/{type}/{id}/_history/{version}", vec![("get", read("vread", &[]))]),
        ("/Patient/{id}/$everything", operation("all that is about a patient", &everything)),
        ("/Patient/{id}/$summary", operation("the International Patient Summary", &[])),
        ("/Composition/{id}/$document", operation("the document of a composition", &[])),
        ("/ConceptMap/$translate", operation("what a code stands for", &translate)),
        ("/ConceptMap/{id}/$translate", operation("what a code stands for by one map", &translate)),
        ("/ValueSet/$expand", operation("the codes of a value set by its url", &expand)),
        ("/ValueSet/{id}/$expand", operation("the codes of a value set", &expand)),
        ("/CodeSystem/$lookup", operation("what is known of a code", &lookup)),
        ("/$export", begin("an export of everything, begun", &export)),
        ("/Patient/$export", begin("an export of all patients, begun", &export)),
        ("/Group/{id}/$export", begin("an export of the patients of a group, begun", &export)),
        ("/_export/{id}", vec![("get", followed), ("delete", fhir("the end of an export", &["202"], None, &[]))]),
        ("/_export/{id}/{file}", vec![("get", lines)]),
        ("/{type}/$validate", vec![("post", write("whether a resource is valid, and by which profiles", &["200"]))]),
        ("/{type}/{id}/$validate", vec![("post", write("whether an update or deletion would be valid", &["200"]))]),
        ("/{type}/{id}/{within}", vec![("get", read("search within a compartment", &search))]),
        (
            "/{type}/{id}/{within}/_search",
            vec![("post", fhir("search", &["200"], Some("application/x-www-form-urlencoded"), &[]))],
        ),
    ]
    .into_iter()
    .map(|(path, methods)| (format!("/fhir{path}"), methods))
    .collect()
}

/// An interaction: what it gives when all is well, the body it takes, and how it refuses.
fn fhir(summary: &str, good: &[&str], body: Option<&str>, parameters: &[Value]) -> Value {
    let resource = json!({"application/fhir+json": {"schema": {"$ref": "#/components/schemas/Resource"}}});
    let mut responses = Map::new();
    for status in good {
        let mut response = json!({"description": "Done"});
        if *status != "204" {
            response["content"] = resource.clone();
        }
        responses.insert((*status).to_owned(), response);
    }
    if summary == "read" || summary == "vread" {
        responses.insert("304".to_owned(), json!({"description": "The client has this version already"}));
    }
    for status in ["400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "501", "503"] {
        responses.insert(status.to_owned(), json!({"$ref": "#/components/responses/Refused"}));
    }
    let mut operation = json!({"summary": summary, "security": [{"token": []}], "responses": responses});
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(media_type) = body {
        let schema = match media_type {
            "application/json-patch+json" => json!({"$ref": "#/components/schemas/JsonPatch"}),
            "application/fhir+json" => json!({"$ref": "#/components/schemas/Resource"}),
            _ => json!({"type": "object"}),
        };
        operation["requestBody"] = json!({"required": true, "content": {media_type: {"schema": schema}}});
    }
    operation
}
