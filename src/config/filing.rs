//! `[filing]`: where what arrives from partners goes in the institution's own systems.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Filing into local systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilingConfig {
    /// One attempt must be done within, seconds.
    pub attempt_seconds: u64,
    /// Wait after the first failure; doubles each time up to the longest.
    pub first_retry_seconds: u64,
    /// Longest wait, seconds.
    pub longest_retry_seconds: u64,
    /// After this long a message is given up and shown to staff, hours.
    pub give_up_hours: u64,
    /// Local systems.
    #[serde(rename = "destination")]
    pub destinations: Vec<DestinationConfig>,
}

impl Default for FilingConfig {
    fn default() -> Self {
        Self {
            attempt_seconds: 30,
            first_retry_seconds: 5,
            longest_retry_seconds: 900,
            give_up_hours: 72,
            destinations: Vec::new(),
        }
    }
}

/// A local system: exactly one of `mllp`, `folder` and `ssmix2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationConfig {
    /// Short name: lower-case letters, digits, hyphens.
    pub name: String,
    /// Host and port of a system that takes HL7 v2 over MLLP.
    pub mllp: Option<String>,
    /// A folder that takes one file per message.
    pub folder: Option<PathBuf>,
    /// Root of an SS-MIX2 extended storage. Takes documents.
    pub ssmix2: Option<PathBuf>,
    /// TLS 1.3 of `mllp`; absent: plain.
    pub tls: Option<ClientTlsConfig>,
    /// What it takes.
    #[serde(default = "everything")]
    pub events: Vec<FiledKind>,
    /// Character set, by its name in table 0211.
    #[serde(default = "unicode")]
    pub charset: String,
    /// MSH-5.
    #[serde(default)]
    pub application: String,
    /// MSH-6.
    #[serde(default)]
    pub facility: String,
}

/// Kinds of message that are filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FiledKind {
    /// A referral that arrives, and what its sender does later: REF^I12, REF^I13.
    Referral,
    /// What the institution asked answers: RRI^I12.
    Reply,
    /// A document that arrives: MDM^T02.
    Document,
    /// Results that arrive: ORU^R01.
    Results,
}

fn everything() -> Vec<FiledKind> {
    vec![FiledKind::Referral, FiledKind::Reply, FiledKind::Document, FiledKind::Results]
}

fn unicode() -> String {
    "UNICODE UTF-8".to_owned()
}

/// TLS towards a local system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// PEM certificates of the authorities that may sign the system's certificate.
    pub authority: PathBuf,
    /// Name in its certificate, if it is not the host of `mllp`.
    pub server_name: Option<String>,
    /// PEM certificate chain to show; absent: none.
    pub certificate: Option<PathBuf>,
    /// PEM private key of `certificate`.
    pub key: Option<PathBuf>,
}

impl FilingConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let mut names: Vec<&str> = Vec::new();
        for destination in &self.destinations {
            let name = destination.name.as_str();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || !name.bytes().all(plain) || names.contains(&name) {
                return Err(format!(
                    "filing.destination.name {name:?} must be lower-case letters, digits or hyphens, and used once"
                ));
            }
            names.push(name);
            let ways = [destination.mllp.is_some(), destination.folder.is_some(), destination.ssmix2.is_some()];
            if ways.into_iter().filter(|way| *way).count() != 1 {
                return Err(format!("filing.destination {name:?} needs exactly one of mllp, folder and ssmix2"));
            }
            if destination.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
                return Err(format!("filing.destination {name:?}: tls.certificate and tls.key go together"));
            }
        }
        Ok(())
    }
}
