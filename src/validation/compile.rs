//! Compiles a StructureDefinition (<https://hl7.org/fhir/R4/structuredefinition.html>): its snapshot, or its differential, to
//! which then the rules of its base are added when a resource is checked.

use serde_json::Value;

use super::rules::{
    By, Child, Constraint, Context, Discriminator, Others, Profile, Rules, Slice, Slicing, Step, TypeRule,
};
use super::without_version;
use crate::fhir::path::Path;
use crate::fhir::structure;

/// Elements of one definition.
const MOST_ELEMENTS: usize = 20_000;
/// Steps of one element's path.
const DEEPEST: usize = 32;

/// Compiles a definition, or says what is wrong with it.
pub(super) fn compile(definition: &Value) -> Result<Profile, String> {
    let text = |name: &str| definition.get(name).and_then(Value::as_str);
    let kind = text("type").ok_or("a StructureDefinition without type")?.to_owned();
    let elements = |part: &str| definition.get(part)?.get("element")?.as_array();
    let (elements, base) = match (elements("snapshot"), elements("differential")) {
        (Some(elements), _) => (elements, None),
        (None, Some(elements)) => (elements, text("baseDefinition").map(str::to_owned)),
        (None, None) => return Err("a StructureDefinition without elements".to_owned()),
    };
    if elements.len() > MOST_ELEMENTS {
        return Err(format!("a StructureDefinition of more than {MOST_ELEMENTS} elements"));
    }
    let mut root = Rules::default();
    let mut names = Names::default();
    for element in elements {
        let steps = names.steps(element)?;
        if steps.is_empty() {
            fill(&mut root, element);
            // How often a resource may be there is said of no element of it.
            (root.least, root.most) = (None, None);
            continue;
        }
        put(&mut root, &steps, element);
    }
    let contexts = definition.get("context").and_then(Value::as_array).into_iter().flatten().map(context).collect();
    Ok(Profile { url: text("url").unwrap_or("").to_owned(), kind, root, base, contexts })
}

fn context(context: &Value) -> Context {
    let expression = context.get("expression").and_then(Value::as_str).unwrap_or("").to_owned();
    match context.get("type").and_then(Value::as_str) {
        Some("element") => Context::Element(expression),
        Some("extension") => Context::Extension(expression),
        _ => Context::Other,
    }
}

/// A name on the way to an element, and the slice of it.
type Named = (String, Option<String>);

/// The way to each element: from its id, or from its path and the slices that stood before it.
#[derive(Default)]
struct Names {
    slices: Vec<(String, String)>,
}

impl Names {
    fn steps(&mut self, element: &Value) -> Result<Vec<Named>, String> {
        let text = |name: &str| element.get(name).and_then(Value::as_str);
        let path = text("path").ok_or("an element without path")?;
        let from_id = text("id").filter(|id| id.split('.').count() == path.split('.').count());
        let steps: Vec<Named> = match from_id {
            Some(id) => id.split('.').skip(1).map(named).collect(),
            None => self.of_path(path, text("sliceName")),
        };
        if steps.len() > DEEPEST { Err("an element nested too deep".to_owned()) } else { Ok(steps) }
    }

    fn of_path(&mut self, path: &str, slice: Option<&str>) -> Vec<Named> {
        let is_within = |own: &str| own == path || own.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.slices.retain(|(own, _)| !is_within(own));
        if let Some(slice) = slice {
            self.slices.push((path.to_owned(), slice.to_owned()));
        }
        let mut so_far = String::new();
        let mut steps = Vec::new();
        for (at, name) in path.split('.').enumerate() {
            if at > 0 {
                so_far.push('.');
            }
            so_far.push_str(name);
            let slice = self.slices.iter().find(|(own, _)| *own == so_far).map(|(_, slice)| slice.clone());
            if at > 0 {
                steps.push((name.to_owned(), slice));
            }
        }
        steps
    }
}

fn named(step: &str) -> Named {
    match step.split_once(':') {
        Some((name, slice)) => (name.to_owned(), Some(slice.to_owned())),
        None => (step.to_owned(), None),
    }
}

/// Puts what an element says to its place, making the way there.
fn put(rules: &mut Rules, steps: &[Named], element: &Value) {
    let Some(((name, slice), rest)) = steps.split_first() else { return fill(rules, element) };
    let stem = name.strip_suffix("[x]").unwrap_or(name);
    let at = rules.children.iter().position(|child| child.name == stem).unwrap_or_else(|| {
        let (slicing, slices) = (None, Vec::new());
        rules.children.push(Child { name: stem.to_owned(), rules: Rules::default(), slicing, slices });
        rules.children.len() - 1
    });
    let Some(child) = rules.children.get_mut(at) else { return };
    let Some(slice) = slice else {
        if rest.is_empty() {
            child.slicing = element.get("slicing").map(slicing).or(child.slicing.take());
        }
        return put(&mut child.rules, rest, element);
    };
    let at = child.slices.iter().position(|one| one.name == *slice).unwrap_or_else(|| {
        child.slices.push(Slice { name: slice.clone(), rules: Rules::default() });
        child.slices.len() - 1
    });
    if let Some(slice) = child.slices.get_mut(at) {
        put(&mut slice.rules, rest, element);
    }
}

/// What an ElementDefinition says.
fn fill(rules: &mut Rules, element: &Value) {
    let Some(members) = element.as_object() else { return };
    let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
    rules.least = members.get("min").and_then(count).or(rules.least);
    let most = members.get("max").and_then(Value::as_str).and_then(|most| most.parse().ok());
    rules.most = most.or(rules.most);
    for (name, value) in members {
        match name.as_str() {
            name if name.starts_with("fixed") => rules.fixed = Some(value.clone()),
            name if name.starts_with("pattern") => rules.pattern = Some(value.clone()),
            name if name.starts_with("minValue") => rules.least_value = Some(value.clone()),
            name if name.starts_with("maxValue") => rules.most_value = Some(value.clone()),
            "maxLength" => rules.longest = value.as_u64().and_then(|length| usize::try_from(length).ok()),
            "type" => rules.types = value.as_array().into_iter().flatten().map(type_rule).collect(),
            "binding" if value.get("strength").and_then(Value::as_str) == Some("required") => {
                let set = value.get("valueSet").and_then(Value::as_str);
                rules.binding = set.map(|set| without_version(set).to_owned());
            }
            "constraint" => {
                rules.constraints.extend(value.as_array().into_iter().flatten().filter_map(constraint));
            }
            _ => {}
        }
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let texts = value.get(name).and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(|text| without_version(text).to_owned()).collect()
}

fn type_rule(rule: &Value) -> TypeRule {
    TypeRule {
        code: rule.get("code").and_then(Value::as_str).unwrap_or("").to_owned(),
        profiles: texts(rule, "profile"),
        targets: texts(rule, "targetProfile"),
    }
}

/// An invariant that R4 itself does not have: those are checked with the structure.
fn constraint(constraint: &Value) -> Option<Constraint> {
    let text = |name: &str| constraint.get(name).and_then(Value::as_str);
    let key = text("key").filter(|key| !structure::checks_invariant(key))?;
    Some(Constraint {
        key: key.to_owned(),
        is_error: text("severity") == Some("error"),
        human: text("human").unwrap_or("").to_owned(),
        path: Path::read(text("expression")?).ok(),
    })
}

fn slicing(slicing: &Value) -> Slicing {
    let discriminators = slicing.get("discriminator").and_then(Value::as_array).into_iter().flatten();
    Slicing {
        discriminators: discriminators.filter_map(discriminator).collect(),
        others: match slicing.get("rules").and_then(Value::as_str) {
            Some("closed") => Others::Nowhere,
            Some("openAtEnd") => Others::AtEnd,
            _ => Others::Anywhere,
        },
        is_ordered: slicing.get("ordered").and_then(Value::as_bool).unwrap_or(false),
    }
}

fn discriminator(discriminator: &Value) -> Option<Discriminator> {
    let by = match discriminator.get("type").and_then(Value::as_str)? {
        "value" | "pattern" => By::Value,
        "type" => By::Type,
        "profile" => By::Profile,
        "exists" => By::Exists,
        _ => return None,
    };
    Some(Discriminator { by, steps: steps(discriminator.get("path").and_then(Value::as_str)?)? })
}

/// The restricted FHIRPath of discriminators: <https://hl7.org/fhir/R4/profiling.html#discriminator>.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = rest.find(['.', '(']).unwrap_or(rest.len());
        let name = rest.get(..end)?;
        rest = rest.get(end..)?;
        if let Some(arguments) = rest.strip_prefix('(') {
            let (argument, after) = arguments.split_once(')')?;
            let argument = argument.trim().trim_matches(['\'', '"']).to_owned();
            steps.push(match name {
                "extension" => Step::Extension(argument),
                "resolve" => Step::Resolve,
                "ofType" => Step::OfType(argument),
                _ => return None,
            });
            rest = after;
        } else if name != "$this" {
            steps.push(Step::Member(name.strip_suffix("[x]").unwrap_or(name).to_owned()));
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_without_ids_find_their_slices() {
        let definition = json!({"type": "Patient", "url": "u", "snapshot": {"element": [
            {"path": "Patient"},
            {"path": "Patient.identifier", "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}},
            {"path": "Patient.identifier", "sliceName": "a", "min": 1},
            {"path": "Patient.identifier.system", "fixedUri": "http://a.example"},
            {"path": "Patient.identifier", "sliceName": "b", "max": "0"},
            {"path": "Patient.name", "min": 1},
        ]}});
        let profile = compile(&definition).unwrap();
        let identifier = profile.root.child("identifier").unwrap();
        assert_eq!(identifier.slices.len(), 2);
        assert!(identifier.slices[0].rules.child("system").unwrap().rules.fixed.is_some());
        assert!(identifier.slices[1].rules.children.is_empty());
        assert_eq!(profile.root.child("name").unwrap().rules.least, Some(1));
    }

    #[test]
    fn discriminators_have_their_steps() {
        assert_eq!(steps("$this").unwrap(), []);
        assert_eq!(
            steps("extension('http://a.example/b.c').value[x]").unwrap(),
            [Step::Extension("http://a.example/b.c".to_owned()), Step::Member("value".to_owned())]
        );
        assert_eq!(steps("resolve().code").unwrap(), [Step::Resolve, Step::Member("code".to_owned())]);
        assert!(steps("where(a = b)").is_none());
    }
}
