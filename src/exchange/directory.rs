//! The directory: the services an institution offers, as HealthcareService resources
//! (<https://hl7.org/fhir/R4/healthcareservice.html>), and fetching a peer's.

use serde_json::{Value, json};

use super::ask::{self, PeerError};
use super::{Institution, jws::JwsError};
use crate::config::{InstitutionConfig, ServiceConfig};
use crate::fault::{Classified, Kind};
use crate::fhir::{self, systems};
use crate::store::peers::Peer;
use crate::store::{Change, Changes, CommitError, Expect, PeerState};
use crate::wire::directory::{MOST_SERVICES, PATH, PURPOSE, Request, Response};

/// Extension that carries a text in another language.
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

/// Address of the codes of an institution's services, for identifiers and codings.
pub fn service_system(institution: &str) -> String {
    format!("{}/CodeSystem/service/{institution}", systems::WATARI)
}

/// The services of `[institution]` as HealthcareService resources. The service's code is the identifier's value and the
/// coding of `type`.
pub fn services(institution: &InstitutionConfig) -> Vec<Value> {
    institution.services.iter().map(|service| healthcare_service(institution, service)).collect()
}

/// Fetches the directory of `peer` and keeps it, unless the peer was revoked or paired anew while it answered.
pub async fn refresh(here: &Institution, peer: &Peer) -> Result<Peer, DirectoryError> {
    let question = serde_json::to_vec(&Request::default()).map_err(|_| DirectoryError::Unusable)?;
    let answer = ask::exchange(here, peer, PATH, PURPOSE, question).await?;
    let response: Response = serde_json::from_slice(&answer.body).map_err(|_| DirectoryError::Unusable)?;
    let services = checked(&response.services).ok_or(DirectoryError::Unusable)?;
    let changes = Changes::new()
        .expecting(Expect::PeerIs { id: peer.id.clone(), state: Some(PeerState::from(peer)) })
        .with(Change::PutServices { peer: peer.id.clone(), services: services.clone() });
    here.store.write(changes).await?;
    Ok(Peer { services, ..peer.clone() })
}

/// The directory as kept with a peer, if it is one: HealthcareServices only, and not too many.
pub fn checked(services: &[Value]) -> Option<String> {
    let right = services.len() <= MOST_SERVICES
        && services.iter().all(|service| fhir::resource_type(service) == Some("HealthcareService"));
    right.then(|| Value::Array(services.to_vec()).to_string())
}

/// A peer's directory that cannot be fetched or used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be kept.
    #[error(transparent)]
    Commit(CommitError),
    /// Revoked or paired anew meanwhile.
    #[error("the partner was revoked or paired anew while its directory was fetched")]
    Moved,
    /// The peer did not answer well.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Our answer cannot be signed.
    #[error(transparent)]
    Signing(#[from] JwsError),
    /// Not a directory.
    #[error("the partner's directory cannot be used")]
    Unusable,
}

impl From<CommitError> for DirectoryError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unexpected(Expect::PeerIs { .. }) => Self::Moved,
            other => Self::Commit(other),
        }
    }
}

impl Classified for DirectoryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Commit(error) => error.kind(),
            Self::Moved => Kind::Conflict,
            Self::Peer(error) => error.kind(),
            Self::Signing(error) => error.kind(),
            Self::Unusable => Kind::PeerFailed,
        }
    }
}

fn healthcare_service(institution: &InstitutionConfig, service: &ServiceConfig) -> Value {
    let system = service_system(&institution.id);
    let mut resource = json!({
        "resourceType": "HealthcareService",
        "extension": [{"url": systems::TIME_ZONE, "valueCode": institution.time_zone}],
        "identifier": [{"system": system, "value": service.code}],
        "active": true,
        "providedBy": {"display": institution.name.en},
        "type": [{"coding": [{"system": system, "code": service.code, "display": service.name.en}]}],
        "name": service.name.en,
    });
    if fhir::is_valid_id(&service.code) {
        resource["id"] = json!(service.code);
    }
    let translations: Vec<Value> = [("fr", &service.name.fr), ("ja", &service.name.ja)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(language, text)| {
            json!({"url": TRANSLATION, "extension": [
                {"url": "lang", "valueCode": language},
                {"url": "content", "valueString": text},
            ]})
        })
        .collect();
    if !translations.is_empty() {
        resource["_name"] = json!({"extension": translations});
    }
    if !service.languages.is_empty() {
        let language = |code: &String| json!({"coding": [{"system": "urn:ietf:bcp:47", "code": code}]});
        resource["communication"] = service.languages.iter().map(language).collect();
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LocalName;

    #[test]
    fn a_service_carries_its_code_names_and_languages() {
        let institution = InstitutionConfig {
            id: "tokyo".to_owned(),
            services: vec![ServiceConfig {
                code: "regenerative-medicine".to_owned(),
                name: LocalName {
                    en: "Regenerative medicine".to_owned(),
                    fr: String::new(),
                    ja: "再生医療".to_owned(),
                },
                languages: vec!["ja".to_owned(), "en".to_owned()],
            }],
            ..InstitutionConfig::default()
        };
        let services = services(&institution);
        assert_eq!(services[0]["id"], "regenerative-medicine");
        assert_eq!(services[0]["type"][0]["coding"][0]["code"], "regenerative-medicine");
        assert_eq!(services[0]["_name"]["extension"].as_array().unwrap().len(), 1);
        assert_eq!(services[0]["_name"]["extension"][0]["extension"][1]["valueString"], "再生医療");
        assert_eq!(services[0]["communication"][1]["coding"][0]["code"], "en");
        assert!(checked(&services).is_some());
        assert_eq!(checked(&[json!({"resourceType": "Patient"})]), None);
    }
}
