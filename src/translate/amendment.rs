//! How what a message says is laid over what is recorded already. In HL7 v2 an empty field means "not sent"; only the
//! explicit null `""` deletes (HL7 v2.5, 2.5.3), so a sparse message must not empty a fuller record.

/// What one entry of the bundle leaves as it is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// The entry.
    pub full_url: String,
    /// Elements that the entry does not have stay as recorded.
    pub keep: bool,
    /// Lists that grow and never shrink.
    pub unite: Vec<String>,
    /// Elements that the source deletes.
    pub cleared: Vec<Cleared>,
    /// Elements that count only where none is recorded.
    pub weak: Vec<String>,
}

/// An element that the source deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// Path without list positions: `period.end`.
    pub element: String,
    /// Of contact points, only those of this use: PID-14 speaks of the work numbers alone.
    pub usage: Option<String>,
}
