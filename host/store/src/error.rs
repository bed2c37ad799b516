//! Errors of the store, and whether to try again.

use host_core::id::BucketName;
use host_core::table;

/// Why the store could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Table(#[from] table::Error),
    #[error("the data was written by format {found}, this host reads format {expected}; {cure}")]
    Format { found: u32, expected: u32, cure: &'static str },
    #[error("{what} in the store is corrupt: {cause}")]
    Corrupt { what: String, cause: String },
    #[error("the cursor is not one that this host gave out; start again without it")]
    Cursor,
    #[error("the store is shutting down")]
    ShuttingDown,
}

/// A key that the call read was overwritten by another call. Nothing was applied: run the call again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {key:?} of bucket {bucket} was written by another call meanwhile")]
pub struct Conflict {
    pub bucket: BucketName,
    pub key: String,
}
