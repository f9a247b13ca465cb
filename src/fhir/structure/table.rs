//! The table of R4's structure, read once: types, their elements by the name each has in JSON, value sets.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::primitive::Primitive;
use super::rule::{self, Rule};

/// The table. That it is read in full is what the test `the_table_is_read_in_full` sees to.
pub(super) fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT).unwrap_or_default());
    &TABLE
}

const TEXT: &str = include_str!("../../../config/standards/fhir-r4-structure.txt");

/// A type's place in the table.
pub(super) type TypeId = usize;

/// R4's structure.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Names of the resource types, sorted.
    pub(super) resources: Vec<&'static str>,
    /// What primitives may have beside their value.
    pub(super) element: TypeId,
    types: Vec<Type>,
    by_name: HashMap<&'static str, TypeId>,
    sets: Vec<CodeSet>,
    rule_keys: HashSet<&'static str>,
}

/// A data type, a resource type, or a group of elements within one.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) is_resource: bool,
    pub(super) elements: Vec<Element>,
    pub(super) rules: Vec<Rule>,
    /// Bits of the elements that must be there.
    pub(super) required: u128,
    keys: Vec<Key>,
    /// Places in `keys`, one more, by the hash of the name; 0 where there is none.
    slots: Vec<u16>,
}

/// An element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    /// Its name, with `[x]` where it has several types.
    pub(super) name: &'static str,
    pub(super) is_required: bool,
    pub(super) is_list: bool,
    pub(super) is_choice: bool,
}

/// A name in JSON: an element as one of its types.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// `valueQuantity`
    pub(super) name: String,
    /// The element's place in [`Type::elements`], and its bit.
    pub(super) element: usize,
    pub(super) content: Content,
    /// Types a reference may lead to; none where it may lead to any.
    pub(super) targets: Vec<&'static str>,
    pub(super) binding: Option<Binding>,
}

/// What an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Primitive(Primitive),
    Complex(TypeId),
    /// Any resource.
    Resource,
}

/// A required value set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding {
    /// The codes of a set, by its place.
    Set(usize),
    /// Codes without end that have a form.
    Form(Form),
}

/// The forms of codes whose value sets have no end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// BCP 13
    Mime,
    /// BCP 47
    Language,
    /// ISO 4217
    Currency,
}

/// The codes of a value set.
#[derive(Debug)]
pub(super) struct CodeSet {
    pub(super) name: &'static str,
    /// Codes by system, sorted; the system is `-` where none is compared.
    pub(super) systems: Vec<(&'static str, Vec<&'static str>)>,
}

impl Table {
    /// A type by its place.
    pub(super) fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id)
    }

    /// A type by its name.
    pub(super) fn named(&self, name: &str) -> Option<&Type> {
        self.types.get(*self.by_name.get(name)?)
    }

    /// The place of a type by its name.
    pub(super) fn id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// Whether an invariant of any type has this key.
    pub(super) fn has_rule(&self, key: &str) -> bool {
        self.rule_keys.contains(key)
    }

    /// A value set by its name.
    pub(super) fn set_named(&self, name: &str) -> Option<&CodeSet> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The name of what an element holds.
    pub(super) fn type_name(&self, content: Content) -> Option<&'static str> {
        match content {
            Content::Primitive(primitive) => Some(primitive.name()),
            Content::Complex(id) => Some(self.get(id)?.name),
            Content::Resource => Some("Resource"),
        }
    }

    /// A value set by its place.
    pub(super) fn set(&self, set: usize) -> Option<&CodeSet> {
        self.sets.get(set)
    }

    fn read(text: &'static str) -> Result<Self, String> {
        let blocks = blocks(text);
        let mut table = Self::default();
        let mut set_by_name = HashMap::new();
        for (head, lines) in &blocks {
            match head.split_once(' ') {
                Some(("codes", name)) => {
                    set_by_name.insert(name, table.sets.len());
                    table.sets.push(CodeSet::read(name, lines));
                }
                Some((_, rest)) => {
                    let (name, _) = rest.split_once(" : ").unwrap_or((rest, ""));
                    let id = table.by_name.len();
                    table.by_name.insert(name, id);
                }
                None => return Err(head.to_string()),
            }
        }
        let heads: HashMap<&str, &Block> =
            blocks.iter().filter_map(|block| Some((block.0.split(' ').nth(1)?, block))).collect();
        let stems: HashSet<&str> = blocks
            .iter()
            .flat_map(|(_, lines)| lines.iter().filter_map(|line| line.split(' ').next()?.strip_suffix("[x]")))
            .collect();
        let reader = Reader { by_name: &table.by_name, set_by_name: &set_by_name, heads: &heads, stems: &stems };
        table.types = blocks
            .iter()
            .filter(|(head, _)| !head.starts_with("codes"))
            .map(|block| reader.read(block))
            .collect::<Result<_, _>>()?;
        table.rule_keys = table.types.iter().flat_map(|one| one.rules.iter().map(|rule| rule.key)).collect();
        table.resources = table.types.iter().filter(|one| one.is_resource).map(|one| one.name).collect();
        table.resources.sort_unstable();
        table.element = *table.by_name.get("Element").ok_or("Element")?;
        Ok(table)
    }
}

/// A line and the indented ones below it.
type Block = (&'static str, Vec<&'static str>);

fn blocks(text: &'static str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(1024);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix(' '), blocks.last_mut()) {
            (Some(line), Some((_, lines))) => lines.push(line),
            _ => blocks.push((line, Vec::new())),
        }
    }
    blocks
}

impl CodeSet {
    fn read(name: &'static str, lines: &[&'static str]) -> Self {
        let mut systems: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
        for line in lines {
            let mut words = line.split(' ');
            let system = words.next().unwrap_or("");
            match systems.iter_mut().find(|(known, _)| *known == system) {
                Some((_, codes)) => codes.extend(words),
                None => systems.push((system, words.collect())),
            }
        }
        systems.iter_mut().for_each(|(_, codes)| codes.sort_unstable());
        Self { name, systems }
    }

    /// Whether the set has the code, in whatever system.
    pub(super) fn has(&self, code: &str) -> bool {
        self.systems.iter().any(|(_, codes)| codes.binary_search(&code).is_ok())
    }

    /// Whether the set has the code of this system.
    pub(super) fn has_of(&self, system: &str, code: &str) -> bool {
        self.systems.iter().any(|(own, codes)| *own == system && codes.binary_search(&code).is_ok())
    }
}

/// Reads types once all names are known.
struct Reader<'r> {
    by_name: &'r HashMap<&'static str, TypeId>,
    set_by_name: &'r HashMap<&'static str, usize>,
    heads: &'r HashMap<&'static str, &'r Block>,
    /// Names of elements with several types, without `[x]`.
    stems: &'r HashSet<&'static str>,
}

impl Reader<'_> {
    fn read(&self, (head, lines): &Block) -> Result<Type, String> {
        let (word, rest) = head.split_once(' ').ok_or(*head)?;
        let (name, base) = rest.split_once(" : ").unwrap_or((rest, ""));
        let mut read = Type {
            name,
            is_resource: word == "resource",
            elements: Vec::with_capacity(lines.len() + 8),
            rules: Vec::new(),
            required: 0,
            keys: Vec::with_capacity(lines.len() + 16),
            slots: Vec::new(),
        };
        self.add_base(base, &mut read)?;
        for line in lines {
            match line.strip_prefix("rule ") {
                Some(rule) => read.rules.push(rule::read(rule, self.stems)?),
                None => self.add_element(line, &mut read).ok_or_else(|| format!("{name}: {line}"))?,
            }
        }
        if read.elements.len() > 128 {
            return Err(format!("{name} has more elements than there are bits"));
        }
        read.index();
        Ok(read)
    }

    /// The elements that types share.
    fn add_base(&self, base: &str, read: &mut Type) -> Result<(), String> {
        let Some((head, lines)) = self.heads.get(base) else {
            return if base.is_empty() { Ok(()) } else { Err(base.to_owned()) };
        };
        self.add_base(head.split_once(" : ").map_or("", |(_, base)| base), read)?;
        for line in lines {
            self.add_element(line, read).ok_or_else(|| format!("{base}: {line}"))?;
        }
        Ok(())
    }

    fn add_element(&self, line: &'static str, read: &mut Type) -> Option<()> {
        let mut words = line.split(' ');
        let (name, count, types) = (words.next()?, words.next()?, words.next()?);
        let binding = match words.next().map(|word| word.strip_prefix('<')) {
            None => None,
            Some(word) => Some(self.binding(word?)?),
        };
        let (least, most) = count.split_once("..")?;
        let stem = name.strip_suffix("[x]");
        let element = Element { name, is_required: least != "0", is_list: most == "*", is_choice: stem.is_some() };
        if element.is_required {
            read.required |= 1_u128.checked_shl(u32::try_from(read.elements.len()).ok()?)?;
        }
        for one in split_types(self.types(types)?) {
            let (own, targets) = match one.split_once('(') {
                Some((own, targets)) => (own, targets.strip_suffix(')')?.split(',').collect()),
                None => (one, Vec::new()),
            };
            let content = match Primitive::named(own) {
                Some(primitive) => Content::Primitive(primitive),
                None if own == "Resource" => Content::Resource,
                None => Content::Complex(*self.by_name.get(own)?),
            };
            let key = stem.map_or_else(|| name.to_owned(), |stem| format!("{stem}{}", suffix(own)));
            read.keys.push(Key { name: key, element: read.elements.len(), content, targets, binding });
        }
        read.elements.push(element);
        Some(())
    }

    /// `*` stands for the types of `Extension.value[x]`.
    fn types(&self, types: &'static str) -> Option<&'static str> {
        if types != "*" {
            return Some(types);
        }
        let (_, lines) = self.heads.get("Extension")?;
        lines.iter().find_map(|line| line.strip_prefix("value[x] 0..1 "))
    }

    fn binding(&self, word: &str) -> Option<Binding> {
        Some(match word.strip_prefix('=') {
            None => Binding::Set(*self.set_by_name.get(word)?),
            Some("mime") => Binding::Form(Form::Mime),
            Some("language") => Binding::Form(Form::Language),
            Some("currency") => Binding::Form(Form::Currency),
            Some(_) => return None,
        })
    }
}

fn split_types(types: &'static str) -> impl Iterator<Item = &'static str> {
    types.split('|')
}

/// What a type adds to the name of an element of several types.
fn suffix(name: &str) -> String {
    if matches!(name, "SimpleQuantity" | "MoneyQuantity") {
        return "Quantity".to_owned();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

impl Type {
    /// The element that has this name in JSON, as the type that the name says.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        let mut slot = hash(name);
        loop {
            let place = *self.slots.get(slot & (self.slots.len() - 1))?;
            let key = self.keys.get(usize::from(place).checked_sub(1)?)?;
            if key.name == name {
                return Some(key);
            }
            slot += 1;
        }
    }

    /// The element of a key.
    pub(super) fn element(&self, key: &Key) -> Option<Element> {
        self.elements.get(key.element).copied()
    }

    /// What an element of several types may hold, by its name without `[x]`, and whether it is a list.
    pub(super) fn choice(&self, name: &str) -> Option<(Vec<Content>, bool)> {
        let is_it = |element: &Element| element.is_choice && element.name.strip_suffix("[x]") == Some(name);
        let place = self.elements.iter().position(is_it)?;
        let keys = self.keys.iter().filter(|key| key.element == place);
        Some((keys.map(|key| key.content).collect(), self.elements.get(place)?.is_list))
    }

    fn index(&mut self) {
        self.slots = vec![0; (self.keys.len() * 2).next_power_of_two()];
        for (place, key) in self.keys.iter().enumerate() {
            let mut slot = hash(&key.name);
            let mask = self.slots.len() - 1;
            while let Some(taken) = self.slots.get_mut(slot & mask) {
                if *taken == 0 {
                    *taken = u16::try_from(place + 1).unwrap_or(0);
                    break;
                }
                slot += 1;
            }
        }
    }
}

/// Names of a type differ in length and ends; nobody chooses them to collide, and the table is never more than half full.
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |place: usize| bytes.get(place).copied().map_or(0, usize::from);
    let (last, middle) = (at(bytes.len().wrapping_sub(1)), at(bytes.len() / 2));
    (at(0) ^ (last << 3) ^ (middle << 6) ^ (bytes.len() << 2)).wrapping_mul(0x9e37_79b1) >> 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_in_full() {
        let table = Table::read(TEXT).unwrap();
        assert_eq!(table.resources.len(), 146, "the resource types of R4");
        assert_eq!(
            table.types.len(),
            TEXT.lines().filter(|line| line.starts_with("type ") || line.starts_with("resource ")).count()
        );
        let rules: usize = table.types.iter().map(|one| one.rules.len()).sum();
        assert_eq!(rules, TEXT.lines().filter(|line| line.starts_with(" rule ")).count());
    }

    #[test]
    fn every_name_is_found() {
        for one in &table().types {
            for key in &one.keys {
                assert_eq!(one.key(&key.name).map(|found| &found.name), Some(&key.name), "{}", one.name);
            }
            assert!(one.key("resourceTypo").is_none() && one.key("").is_none());
        }
    }

    #[test]
    fn an_element_of_several_types_has_several_names() {
        let observation = table().named("Observation").unwrap();
        let (quantity, text) = (observation.key("valueQuantity").unwrap(), observation.key("valueString").unwrap());
        assert_eq!(quantity.element, text.element);
        assert!(observation.element(text).unwrap().is_choice);
        assert!(observation.key("value").is_none() && observation.key("valueAddress").is_none());
        assert!(table().named("Dosage.doseAndRate").unwrap().key("doseQuantity").is_some());
        assert_eq!(observation.key("subject").unwrap().targets, ["Device", "Group", "Location", "Patient"]);
    }

    #[test]
    fn codes_are_told_by_their_system() {
        let table = table();
        let Some(Binding::Set(set)) = table.named("Condition").unwrap().key("clinicalStatus").unwrap().binding else {
            panic!("no set")
        };
        let set = table.set(set).unwrap();
        assert!(set.has_of("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"));
        assert!(!set.has_of("http://example.org", "active") && !set.has("ongoing"));
    }
}
