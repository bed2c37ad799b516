//! Errors of the store, and whether to try again.

use std::path::PathBuf;

use host_core::id::BucketName;
use host_core::table;

/// Why the store could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Table(#[from] table::Error),
    #[error("the data folder {} is in use by another host; stop that host, or give this one a data folder of its own", .folder.display())]
    InUse { folder: PathBuf },
    #[error("the database in {} cannot be opened: {cause}; {cure}", .folder.display())]
    Open { folder: PathBuf, cause: String, cure: &'static str },
    #[error(
        "{0}; nothing was changed; bring the folder back from a copy, or give up what is missing with saga doctor --accept-loss"
    )]
    Damaged(Damage),
    #[error("the data was written by format {found}, this host reads format {expected}; {cure}")]
    Format { found: u32, expected: u32, cure: &'static str },
    #[error("{what} in the store is corrupt: {cause}")]
    Corrupt { what: String, cause: String },
    #[error("the cursor is not one that this host gave out for this question; start again without it")]
    Cursor,
    #[error("the store is shutting down")]
    ShuttingDown,
}

/// A log that lost what had been acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log {} is damaged at byte {at}: {what}", .file.display())]
pub struct Damage {
    pub file: PathBuf,
    pub at: u64,
    pub what: String,
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The question itself is wrong.
    GiveUp,
    /// The installation needs a person; asking again changes nothing until then.
    Operator,
    /// Ask the host that comes after this one.
    AfterRestart,
}

impl Error {
    pub fn remedy(&self) -> Remedy {
        match self {
            Error::Cursor => Remedy::GiveUp,
            Error::InUse { .. }
            | Error::Open { .. }
            | Error::Format { .. }
            | Error::Damaged(_)
            | Error::Corrupt { .. } => Remedy::Operator,
            Error::Table(table::Error::Corrupt { .. }) => Remedy::Operator,
            Error::Table(table::Error::Failed { .. }) | Error::ShuttingDown => Remedy::AfterRestart,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>, cause: impl ToString) -> Self {
        Error::Corrupt { what: what.into(), cause: cause.to_string() }
    }
}

/// A key that the call read was overwritten by another call. Nothing was applied: run the call again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {key:?} of bucket {bucket} was written by another call meanwhile")]
pub struct Conflict {
    pub bucket: BucketName,
    pub key: String,
}
