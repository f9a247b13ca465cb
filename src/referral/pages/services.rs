//! The directory as choices: which service of which partner, in the reader's language where the partner gave one.

use serde_json::Value;

use crate::config::InstitutionConfig;
use crate::fhir::systems::TIME_ZONE;
use crate::store::peers::Peer;
use crate::web::home::peer_name;

const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

/// A partner with its services.
pub struct Destination {
    /// Partner's name.
    pub name: String,
    /// Its services.
    pub services: Vec<Choice>,
}

/// A service to choose.
pub struct Choice {
    /// `peer/code`, the form value.
    pub value: String,
    /// The partner.
    pub peer: String,
    /// Name.
    pub name: String,
    /// Languages the service reads and answers in.
    pub languages: Vec<String>,
    /// Chosen in the form.
    pub chosen: bool,
}

/// Active partners that offer something.
pub fn destinations(peers: &[Peer], language: &str, chosen: &str) -> Vec<Destination> {
    let active = peers.iter().filter(|peer| peer.is_active());
    active
        .map(|peer| Destination {
            name: peer_name(peer, language),
            services: listed(peer)
                .iter()
                .filter(|service| service.get("active").and_then(Value::as_bool) != Some(false))
                .filter_map(|service| {
                    let value = format!("{}/{}", peer.id, code(service)?);
                    Some(Choice {
                        name: name(service, language),
                        languages: languages(service),
                        chosen: value == chosen,
                        peer: peer.id.clone(),
                        value,
                    })
                })
                .collect(),
        })
        .filter(|destination| !destination.services.is_empty())
        .collect()
}

/// Name of a service of a partner, else its code.
pub fn at_peer(peer: Option<&Peer>, wanted: &str, language: &str) -> String {
    let services = peer.map(listed).unwrap_or_default();
    let found = services.iter().find(|service| code(service) == Some(wanted));
    found.map_or_else(|| wanted.to_owned(), |service| name(service, language))
}

/// Name of an own service, else its code.
pub fn at_home(config: &InstitutionConfig, wanted: &str, language: &str) -> String {
    let found = config.services.iter().find(|service| service.code == wanted);
    found.map_or_else(|| wanted.to_owned(), |service| service.name.get(language).to_owned())
}

/// The time zone of a partner: as its directory says, or Japan's only one. Canada has six, and none is guessed.
pub fn zone(peer: &Peer) -> Option<jiff::tz::TimeZone> {
    let services = listed(peer);
    let extensions = services.iter().filter_map(|service| service.get("extension")?.as_array()).flatten();
    let stated = extensions
        .filter(|extension| extension.get("url").and_then(Value::as_str) == Some(TIME_ZONE))
        .find_map(|extension| jiff::tz::TimeZone::get(extension.get("valueCode")?.as_str()?).ok());
    stated.or_else(|| (peer.country == "jp").then(|| jiff::tz::TimeZone::get("Asia/Tokyo").ok()).flatten())
}

fn listed(peer: &Peer) -> Vec<Value> {
    serde_json::from_str(&peer.services).unwrap_or_default()
}

fn code(service: &Value) -> Option<&str> {
    service.pointer("/identifier/0/value").or_else(|| service.pointer("/type/0/coding/0/code"))?.as_str()
}

fn name(service: &Value, language: &str) -> String {
    let extensions = service.pointer("/_name/extension").and_then(Value::as_array).into_iter().flatten();
    let translated = extensions
        .filter(|extension| extension.get("url").and_then(Value::as_str) == Some(TRANSLATION))
        .find_map(|extension| {
            let parts = extension.get("extension")?.as_array()?;
            let part = |url: &str| parts.iter().find(|part| part.get("url").and_then(Value::as_str) == Some(url));
            let is_wanted = part("lang")?.get("valueCode")?.as_str()? == language;
            is_wanted.then(|| part("content")?.get("valueString")?.as_str()).flatten()
        });
    translated.or_else(|| service.get("name")?.as_str()).or_else(|| code(service)).unwrap_or("").to_owned()
}

fn languages(service: &Value) -> Vec<String> {
    let listed = service.get("communication").and_then(Value::as_array).into_iter().flatten();
    listed.flat_map(|concept| crate::fhir::codings(concept).map(|(_, code)| code.to_owned()).take(1)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer() -> Peer {
        Peer {
            id: "tokyo".to_owned(),
            names: json!({"en": "Tokyo Centre", "ja": "東京センター"}).to_string(),
            country: "jp".to_owned(),
            url: String::new(),
            certificate_sha256: String::new(),
            signing_key: String::new(),
            status: "active".to_owned(),
            paired_at: String::new(),
            services: json!([{"resourceType": "HealthcareService", "identifier": [{"value": "regen"}], "name": "Regenerative medicine",
                "_name": {"extension": [{"url": TRANSLATION, "extension": [
                    {"url": "lang", "valueCode": "ja"}, {"url": "content", "valueString": "再生医療"}]}]},
                "communication": [{"coding": [{"code": "ja"}]}]}])
            .to_string(),
        }
    }

    #[test]
    fn services_are_named_in_the_readers_language() {
        assert_eq!(at_peer(Some(&peer()), "regen", "ja"), "再生医療");
        assert_eq!(at_peer(Some(&peer()), "regen", "fr"), "Regenerative medicine");
        assert_eq!(at_peer(Some(&peer()), "other", "fr"), "other");
        let found = destinations(&[peer()], "en", "tokyo/regen");
        assert!(found[0].services[0].chosen);
        assert_eq!(found[0].services[0].languages, ["ja"]);
    }

    #[test]
    fn revoked_partners_are_not_offered() {
        assert!(destinations(&[Peer { status: "revoked".to_owned(), ..peer() }], "en", "").is_empty());
    }

    #[test]
    fn only_known_zones_are_used() {
        assert_eq!(zone(&peer()).and_then(|zone| zone.iana_name().map(str::to_owned)).as_deref(), Some("Asia/Tokyo"));
        let canada = Peer { country: "ca".to_owned(), services: "[]".to_owned(), ..peer() };
        assert!(zone(&canada).is_none());
        let services = json!([{"extension": [{"url": TIME_ZONE, "valueCode": "America/Vancouver"}]}]).to_string();
        let stated = zone(&Peer { services, ..canada });
        assert_eq!(stated.and_then(|zone| zone.iana_name().map(str::to_owned)).as_deref(), Some("America/Vancouver"));
    }
}
