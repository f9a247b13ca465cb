//! `[institution]`: who runs this node.

use serde::{Deserialize, Serialize};

/// A country whose rules a node follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Country {
    /// Canada.
    #[default]
    Ca,
    /// Japan.
    Jp,
}

impl Country {
    /// `ca` or `jp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Jp => "jp",
        }
    }
}

/// A name in the three languages of the pages. English is required, the others fall back to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalName {
    /// English.
    pub en: String,
    /// French.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fr: String,
    /// Japanese.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ja: String,
}

impl LocalName {
    /// The name in `language` (`en`, `fr`, `ja`), or in English.
    pub fn get(&self, language: &str) -> &str {
        let name = match language {
            "fr" => &self.fr,
            "ja" => &self.ja,
            _ => &self.en,
        };
        if name.is_empty() { &self.en } else { name }
    }
}

/// Who runs this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstitutionConfig {
    /// Short id known to partners: lower-case letters, digits, hyphens. It never changes after the first pairing.
    pub id: String,
    /// Names shown to people.
    pub name: LocalName,
    /// Country.
    pub country: Country,
    /// IANA time zone; v2 times without an offset are read in it.
    pub time_zone: String,
    /// Base URI of identifier systems that local systems leave unnamed (record numbers, order numbers).
    pub namespace: String,
    /// Japan: the 10-digit medical institution code; makes the patient identifier system
    /// `urn:oid:1.2.392.100495.20.3.51.1` + code (JP Core).
    pub institution_code: Option<String>,
    /// Canada: province of health cards without a named issuer, e.g. `ON`.
    pub province: Option<String>,
    /// Services offered to partners abroad.
    #[serde(rename = "service")]
    pub services: Vec<ServiceConfig>,
}

/// A service in the directory that partners see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Code, unique at this institution, e.g. `regenerative-medicine`.
    pub code: String,
    /// Names.
    pub name: LocalName,
    /// Languages the service can read and answer in.
    #[serde(default)]
    pub languages: Vec<String>,
}

impl Default for InstitutionConfig {
    fn default() -> Self {
        Self {
            id: "unnamed".to_owned(),
            name: LocalName { en: "Unnamed institution".to_owned(), ..LocalName::default() },
            country: Country::Ca,
            time_zone: "America/Toronto".to_owned(),
            namespace: "https://unnamed.invalid/fhir".to_owned(),
            institution_code: None,
            province: None,
            services: Vec::new(),
        }
    }
}

impl InstitutionConfig {
    /// The time zone, which [`InstitutionConfig::check`] has seen to exist.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let id_ok = !self.id.is_empty()
            && self.id.len() <= 40
            && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_ok {
            return Err("institution.id must be 1-40 lower-case letters, digits or hyphens".to_owned());
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return Err(format!("institution.time_zone {:?} is not an IANA time zone", self.time_zone));
        }
        if let Some(code) = &self.institution_code
            && (code.len() != 10 || !code.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err("institution.institution_code must be 10 digits".to_owned());
        }
        Ok(())
    }
}
