//! Applies rows to a message: segments are grouped, resources made and linked, the account closed, the bundle written.

mod apply;
mod constraints;
mod content;
mod context;
mod entries;
mod groups;
mod identity;
mod ledger;
mod links;
mod meanings;
mod pattern;
mod piece;
mod profiles;
mod recurring;
mod repeats;
mod resources;

use crate::fhir::tree::{Value, json};
use jiff::Timestamp;

use super::hl7v2::message::Message;
use super::losses::LossReport;
use super::rows::Origin;
use super::rows::Rules;
use super::rows::file::MessageRow;
use super::trace::{self, By, Maker, Trace};
use super::{Amendment, Refused, RefusedCode, Setting, provenance};

pub(crate) use constraints::hold_body;
pub(crate) use content::fill_from as fill;
pub(crate) use context::{Context, Work};
pub(crate) use entries::conditional_query;
pub(crate) use ledger::{Leaf, Target};
pub(crate) use piece::Piece;
pub(crate) use profiles::state as state_profile;
pub(crate) use recurring::Recurring;
pub(crate) use resources::kebab;

/// What is to be built, and from what.
pub(crate) struct Order<'a> {
    pub rules: &'a Rules,
    pub setting: &'a Setting,
    pub message: &'a Message,
    pub row: &'a MessageRow,
    /// The bytes as received; Provenance names their digest.
    pub original: &'a [u8],
    /// What Provenance calls the act.
    pub kind: &'a str,
    /// Set for a version that must stand beside the current one and never in its place.
    pub history: Option<&'a str>,
    /// The source name of a field, where it is not `PID-3`.
    pub column: &'a dyn Fn(usize) -> Option<String>,
    /// Notes who made what, where somebody asks.
    pub trace: Option<&'a Trace>,
    /// When the source gives no time of its own.
    pub fallback_time: Option<Timestamp>,
}

/// What was built.
pub(crate) struct Built {
    pub bundle: Value,
    pub amendments: Vec<Amendment>,
    pub losses: LossReport,
    pub warnings: Vec<String>,
    pub event_time: Option<Timestamp>,
}

/// Builds the bundle of a message.
pub(crate) fn build(order: &Order<'_>) -> Result<Built, Refused> {
    let groups = groups::arrange(order.message, &order.row.group);
    let work = Work::new(order, groups);
    let mut instances = resources::make(&work)?;
    links::link(&work, &mut instances);
    for instance in &mut instances {
        read_meaning(&work, instance);
        let maker = || Maker::of(By::Profile, Origin::default());
        trace::step(order.trace, instance.number, &mut instance.body, maker, |body| profiles::state(order.rules, body));
        if let Some(trace) = order.trace {
            trace.finished(&instance.full_url, instance.number, instance.row.origin);
        }
    }
    let event_time = work.first_time(&order.row.event_time).or(order.fallback_time);
    let amendments = entries::amendments(&instances);
    let mut entries = entries::write(&work, instances);
    let mut provenance = provenance::entry(&work, event_time);
    entries.extend(entries::parties(&work));
    let said = entries.iter().filter_map(|entry| entry["fullUrl"].as_str());
    provenance["resource"]["target"] = said.map(|url| json!({"reference": url})).collect();
    entries.push(provenance);
    provenance::book(&work);
    let warnings = work.warnings();
    let losses = work.ledger.close(order.message, order.column, &|segment| order.rules.knows_segment(segment));
    let bundle = crate::fhir::tree::bundle("transaction", entries);
    Ok(Built { bundle, amendments, losses, warnings, event_time })
}

/// What no single row can see.
fn read_meaning(work: &Work<'_>, instance: &mut resources::Instance<'_>) {
    let mut body = std::mem::take(&mut instance.body);
    let maker = || Maker::of(By::Meaning, Origin::default());
    trace::step(work.order.trace, instance.number, &mut body, maker, |body| {
        std::mem::swap(body, &mut instance.body);
        meanings::read(work, instance);
        constraints::hold(work, instance);
        std::mem::swap(body, &mut instance.body);
    });
    instance.body = body;
}

fn missing_patient() -> Refused {
    Refused::new(
        RefusedCode::MissingPatient,
        "the message names no patient identifier, so it cannot be filed under anybody; have the sender fill PID-3",
    )
    .at("PID-3")
}
