//! What a search asks for (<https://hl7.org/fhir/R4/search.html>): criteria combined by AND, values of one combined by OR,
//! in terms of the elements that resources are indexed by. No names of parameters, no text of a query: `fhir_api/search`
//! reads those.

use serde::{Deserialize, Serialize};

/// A search of one resource type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// Resource type searched.
    pub kind: String,
    /// All must be met.
    pub criteria: Vec<Criterion>,
    /// Order; then by position, newest first.
    pub sort: Vec<SortBy>,
    /// Page size; 0: only the total.
    pub count: usize,
    /// Where the page before ended.
    pub after: Option<Mark>,
    /// How well the number of all matches must be known.
    pub total: Total,
    /// What comes along with the matches.
    pub includes: Vec<Include>,
}

impl Search {
    /// The first page of those that meet all criteria.
    pub fn new(kind: impl Into<String>, criteria: Vec<Criterion>, count: usize) -> Self {
        Self { kind: kind.into(), criteria, count, ..Self::default() }
    }
}

/// One condition: any of its values may match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Criterion {
    /// What is looked for.
    pub any: Vec<Match>,
    /// None of them may match.
    pub is_not: bool,
}

impl Criterion {
    /// Any of these.
    pub fn any(any: Vec<Match>) -> Self {
        Self { any, is_not: false }
    }

    /// A code, of any system if there is none, at a path.
    pub fn token(path: &str, system: Option<&str>, code: &str) -> Self {
        let system = system.map(str::to_owned);
        Self::any(vec![Match::Token { path: path.to_owned(), system, code: code.to_owned() }])
    }
}

/// One value. Paths are those of the index (`store::records::IndexRow`).
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// Logical id.
    Id(String),
    /// When it was last changed.
    Updated(DateRange),
    /// Has any value at the path; of a reference, one that leads to this type; of a contact, one of this system.
    Present {
        /// Path.
        path: String,
        /// Type of the target, or system of the contact.
        of: Option<String>,
    },
    /// `system|code`: `None` is any system, `Some("")` is "no system".
    Token {
        /// Path.
        path: String,
        /// Required system.
        system: Option<String>,
        /// Required code; empty matches any code of the system.
        code: String,
    },
    /// A code or address that begins so.
    TokenStart {
        /// Path.
        path: String,
        /// Beginning.
        start: String,
    },
    /// The text shown for a concept begins so, after folding.
    Shown {
        /// Path.
        path: String,
        /// Beginning, folded.
        start: String,
    },
    /// Starts with, after case, width and kana folding.
    Text {
        /// Path.
        path: String,
        /// Beginning, folded.
        start: String,
    },
    /// Has this in it, after folding.
    TextPart {
        /// Path.
        path: String,
        /// Part, folded.
        part: String,
    },
    /// Is written exactly so.
    TextExact {
        /// Path.
        path: String,
        /// As written.
        text: String,
        /// Folded: what leads there.
        folded: String,
    },
    /// Refers to `Type/id`, or to an address elsewhere.
    Reference {
        /// Path.
        path: String,
        /// Target.
        target: String,
    },
    /// Refers to a resource of a type that meets a criterion: a chain.
    Chain {
        /// Path.
        path: String,
        /// Type of the target.
        kind: String,
        /// What it must meet.
        meets: Box<Criterion>,
    },
    /// Is referred to by a resource of a type that meets a criterion: `_has`.
    Has {
        /// Type of what refers.
        kind: String,
        /// Paths by which it refers.
        paths: Vec<String>,
        /// What it must meet.
        meets: Box<Criterion>,
    },
    /// A date.
    Date {
        /// Path.
        path: String,
        /// Compared with.
        range: DateRange,
    },
    /// A number with or without a unit.
    Quantity {
        /// Path.
        path: String,
        /// Compared with.
        range: NumberRange,
        /// Its unit.
        unit: Unit,
    },
}

/// A date in a query: a span of its own precision, milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateRange {
    /// How it is compared.
    pub prefix: Prefix,
    /// Inclusive low end.
    pub from: i64,
    /// Exclusive high end.
    pub to: i64,
}

/// A number in a query, with the span of its own precision: `5.4` is from 5.35 to 5.45.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberRange {
    /// How it is compared.
    pub prefix: Prefix,
    /// As written.
    pub value: f64,
    /// Inclusive low end.
    pub low: f64,
    /// Exclusive high end.
    pub high: f64,
}

/// The unit of a quantity in a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Any.
    Any,
    /// A UCUM code; other units of the same kind are converted.
    Ucum(String),
    /// A code of another system.
    Of {
        /// System.
        system: String,
        /// Code.
        code: String,
    },
    /// A code of any system, or a unit as written.
    Written(String),
}

/// Comparison prefix of ordered values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Equal: the value lies within the range.
    Eq,
    /// Not equal.
    Ne,
    /// Some of the value is less.
    Lt,
    /// Less, or equal.
    Le,
    /// Some of the value is greater.
    Gt,
    /// Greater, or equal.
    Ge,
    /// Starts after the range ends.
    Sa,
    /// Ends before the range begins.
    Eb,
    /// About: the range has been widened, and overlaps.
    Ap,
}

/// One step of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortBy {
    /// What by.
    pub by: SortKey,
    /// Greatest first.
    pub descending: bool,
}

/// What matches are sorted by. Those without a value come last, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// Last update.
    Updated,
    /// The values at these paths: the least of them, or the greatest if descending.
    Paths(Vec<String>),
}

/// Where a page ended: what the next one begins behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Values of the last match, in the order of `Search.sort`.
    pub values: Vec<Option<SortValue>>,
    /// Its position.
    pub position: i64,
}

/// A value that is sorted by.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum SortValue {
    /// Times, milliseconds since 1970.
    Time(i64),
    /// Numbers.
    Number(f64),
    /// Texts.
    Text(String),
}

/// How well the number of all matches must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// Exactly, if that costs little.
    #[default]
    Cheap,
    /// Not at all.
    None,
    /// As a bound from above.
    Estimate,
    /// Exactly.
    Accurate,
}

/// What comes along with the matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// Those that refer to the matches, rather than those they refer to.
    pub is_reverse: bool,
    /// Also along with what is included.
    pub iterates: bool,
    /// Type of what refers.
    pub kind: String,
    /// Paths by which it refers; empty: any.
    pub paths: Vec<String>,
    /// Only this type of what is referred to.
    pub target: Option<String>,
}
