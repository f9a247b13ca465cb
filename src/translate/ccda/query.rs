//! How rows point into a document, a small part of XPath: `participant[@typeCode=CSM]/participantRole/code`,
//! `../../statusCode/@code`, `effectiveTime | ../../effectiveTime` (the first alternative that finds something), `/author` (of the document).
//!
//! A predicate asks for an attribute, an element or a template: `[@classCode=MANU]`, `[!value]`, `[template=22.4.9]`, where a
//! template that does not begin with `2.16.` stands below HL7's `2.16.840.1.113883.10.20.`. Prefixes are left out: `@type`
//! is `xsi:type`. An element with a null flavour and nothing else is not found.

use std::str::FromStr;

use roxmltree::Node;

/// HL7's own template identifiers begin so.
pub(crate) const TEMPLATES: &str = "2.16.840.1.113883.10.20.";

/// Where a row looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    alternatives: Vec<Way>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Way {
    steps: Vec<Step>,
    attribute: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    axis: Axis,
    tests: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Axis {
    /// The document.
    Root,
    /// The element itself.
    Here,
    /// The element around it.
    Parent,
    /// Every child element.
    Any,
    /// Child elements of this name.
    Child(String),
}

/// What must hold at an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    query: Query,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Template(String),
}

/// What a query found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub node: Node<'a, 'a>,
    /// The attribute it points at.
    pub attribute: Option<roxmltree::Attribute<'a, 'a>>,
}

impl<'a> Hit<'a> {
    /// The attribute, else `@value`, `@code` or the text of the element.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = match &self.attribute {
            Some(attribute) => Some(attribute.value()),
            None => ["value", "code", "extension"]
                .iter()
                .find_map(|name| self.node.attribute(*name))
                .or_else(|| self.node.text()),
        };
        text.map(str::trim).filter(|text| !text.is_empty())
    }
}

impl Query {
    /// What it finds from `node`, in document order.
    pub(crate) fn select<'a>(&self, node: Node<'a, 'a>) -> Vec<Hit<'a>> {
        for way in &self.alternatives {
            let mut hits = Vec::new();
            way.walk(0, node, &mut hits);
            if !hits.is_empty() {
                return hits;
            }
        }
        Vec::new()
    }

    /// The elements with a null flavour it passes over, for the reason that they name.
    pub(crate) fn nulls<'a>(&self, node: Node<'a, 'a>) -> Option<Node<'a, 'a>> {
        self.alternatives.iter().find_map(|way| {
            let mut found = None;
            way.reach(0, node, &mut found);
            found
        })
    }
}

impl Way {
    fn walk<'a>(&self, at: usize, node: Node<'a, 'a>, hits: &mut Vec<Hit<'a>>) {
        let Some(step) = self.steps.get(at) else {
            match &self.attribute {
                Some(name) => {
                    let found = node.attributes().find(|attribute| attribute.name() == name);
                    hits.extend(found.map(|attribute| Hit { node, attribute: Some(attribute) }));
                }
                None if is_null(node) => {}
                None => hits.push(Hit { node, attribute: None }),
            }
            return;
        };
        step.each(node, &mut |next| self.walk(at + 1, next, hits));
    }

    fn reach<'a>(&self, at: usize, node: Node<'a, 'a>, found: &mut Option<Node<'a, 'a>>) {
        match self.steps.get(at) {
            None if found.is_none() && node.attribute("nullFlavor").is_some() => *found = Some(node),
            None => {}
            Some(step) => step.each(node, &mut |next| self.reach(at + 1, next, found)),
        }
    }
}

impl Step {
    fn each<'a>(&self, node: Node<'a, 'a>, visit: &mut dyn FnMut(Node<'a, 'a>)) {
        let mut offer = |next: Node<'a, 'a>| {
            if self.tests.iter().all(|test| test.holds(next)) {
                visit(next);
            }
        };
        match &self.axis {
            Axis::Root => offer(node.document().root_element()),
            Axis::Here => offer(node),
            Axis::Parent => {
                if let Some(parent) = node.parent_element() {
                    offer(parent);
                }
            }
            Axis::Any => node.children().filter(Node::is_element).for_each(offer),
            Axis::Child(name) => {
                node.children().filter(|child| child.is_element() && child.tag_name().name() == name).for_each(offer)
            }
        }
    }
}

/// Whether an element says only that it has nothing to say.
pub(crate) fn is_null(node: Node<'_, '_>) -> bool {
    node.attribute("nullFlavor").is_some()
        && !node.children().any(|child| child.is_element())
        && !["value", "code", "extension", "root"].iter().any(|name| node.attribute(*name).is_some())
}

impl Condition {
    /// Whether it holds at `node`.
    pub(crate) fn holds<'a>(&self, node: Node<'a, 'a>) -> bool {
        let among = |values: &[String]| {
            self.query.select_any(node, &mut |hit| hit.text().is_some_and(|text| values.iter().any(|v| v == text)))
        };
        match &self.test {
            Test::Present => self.query.select_any(node, &mut |_| true),
            Test::Absent => !self.query.select_any(node, &mut |_| true),
            Test::In(values) => among(values),
            Test::NotIn(values) => !among(values),
            Test::Template(oid) => has_template(node, oid),
        }
    }
}

impl Query {
    /// Whether any alternative finds something that `wanted` takes.
    fn select_any<'a>(&self, node: Node<'a, 'a>, wanted: &mut dyn FnMut(&Hit<'a>) -> bool) -> bool {
        self.alternatives.iter().any(|way| way.any(0, node, wanted))
    }
}

impl Way {
    fn any<'a>(&self, at: usize, node: Node<'a, 'a>, wanted: &mut dyn FnMut(&Hit<'a>) -> bool) -> bool {
        let Some(step) = self.steps.get(at) else {
            return match &self.attribute {
                Some(name) => node
                    .attributes()
                    .find(|attribute| attribute.name() == name)
                    .is_some_and(|attribute| wanted(&Hit { node, attribute: Some(attribute) })),
                None => !is_null(node) && wanted(&Hit { node, attribute: None }),
            };
        };
        let mut found = false;
        step.each(node, &mut |next| found = found || self.any(at + 1, next, wanted));
        found
    }
}

/// Whether an element says that it follows a template, in any version of it.
pub(crate) fn has_template(node: Node<'_, '_>, oid: &str) -> bool {
    node.children().any(|child| child.tag_name().name() == "templateId" && child.attribute("root") == Some(oid))
}

/// The full identifier of a template named in a row.
pub(crate) fn template(text: &str) -> String {
    if text.starts_with("2.16.") || text.starts_with("1.") { text.to_owned() } else { format!("{TEMPLATES}{text}") }
}

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alternatives = split(text, '|').into_iter().map(|way| parse_way(way.trim())).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, absent) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
        let values = |list: &str| list.split('|').map(|value| value.trim().to_owned()).collect::<Vec<_>>();
        let parts = split(text, '=');
        let (left, test) = match parts.as_slice() {
            [left] if absent => (*left, Test::Absent),
            [left] => (*left, Test::Present),
            ["template", oid] if !absent => ("", Test::Template(template(oid))),
            [left, right] if !absent => match left.strip_suffix('!') {
                Some(left) => (left, Test::NotIn(values(right))),
                None => (*left, Test::In(values(right))),
            },
            _ => return Err(format!("{text:?} is no condition; write value, !value or value=A|B")),
        };
        // Beside `=` a `|` parts values; without it, alternatives.
        let query = match test {
            Test::Present | Test::Absent => left.parse()?,
            _ => Query { alternatives: vec![parse_way(left)?] },
        };
        Ok(Self { query, test })
    }
}

fn parse_way(text: &str) -> Result<Way, String> {
    let mut way = Way::default();
    if text.is_empty() {
        return Ok(way);
    }
    let text = text
        .strip_prefix('/')
        .inspect(|_| way.steps.push(Step { axis: Axis::Root, tests: Vec::new() }))
        .unwrap_or(text);
    let parts = split(text, '/');
    for (n, part) in parts.iter().enumerate() {
        let part = part.trim();
        if let Some(name) = part.strip_prefix('@') {
            if n + 1 != parts.len() || !is_name(name) {
                return Err(format!("{text:?}: an attribute stands last"));
            }
            way.attribute = Some(name.to_owned());
            continue;
        }
        let (name, predicates) = part.split_at(part.find('[').unwrap_or(part.len()));
        let axis = match name {
            "." => Axis::Here,
            ".." => Axis::Parent,
            "*" => Axis::Any,
            name if is_name(name) => Axis::Child(name.to_owned()),
            _ => return Err(format!("{text:?}: {part:?} is no element name")),
        };
        way.steps.push(Step { axis, tests: parse_predicates(predicates)? });
    }
    Ok(way)
}

fn parse_predicates(text: &str) -> Result<Vec<Condition>, String> {
    let mut tests = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or_else(|| format!("{text:?}: a predicate stands in brackets"))?;
        let end = closing(inner).ok_or_else(|| format!("{text:?}: a bracket is not closed"))?;
        tests.push(inner[..end].parse()?);
        rest = &inner[end + 1..];
    }
    Ok(tests)
}

/// Where the bracket closes that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits outside brackets.
fn split(text: &str, by: char) -> Vec<&str> {
    let (mut depth, mut from) = (0_usize, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if c == by && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

macro_rules! from_text {
    ($($type:ident: $description:literal),+) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                concat!("Document", stringify!($type)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": $description})
            }
        }
    )+};
}

from_text! {
    Query: "Path in a document: `participant[@typeCode=CSM]/participantRole/code`, `a | b`",
    Condition: "Condition on a document: `value`, `!value`, `@moodCode=INT|RQO`, `template=22.4.9`"
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<a xmlns:x='u'><p t='1'><n>one</n></p><p t='2' x:type='CD'><templateId root='2.16.840.1.113883.10.20.22.4.9'/>\
                       <n>two</n></p><q nullFlavor='UNK'/><r nullFlavor='OTH'><t/></r></a>";

    fn found(query: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(XML).unwrap();
        let query: Query = query.parse().unwrap();
        query.select(document.root_element()).iter().filter_map(Hit::text).map(str::to_owned).collect()
    }

    #[test]
    fn steps_predicates_and_alternatives() {
        assert_eq!(found("p/n"), ["one", "two"]);
        assert_eq!(found("p[@t=2]/n"), ["two"]);
        assert_eq!(found("p[template=22.4.9]/@t"), ["2"]);
        assert_eq!(found("p[!templateId]/n"), ["one"]);
        assert_eq!(found("p[n=one]/@t"), ["1"]);
        assert_eq!(found("p[@type=CD]/../p[@t!=2]/n"), ["one"]);
        assert_eq!(found("z | p[@t=9|2]/n"), ["two"]);
        assert_eq!(found("p[@t=1]/n[/p/@t=2]"), ["one"]);
    }

    #[test]
    fn what_says_nothing_is_not_found() {
        let document = roxmltree::Document::parse(XML).unwrap();
        let root = document.root_element();
        let holds = |text: &str| text.parse::<Condition>().unwrap().holds(root);
        assert!(!holds("q") && holds("!q") && holds("r"), "a null flavour with content is content");
        assert!("q".parse::<Query>().unwrap().nulls(root).is_some());
    }

    #[test]
    fn wrong_queries_are_errors() {
        for text in ["a b", "@a/b", "a[", "a[b]c", "a=b"] {
            assert!(text.parse::<Query>().is_err(), "{text}");
        }
    }
}
