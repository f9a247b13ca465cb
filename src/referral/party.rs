//! The two institutions of a referral, as Organization resources, and how a message names them.

use serde_json::{Value, json};

use crate::config::{Country, InstitutionConfig};
use crate::documents::own_ids::urn;
use crate::fhir::systems::WATARI;
use crate::ids;
use crate::store::peers::Peer;

/// One of the two institutions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Institution id.
    pub id: String,
    /// `ca` or `jp`.
    pub country: String,
    /// Names in en, fr, ja; empty where there is none.
    pub names: [String; 3],
    /// Japan: the 10-digit medical institution code.
    pub institution_code: Option<String>,
}

impl Party {
    /// This institution.
    pub fn here(config: &InstitutionConfig) -> Self {
        let name = &config.name;
        Self {
            id: config.id.clone(),
            country: config.country.as_str().to_owned(),
            names: [name.en.clone(), name.fr.clone(), name.ja.clone()],
            institution_code: config.institution_code.clone(),
        }
    }

    /// A partner.
    pub fn peer(peer: &Peer) -> Self {
        let names: Value = serde_json::from_str(&peer.names).unwrap_or_default();
        let name = |language: &str| names.get(language).and_then(Value::as_str).unwrap_or("").to_owned();
        Self {
            id: peer.id.clone(),
            country: peer.country.clone(),
            names: [name("en"), name("fr"), name("ja")],
            institution_code: None,
        }
    }

    /// The name in `language`, else in English, else any, else the id.
    pub fn name(&self, language: &str) -> &str {
        let wanted = match language {
            "fr" => &self.names[1],
            "ja" => &self.names[2],
            _ => &self.names[0],
        };
        let mut names = std::iter::once(wanted).chain(&self.names);
        names.find(|name| !name.is_empty()).unwrap_or(&self.id)
    }

    /// The language its staff reads, as far as its country tells.
    pub fn language(&self) -> &'static str {
        if self.country == Country::Jp.as_str() { "ja" } else { "en" }
    }

    /// The Organization resource. Its id is the same in every message.
    pub fn organization(&self) -> Value {
        let mut identifiers = vec![json!({"system": institution_system(), "value": self.id})];
        if let Some(code) = &self.institution_code {
            identifiers.push(json!({
                "system": "http://jpfhir.jp/fhir/core/IdSystem/insurance-medical-institution-no", "value": code
            }));
        }
        let name = self.name(self.language());
        let alias: Vec<&String> = self.names.iter().filter(|other| !other.is_empty() && *other != name).collect();
        let mut organization = json!({
            "resourceType": "Organization",
            "id": self.resource_id(),
            "identifier": identifiers,
            "active": true,
            "name": name
        });
        if !alias.is_empty() {
            organization["alias"] = json!(alias);
        }
        organization["address"] = json!([{"country": self.country.to_uppercase()}]);
        organization
    }

    /// A reference to the Organization resource.
    pub fn reference(&self) -> Value {
        json!({"reference": urn(&self.resource_id()), "display": self.name(self.language())})
    }

    /// The endpoint of message headers: an institution, not a machine, so that it outlives a change of address.
    pub fn endpoint(&self) -> String {
        format!("urn:watari:institution:{}", self.id)
    }

    fn resource_id(&self) -> String {
        ids::derived(&["institution", &self.id])
    }
}

/// Identifier system of institution ids.
pub fn institution_system() -> String {
    format!("{WATARI}/NamingSystem/institution")
}
