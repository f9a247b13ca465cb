//! The reply (返書, rapport de consultation): the document an institution returns when it completes a referral.
//!
//! Its type is LOINC 11488-4 "Consult note". Japan's document code 57133-1 is LOINC's "Referral note", the letter *to*
//! the consultant; using it for the answer would make the two directions look alike.

use serde_json::{Value, json};

use super::ips::document;
use super::labels::label;
use super::narrative::{self, narrative};
use super::own_ids::{entry, urn};
use crate::fhir::systems;
use crate::ids;

/// What a reply says.
#[derive(Debug, Clone)]
pub struct Reply<'a> {
    /// Referral it answers; the ids in the document derive from it.
    pub referral: &'a str,
    /// Finished Organization resource of the author.
    pub author: &'a Value,
    /// Finished Patient resource, as in the package that is answered.
    pub patient: &'a Value,
    /// The ServiceRequest that is answered, `urn:uuid:…`.
    pub request: &'a str,
    /// The report, free text in the author's language.
    pub report: &'a str,
    /// Language of the headings and, as far as is known, of the report.
    pub language: &'a str,
    /// Now.
    pub at: &'a str,
}

/// Writes the reply as a document bundle.
pub fn reply(reply: &Reply<'_>) -> Value {
    let language = super::language(reply.language);
    let id_of = |what: &str| ids::derived(&["reply", reply.referral, what]);
    let author = urn(crate::fhir::id(reply.author).unwrap_or_default());
    let patient = urn(crate::fhir::id(reply.patient).unwrap_or_default());
    let title = label(language, "reply");
    let report = narrative::paragraphs(reply.report);
    let code = json!({"coding": [{"system": systems::LOINC, "code": "11488-4", "display": "Consult note"}]});
    let composition = json!({
        "resourceType": "Composition",
        "id": id_of("composition"),
        "language": language,
        "text": narrative(language, &format!("<p>{}</p>{report}", narrative::escape(title))),
        "status": "final",
        "type": code,
        "subject": {"reference": patient},
        "date": reply.at,
        "author": [{"reference": author}],
        "title": title,
        "custodian": {"reference": author},
        "event": [{"detail": [{
            "identifier": {"system": "urn:ietf:rfc:3986", "value": reply.request},
            "type": "ServiceRequest"
        }]}],
        "section": [{
            "title": label(language, "report"),
            "code": code,
            "text": narrative(language, &report)
        }]
    });
    let entries = vec![entry(composition), entry(reply.patient.clone()), entry(reply.author.clone())];
    document(&id_of("bundle"), reply.at, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_text_in_the_document() {
        let author = json!({"resourceType": "Organization", "id": "o", "name": "Kyoto"});
        let patient = json!({"resourceType": "Patient", "id": "p"});
        let document = reply(&Reply {
            referral: "r",
            author: &author,
            patient: &patient,
            request: "urn:uuid:s",
            report: "経過良好 <1>\n\n次回は3か月後",
            language: "ja",
            at: "2026-02-03T04:05:06.000Z",
        });
        let div = document.pointer("/entry/0/resource/section/0/text/div").and_then(Value::as_str).unwrap();
        assert!(div.contains("<p>経過良好 &lt;1&gt;</p><p>次回は3か月後</p>"));
        assert_eq!(document["entry"][0]["resource"]["language"], "ja");
    }
}
