//! SMART scopes of version 2, <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>: `system/` and `user/`
//! with `.cruds` and search parameters that narrow them; `.read`, `.write` and `.*` of version 1 are understood.

use std::fmt;

use crate::fault::{Classified, Kind};
use crate::fhir::structure;

/// What a scope may allow, a letter each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `c`
    Create,
    /// `r`: read, vread, history of one resource.
    Read,
    /// `u`: update, also where it creates, and patch.
    Update,
    /// `d`
    Delete,
    /// `s`: search, and history of a type or of all.
    Search,
}

impl Act {
    const ALL: [(char, Self); 5] =
        [('c', Self::Create), ('r', Self::Read), ('u', Self::Update), ('d', Self::Delete), ('s', Self::Search)];

    /// As said in refusals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Search => "search",
        }
    }
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    level: &'static str,
    /// Resource type; `None`: every one.
    kind: Option<String>,
    /// In the order of [`Act::ALL`].
    acts: [bool; 5],
    /// Search parameters that a resource must meet, decoded.
    narrowing: Vec<(String, String)>,
}

/// How far a permission reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Every resource of the type.
    All,
    /// Those that such a search finds.
    Narrowed(&'a [(String, String)]),
}

/// What somebody may do at the FHIR API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

/// A scope that cannot be understood or is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// `patient/…`.
    #[error("patient/ scopes are not served by this release; use system/ or user/")]
    Patient,
    /// Something else.
    #[error("{0:?} is not a scope this node understands, such as system/Observation.rs or system/*.cruds")]
    Unknown(String),
    /// A parameter that does not narrow by what a resource itself is.
    #[error("{0}: a scope is narrowed by parameters of the resource itself, without chains, includes, order or pages")]
    NoNarrowing(String),
    /// Search parameters on what is not read or searched.
    #[error("{0:?}: search parameters narrow reading and searching only (.r, .s, .rs)")]
    NarrowedWrite(String),
    /// Two that would have to be joined by OR.
    #[error("{0} is narrowed by two scopes; join the values of one parameter with a comma instead")]
    TwoNarrowings(String),
}

impl Classified for ScopeError {
    fn kind(&self) -> Kind {
        Kind::Malformed
    }
}

impl Scope {
    /// Reads one scope.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let unknown = || ScopeError::Unknown(text.chars().take(100).collect());
        let level = match text.split_once('/').map(|(level, _)| level) {
            Some("system") => "system",
            Some("user") => "user",
            Some("patient") => return Err(ScopeError::Patient),
            _ => return Err(unknown()),
        };
        let rest = text.split_once('/').map(|(_, rest)| rest).unwrap_or_default();
        let (plain, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, letters) = plain.split_once('.').ok_or_else(unknown)?;
        let kind = match kind {
            "*" => None,
            kind if structure::is_type(kind) => Some(kind.to_owned()),
            _ => return Err(unknown()),
        };
        let acts = letters_of(letters).ok_or_else(unknown)?;
        let narrowing: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| unknown())?;
        if narrowing.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
            return Err(unknown());
        }
        if narrowing.iter().any(|(name, _)| !narrows(name)) {
            return Err(ScopeError::NoNarrowing(text.chars().take(100).collect()));
        }
        let scope = Self { level, kind, acts, narrowing };
        let writes = [Act::Create, Act::Update, Act::Delete].iter().any(|act| scope.has(*act));
        if !scope.narrowing.is_empty() && writes {
            return Err(ScopeError::NarrowedWrite(text.to_owned()));
        }
        Ok(scope)
    }

    fn has(&self, act: Act) -> bool {
        Act::ALL.iter().zip(self.acts).any(|((_, one), has)| has && *one == act)
    }

    fn covers(&self, act: Act, kind: Option<&str>) -> bool {
        self.has(act) && (self.kind.is_none() || self.kind.as_deref() == kind)
    }

    /// What both allow.
    fn intersection(&self, other: &Self) -> Option<Self> {
        let kind = match (&self.kind, &other.kind) {
            (None, kind) | (kind, None) => kind.clone(),
            (Some(one), Some(two)) => (one == two).then(|| Some(one.clone()))?,
        };
        let mut acts = self.acts;
        acts.iter_mut().zip(other.acts).for_each(|(one, two)| *one &= two);
        let mut narrowing = self.narrowing.clone();
        narrowing.extend(other.narrowing.iter().filter(|pair| !self.narrowing.contains(pair)).cloned());
        let same_level = self.level == other.level;
        (same_level && acts.contains(&true)).then_some(Self { level: self.level, kind, acts, narrowing })
    }
}

/// Whether a search parameter tells of the resource itself; the others would lead to resources of other types, or show more.
fn narrows(name: &str) -> bool {
    let base = name.split(':').next().unwrap_or_default();
    !name.contains('.')
        && (!base.starts_with('_')
            || matches!(base, "_id" | "_lastUpdated" | "_tag" | "_profile" | "_security" | "_source" | "_language"))
}

/// `cruds` in this order, some may be absent; or a word of version 1.
fn letters_of(text: &str) -> Option<[bool; 5]> {
    match text {
        "read" => return Some([false, true, false, false, true]),
        "write" => return Some([true, false, true, true, false]),
        "*" => return Some([true; 5]),
        "" => return None,
        _ => {}
    }
    let mut rest = text.chars().peekable();
    let acts = Act::ALL.map(|(letter, _)| rest.next_if_eq(&letter).is_some());
    rest.next().is_none().then_some(acts)
}

impl Scopes {
    /// Reads scopes separated by spaces.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        Self::of(text.split_ascii_whitespace().map(Scope::parse).collect::<Result<Vec<_>, _>>()?)
    }

    fn of(scopes: Vec<Scope>) -> Result<Self, ScopeError> {
        for (position, one) in scopes.iter().enumerate().filter(|(_, one)| !one.narrowing.is_empty()) {
            let meets = |other: &&Scope| {
                !other.narrowing.is_empty() && other.narrowing != one.narrowing && one.intersection(other).is_some()
            };
            if let Some(other) = scopes.iter().skip(position + 1).find(meets) {
                let kind = one.kind.as_deref().or(other.kind.as_deref()).unwrap_or("*");
                return Err(ScopeError::TwoNarrowings(kind.to_owned()));
            }
        }
        Ok(Self(scopes))
    }

    /// What of the wanted scopes these allow; may be empty.
    pub fn grant(&self, wanted: &Self) -> Result<Self, ScopeError> {
        let mut granted: Vec<Scope> = Vec::new();
        for wanted in &wanted.0 {
            for allowed in self.0.iter().filter_map(|own| wanted.intersection(own)) {
                if !granted.contains(&allowed) {
                    granted.push(allowed);
                }
            }
        }
        Self::of(granted)
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everything is allowed, so that nothing needs to be looked at.
    pub fn is_everything(&self) -> bool {
        self.0.iter().any(|scope| scope.kind.is_none() && scope.narrowing.is_empty() && scope.acts == [true; 5])
    }

    /// How far `act` reaches in resources of `kind` (`None`: of every type); nothing if it is not allowed.
    pub fn reach(&self, act: Act, kind: Option<&str>) -> Option<Reach<'_>> {
        let mut narrowed = None;
        for scope in self.0.iter().filter(|scope| scope.covers(act, kind)) {
            if scope.narrowing.is_empty() {
                return Some(Reach::All);
            }
            narrowed = Some(Reach::Narrowed(&scope.narrowing));
        }
        narrowed
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(f, "{separator}{}/{}.", scope.level, scope.kind.as_deref().unwrap_or("*"))?;
            for ((letter, _), _) in Act::ALL.iter().zip(scope.acts).filter(|(_, has)| *has) {
                write!(f, "{letter}")?;
            }
            if !scope.narrowing.is_empty() {
                write!(f, "?{}", serde_urlencoded::to_string(&scope.narrowing).map_err(|_| fmt::Error)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }

    #[test]
    fn scopes_of_both_versions_are_read() {
        let cases = [
            ("system/Observation.rs", "system/Observation.rs"),
            ("user/*.cruds", "user/*.cruds"),
            ("system/Patient.read", "system/Patient.rs"),
            ("system/Patient.write", "system/Patient.cud"),
            ("system/Patient.*", "system/Patient.cruds"),
            ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=laboratory"),
        ];
        for (text, told) in cases {
            assert_eq!(scopes(text).to_string(), told);
        }
        for text in
            ["system/Observation.sr", "system/Nothing.r", "system/Patient.", "system/Patient", "openid", "x/*.r"]
        {
            assert!(matches!(Scopes::parse(text), Err(ScopeError::Unknown(_))), "{text}");
        }
        for name in [
            "_include",
            "_revinclude:iterate",
            "_has:Condition:patient:code",
            "subject:Patient.name",
            "_count",
            "_page",
        ] {
            let text = format!("system/Observation.rs?{name}=x");
            assert_eq!(Scopes::parse(&text), Err(ScopeError::NoNarrowing(text.clone())));
        }
        assert!(Scopes::parse("system/Observation.rs?_security=N").is_ok());
        assert_eq!(Scopes::parse("patient/*.rs"), Err(ScopeError::Patient));
        assert!(matches!(Scopes::parse("system/Observation.cs?code=1"), Err(ScopeError::NarrowedWrite(_))));
        let two = "system/Observation.rs?category=laboratory system/Observation.r?category=vital-signs";
        assert_eq!(Scopes::parse(two), Err(ScopeError::TwoNarrowings("Observation".to_owned())));
    }

    #[test]
    fn what_is_not_named_is_not_allowed() {
        let own = scopes("system/Patient.r system/Observation.rs?category=laboratory");
        assert_eq!(own.reach(Act::Read, Some("Patient")), Some(Reach::All));
        assert_eq!(own.reach(Act::Search, Some("Patient")), None);
        assert_eq!(own.reach(Act::Read, None), None);
        let narrowing = [("category".to_owned(), "laboratory".to_owned())];
        assert_eq!(own.reach(Act::Search, Some("Observation")), Some(Reach::Narrowed(&narrowing)));
        assert_eq!(scopes("system/*.r").reach(Act::Read, None), Some(Reach::All));
        assert!(!scopes("system/*.crud").is_everything());
        assert!(scopes("system/*.cruds").is_everything());
    }

    #[test]
    fn a_grant_is_never_wider_than_either() {
        let registered = scopes("system/Patient.rs system/Observation.rs?category=laboratory");
        let granted = |wanted: &str| registered.grant(&scopes(wanted)).unwrap().to_string();
        assert_eq!(granted("system/*.cruds"), "system/Patient.rs system/Observation.rs?category=laboratory");
        assert_eq!(granted("system/Patient.cr system/Condition.r"), "system/Patient.r");
        assert_eq!(granted("user/Patient.r"), "");
        assert_eq!(granted("system/Observation.r?code=1"), "system/Observation.r?code=1&category=laboratory");
    }
}
