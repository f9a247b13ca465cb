//! The search grammar of R4 (<https://hl7.org/fhir/R4/search.html>), as far as the node serves it: a resource type,
//! parameters combined by AND, comma-separated values combined by OR, comparison prefixes on dates and quantities.

/// A parsed search.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Resource type searched.
    pub kind: String,
    /// All must match.
    pub criteria: Vec<Criterion>,
    /// Page size, 1-1000.
    pub count: usize,
    /// Results to pass over.
    pub offset: usize,
}

/// One parameter; any of its values may match.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// Parameter name as in the search index.
    pub parameter: String,
    /// What is looked for.
    pub any: Vec<Match>,
}

/// One value of a parameter, by the type of the parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// Logical id.
    Id(String),
    /// `system|code`: `None` is any system, `Some("")` is "no system".
    Token {
        /// Required system.
        system: Option<String>,
        /// Required code; empty matches any code of the system.
        code: String,
    },
    /// Starts with, after case, width and kana folding.
    Text(String),
    /// `Type/id`.
    Reference(String),
    /// Instants compared as sortable text.
    Date {
        /// eq ne lt le gt ge.
        prefix: Prefix,
        /// Inclusive low end of the value's own precision.
        from: String,
        /// Exclusive high end.
        to: String,
    },
}

/// Comparison prefix of ordered values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Equal (range overlap).
    Eq,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}
