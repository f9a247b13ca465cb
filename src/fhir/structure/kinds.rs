//! The types of R4 as others ask for them: which elements a type has, and what is a kind of what.

use super::table::{self, Content, Type};

/// A type of R4: a primitive, a data type, a resource type, a group of elements (`Patient.contact`), or `Resource`, which
/// stands for any resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(Content);

/// An element of a type by a name that JSON has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// What it holds.
    pub kind: Kind,
    /// Whether it is a list in JSON.
    pub is_list: bool,
    /// Where the name is that of one of several types (`valueQuantity`), what they have in common (`value`).
    pub choice: Option<&'static str>,
}

/// Primitives that are others, more narrowly.
const NARROWER: [(&str, &str); 8] = [
    ("code", "string"),
    ("id", "string"),
    ("markdown", "string"),
    ("url", "uri"),
    ("canonical", "uri"),
    ("uuid", "uri"),
    ("oid", "uri"),
    ("unsignedInt", "integer"),
];

impl Kind {
    /// A type by its name; `Resource` too, and `DomainResource` as that.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(primitive) = super::primitive::Primitive::named(name) {
            return Some(Self(Content::Primitive(primitive)));
        }
        if matches!(name, "Resource" | "DomainResource") {
            return Some(Self(Content::Resource));
        }
        table::table().id(name).map(|id| Self(Content::Complex(id)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        table::table().type_name(self.0).unwrap_or("")
    }

    /// Whether its values are JSON texts, numbers or truth values.
    pub fn is_primitive(self) -> bool {
        matches!(self.0, Content::Primitive(_))
    }

    /// Whether it is a resource type, or any of them.
    pub fn is_resource(self) -> bool {
        match self.0 {
            Content::Resource => true,
            Content::Complex(_) => self.table_type().is_some_and(|one| one.is_resource),
            Content::Primitive(_) => false,
        }
    }

    /// Whether it stands for any resource type.
    pub fn is_any_resource(self) -> bool {
        self.0 == Content::Resource
    }

    /// Whether each value of it is one of the type `name`, too: <https://hl7.org/fhir/R4/types.html>.
    pub fn is_a(self, name: &str) -> bool {
        let own = self.name();
        own == name
            || match name {
                "Resource" => self.is_resource(),
                "DomainResource" => self.is_resource() && !matches!(own, "Bundle" | "Binary" | "Parameters"),
                "Element" => !self.is_resource(),
                "BackboneElement" => own.contains('.') || matches!(own, "Timing" | "Dosage"),
                "Quantity" => {
                    matches!(own, "Age" | "Count" | "Distance" | "Duration" | "MoneyQuantity" | "SimpleQuantity")
                }
                "integer" => own == "positiveInt" || own == "unsignedInt",
                _ => NARROWER.contains(&(own, name)),
            }
    }

    /// An element by a name that it has in JSON (`birthDate`, `valueQuantity`).
    pub fn child(self, name: &str) -> Option<Child> {
        let own = self.table_type()?;
        let key = own.key(name)?;
        let element = own.element(key)?;
        let choice = if element.is_choice { element.name.strip_suffix("[x]") } else { None };
        Some(Child { kind: Self(key.content), is_list: element.is_list, choice })
    }

    /// Whether it has an element of several types by this name (`value`).
    pub fn has_choice(self, name: &str) -> bool {
        self.table_type().is_some_and(|own| own.choice(name).is_some())
    }

    fn table_type(self) -> Option<&'static Type> {
        match self.0 {
            Content::Complex(id) => table::table().get(id),
            Content::Primitive(_) => None,
            Content::Resource => table::table().named("DomainResource"),
        }
    }
}

/// Whether the check of structure checks the invariant of this key.
pub fn checks_invariant(key: &str) -> bool {
    /// Those that are not rules of the table but code, for all types at once.
    const IN_CODE: [&str; 11] =
        ["ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "txt-1", "txt-2", "ref-1", "bdl-7", "sst-1"];
    IN_CODE.contains(&key) || table::table().has_rule(key)
}

/// Whether a required value set of R4 itself, by its last name (`administrative-gender`), has a code; `None` where the table
/// does not hold the set. Where no system is given, any of the set's counts.
pub fn value_set_has(set: &str, system: Option<&str>, code: &str) -> Option<bool> {
    let set = table::table().set_named(set)?;
    // Sets that only primitives are bound to hold no systems.
    let is_without = set.systems.iter().any(|(own, _)| *own == "-");
    Some(match system {
        Some(system) if !is_without => set.has_of(system, code),
        _ => set.has(code),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_know_what_they_are() {
        let kind = |name| Kind::named(name).unwrap();
        for (one, other, is_it) in [
            ("code", "string", true),
            ("string", "code", false),
            ("uuid", "uri", true),
            ("positiveInt", "integer", true),
            ("Age", "Quantity", true),
            ("Patient", "DomainResource", true),
            ("Bundle", "DomainResource", false),
            ("Bundle", "Resource", true),
            ("Patient.contact", "BackboneElement", true),
            ("HumanName", "Element", true),
            ("HumanName", "Resource", false),
        ] {
            assert_eq!(kind(one).is_a(other), is_it, "{one} {other}");
        }
        assert_eq!(kind("Observation").child("valueQuantity").unwrap().choice, Some("value"));
        assert!(kind("Observation").has_choice("value") && !kind("Observation").has_choice("status"));
        assert_eq!(kind("Questionnaire").child("item").unwrap().kind.name(), "Questionnaire.item");
        assert!(Kind::named("Pacient").is_none());
    }

    #[test]
    fn codes_of_required_sets_are_known() {
        assert_eq!(value_set_has("administrative-gender", None, "male"), Some(true));
        assert_eq!(value_set_has("administrative-gender", None, "m"), Some(false));
        assert_eq!(value_set_has("nobody-knows-it", None, "m"), None);
        assert!(checks_invariant("ele-1") && checks_invariant("obs-6") && !checks_invariant("us-core-1"));
    }
}
