//! `ConceptMap/$translate`, <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>, by the code maps that the node goes by and
//! those of the record.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Api;
use super::super::code_maps::CONCEPT_MAP;
use super::super::read::unknown;
use super::super::respond::value_response;
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

const PARAMETERS: [&str; 9] =
    ["url", "code", "system", "version", "coding", "codeableConcept", "targetsystem", "reverse", "conceptMapVersion"];

/// `GET` or `POST /fhir/ConceptMap/$translate`: by the map of `url`, or by all that the node goes by.
pub(super) async fn by_url(Bearer(staff): Bearer, State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&PARAMETERS)?;
    let maps: Vec<Value> = match asked.text("url") {
        None => api.maps.every().to_vec(),
        Some(url) => {
            let built_in: Vec<Value> = api
                .maps
                .every()
                .iter()
                .filter(|map| map.get("url").and_then(Value::as_str) == Some(&url))
                .cloned()
                .collect();
            if built_in.is_empty() {
                super::expand::of_record(&api, CONCEPT_MAP, &url).await?.into_iter().collect()
            } else {
                built_in
            }
        }
    };
    if maps.is_empty() {
        return Err(Problem::new(Kind::NotFound, "no ConceptMap of this url is here"));
    }
    answer(&maps, &asked)
}

/// `GET` or `POST /fhir/ConceptMap/{id}/$translate`
pub(super) async fn by_id(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&PARAMETERS)?;
    if let Some(map) = api.maps.read(&id) {
        return answer(std::slice::from_ref(map), &asked);
    }
    let name = format!("{CONCEPT_MAP}/{id}");
    let stored =
        api.here.store.read(move |view| view.resource(CONCEPT_MAP, &id)).await?.ok_or_else(|| unknown(&name))?;
    let map =
        serde_json::from_str(&stored.json).map_err(|_| Problem::new(Kind::Internal, format!("{name} is damaged")))?;
    answer(&[map], &asked)
}

fn answer(maps: &[Value], asked: &Asked) -> Result<Response, Problem> {
    let codings = codings(asked)?;
    let target = asked.text("targetsystem");
    let reverse = asked.text("reverse").as_deref() == Some("true");
    let mut matches = Vec::new();
    for map in maps {
        for (system, code) in &codings {
            let found = if reverse { backward(map, system, code) } else { forward(map, system, code) };
            let wanted = found.into_iter().filter(|one| target.as_ref().is_none_or(|target| one.system == *target));
            matches.extend(wanted.map(|one| one.told(map)));
        }
    }
    let result = matches.iter().any(|one| {
        let equivalence = one["part"][0]["valueCode"].as_str();
        !matches!(equivalence, Some("unmatched" | "disjoint"))
    });
    let mut parameters = vec![json!({"name": "result", "valueBoolean": result})];
    if !result {
        parameters.push(json!({"name": "message", "valueString": "no map that is here says what this stands for"}));
    }
    parameters.extend(matches);
    Ok(value_response(StatusCode::OK, &json!({"resourceType": "Parameters", "parameter": parameters})))
}

/// The codes asked about.
fn codings(asked: &Asked) -> Result<Vec<(String, String)>, Problem> {
    let owned = |(system, code): (&str, &str)| (system.to_owned(), code.to_owned());
    let mut codings = Vec::new();
    if let Some(concept) = asked.value("codeableConcept") {
        codings.extend(fhir::codings(concept).map(owned));
    }
    if let Some(coding) = asked.value("coding") {
        codings.extend(fhir::codings(&json!({"coding": [coding]})).map(owned));
        // By GET a coding is written `system|code`.
        codings.extend(coding.as_str().and_then(|text| text.split_once('|')).map(owned));
    }
    if let Some(code) = asked.text("code") {
        let system = asked.text("system").ok_or_else(|| Problem::new(Kind::Malformed, "a code needs its system"))?;
        codings.push((system, code));
    }
    if codings.is_empty() {
        return Err(Problem::new(
            Kind::Malformed,
            "say what to translate: code and system, coding, or codeableConcept",
        ));
    }
    Ok(codings)
}

/// What a map says of a code.
struct Said {
    system: String,
    code: String,
    display: Option<String>,
    equivalence: String,
}

impl Said {
    fn told(self, map: &Value) -> Value {
        let mut coding = json!({"system": self.system, "code": self.code});
        if let Some(display) = self.display {
            coding["display"] = json!(display);
        }
        let mut parts = vec![json!({"name": "equivalence", "valueCode": self.equivalence})];
        if !self.code.is_empty() {
            parts.push(json!({"name": "concept", "valueCoding": coding}));
        }
        if let Some(url) = map.get("url").and_then(Value::as_str) {
            parts.push(json!({"name": "source", "valueUri": url}));
        }
        json!({"name": "match", "part": parts})
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn forward(map: &Value, system: &str, code: &str) -> Vec<Said> {
    let mut found = Vec::new();
    for group in items(map, "group").filter(|group| text(group, "source") == system) {
        let said = |target: &Value| Said {
            system: text(group, "target"),
            code: text(target, "code"),
            display: target.get("display").and_then(Value::as_str).map(str::to_owned),
            equivalence: text(target, "equivalence"),
        };
        let elements: Vec<&Value> = items(group, "element").filter(|element| text(element, "code") == code).collect();
        found.extend(elements.iter().flat_map(|element| items(element, "target")).map(said));
        if elements.is_empty() {
            found.extend(unmapped(group, code));
        }
    }
    found
}

/// What a group says of codes that it does not list.
fn unmapped(group: &Value, code: &str) -> Option<Said> {
    let unmapped = group.get("unmapped")?;
    let (code, equivalence) = match unmapped.get("mode").and_then(Value::as_str)? {
        "provided" => (code.to_owned(), "equal"),
        "fixed" => (text(unmapped, "code"), "wider"),
        _ => return None,
    };
    let display = unmapped.get("display").and_then(Value::as_str).map(str::to_owned);
    Some(Said { system: text(group, "target"), code, display, equivalence: equivalence.to_owned() })
}

fn backward(map: &Value, system: &str, code: &str) -> Vec<Said> {
    let mut found = Vec::new();
    for group in items(map, "group").filter(|group| text(group, "target") == system) {
        for element in items(group, "element") {
            for target in items(element, "target").filter(|target| text(target, "code") == code) {
                let equivalence = match text(target, "equivalence").as_str() {
                    "wider" => "narrower".to_owned(),
                    "narrower" => "wider".to_owned(),
                    "subsumes" => "specializes".to_owned(),
                    "specializes" => "subsumes".to_owned(),
                    other => other.to_owned(),
                };
                let display = element.get("display").and_then(Value::as_str).map(str::to_owned);
                found.push(Said { system: text(group, "source"), code: text(element, "code"), display, equivalence });
            }
        }
    }
    found
}
