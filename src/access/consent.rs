//! What the Consents of a patient (<https://hl7.org/fhir/R4/consent.html>) say to a use of the record. What is not understood is
//! told and never taken as permission: a rule that refuses holds where its conditions may be met, one that permits only
//! where they are.

use serde_json::Value;

use super::purpose;
use crate::fhir::{dates, reference};

/// What is wanted of one resource.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Now, RFC 3339.
    pub now: &'a str,
    /// What for; none: nobody said.
    pub purpose: Option<&'a str>,
    /// What a Consent may call whoever asks, `Type/id`; none: nobody said.
    pub actors: &'a [String],
    /// Resource type.
    pub kind: &'a str,
    /// Codes of its security labels.
    pub labels: &'a [String],
}

/// What a patient said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing to this use.
    Nothing,
    /// Yes.
    Permit,
    /// No.
    Deny,
    /// Something that this node does not understand: no permission.
    Unclear,
}

/// Systems of codes that are understood.
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const ACTIONS: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
/// Provisions within provisions.
const DEEPEST: usize = 8;

/// What all Consents of a patient say together: one refusal outweighs any permission.
pub fn said(consents: &[Value], asked: &Asked<'_>) -> Said {
    consents.iter().map(|consent| of_one(consent, asked)).fold(Said::Nothing, |all, one| all.and(one))
}

impl Said {
    fn and(self, other: Self) -> Self {
        let weight = |said: Self| match said {
            Self::Nothing => 0,
            Self::Permit => 1,
            Self::Unclear => 2,
            Self::Deny => 3,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// What one Consent says. Only an active one is in force.
fn of_one(consent: &Value, asked: &Asked<'_>) -> Said {
    if consent["status"] != "active" {
        return Said::Nothing;
    }
    let scope = match codes(&consent["scope"], SCOPES).as_deref() {
        // To be treated, and what to do at the end of life, are not about the record.
        Some(codes) if codes.iter().any(|code| matches!(*code, "treatment" | "adr")) => return Said::Nothing,
        Some(codes) if codes.contains(&"research") => of_purpose(purpose::RESEARCH, asked),
        Some(codes) if codes.contains(&"patient-privacy") => Fit::Yes,
        _ => Fit::Unknown,
    };
    if scope == Fit::No {
        return Said::Nothing;
    }
    let base = of_policy(&consent["policyRule"]);
    let understood = if consent.get("modifierExtension").is_some() { Fit::Unknown } else { scope };
    match consent.get("provision") {
        Some(root) => of_provision(root, base, understood, asked, DEEPEST),
        None => settled(base, understood),
    }
}

/// What a policy says by itself; one that is not known may say anything.
fn of_policy(rule: &Value) -> Option<Said> {
    let coding = rule.get("coding").and_then(Value::as_array).into_iter().flatten();
    let mut codes = coding.filter_map(|coding| coding["code"].as_str()).peekable();
    if rule.is_null() {
        return None;
    }
    codes.peek()?;
    Some(codes.fold(Said::Nothing, |all, code| {
        all.and(match code {
            "OPTIN" | "OPTINR" => Said::Permit,
            "OPTOUT" | "OPTOUTE" => Said::Deny,
            _ => Said::Unclear,
        })
    }))
}

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Unknown,
}

/// What is said, if the condition holds.
fn settled(said: Option<Said>, fit: Fit) -> Said {
    match (said.unwrap_or(Said::Nothing), fit) {
        (_, Fit::No) | (Said::Nothing, _) => Said::Nothing,
        (said, Fit::Yes) => said,
        (_, Fit::Unknown) => Said::Unclear,
    }
}

fn of_provision(provision: &Value, base: Option<Said>, outer: Fit, asked: &Asked<'_>, depth: usize) -> Said {
    if depth == 0 {
        return Said::Unclear;
    }
    let fit = both(outer, conditions(provision, asked));
    if fit == Fit::No {
        return Said::Nothing;
    }
    let own = match provision.get("type").and_then(Value::as_str) {
        Some("permit") => Some(Said::Permit),
        Some("deny") => Some(Said::Deny),
        Some(_) => Some(Said::Unclear),
        None => base,
    };
    let within = list(&provision["provision"]);
    let exceptions = within
        .map(|one| match one.get("type") {
            // A provision within another must say what it is.
            None => Said::Unclear,
            Some(_) => of_provision(one, None, fit, asked, depth - 1),
        })
        .fold(Said::Nothing, Said::and);
    match exceptions {
        Said::Nothing => settled(own, fit),
        exceptions => exceptions,
    }
}

/// All conditions of a provision, met together.
fn conditions(provision: &Value, asked: &Asked<'_>) -> Fit {
    let mut fit = Fit::Yes;
    for (name, value) in provision.as_object().into_iter().flatten() {
        let one = match name.as_str() {
            "type" | "provision" | "id" | "extension" => Fit::Yes,
            "period" => of_period(value, asked.now),
            "actor" => any(value, |actor| of_actor(actor, asked)),
            "action" => any(value, of_action),
            "purpose" => any(value, |coding| of_coded_purpose(coding, asked)),
            "class" => any(value, |coding| of_class(coding, asked)),
            "securityLabel" => any(value, |coding| of_label(coding, asked)),
            // Times and codes of the data, single resources, and what extends the standard.
            _ => Fit::Unknown,
        };
        fit = both(fit, one);
    }
    fit
}

fn both(one: Fit, other: Fit) -> Fit {
    match (one, other) {
        (Fit::No, _) | (_, Fit::No) => Fit::No,
        (Fit::Unknown, _) | (_, Fit::Unknown) => Fit::Unknown,
        _ => Fit::Yes,
    }
}

/// The best of a list.
fn any(value: &Value, of: impl Fn(&Value) -> Fit) -> Fit {
    if !value.is_array() {
        return Fit::Unknown;
    }
    list(value).map(of).fold(Fit::No, |all, one| match (all, one) {
        (Fit::Yes, _) | (_, Fit::Yes) => Fit::Yes,
        (Fit::Unknown, _) | (_, Fit::Unknown) => Fit::Unknown,
        _ => Fit::No,
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Codes of a CodeableConcept in a system; none, if it has no such.
fn codes<'v>(concept: &'v Value, system: &str) -> Option<Vec<&'v str>> {
    let found: Vec<&str> = list(&concept["coding"])
        .filter(|coding| coding["system"] == system)
        .filter_map(|one| one["code"].as_str())
        .collect();
    (!found.is_empty()).then_some(found)
}

fn of_period(period: &Value, now: &str) -> Fit {
    let end = |name: &str| match period.get(name) {
        None => Ok(None),
        Some(text) => text.as_str().and_then(dates::range).map(Some).ok_or(()),
    };
    match (end("start"), end("end")) {
        (Ok(start), Ok(stop)) => {
            let begun = start.is_none_or(|(from, _)| from.as_str() <= now);
            let lasts = stop.is_none_or(|(_, to)| to.as_str() > now);
            if begun && lasts { Fit::Yes } else { Fit::No }
        }
        _ => Fit::Unknown,
    }
}

fn of_actor(actor: &Value, asked: &Asked<'_>) -> Fit {
    let named = actor.pointer("/reference/reference").and_then(Value::as_str).and_then(reference::split);
    match named {
        _ if asked.actors.is_empty() => Fit::Unknown,
        None => Fit::Unknown,
        Some((kind, id)) if asked.actors.iter().any(|own| own.split_once('/') == Some((kind, id))) => Fit::Yes,
        Some(_) => Fit::No,
    }
}

fn of_action(action: &Value) -> Fit {
    match codes(action, ACTIONS) {
        None => Fit::Unknown,
        Some(codes) if codes.iter().any(|code| matches!(*code, "access" | "use" | "disclose")) => Fit::Yes,
        // Collecting and correcting are not reading.
        Some(codes) if codes.iter().all(|code| matches!(*code, "collect" | "correct")) => Fit::No,
        Some(_) => Fit::Unknown,
    }
}

fn of_coded_purpose(coding: &Value, asked: &Asked<'_>) -> Fit {
    let is_ours = coding
        .get("system")
        .is_none_or(|system| system == purpose::SYSTEM || system == "http://hl7.org/fhir/v3/ActReason");
    match coding["code"].as_str().filter(|_| is_ours) {
        Some(code) => of_purpose(code, asked),
        None => Fit::Unknown,
    }
}

fn of_purpose(code: &str, asked: &Asked<'_>) -> Fit {
    match asked.purpose {
        None => Fit::Unknown,
        Some(_) if !purpose::is_known(code) => Fit::Unknown,
        Some(own) if purpose::is_within(own, code) => Fit::Yes,
        // The rule is for a part of what the record may be used for.
        Some(own) if purpose::is_within(code, own) => Fit::Unknown,
        Some(_) => Fit::No,
    }
}

fn of_class(coding: &Value, asked: &Asked<'_>) -> Fit {
    match (coding["system"].as_str(), coding["code"].as_str()) {
        (Some(RESOURCE_TYPES), Some(kind)) if kind == asked.kind => Fit::Yes,
        (Some(RESOURCE_TYPES), Some(_)) => Fit::No,
        _ => Fit::Unknown,
    }
}

fn of_label(coding: &Value, asked: &Asked<'_>) -> Fit {
    let Some(code) = coding["code"].as_str() else { return Fit::Unknown };
    if asked.labels.iter().any(|label| label == code) {
        return Fit::Yes;
    }
    // What bears no label of confidentiality is not said to be anything.
    if matches!(code, "U" | "L" | "M" | "N" | "R" | "V") { Fit::Unknown } else { Fit::No }
}

/// What in a Consent is not understood: for a warning, by the names of its elements.
pub fn not_understood(consent: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let is_known_scope = codes(&consent["scope"], SCOPES).is_some_and(|codes| {
        codes.iter().any(|code| matches!(*code, "treatment" | "adr" | "research" | "patient-privacy"))
    });
    if !is_known_scope {
        found.push("scope".to_owned());
    }
    if consent.get("modifierExtension").is_some() {
        found.push("modifierExtension".to_owned());
    }
    if of_policy(&consent["policyRule"]) == Some(Said::Unclear) {
        found.push("policyRule".to_owned());
    }
    in_provision(&consent["provision"], &mut found, DEEPEST);
    found.sort();
    found.dedup();
    found
}

fn in_provision(provision: &Value, found: &mut Vec<String>, depth: usize) {
    // Asked as nobody: what is unknown then for other reasons is left out.
    for name in provision.as_object().into_iter().flatten().map(|(name, _)| name.as_str()) {
        let is_clear = match name {
            "type" | "id" | "extension" | "period" | "provision" | "securityLabel" => true,
            "actor" => list(&provision[name]).all(|actor| {
                actor
                    .pointer("/reference/reference")
                    .and_then(Value::as_str)
                    .is_some_and(|text| reference::split(text).is_some())
            }),
            "action" => list(&provision[name]).all(|action| of_action(action) != Fit::Unknown),
            "purpose" => list(&provision[name]).all(|one| one["code"].as_str().is_some_and(purpose::is_known)),
            "class" => list(&provision[name]).all(|one| one["system"] == RESOURCE_TYPES),
            _ => false,
        };
        if !is_clear {
            found.push(format!("provision.{name}"));
        }
    }
    if depth > 0 {
        list(&provision["provision"]).for_each(|within| in_provision(within, found, depth - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn coded(system: &str, code: &str) -> Value {
        json!({"coding": [{"system": system, "code": code}]})
    }

    fn purpose(code: &str) -> Value {
        json!([{"system": super::purpose::SYSTEM, "code": code}])
    }

    fn consent(scope: &str, more: Value) -> Value {
        let mut consent = json!({"resourceType": "Consent", "status": "active", "scope": coded(SCOPES, scope)});
        for (name, value) in more.as_object().unwrap() {
            consent[name] = value.clone();
        }
        consent
    }

    fn privacy(provision: Value) -> Value {
        consent("patient-privacy", json!({"provision": provision}))
    }

    fn ask(consents: &[Value], purpose: Option<&str>, kind: &str) -> Said {
        let actors = ["Organization/lab".to_owned()];
        let labels = ["PSY".to_owned()];
        said(consents, &Asked { now: "2026-11-24T12:00:00.000Z", purpose, actors: &actors, kind, labels: &labels })
    }

    fn research(consents: &[Value]) -> Said {
        ask(consents, Some("HRESCH"), "Observation")
    }

    #[test]
    fn a_refusal_holds_for_its_purpose_actor_class_label_and_time() {
        let deny = |more: Value| {
            let mut provision = json!({"type": "deny"});
            for (name, value) in more.as_object().unwrap() {
                provision[name] = value.clone();
            }
            [privacy(provision)]
        };
        let to = |text: &str| json!({"actor": [{"reference": {"reference": text}}]});
        let cases = [
            (json!({}), Said::Deny),
            (json!({"purpose": purpose("HRESCH")}), Said::Deny),
            (json!({"purpose": purpose("TREAT")}), Said::Nothing),
            (to("Organization/lab"), Said::Deny),
            (to("Organization/other"), Said::Nothing),
            (json!({"class": [{"system": RESOURCE_TYPES, "code": "Observation"}]}), Said::Deny),
            (json!({"class": [{"system": RESOURCE_TYPES, "code": "Condition"}]}), Said::Nothing),
            (json!({"securityLabel": [{"code": "PSY"}]}), Said::Deny),
            (json!({"securityLabel": [{"code": "HIV"}]}), Said::Nothing),
            (json!({"period": {"start": "2026-01-01", "end": "2026-11-24"}}), Said::Deny),
            (json!({"period": {"end": "2026-11-23"}}), Said::Nothing),
            (json!({"period": {"start": "2026-11-25"}}), Said::Nothing),
            (json!({"action": [coded(ACTIONS, "correct")]}), Said::Nothing),
            (json!({"action": [coded(ACTIONS, "disclose")]}), Said::Deny),
            // What is not understood may be met.
            (json!({"dataPeriod": {"start": "2020"}}), Said::Unclear),
            (json!({"code": [{"text": "x"}]}), Said::Unclear),
            (json!({"purpose": purpose("SOMETHING")}), Said::Unclear),
            (json!({"purpose": purpose("CLINTRCH")}), Said::Unclear),
            (json!({"modifierExtension": [{}]}), Said::Unclear),
            (json!({"period": {"end": "soon"}}), Said::Unclear),
            (json!({"actor": [{"role": coded("x", "y")}]}), Said::Unclear),
            // But not where another condition is not.
            (json!({"dataPeriod": {"start": "2020"}, "purpose": purpose("TREAT")}), Said::Nothing),
        ];
        for (more, expected) in cases {
            assert_eq!(research(&deny(more.clone())), expected, "{more}");
        }
        assert_eq!(ask(&deny(json!({"purpose": purpose("HRESCH")})), Some("CLINTRCHPC"), "Patient"), Said::Deny);
        assert_eq!(ask(&deny(json!({"purpose": purpose("HRESCH")})), None, "Patient"), Said::Unclear);
    }

    #[test]
    fn a_permission_is_one_only_if_all_of_it_is_understood() {
        let permit = |provision: Value| research(&[privacy(provision)]);
        assert_eq!(permit(json!({"type": "permit", "purpose": purpose("HRESCH")})), Said::Permit);
        assert_eq!(permit(json!({"type": "permit", "purpose": purpose("TREAT")})), Said::Nothing);
        assert_eq!(permit(json!({"type": "permit", "dataPeriod": {}})), Said::Unclear);
        assert_eq!(permit(json!({"type": "permit", "purpose": purpose("CLINTRCH")})), Said::Unclear);
        assert_eq!(research(&[consent("something", json!({"provision": {"type": "permit"}}))]), Said::Unclear);
    }

    #[test]
    fn exceptions_outweigh_their_rule_and_refusals_all_else() {
        let except = |outer: &str, inner: Value| research(&[privacy(json!({"type": outer, "provision": [inner]}))]);
        let no = json!({"type": "deny", "purpose": purpose("HRESCH")});
        let yes = json!({"type": "permit", "purpose": purpose("HRESCH")});
        assert_eq!(except("permit", no.clone()), Said::Deny);
        assert_eq!(except("deny", yes.clone()), Said::Permit);
        assert_eq!(except("deny", json!({"type": "permit", "purpose": purpose("TREAT")})), Said::Deny);
        assert_eq!(except("permit", json!({"purpose": purpose("HRESCH")})), Said::Unclear);
        assert_eq!(research(&[privacy(yes.clone()), privacy(no)]), Said::Deny);
        assert_eq!(research(&[privacy(yes)]), Said::Permit);
        let mut deep = json!({"type": "permit"});
        for _ in 0..40 {
            deep = json!({"type": "permit", "provision": [deep]});
        }
        assert_eq!(research(&[privacy(deep)]), Said::Unclear);
    }

    #[test]
    fn policies_scopes_and_states() {
        let policy =
            |code: &str| json!({"policyRule": coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", code)});
        let out = consent("research", policy("OPTOUT"));
        assert_eq!(research(std::slice::from_ref(&out)), Said::Deny);
        assert_eq!(ask(std::slice::from_ref(&out), Some("TREAT"), "Patient"), Said::Nothing);
        assert_eq!(research(&[consent("research", policy("OPTIN"))]), Said::Permit);
        assert_eq!(research(&[consent("patient-privacy", policy("ours"))]), Said::Unclear);
        assert_eq!(research(&[consent("treatment", policy("OPTOUT"))]), Said::Nothing);
        assert_eq!(research(&[consent("research", json!({}))]), Said::Nothing);
        for status in ["inactive", "proposed", "draft", "rejected", "entered-in-error"] {
            let mut ended = out.clone();
            ended["status"] = json!(status);
            assert_eq!(research(&[ended]), Said::Nothing, "{status}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let odd = privacy(
            json!({"type": "deny", "dataPeriod": {}, "provision": [{"type": "permit", "purpose": purpose("X")}]}),
        );
        assert_eq!(not_understood(&odd), ["provision.dataPeriod", "provision.purpose"]);
        assert_eq!(
            not_understood(&privacy(json!({"type": "deny", "purpose": purpose("HRESCH")}))),
            Vec::<String>::new()
        );
        assert_eq!(not_understood(&consent("other", json!({"policyRule": coded("x", "y")}))), ["policyRule", "scope"]);
    }
}
