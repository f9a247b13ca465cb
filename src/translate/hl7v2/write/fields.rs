//! Data types: what one field holds, escaped.

use serde_json::Value;

use super::Cover;
use crate::config::Country;
use crate::fhir::{self, systems};
use crate::translate::hl7v2::escape::escape;
use crate::translate::hl7v2::message::Delimiters;

/// The usual delimiters: receivers expect no others.
const USUAL: Delimiters =
    Delimiters { field: '|', component: '^', repetition: '~', escape: Some('\\'), subcomponent: Some('&') };

/// Code systems by their names in table 0396, and Japan's.
const NAMES: &[(&str, &str)] = &[
    (systems::LOINC, "LN"),
    (systems::SNOMED, "SCT"),
    (systems::UCUM, "UCUM"),
    (systems::ICD10, "I10"),
    (systems::ICD10_JP, "I10"),
    (systems::ICD10_CA, "ICD10CA"),
    (systems::JLAC10, "JC10"),
    (systems::HOT9, "HOT9"),
];

/// Text of one line.
pub(super) fn escaped(text: &str) -> String {
    escape(text.trim(), &USUAL)
}

/// Text of several lines, for FT, TX and NTE.
pub(super) fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escape(line, &USUAL)).collect();
    lines.join(r"\.br\")
}

/// Escaped components side by side, none empty at the end.
pub(super) fn components(parts: &[&str]) -> String {
    parts.join("^").trim_end_matches('^').to_owned()
}

/// MSH-7 and alike.
pub(super) fn moment(cover: &Cover) -> String {
    cover.at.to_zoned(cover.zone.clone()).strftime("%Y%m%d%H%M%S%z").to_string()
}

/// FHIR date, dateTime or instant → TS with the same precision; nothing from what is none of them.
pub(super) fn time(value: Option<&Value>) -> String {
    let Some(text) = value.and_then(Value::as_str) else { return String::new() };
    let (date, clock) = text.split_once('T').unwrap_or((text, ""));
    let (clock, offset) = match clock.find(['Z', '+', '-']) {
        Some(at) => clock.split_at(at),
        None => (clock, ""),
    };
    let offset = if offset == "Z" { "+0000".to_owned() } else { offset.replace(':', "") };
    let whole = format!("{}{}{offset}", date.replace('-', ""), clock.replace(':', ""));
    let plain = whole.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-'));
    if plain && fhir::dates::range(text).is_some() { whole } else { String::new() }
}

/// Text of an element.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Items of a list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// CodeableConcept → CE: the first two codings, and the text where there is no display.
pub(super) fn ce(cover: &Cover, concept: Option<&Value>) -> String {
    let Some(concept) = concept else { return String::new() };
    let words = text(concept, "/text");
    let mut parts: Vec<String> = Vec::new();
    for coding in list(concept, "coding").filter(|coding| coding.get("code").is_some()).take(2) {
        let display = text(coding, "/display");
        parts.push(escaped(text(coding, "/code")));
        parts.push(escaped(if display.is_empty() && parts.len() == 1 { words } else { display }));
        parts.push(escaped(&system_name(cover, text(coding, "/system"))));
    }
    if parts.is_empty() {
        parts = vec![String::new(), escaped(words)];
    }
    components(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The name of a code system; its address, where v2 has no name for it.
fn system_name(cover: &Cover, system: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == system) {
        return (*name).to_owned();
    }
    if let Some(table) = system.strip_prefix(systems::V2) {
        return format!("HL7{table}");
    }
    own_name(cover, system, "CodeSystem").unwrap_or_else(|| system.to_owned())
}

/// The bare name of something within the institution's own namespace.
fn own_name(cover: &Cover, system: &str, kind: &str) -> Option<String> {
    let name = system.strip_prefix(&format!("{}/{kind}/", cover.namespace))?;
    (!name.is_empty() && !name.contains(['%', '/'])).then(|| name.to_owned())
}

/// Identifier → CX.
pub(super) fn cx(cover: &Cover, identifier: &Value) -> String {
    let system = text(identifier, "/system");
    let issuer = if system == cover.patient_system { String::new() } else { hd(cover, system) };
    let kind = identifier.get("type").and_then(|kind| fhir::codings(kind).next()).map_or("", |(_, code)| code);
    components(&[&escaped(text(identifier, "/value")), "", "", &issuer, &escaped(kind)])
}

/// The address of an identifier system → HD as one component.
fn hd(cover: &Cover, system: &str) -> String {
    if let Some(oid) = system.strip_prefix("urn:oid:") {
        return format!("&{}&ISO", escaped(oid));
    }
    if let Some(uuid) = system.strip_prefix("urn:uuid:") {
        return format!("&{}&UUID", escaped(uuid));
    }
    match own_name(cover, system, "identifier") {
        Some(name) => escaped(&name),
        None if system.is_empty() => String::new(),
        None => format!("&{}&URI", escaped(system)),
    }
}

/// HumanName → XPN. Component 8 says in which script it is, as Japanese systems expect.
pub(super) fn xpn(cover: &Cover, name: &Value) -> String {
    let joined = |element: &str, skip: usize| {
        let parts: Vec<&str> = list(name, element).filter_map(Value::as_str).skip(skip).collect();
        escaped(&parts.join(" "))
    };
    let first = list(name, "given").find_map(Value::as_str).unwrap_or("");
    let family = match (text(name, "/family"), first) {
        // Only one text: it cannot be told apart.
        ("", "") => text(name, "/text"),
        (family, _) => family,
    };
    let usage = match text(name, "/use") {
        "official" => "L",
        "usual" => "D",
        "maiden" => "M",
        "nickname" => "N",
        "anonymous" => "S",
        "temp" => "TEMP",
        "old" => "BAD",
        _ => "U",
    };
    components(&[
        &escaped(family),
        &escaped(first),
        &joined("given", 1),
        &joined("suffix", 0),
        &joined("prefix", 0),
        "",
        usage,
        representation(cover, name, family),
    ])
}

/// Table 0465.
fn representation(cover: &Cover, name: &Value, family: &str) -> &'static str {
    let told = list(name, "extension").find(|one| text(one, "/url") == systems::EN_REPRESENTATION);
    match told.map(|one| text(one, "/valueCode")) {
        Some("IDE") => "I",
        Some("SYL") => "P",
        Some("ABC") => "A",
        // Latin letters are alphabetic whether the sender says so or not.
        _ if cover.country == Country::Jp && is_latin(family) => "A",
        _ => "",
    }
}

fn is_latin(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_alphabetic() || u32::from(c) < 0x250)
}

/// Address → XAD. Japanese systems read the whole address in component 8.
pub(super) fn xad(cover: &Cover, address: &Value) -> String {
    let line = |at: usize| list(address, "line").filter_map(Value::as_str).nth(at).unwrap_or("");
    let usage = match (text(address, "/use"), text(address, "/type")) {
        ("home", _) => "H",
        ("work", _) => "B",
        ("temp", _) => "C",
        ("old", _) => "BA",
        ("billing", _) => "BI",
        (_, "postal") => "M",
        _ => "",
    };
    let whole = if cover.country == Country::Jp { text(address, "/text") } else { "" };
    components(&[
        &escaped(line(0)),
        &escaped(line(1)),
        &escaped(text(address, "/city")),
        &escaped(text(address, "/state")),
        &escaped(text(address, "/postalCode")),
        &escaped(text(address, "/country")),
        usage,
        &escaped(whole),
        &escaped(text(address, "/district")),
    ])
}

/// ContactPoint → XTN.
pub(super) fn xtn(point: &Value) -> String {
    let value = escaped(text(point, "/value"));
    let usage = if text(point, "/use") == "work" { "WPN" } else { "PRN" };
    match text(point, "/system") {
        "email" => components(&["", "NET", "Internet", &value]),
        "fax" => components(&["", usage, "FX", "", "", "", "", "", "", "", "", &value]),
        "pager" => components(&["", usage, "BP", "", "", "", "", "", "", "", "", &value]),
        _ if text(point, "/use") == "mobile" => components(&["", "PRS", "CP", "", "", "", "", "", "", "", "", &value]),
        _ => components(&["", usage, "PH", "", "", "", "", "", "", "", "", &value]),
    }
}

/// Repetitions side by side, empty ones left out.
pub(super) fn repeated(items: impl Iterator<Item = String>) -> String {
    items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join("~")
}
