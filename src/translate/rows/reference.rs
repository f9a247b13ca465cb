//! How rows point at fields: `PV1-19`, `OBX-3.1`, `OBR-26.1.1` (a subcomponent), `OBX-3.1|OBX-3.2` (the first that holds
//! something), `RXC-2.1*` (all of
//! the group), and conditions over them: `OBX-2=ED`, `OBX-2!=ED|RP`, `PV1-45`, `!PV1-45`.

use std::fmt;
use std::str::FromStr;

/// A field of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRef {
    /// Segment name.
    pub segment: String,
    /// Field number; 0 is the segment itself.
    pub field: usize,
    /// Component; `None` is the whole first repetition.
    pub component: Option<usize>,
    /// Subcomponent; `None` is the whole component.
    pub sub: Option<usize>,
    /// All segments of the name in the group.
    pub all: bool,
}

/// Alternatives: the first field that holds something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldRefs(pub Vec<FieldRef>);

/// A condition on the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Where it looks.
    pub fields: FieldRefs,
    /// What it asks.
    pub test: Test,
}

/// What a condition asks of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It holds something.
    Present,
    /// It is empty.
    Absent,
    /// Its first component is one of these.
    In(Vec<String>),
    /// Its first component is none of these.
    NotIn(Vec<String>),
}

impl FromStr for FieldRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no field; write PID-3 or PID-3.1");
        let (plain, all) = text.strip_suffix('*').map_or((text, false), |plain| (plain, true));
        let (segment, place) = plain.split_once('-').map_or((plain, None), |(segment, place)| (segment, Some(place)));
        let named = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !named {
            return Err(wrong());
        }
        let Some(place) = place else {
            return Ok(Self { segment: segment.to_owned(), field: 0, component: None, sub: None, all });
        };
        let (field, component) =
            place.split_once('.').map_or((place, None), |(field, component)| (field, Some(component)));
        let (component, sub) = component
            .and_then(|text| text.split_once('.'))
            .map_or((component, None), |(component, sub)| (Some(component), Some(sub)));
        let number = |digits: &str| digits.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(wrong);
        Ok(Self {
            segment: segment.to_owned(),
            field: number(field)?,
            component: component.map(number).transpose()?,
            sub: sub.map(number).transpose()?,
            all,
        })
    }
}

impl FromStr for FieldRefs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('|').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let values = |list: &str| list.split('|').map(str::to_owned).collect();
        if let Some((fields, list)) = text.split_once("!=") {
            return Ok(Self { fields: fields.parse()?, test: Test::NotIn(values(list)) });
        }
        if let Some((fields, list)) = text.split_once('=') {
            return Ok(Self { fields: fields.parse()?, test: Test::In(values(list)) });
        }
        match text.strip_prefix('!') {
            Some(fields) => Ok(Self { fields: fields.parse()?, test: Test::Absent }),
            None => Ok(Self { fields: text.parse()?, test: Test::Present }),
        }
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.segment)?;
        if self.field > 0 {
            write!(out, "-{}", self.field)?;
        }
        if let Some(component) = self.component {
            write!(out, ".{component}")?;
        }
        write!(out, "{}", if self.all { "*" } else { "" })
    }
}

impl fmt::Display for FieldRefs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(out, "{}", fields.join("|"))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Present => write!(out, "{}", self.fields),
            Test::Absent => write!(out, "!{}", self.fields),
            Test::In(values) => write!(out, "{}={}", self.fields, values.join("|")),
            Test::NotIn(values) => write!(out, "{}!={}", self.fields, values.join("|")),
        }
    }
}

macro_rules! from_text {
    ($($name:ident: $description:literal),*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": $description})
            }
        }
    )*};
}

from_text!(
    FieldRefs: "Fields, the first that holds something: `PV1-19|PV1-44`",
    Condition: "`OBX-2=ED`, `OBX-2!=ED|RP`, `PV1-45` (present), `!PV1-45` (absent)"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_conditions_are_read() {
        let FieldRefs(fields) = "OBX-3.1|OBR-4".parse().unwrap();
        assert_eq!((fields[0].field, fields[0].component, fields[1].component), (3, Some(1), None));
        let parent = "OBR-26.1.2".parse::<FieldRef>().unwrap();
        assert_eq!((parent.field, parent.component, parent.sub), (26, Some(1), Some(2)));
        assert!("RXC-2.1*".parse::<FieldRef>().unwrap().all);
        assert_eq!("OBX-2!=ED|RP".parse::<Condition>().unwrap().test, Test::NotIn(vec!["ED".into(), "RP".into()]));
        for text in ["OBX-2=ED", "OBX-2!=ED|RP", "PV1-45|PV1-44", "!RXC-2.1*"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
        assert_eq!("!SPM".parse::<Condition>().unwrap().test, Test::Absent);
        for wrong in ["PID-", "PID-0", "PID-3.x", "pid-3", ""] {
            assert!(wrong.parse::<FieldRef>().is_err(), "{wrong}");
        }
    }
}
