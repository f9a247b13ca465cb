//! The patient's consent to provision abroad: the text that is shown, and the Consent resource that carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::incoming::Incoming;
use super::party::Party;
use crate::clock::instant;

/// Years a consent holds.
const YEARS: i32 = 1;

/// The text shown to the patient, in `language`. What is shown is what is sent along.
pub fn text(language: &str, from: &Party, to: &Party) -> String {
    let (sender, receiver) = (from.name(language), to.name(language));
    let country = country(language, &to.country);
    match language {
        "fr" => format!(
            "J'accepte que {sender} transmette à {receiver} ({country}) les renseignements de santé nécessaires à cette \
             demande de consultation, aux fins de mes soins. On m'a informé que les règles de protection des \
             renseignements personnels de ce pays s'y appliquent et peuvent différer de celles d'ici, et que je peux \
             retirer ce consentement pour l'avenir en le disant à {sender}."
        ),
        "ja" => format!(
            "私は、{sender}が、この紹介に必要な診療情報を、私の診療のために{receiver}({country})へ提供することに同意します。\
             提供先ではその国の個人情報保護の制度が適用され、国内の制度と異なる場合があること、また{sender}に申し出ることで\
             将来に向けて同意を撤回できることについて、説明を受けました。"
        ),
        _ => format!(
            "I agree that {sender} gives {receiver} ({country}) the health information needed for this referral, for my \
             care. I was told that the rules of that country on the protection of personal information apply there and \
             may differ from those at home, and that I can withdraw this consent for the future by telling {sender}."
        ),
    }
}

/// What the Consent resource is made from.
pub(super) struct Given<'a> {
    pub id: String,
    pub patient: &'a str,
    pub from: &'a Party,
    pub to: &'a Party,
    pub language: &'a str,
    pub at: Timestamp,
    pub zone: TimeZone,
}

/// The Consent resource: treatment, by the receiving institution, for a period.
pub(super) fn resource(given: &Given<'_>) -> Value {
    let text = text(given.language, given.from, given.to);
    let start = given.at.to_zoned(given.zone.clone()).date();
    let end = start.saturating_add(jiff::Span::new().years(YEARS));
    json!({
        "resourceType": "Consent",
        "id": given.id,
        "status": "active",
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment", "display": "Treatment"
        }]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}],
        "patient": {"reference": given.patient},
        "dateTime": instant(given.at),
        "performer": [{"reference": given.patient}],
        "organization": [given.from.reference()],
        "sourceAttachment": {
            "contentType": "text/plain; charset=utf-8",
            "language": given.language,
            "data": STANDARD.encode(text.as_bytes()),
            "creation": instant(given.at)
        },
        "policyRule": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN", "display": "opt-in"
        }]},
        "provision": {
            "type": "permit",
            "period": {"start": start.to_string(), "end": end.to_string()},
            "actor": [{
                "role": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                    "code": "IRCP",
                    "display": "information recipient"
                }]},
                "reference": given.to.reference()
            }],
            "purpose": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT", "display": "treatment"
            }]
        }
    })
}

/// Whether a message carries an active consent to treatment by `institution` that holds on `day`.
pub(super) fn covers(message: &Incoming, institution: &str, day: Date) -> bool {
    message.all("Consent").any(|consent| {
        let text = |pointer: &str| consent.pointer(pointer).and_then(Value::as_str);
        let coded = |value: Option<&Value>, code: &str| {
            value.and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| one["code"] == code))
        };
        let actors = consent.pointer("/provision/actor").and_then(Value::as_array);
        let named = actors.is_some_and(|actors| {
            actors.iter().any(|actor| message.institution(actor.get("reference")).as_deref() == Some(institution))
        });
        let date = |pointer: &str| text(pointer).and_then(|date| date.get(..10)?.parse::<Date>().ok());
        // A day of grace at the start: the two institutions may stand on different calendar days.
        let begun = date("/provision/period/start").is_some_and(|start| start <= day.saturating_add(1.day()));
        let lasting = date("/provision/period/end").is_some_and(|end| day <= end);
        text("/status") == Some("active")
            && coded(consent.pointer("/scope/coding"), "treatment")
            && text("/provision/type") == Some("permit")
            && coded(consent.pointer("/provision/purpose"), "TREAT")
            && named
            && begun
            && lasting
    })
}

fn country(language: &str, country: &str) -> &'static str {
    match (country, language) {
        ("jp", "fr") => "Japon",
        ("jp", "ja") => "日本",
        ("jp", _) => "Japan",
        (_, "ja") => "カナダ",
        _ => "Canada",
    }
}
