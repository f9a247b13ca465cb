//! Values of elements: primitives, required value sets, references.

use super::node::{Node, View};
use super::primitive::Primitive;
use super::table::{Binding, CodeSet, Form, Key, Type};
use super::walk::{Place, Walk, Within};

/// Codes that are told of a small value set.
const MOST_CODES: usize = 12;
/// A coded element may say by this extension that it has no code.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl Walk {
    /// A primitive value.
    pub(super) fn primitive<N: Node>(&mut self, key: &Key, primitive: Primitive, value: &N, place: &Place<'_>) {
        let (result, code) = match value.view() {
            View::Number(digits) if primitive.is_number() => (primitive.takes_number(digits), "value"),
            View::Truth(_) if primitive == Primitive::Boolean => return,
            View::Text(text) if !primitive.is_number() && primitive != Primitive::Boolean => {
                (primitive.takes_text(text), "value")
            }
            _ => return self.tell(place, "structure", format!("must be {}", primitive.json())),
        };
        if let Err(wanted) = result {
            return self.tell(place, code, wanted);
        }
        let (Some(binding), View::Text(text)) = (key.binding, value.view()) else { return };
        match binding {
            Binding::Set(set) => {
                if let Some(set) = self.table.set(set).filter(|set| !set.has(text)) {
                    self.tell(place, "code-invalid", of_set(set));
                }
            }
            Binding::Form(form) if !has_form(form, text) => self.tell(place, "code-invalid", form_of(form)),
            Binding::Form(_) => {}
        }
    }

    /// The required value set of a coded element.
    pub(super) fn bound<N: Node>(&mut self, key: &Key, kind: &Type, value: &N, place: &Place<'_>) {
        let Some(Binding::Set(set)) = key.binding else { return };
        let Some(set) = self.table.set(set) else { return };
        let is_in = |coding: &N| {
            let text = |name| coding.member(name).and_then(Node::text);
            text("code").is_some_and(|code| set.has_of(text("system").unwrap_or(""), code))
        };
        let is_right = match kind.name {
            "CodeableConcept" => {
                let mut codings = value.member("coding").and_then(Node::items).unwrap_or(&[]).iter();
                codings.any(is_in) || is_absent(value)
            }
            "Coding" => is_in(value) || is_absent(value),
            "Quantity" | "SimpleQuantity" => value.member("code").is_none() || is_in(value),
            _ => true,
        };
        if !is_right {
            self.tell(place, "code-invalid", of_set(set));
        }
    }

    /// Where a reference leads, as far as its text says.
    pub(super) fn reference<N: Node>(&mut self, key: &Key, value: &N, place: &Place<'_>, within: &Within<'_, N>) {
        let Some(text) = value.member("reference").and_then(Node::text) else { return };
        if !is_reference(text) {
            let wanted = "must be Type/id, #id, urn:uuid: or an absolute URL";
            return self.tell(&place.of("reference", None), "value", wanted);
        }
        let Ok(target) = target(text, within) else {
            let why = if text.starts_with('#') {
                "leads to a contained resource that does not exist (ref-1)"
            } else {
                "leads to an entry that is not in the bundle"
            };
            return self.tell(&place.of("reference", None), "not-found", why);
        };
        let Some(target) = target else { return };
        if !key.targets.is_empty() && !key.targets.contains(&target) {
            let allowed = key.targets.join(", ");
            self.tell(
                &place.of("reference", None),
                "value",
                format!("leads to {target}, which is not allowed here; allowed are {allowed}"),
            );
        }
        let said = value.member("type").and_then(Node::text);
        if said.is_some_and(|said| super::is_type(said) && said != target) {
            self.tell(&place.of("type", None), "value", "is another type than the reference leads to");
        }
    }
}

/// The resource type that a reference leads to; `None` where its text does not tell, an error where it leads nowhere.
fn target<'a, N: Node>(reference: &'a str, within: &Within<'a, N>) -> Result<Option<&'a str>, ()> {
    let kind = |node: &'a N| node.member("resourceType").and_then(Node::text).filter(|name| super::is_type(name));
    if let Some(id) = reference.strip_prefix('#') {
        if id.is_empty() {
            return Ok(kind(within.root));
        }
        let found = within.contained.and_then(|contained| contained.get(id)).ok_or(())?;
        return Ok(Some(*found).filter(|name| super::is_type(name)));
    }
    if reference.starts_with("urn:") {
        let found = within.entries.and_then(|entries| entries.get(reference));
        let is_entry = reference.starts_with("urn:uuid:") || reference.starts_with("urn:oid:");
        return if found.is_none() && within.is_closed && is_entry {
            Err(())
        } else {
            Ok(found.copied().filter(|name| super::is_type(name)))
        };
    }
    Ok(type_of(reference))
}

/// Whether a text has the form of a reference at all: <https://hl7.org/fhir/R4/references.html#literal>.
fn is_reference(text: &str) -> bool {
    let is_uri = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    is_uri && (text.starts_with('#') || text.contains(':') || type_of(text).is_some())
}

/// The type in `Type/id`, `…/Type/id/_history/1` and `Type?…`.
fn type_of(reference: &str) -> Option<&str> {
    let is_type = |name: &&str| super::is_type(name);
    if let Some((name, _)) = reference.split_once('?') {
        return Some(name).filter(is_type);
    }
    let current = reference.rsplit_once("/_history/").map_or(reference, |(current, _)| current);
    let (before, id) = current.rsplit_once('/')?;
    let name = before.rsplit('/').next()?;
    Some(name).filter(|name| is_type(name) && crate::fhir::is_valid_id(id))
}

fn is_absent<N: Node>(value: &N) -> bool {
    let mut extensions = value.member("extension").and_then(Node::items).unwrap_or(&[]).iter();
    extensions.any(|extension| extension.member("url").and_then(Node::text) == Some(ABSENT))
}

fn has_form(form: Form, code: &str) -> bool {
    match form {
        Form::Mime => {
            let essence = code.split(';').next().unwrap_or("").trim_end();
            let is_part = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._!#$&^".contains(&byte))
            };
            // FHIR's own short forms of its representations stand where a media type does.
            matches!(essence, "xml" | "json" | "ttl")
                || essence.split_once('/').is_some_and(|(kind, subtype)| is_part(kind) && is_part(subtype))
        }
        Form::Language => {
            let mut parts = code.split('-');
            parts
                .next()
                .is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic()))
                && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        }
        Form::Currency => code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()),
    }
}

fn form_of(form: Form) -> &'static str {
    match form {
        Form::Mime => "must be a media type (BCP 13)",
        Form::Language => "must be a language tag (BCP 47)",
        Form::Currency => "must be a currency code (ISO 4217)",
    }
}

/// The codes of a set, or its name where they are many.
fn of_set(set: &CodeSet) -> String {
    let codes: Vec<&str> = set.systems.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    let system = match set.systems.as_slice() {
        [(system, _)] if *system != "-" => format!(" of {system}"),
        _ => String::new(),
    };
    if codes.len() > MOST_CODES {
        return format!("must have a code of the required value set {}{system}", set.name);
    }
    format!("must have a code of the required value set {}: {}{system}", set.name, codes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Form, has_form, type_of};

    #[test]
    fn a_reference_tells_its_type() {
        for (reference, kind) in [
            ("Patient/1", Some("Patient")),
            ("Patient/1/_history/2", Some("Patient")),
            ("https://x.example/fhir/Group/a", Some("Group")),
            ("Patient?identifier=a|b", Some("Patient")),
            ("Pacient/1", None),
            ("https://x.example/Patient/a_b", None),
            ("Patient", None),
            ("", None),
        ] {
            assert_eq!(type_of(reference), kind, "{reference}");
        }
    }

    #[test]
    fn endless_sets_have_a_form() {
        for (form, right, wrong) in [
            (
                Form::Mime,
                &["text/plain", "text/plain; charset=utf-8", "application/fhir+json", "xml"][..],
                &["text", "a/b/c", "a b/c"][..],
            ),
            (Form::Language, &["en", "ja-JP", "zh-Hans-CN"], &["e", "en_US", "日本語", "en-"]),
            (Form::Currency, &["JPY", "CAD"], &["yen", "JPYE", "¥"]),
        ] {
            assert!(right.iter().all(|code| has_form(form, code)), "{form:?}");
            for code in wrong {
                assert!(!has_form(form, code), "{form:?} {code}");
            }
        }
    }
}
