//! `CodeSystem/$lookup`, <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>: code systems of the record, and the codes of drugs
//! whose ingredient the node's tables name.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Api;
use super::super::respond::value_response;
use super::expand::{of_record, walk};
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `GET` or `POST /fhir/CodeSystem/$lookup`
pub(super) async fn lookup(Bearer(staff): Bearer, State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&["code", "system", "version", "coding", "displayLanguage", "property"])?;
    let of_coding = asked.value("coding").map(|coding| json!({"coding": [coding]}));
    let coding = of_coding.as_ref().and_then(|concept| fhir::codings(concept).next());
    let (system, code) = match (asked.text("system"), asked.text("code"), coding) {
        (Some(system), Some(code), _) => (system, code),
        (_, _, Some((system, code))) => (system.to_owned(), code.to_owned()),
        _ => return Err(Problem::new(Kind::Malformed, "say which code by code and system, or by coding")),
    };
    let found = match of_record(&api, "CodeSystem", &system).await? {
        Some(known) => of_code_system(&known, &code),
        None => of_tables(&api, &system, &code),
    };
    let parameters = found.ok_or_else(|| {
        Problem::new(Kind::NotFound, "neither a CodeSystem of the record nor a table of the node knows this code")
    })?;
    Ok(value_response(StatusCode::OK, &json!({"resourceType": "Parameters", "parameter": parameters})))
}

fn of_code_system(known: &Value, code: &str) -> Option<Vec<Value>> {
    let mut found = None;
    walk(known, &mut |concept| {
        if concept["code"] == code && found.is_none() {
            found = Some(concept.clone());
        }
    });
    let concept = found?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text(known, "title").or_else(|| text(known, "name")).or_else(|| text(known, "url"))?;
    let mut parameters = vec![json!({"name": "name", "valueString": name})];
    if let Some(version) = text(known, "version") {
        parameters.push(json!({"name": "version", "valueString": version}));
    }
    // A concept without a display is shown by its code.
    let display = text(&concept, "display").unwrap_or_else(|| code.to_owned());
    parameters.push(json!({"name": "display", "valueString": display}));
    if let Some(definition) = text(&concept, "definition") {
        let part = json!([{"name": "code", "valueCode": "definition"}, {"name": "value", "valueString": definition}]);
        parameters.push(json!({"name": "property", "part": part}));
    }
    for designation in concept.get("designation").and_then(Value::as_array).into_iter().flatten() {
        let mut part = Vec::new();
        if let Some(language) = text(designation, "language") {
            part.push(json!({"name": "language", "valueCode": language}));
        }
        part.push(json!({"name": "value", "valueString": text(designation, "value").unwrap_or_default()}));
        parameters.push(json!({"name": "designation", "part": part}));
    }
    Some(parameters)
}

/// The tables tell the ingredient of a drug, and no name of the product: that is what is shown, and said so.
fn of_tables(api: &Api, system: &str, code: &str) -> Option<Vec<Value>> {
    let (ingredient, atc) = api.here.catalog.terminology.ingredients.of(system, code)?;
    let property =
        |name: &str, value: Value| json!({"name": "property", "part": [{"name": "code", "valueCode": name}, value]});
    Some(vec![
        json!({"name": "name", "valueString": "Drugs by ingredient"}),
        json!({"name": "display", "valueString": code}),
        property("ingredient", json!({"name": "value", "valueString": ingredient})),
        property("atc", json!({"name": "value", "valueCode": atc})),
    ])
}
