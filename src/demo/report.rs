//! What `demo --json` prints (contract: commands).

use serde::Serialize;

use super::DemoError;
use super::checks::Check;
use super::site::Site;
use crate::access::Role;

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Every check passed.
    pub ok: bool,
    /// Toronto, Tokyo.
    pub nodes: Vec<NodeReport>,
    /// The referral of the story.
    pub referral: ReferralReport,
    /// The cohort question of the story.
    pub cohort: CohortReport,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// From the first step to the last, milliseconds.
    pub elapsed_ms: u64,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// Institution id.
    pub id: String,
    /// `ca` or `jp`.
    pub country: &'static str,
    /// Inside address.
    pub inside: String,
    /// Outside address.
    pub outside: String,
    /// Messages.
    pub messages: Messages,
    /// Patients in the record.
    pub patients: u64,
    /// Resources in the record.
    pub resources: u64,
    /// Files that are no messages.
    pub skipped: u64,
    /// One-time links.
    pub sign_in: SignIn,
}

/// Counts of messages.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Messages {
    /// All.
    pub received: u64,
    /// In the record.
    pub translated: u64,
    /// Kept aside.
    pub quarantined: u64,
}

/// One-time links by role.
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    /// Clinician.
    pub clinician: String,
    /// Researcher.
    pub researcher: String,
    /// Hospital IT.
    pub it: String,
}

/// The referral of the story.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReferralReport {
    /// Referral id.
    pub id: String,
    /// Message id of the package.
    pub message_id: String,
    /// SHA-256 of its bytes.
    pub body_sha256: String,
    /// The receiver's receipt is there and its signature is good.
    pub receipt_verified: bool,
    /// Statuses passed through at the sender.
    pub states: Vec<String>,
    /// From sending to the verified receipt, milliseconds.
    pub delivered_ms: u64,
}

/// The cohort question of the story.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CohortReport {
    /// Id of the question.
    pub question_sha256: String,
    /// Answers by node.
    pub sites: Vec<SiteAnswer>,
}

/// One node's answer.
#[derive(Debug, Clone, Serialize)]
pub struct SiteAnswer {
    /// Node.
    pub node: String,
    /// `ok`, `too-few`, `refused`, `no-answer`.
    pub status: String,
    /// Rounded count, only when `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Reads a node's counts and makes fresh links.
pub(super) fn node(site: &Site, skipped: u64) -> Result<NodeReport, DemoError> {
    let (counts, resources) = site
        .node
        .parts
        .here
        .store
        .view(|view| Ok::<_, crate::store::StoreError>((view.message_counts()?, view.resource_counts()?)))?;
    let patients = resources.iter().find(|(kind, _)| kind == "Patient").map_or(0, |(_, count)| *count);
    Ok(NodeReport {
        id: site.config.institution.id.clone(),
        country: site.config.institution.country.as_str(),
        inside: site.inside(""),
        outside: site.node.doors.outside_url.clone(),
        messages: Messages {
            received: counts.received,
            translated: counts.translated,
            quarantined: counts.quarantined,
        },
        patients,
        resources: resources.iter().map(|(_, count)| count).sum(),
        skipped,
        sign_in: SignIn {
            clinician: site.sign_in(Role::Clinician)?,
            researcher: site.sign_in(Role::Researcher)?,
            it: site.sign_in(Role::It)?,
        },
    })
}
