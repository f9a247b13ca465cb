//! Provenance of a bundle: which original made these resources, whose it is, and who put them together.

use crate::fhir::tree::{Text, Value, json};
use jiff::Timestamp;

use super::build::{self, Leaf, Target, Work};

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// The Provenance entry, whose targets are still to be named. `recorded` is the time of the event: the translation reads no
/// clock, and the store knows when it received the message.
pub(crate) fn entry(work: &Work<'_>, recorded: Option<Timestamp>) -> Value {
    let order = work.order;
    let digest = crate::ids::sha256_hex(order.original);
    let setting = order.setting;
    let institution = json!({
        "identifier": {"system": setting.identifier_system("institution"), "value": &setting.institution},
        "display": &setting.institution,
    });
    let agent =
        |code: &str, who: Value| json!({"type": {"coding": [{"system": PARTICIPANT, "code": code}]}, "who": who});
    let mut agents = vec![agent("assembler", institution)];
    if let Some(sender) = sender(work) {
        agents.push(agent("author", json!({"display": sender})));
    }
    let mut resource = json!({"resourceType": "Provenance", "target": []});
    match recorded {
        Some(time) => resource["recorded"] = json!(crate::fhir::dates::instant(time)),
        None => {
            resource["_recorded"] =
                json!({"extension": [{"url": crate::fhir::systems::DATA_ABSENT_REASON, "valueCode": "unknown"}]});
        }
    }
    resource["activity"] = json!({"text": order.kind});
    resource["agent"] = json!(agents);
    let mut original = json!({"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:sha256:{digest}")}});
    if let Some(control_id) = order.message.first("MSH").and_then(|header| header.text(10, 1)) {
        original["display"] = json!(control_id);
    }
    resource["entity"] = json!([{"role": "source", "what": original}]);
    if let Value::Object(body) = &mut resource {
        build::fill(work, "Provenance", &["MSH", "EVN"], body);
    }
    let id = crate::ids::derived(&[&setting.namespace, "Provenance", &digest]);
    json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource, "request": {"method": "POST", "url": "Provenance"}})
}

/// Books the fields of MSH and EVN that are in Provenance, or that the translation was steered by.
pub(crate) fn book(work: &Work<'_>) {
    const BOOKED: [(&str, usize, &str); 16] = [
        ("MSH", 1, "(steers: delimiters)"),
        ("MSH", 2, "(steers: delimiters)"),
        ("MSH", 3, "Provenance.agent.who"),
        ("MSH", 4, "Provenance.agent.who"),
        ("MSH", 7, "Provenance.recorded"),
        ("MSH", 9, "Provenance.activity"),
        ("MSH", 10, "Provenance.entity.what.display"),
        ("MSH", 11, "(steers: warning when not production)"),
        ("MSH", 12, "(steers: version)"),
        ("MSH", 18, "(steers: character set)"),
        ("MSH", 20, "(steers: character set)"),
        ("EVN", 1, "Provenance.activity"),
        ("EVN", 2, "Provenance.recorded"),
        ("MSH", 5, "(steers: acknowledgement)"),
        ("MSH", 6, "(steers: acknowledgement)"),
        ("MSH", 15, "(steers: acknowledgement)"),
    ];
    for (segment, content) in work.order.message.segments.iter().enumerate() {
        for (_, field, path) in BOOKED.iter().filter(|(name, ..)| *name == content.name) {
            for repetition in 1..=content.field(*field).len() {
                let leaf = Leaf { segment, field: *field, repetition, ..Leaf::default() };
                work.ledger.mapped(leaf, &Target { resource: 0, path: Text::constant(path) });
            }
        }
    }
}

/// MSH-3 and MSH-4: the system that wrote the message.
fn sender(work: &Work<'_>) -> Option<String> {
    let header = work.order.message.first("MSH")?;
    let parts: Vec<&str> = [header.text(3, 1), header.text(4, 1)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" / "))
}
