//! What of the record somebody may see at all: no resource with a security label they are not cleared for, and none of a
//! patient who does not consent to the use. What is withheld looks as if it were not there, on every way: [`Permitted`] is a
//! view without it, [`permitted`] a store whose every reading is such a view.

mod record;
mod rest;
mod store;

pub use record::Permitted;
pub use store::permitted;

use super::labels::Clearance;
use super::{AccessError, Role, purpose};
use crate::config::{AccessConfig, ClearanceConfig};
use crate::store::access::Client;

/// What somebody may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Labels that they are cleared for.
    pub clearance: Clearance,
    /// The use that patients are to consent to; none: they are not asked.
    pub usage: Option<Usage>,
}

/// A use of the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Usage {
    /// v3-PurposeOfUse; none: it was not said.
    pub purpose: Option<String>,
    /// What a Consent calls whoever uses it, `Type/id`.
    pub actors: Vec<String>,
    /// Without a consent that permits it, it is refused.
    pub needs_consent: bool,
}

impl Limits {
    /// Nothing is withheld.
    pub fn none() -> Self {
        Self { clearance: Clearance::all(), usage: None }
    }

    /// Whether nothing is withheld.
    pub fn is_none(&self) -> bool {
        self.clearance.is_all() && self.usage.is_none()
    }

    /// Those of a role: its clearance. What staff use the record for is not asked of the patient here.
    pub fn of_role(config: &AccessConfig, role: Role) -> Self {
        // The configuration was checked when the node was opened.
        Self { clearance: Clearance::parse(words(&config.clearance, role)).unwrap_or_default(), usage: None }
    }

    /// Those of a registered client.
    pub fn of_client(config: &AccessConfig, client: &Client) -> Result<Self, AccessError> {
        let words = client.clearance.as_deref().unwrap_or_default().split_whitespace();
        let clearance = Clearance::parse(words).map_err(|_| AccessError::NoToken)?;
        let actors = client.actors.as_deref().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        Ok(Self { clearance, usage: Some(Usage::new(config, client.purpose.as_deref(), actors)) })
    }

    /// Those of counting for research: what a researcher is cleared for, of patients who do not refuse it.
    pub fn of_research(config: &AccessConfig) -> Self {
        let usage = Usage::new(config, Some(purpose::RESEARCH), Vec::new());
        Self { usage: Some(usage), ..Self::of_role(config, Role::Researcher) }
    }
}

/// Refuses labels and purposes that there are not.
pub fn check(config: &AccessConfig) -> Result<(), UnknownSetting> {
    for role in Role::ALL {
        Clearance::parse(words(&config.clearance, role))
            .map_err(|cause| UnknownSetting(format!("access.clearance.{role}: {cause}")))?;
    }
    match config.consent_required.iter().find(|purpose| !purpose::is_known(purpose)) {
        Some(unknown) => Err(UnknownSetting(format!("access.consent_required: {unknown:?} is no v3-PurposeOfUse"))),
        None => Ok(()),
    }
}

/// A setting of `[access]` with a code that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownSetting(String);

fn words(config: &ClearanceConfig, role: Role) -> impl Iterator<Item = &str> {
    let words = match role {
        Role::Clinician => &config.clinician,
        Role::Researcher => &config.researcher,
        Role::It => &config.it,
        Role::System => &config.system,
    };
    words.iter().map(String::as_str)
}

impl Usage {
    fn new(config: &AccessConfig, purpose: Option<&str>, actors: Vec<String>) -> Self {
        let within = |wider: &String| purpose.is_none_or(|own| purpose::is_within(own, wider));
        let needs_consent = config.consent_required.iter().any(within);
        Self { purpose: purpose.map(str::to_owned), actors, needs_consent }
    }
}
