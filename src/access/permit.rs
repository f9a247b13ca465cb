//! What each role may do: one table, and everything that is not in it is refused.

use std::fmt;

use super::{AccessError, Role, Staff};

/// Something that a page or an API does on behalf of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read referrals with their enclosures.
    ReadReferrals,
    /// Send a referral; look up the patient for it.
    SendReferrals,
    /// Accept, decline, ask, answer, schedule, complete, cancel.
    AnswerReferrals,
    /// List received messages with their losses; content is masked.
    ReadMessages,
    /// See a received message's content as it came. Audited each time.
    RevealMessages,
    /// See paired institutions and undelivered messages.
    ReadPeers,
    /// Ask cohort questions and read their protected answers.
    AskCohorts,
    /// Read the record by the FHIR API.
    ReadRecord,
    /// Write the record by the FHIR API.
    WriteRecord,
    /// Take the record out as files, and fetch one's own.
    ExportRecord,
    /// Follow, fetch and cancel what others export.
    OverseeExports,
}

/// Who may do what. A permission without a row, or a role outside its row, is refused.
const TABLE: &[(Permission, &[Role])] = &[
    (Permission::ReadReferrals, &[Role::Clinician]),
    (Permission::SendReferrals, &[Role::Clinician]),
    (Permission::AnswerReferrals, &[Role::Clinician]),
    (Permission::ReadMessages, &[Role::It]),
    (Permission::RevealMessages, &[Role::It]),
    (Permission::ReadPeers, &[Role::It]),
    (Permission::AskCohorts, &[Role::Researcher]),
    (Permission::ReadRecord, &[Role::Clinician, Role::System]),
    (Permission::WriteRecord, &[Role::System]),
    (Permission::ExportRecord, &[Role::System]),
    (Permission::OverseeExports, &[Role::It]),
];

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 11] = [
        Self::ReadReferrals,
        Self::SendReferrals,
        Self::AnswerReferrals,
        Self::ReadMessages,
        Self::RevealMessages,
        Self::ReadPeers,
        Self::AskCohorts,
        Self::ReadRecord,
        Self::WriteRecord,
        Self::ExportRecord,
        Self::OverseeExports,
    ];

    /// As said in refusals and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadReferrals => "read referrals",
            Self::SendReferrals => "send referrals",
            Self::AnswerReferrals => "answer referrals",
            Self::ReadMessages => "read messages",
            Self::RevealMessages => "reveal messages",
            Self::ReadPeers => "read peers",
            Self::AskCohorts => "ask cohort questions",
            Self::ReadRecord => "read the record",
            Self::WriteRecord => "write the record",
            Self::ExportRecord => "export the record",
            Self::OverseeExports => "oversee exports",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the table allows it.
pub fn allows(role: Role, permission: Permission) -> bool {
    TABLE.iter().any(|(row, roles)| *row == permission && roles.contains(&role))
}

/// Refuses what the table does not allow.
pub fn check(staff: &Staff, permission: Permission) -> Result<(), AccessError> {
    if allows(staff.role, permission) { Ok(()) } else { Err(AccessError::Forbidden { role: staff.role, permission }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per permission; columns are clinician, researcher, it, system.
    const EXPECTED: [(Permission, [bool; 4]); 11] = [
        (Permission::ReadReferrals, [true, false, false, false]),
        (Permission::SendReferrals, [true, false, false, false]),
        (Permission::AnswerReferrals, [true, false, false, false]),
        (Permission::ReadMessages, [false, false, true, false]),
        (Permission::RevealMessages, [false, false, true, false]),
        (Permission::ReadPeers, [false, false, true, false]),
        (Permission::AskCohorts, [false, true, false, false]),
        (Permission::ReadRecord, [true, false, false, true]),
        (Permission::WriteRecord, [false, false, false, true]),
        (Permission::ExportRecord, [false, false, false, true]),
        (Permission::OverseeExports, [false, false, true, false]),
    ];

    #[test]
    fn every_role_and_permission() {
        let columns = [Role::Clinician, Role::Researcher, Role::It, Role::System];
        for permission in Permission::ALL {
            let Some((_, expected)) = EXPECTED.iter().find(|(row, _)| *row == permission) else {
                panic!("{permission} is not in the expected table");
            };
            for (role, expected) in columns.into_iter().zip(expected) {
                assert_eq!(allows(role, permission), *expected, "{role} {permission}");
                let staff = Staff { user: "someone".to_owned(), role };
                assert_eq!(check(&staff, permission).is_ok(), *expected);
            }
        }
    }

    #[test]
    fn each_permission_has_one_row() {
        for permission in Permission::ALL {
            assert_eq!(TABLE.iter().filter(|(row, _)| *row == permission).count(), 1, "{permission}");
        }
    }
}
