//! What SQLite's error codes mean for the node.

use rusqlite::{Error, ErrorCode, types::Type};

use crate::store::StoreError;
use crate::store::sealing::SealError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        if let Error::FromSqlConversionFailure(_, _, inner) = &error
            && let Some(sealing) = inner.downcast_ref::<SealError>()
        {
            return Self::Sealing(sealing.clone());
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}

/// A failure to seal or open, on its way through rusqlite.
pub(super) fn sealing(error: SealError) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
}
