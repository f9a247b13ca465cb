//! Value sets and code systems of packages, as far as they are listed: which codes are in them. What is not known is not
//! guessed: `None`.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Library, without_version};
use crate::fhir::structure;

/// Value sets within value sets.
const DEEPEST: usize = 8;
/// Steps up a hierarchy of codes.
const MOST_STEPS: usize = 64;

/// The codes of a code system and what each stands below.
#[derive(Debug, Default)]
pub(super) struct CodeSystem {
    is_complete: bool,
    above: HashMap<String, Option<String>>,
}

/// A value set: its parts (<https://hl7.org/fhir/R4/valueset.html#compositions>).
#[derive(Debug, Default)]
pub(super) struct ValueSet {
    includes: Vec<Part>,
    excludes: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    system: Option<String>,
    codes: Option<HashSet<String>>,
    filters: Vec<Filter>,
    sets: Vec<String>,
}

#[derive(Debug)]
enum Filter {
    /// A code or one below it.
    IsA(String),
    /// One below a code.
    Below(String),
    /// Another, which is not known here.
    Other,
}

impl CodeSystem {
    pub(super) fn read(resource: &Value) -> Self {
        let mut read = Self {
            is_complete: resource.get("content").and_then(Value::as_str) == Some("complete"),
            above: HashMap::new(),
        };
        let mut open: Vec<(&Value, Option<&str>)> = vec![(resource, None)];
        while let Some((node, above)) = open.pop() {
            for concept in node.get("concept").and_then(Value::as_array).into_iter().flatten() {
                let Some(code) = concept.get("code").and_then(Value::as_str) else { continue };
                let parent = concept.get("property").and_then(Value::as_array).into_iter().flatten().find_map(|one| {
                    let is_parent = one.get("code").and_then(Value::as_str) == Some("parent");
                    if is_parent { one.get("valueCode").and_then(Value::as_str) } else { None }
                });
                read.above.insert(code.to_owned(), above.or(parent).map(str::to_owned));
                open.push((concept, Some(code)));
            }
        }
        read
    }

    fn has(&self, code: &str) -> Option<bool> {
        match self.above.contains_key(code) {
            true => Some(true),
            false if self.is_complete => Some(false),
            false => None,
        }
    }

    /// Whether a code stands below another, or is it.
    fn is_below(&self, code: &str, other: &str) -> Option<bool> {
        let mut at = code;
        for _ in 0..MOST_STEPS {
            if at == other {
                return Some(true);
            }
            match self.above.get(at) {
                Some(Some(above)) => at = above,
                Some(None) => return Some(false),
                None => return if self.is_complete { Some(false) } else { None },
            }
        }
        None
    }
}

impl ValueSet {
    pub(super) fn read(resource: &Value) -> Self {
        let parts = |name: &str| -> Vec<Part> {
            let parts = resource.get("compose").and_then(|compose| compose.get(name)).and_then(Value::as_array);
            parts.into_iter().flatten().map(Part::read).collect()
        };
        let mut read = Self { includes: parts("include"), excludes: parts("exclude") };
        if read.includes.is_empty() {
            read.includes = expanded(resource);
        }
        read
    }
}

/// A set that is given by its expansion only.
fn expanded(resource: &Value) -> Vec<Part> {
    let mut by_system: HashMap<Option<&str>, HashSet<String>> = HashMap::new();
    let mut open = vec![resource.get("expansion").unwrap_or(&Value::Null)];
    while let Some(node) = open.pop() {
        for one in node.get("contains").and_then(Value::as_array).into_iter().flatten() {
            if let Some(code) = one.get("code").and_then(Value::as_str) {
                let system = one.get("system").and_then(Value::as_str);
                by_system.entry(system).or_default().insert(code.to_owned());
            }
            open.push(one);
        }
    }
    let part = |(system, codes): (Option<&str>, HashSet<String>)| Part {
        system: system.map(str::to_owned),
        codes: Some(codes),
        ..Part::default()
    };
    by_system.into_iter().map(part).collect()
}

impl Part {
    fn read(part: &Value) -> Self {
        let list = |name: &str| part.get(name).and_then(Value::as_array);
        let code = |concept: &Value| concept.get("code").and_then(Value::as_str).map(str::to_owned);
        Self {
            system: part.get("system").and_then(Value::as_str).map(str::to_owned),
            codes: list("concept").map(|concepts| concepts.iter().filter_map(code).collect()),
            filters: list("filter").into_iter().flatten().map(Filter::read).collect(),
            sets: list("valueSet")
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|url| without_version(url).to_owned())
                .collect(),
        }
    }

    fn has(&self, library: &Library, system: Option<&str>, code: &str, depth: usize) -> Option<bool> {
        if let (Some(own), Some(system)) = (&self.system, system)
            && own != system
        {
            return Some(false);
        }
        let mut is_in = match (&self.codes, &self.system) {
            (Some(codes), _) => Some(codes.contains(code)),
            (None, Some(own)) => match library.code_systems.get(own) {
                Some(known) => known.has(code),
                None => None,
            },
            (None, None) => Some(true),
        };
        for filter in &self.filters {
            let known = self.system.as_ref().and_then(|system| library.code_systems.get(system));
            is_in = both(is_in, known.and_then(|known| filter.takes(known, code)));
        }
        for set in &self.sets {
            is_in = both(is_in, has(library, set, system, code, depth));
        }
        is_in
    }
}

impl Filter {
    fn read(filter: &Value) -> Self {
        let text = |name: &str| filter.get(name).and_then(Value::as_str).unwrap_or("");
        match (text("property"), text("op")) {
            ("concept" | "code", "is-a") => Self::IsA(text("value").to_owned()),
            ("concept" | "code", "descendent-of") => Self::Below(text("value").to_owned()),
            _ => Self::Other,
        }
    }

    fn takes(&self, system: &CodeSystem, code: &str) -> Option<bool> {
        match self {
            Self::IsA(above) => system.is_below(code, above),
            Self::Below(above) if above == code => Some(false),
            Self::Below(above) => system.is_below(code, above),
            Self::Other => None,
        }
    }
}

fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

impl Library {
    /// Whether a value set has a code; of any of its systems where none is given. `None` where that is not known.
    pub fn value_set_has(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        has(self, without_version(value_set), system, code, DEEPEST)
    }
}

fn has(library: &Library, url: &str, system: Option<&str>, code: &str, depth: usize) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    let Some(set) = library.value_sets.get(url) else {
        // R4's own required sets stand in the table of structure.
        let name = url.strip_prefix("http://hl7.org/fhir/ValueSet/")?;
        return structure::value_set_has(name, system, code);
    };
    let any = |parts: &[Part]| {
        let mut found = Some(false);
        for part in parts {
            match part.has(library, system, code, depth) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => found = None,
            }
        }
        found
    };
    let is_in = any(&set.includes);
    if is_in == Some(false) || set.excludes.is_empty() {
        return is_in;
    }
    both(is_in, any(&set.excludes).map(|is_out| !is_out))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_in_or_out_or_unknown() {
        let mut library = Library::default();
        for resource in [
            json!({"resourceType": "CodeSystem", "url": "s", "content": "complete", "concept": [
                {"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]}),
            json!({"resourceType": "ValueSet", "url": "listed", "compose": {"include": [
                {"system": "s", "concept": [{"code": "a"}, {"code": "c"}]}]}}),
            json!({"resourceType": "ValueSet", "url": "below", "compose": {"include": [
                {"system": "s", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}],
                "exclude": [{"system": "s", "concept": [{"code": "a"}]}]}}),
            json!({"resourceType": "ValueSet", "url": "both", "compose": {"include": [{"valueSet": ["listed", "below"]}]}}),
            json!({"resourceType": "ValueSet", "url": "foreign", "compose": {"include": [{"system": "t"}]}}),
        ] {
            library.take(&resource).unwrap();
        }
        for (set, system, code, expected) in [
            ("listed", Some("s"), "a", Some(true)),
            ("listed|1.0", None, "c", Some(true)),
            ("listed", Some("t"), "a", Some(false)),
            ("below", Some("s"), "b", Some(true)),
            ("below", Some("s"), "a", Some(false)),
            ("below", Some("s"), "c", Some(false)),
            ("both", Some("s"), "b", Some(false)),
            ("foreign", Some("t"), "x", None),
            ("foreign", Some("u"), "x", Some(false)),
            ("nobody", Some("s"), "a", None),
            ("http://hl7.org/fhir/ValueSet/administrative-gender", None, "male", Some(true)),
        ] {
            assert_eq!(library.value_set_has(set, system, code), expected, "{set} {system:?} {code}");
        }
    }
}
