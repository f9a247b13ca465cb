//! C-CDA R2.1 → FHIR: header and sections become a Composition with everything it speaks of, by the rows of
//! `config/mappings/ccda`. Any CDA R2 document is read; what follows no known template is in the narrative and the original.

mod document;
mod finish;
mod ledger;
mod make;
mod narrative;
mod query;
pub(crate) mod rows;
mod sections;
mod types;
mod work;

use crate::fhir::tree::{Map, Text, Value, json};

use self::work::{Made, Work};
use super::build::{conditional_query, state_profile};
use super::{Amendment, Mappings, Refused, RefusedCode, Setting, Translated};

/// Translates one document.
pub fn translate(mappings: &Mappings, setting: &Setting, raw: &[u8]) -> Result<Translated, Refused> {
    let text = document::decode(raw)?;
    let document = document::parse(&text)?;
    let mut work = Work::new(mappings.rules(setting.country), setting, &document);
    let kind = kind(&work);
    let control_id = types::child(work.root, "id")
        .and_then(|id| types::system_and_value(&work, id))
        .map(|(system, value)| if system == "urn:ietf:rfc:3986" { value } else { format!("{system}|{value}") });
    build(&mut work, raw, &kind).map_err(|refused| refused.of(&kind, control_id.as_deref())).map(|mut translated| {
        translated.warnings = work.warnings();
        translated.kind = kind;
        translated.control_id = control_id;
        translated.losses = work.ledger.close();
        translated
    })
}

/// `CCDA^` and what the document calls itself by its template, else by its LOINC code.
fn kind(work: &Work<'_>) -> String {
    let table = work.rules.table("ccda-documents");
    let templates = types::children(work.root, "templateId").filter_map(|template| template.attribute("root"));
    let name = templates.filter_map(|oid| table?.codes.get(oid)).last().cloned();
    let code = || {
        types::child(work.root, "code").and_then(|code| code.attribute("code")).and_then(types::plain).map(Text::from)
    };
    format!("CCDA^{}", name.or_else(code).unwrap_or_else(|| Text::constant("?")))
}

fn build(work: &mut Work<'_>, raw: &[u8], kind: &str) -> Result<Translated, Refused> {
    patient(work)?;
    let event_time = types::child(work.root, "effectiveTime").and_then(|time| types::moment(work, time));
    let zone = work.setting.zone.clone();
    let event_time = event_time.and_then(|moment| moment.timestamp(&zone));
    let composition = made_by(work, "document");
    let body = sections::read(work);
    if let Some(at) = composition
        && let Some(made) = work.made.get_mut(at)
        && !body.sections.is_empty()
    {
        made.body.insert("section", Value::Array(body.sections));
    }
    if body.unstructured {
        made_by(work, "unstructured-document");
    }
    made_by(work, "document-reference");
    let agents = make::loose_part(work, work.root, "provenance");
    work.book_references();
    let amendments = amendments(work);
    for made in work.made.iter_mut().filter(|made| !is_vague(&made.body)) {
        state_profile(work.rules, &mut made.body);
    }
    let mut entries: Vec<Value> = std::mem::take(&mut work.made).into_iter().map(entry).collect();
    entries.push(provenance(work, &entries, raw, kind, event_time, agents));
    Ok(Translated {
        kind: String::new(),
        control_id: None,
        event_time,
        bundle: crate::fhir::tree::bundle("transaction", entries),
        amendments,
        losses: super::losses::LossReport::default(),
        warnings: Vec::new(),
    })
}

/// Whether an observation is dated to the year or month only, which no profile of an observation takes.
fn is_vague(body: &Map) -> bool {
    body.get("effectiveDateTime").and_then(Value::as_str).is_some_and(|time| time.len() < "2026-01-01".len())
}

/// Makes the resource of the whole document by the row of a name.
fn made_by(work: &mut Work<'_>, name: &str) -> Option<usize> {
    let at = work.rules.ccda.named(name)?;
    make::make(work, work.root, at)
}

/// The patient comes first: everything is filed under the identifier chosen here.
fn patient(work: &mut Work<'_>) -> Result<(), Refused> {
    let role = types::child(work.root, "recordTarget").and_then(|target| types::child(target, "patientRole"));
    let at = work.rules.ccda.named("patient");
    let named = role.filter(|role| types::children(*role, "id").any(|id| types::system_and_value(work, id).is_some()));
    let made = named.zip(at).and_then(|(role, at)| make::make(work, role, at));
    let refused = || {
        Refused::new(
            RefusedCode::MissingPatient,
            "the document names no patient identifier, so it cannot be filed under anybody; have the sender fill it",
        )
        .at("ClinicalDocument/recordTarget/patientRole/id")
    };
    let number = made.ok_or_else(refused)?;
    let own = work.setting.patient_system();
    let made = work.made.get_mut(number).ok_or_else(refused)?;
    let identifiers: Vec<(String, String)> = made
        .body
        .get("identifier")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| Some((id.get("system")?.as_str()?.to_owned(), id.get("value")?.as_str()?.to_owned())))
        .collect();
    // A number of a person in another registry (health card, social security) may be shared or mistyped; the hospital's own
    // number is what its record goes by.
    let chosen = identifiers
        .iter()
        .find(|(system, _)| *system == own)
        .or_else(|| identifiers.iter().find(|(system, _)| system.starts_with("urn:oid:")))
        .or_else(|| identifiers.first())
        .cloned()
        .ok_or_else(refused)?;
    if chosen.1.chars().count() > 200 {
        return Err(Refused::new(RefusedCode::Invalid, "the patient identifier is longer than 200 characters")
            .at("ClinicalDocument/recordTarget/patientRole/id"));
    }
    let url = format!("urn:uuid:{}", crate::ids::derived(&[&work.setting.namespace, "Patient", &chosen.0, &chosen.1]));
    let old = std::mem::replace(&mut made.full_url, url.clone());
    made.key = chosen.clone();
    work.by_url.remove(&old);
    work.by_url.insert(url.clone(), number);
    work.patient = Some((chosen.0, chosen.1, url));
    Ok(())
}

/// What a document does not say of the patient stays as it is recorded.
fn amendments(work: &Work<'_>) -> Vec<Amendment> {
    let patients = work.made.iter().filter(|made| made.resource_type == "Patient");
    let amendment = |made: &Made| Amendment {
        full_url: made.full_url.clone(),
        keep: true,
        unite: vec!["identifier".to_owned()],
        ..Amendment::default()
    };
    patients.map(amendment).collect()
}

fn entry(made: Made) -> Value {
    let query = conditional_query(&made.key.0, &made.key.1);
    let request = if made.mentioned {
        json!({"method": "POST", "url": made.resource_type, "ifNoneExist": query})
    } else {
        json!({"method": "PUT", "url": format!("{}?{query}", made.resource_type)})
    };
    json!({"fullUrl": made.full_url, "resource": made.body, "request": request})
}

/// Which original made these resources, whose it is, and who put it together.
fn provenance(
    work: &Work<'_>,
    entries: &[Value],
    raw: &[u8],
    kind: &str,
    recorded: Option<jiff::Timestamp>,
    said: Map,
) -> Value {
    let digest = crate::ids::sha256_hex(raw);
    let setting = work.setting;
    let targets: Vec<Value> = entries.iter().map(|entry| json!({"reference": &entry["fullUrl"]})).collect();
    let mut resource = json!({"resourceType": "Provenance", "target": targets});
    match recorded {
        Some(time) => resource["recorded"] = json!(crate::fhir::dates::instant(time)),
        None => resource["_recorded"] = finish::unknown(),
    }
    resource["activity"] = json!({"text": kind});
    let participant = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
    let mut agents = vec![json!({
        "type": {"coding": [{"system": participant, "code": "assembler"}]},
        "who": {
            "identifier": {"system": setting.identifier_system("institution"), "value": &setting.institution},
            "display": &setting.institution,
        },
    })];
    let others = said.get("agent").and_then(Value::as_array).into_iter().flatten();
    agents.extend(others.filter(|agent| agent.get("who").is_some()).cloned());
    resource["agent"] = Value::Array(agents);
    resource["entity"] = json!([{
        "role": "source",
        "what": {"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:sha256:{digest}")}},
    }]);
    let id = crate::ids::derived(&[&setting.namespace, "Provenance", &digest]);
    json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource, "request": {"method": "POST", "url": "Provenance"}})
}
