//! What SQLite's error codes mean for the node.

use rusqlite::{Error, ErrorCode, ffi, types::Type};

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
            // The shared memory beside the log is a file on the same disk: nothing but room keeps it from growing.
            Some(ErrorCode::SystemIoFailure) if has_code(&error, &[ffi::SQLITE_IOERR_SHMSIZE]) => Self::Full,
            Some(ErrorCode::SystemIoFailure) if failed_in_writing(&error) => Self::Disk(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}

/// Not every failure of input or output is one: without room, the shared memory beside the log cannot grow either.
fn failed_in_writing(error: &Error) -> bool {
    let codes =
        [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE];
    has_code(error, &codes)
}

fn has_code(error: &Error, codes: &[std::ffi::c_int]) -> bool {
    error.sqlite_error().is_some_and(|told| codes.contains(&told.extended_code))
}

/// A failure to seal or open, on its way through rusqlite.
pub(super) fn sealing(error: SealError) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
}
