//! Who may do what: roles, staff signed in by a session or a token, and what each role may do.

use std::fmt;

/// What a person or system may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends and answers referrals, sees patients.
    Clinician,
    /// Asks cohort questions; sees no patient.
    Researcher,
    /// Sees messages, losses, peers; releases quarantined messages.
    It,
    /// A local system: reads and writes the record by the FHIR API.
    System,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Clinician, Self::Researcher, Self::It, Self::System];

    /// The word used in the store and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
            Self::Researcher => "researcher",
            Self::It => "it",
            Self::System => "system",
        }
    }

    /// Reads [`Role::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody whose credentials were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Person or system, as audited.
    pub user: String,
    /// What it may do.
    pub role: Role,
}
