//! A referral → REF^I12, a later act of its sender → REF^I13, an act of the institution asked → RRI^I12.

use serde_json::Value;

use super::clinical::{al1, dg1, obx};
use super::fields::{ce, components, escaped, list, text, time};
use super::patient::pid;
use super::{Cover, Segment, Written, finish, header, notes};

/// What a referral says.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Id of the referral, the same at both ends.
    pub referral: &'a str,
    /// `Task.status`.
    pub status: &'a str,
    /// ServiceRequest.
    pub request: &'a Value,
    /// Patient.
    pub patient: &'a Value,
    /// Organization that refers.
    pub referring: &'a Value,
    /// Organization asked.
    pub referred_to: &'a Value,
    /// Resources of the summary: conditions, allergies, results.
    pub clinical: &'a [&'a Value],
    /// What is said in words.
    pub notes: &'a [String],
}

/// REF^I12.
pub fn referral_message(cover: &Cover, letter: &Letter<'_>) -> Written {
    let mut segments = opening(cover, letter, header(cover, "REF", "I12", "REF_I12"));
    segments.extend(findings(cover, letter));
    segments.extend(notes(letter.notes));
    finish(cover, "REF^I12", &segments)
}

/// REF^I13: the referral is modified; the words say how.
pub fn update_message(cover: &Cover, letter: &Letter<'_>) -> Written {
    let mut segments = opening(cover, letter, header(cover, "REF", "I13", "REF_I12"));
    segments.extend(notes(letter.notes));
    finish(cover, "REF^I13", &segments)
}

/// RRI^I12: what the institution asked answers.
pub fn reply_message(cover: &Cover, letter: &Letter<'_>) -> Written {
    let mut segments = opening(cover, letter, header(cover, "RRI", "I12", "RRI_I12"));
    segments.extend(notes(letter.notes));
    finish(cover, "RRI^I12", &segments)
}

fn opening(cover: &Cover, letter: &Letter<'_>, msh: Segment) -> Vec<Segment> {
    vec![
        msh,
        rf1(cover, letter),
        prd(cover, "RP", letter.referring),
        prd(cover, "RT", letter.referred_to),
        pid(cover, letter.patient),
    ]
}

fn rf1(cover: &Cover, letter: &Letter<'_>) -> Segment {
    // Table 0283.
    let status = match letter.status {
        "accepted" | "in-progress" | "completed" => "A",
        "rejected" => "R",
        "cancelled" => "E",
        _ => "P",
    };
    // Table 0280.
    let priority = match text(letter.request, "/priority") {
        "stat" => "S",
        "asap" | "urgent" => "A",
        "routine" => "R",
        _ => "",
    };
    let issuer = escaped(organization_id(letter.referring));
    let reason = list(letter.request, "reasonCode").map(|reason| ce(cover, Some(reason)));
    Segment::new("RF1")
        .set(1, status)
        .set(2, priority)
        .set(3, ce(cover, letter.request.get("code")))
        .set(6, components(&[&escaped(letter.referral), &issuer]))
        .set(7, time(letter.request.get("authoredOn")))
        .set(10, super::fields::repeated(reason))
}

/// A provider: role, the institution's name as a person's family name (XPN has no place for one), and its id.
fn prd(cover: &Cover, role: &str, organization: &Value) -> Segment {
    let meaning = if role == "RP" { "Referring Provider" } else { "Referred to Provider" };
    let addresses = list(organization, "address").map(|address| super::fields::xad(cover, address));
    Segment::new("PRD")
        .set(1, components(&[role, meaning, "HL70286"]))
        .set(2, escaped(text(organization, "/name")))
        .set(3, super::fields::repeated(addresses))
        .set(4, components(&["", "", "", &escaped(text(organization, "/name"))]))
        .set(5, super::fields::repeated(list(organization, "telecom").map(super::fields::xtn)))
        .set(7, components(&[&escaped(organization_id(organization)), "XX"]))
}

fn organization_id(organization: &Value) -> &str {
    text(organization, "/identifier/0/value")
}

/// DG1, AL1 and the results, in the order of the message structure.
fn findings(cover: &Cover, letter: &Letter<'_>) -> Vec<Segment> {
    let of = |kind: &'static str| {
        letter.clinical.iter().copied().filter(move |one| crate::fhir::resource_type(one) == Some(kind))
    };
    let mut segments = Vec::new();
    let mut number = 0;
    for condition in of("Condition") {
        let segment = dg1(cover, number + 1, condition);
        number += usize::from(segment.is_some());
        segments.extend(segment);
    }
    number = 0;
    for allergy in of("AllergyIntolerance") {
        let segment = al1(cover, number + 1, allergy);
        number += usize::from(segment.is_some());
        segments.extend(segment);
    }
    let mut number = 0;
    let results: Vec<Segment> = of("Observation").flat_map(|one| obx(cover, &mut number, one)).collect();
    if !results.is_empty() {
        segments.push(super::results::obr(letter.referral, letter.referring));
        segments.extend(results);
    }
    segments
}
