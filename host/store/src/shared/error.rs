//! Errors of the shared state, and whether to try again. Each names the server and never a password.

use std::sync::Arc;

/// Why the shared state could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the address of the PostgreSQL server cannot be used: {cause}; {cure}")]
    Address { cause: String, cure: &'static str },
    #[error("PostgreSQL at {server} failed while {doing}: {cause}; {cure}")]
    Failed { server: Arc<str>, doing: &'static str, cause: String, cure: &'static str, remedy: Remedy },
    #[error(
        "schema {schema} of PostgreSQL at {server} is of version {found}, this program knows {known}; {cure}",
        cure = "run the version of saga that the other hosts run"
    )]
    Newer { server: Arc<str>, schema: String, found: i32, known: i32 },
    #[error(
        "all {connections_max} connections to PostgreSQL at {server} were busy for {waited_ms} ms while {doing}; {cure}",
        cure = "give the host more connections, or see what holds the server up"
    )]
    Exhausted { server: Arc<str>, doing: &'static str, connections_max: usize, waited_ms: u128 },
    #[error("{byte_count} bytes of values and outcomes are more than one commit takes, which is {byte_count_max}")]
    TooLarge { byte_count: usize, byte_count_max: usize },
    #[error("the unit of message {message_id} writes without an outcome; nobody could tell that it was applied")]
    NoOutcome { message_id: String },
    #[error("{what} in PostgreSQL at {server} is unreadable: {cause}; see what else writes to this schema")]
    Corrupt { server: Arc<str>, what: &'static str, cause: String },
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Ask again later: the database was away or overloaded.
    Again,
    /// The installation needs a person; asking again changes nothing until then.
    Operator,
    /// The question itself is wrong.
    GiveUp,
}

impl Error {
    pub fn remedy(&self) -> Remedy {
        match self {
            Error::Failed { remedy, .. } => *remedy,
            Error::Exhausted { .. } => Remedy::Again,
            Error::Address { .. } | Error::Newer { .. } | Error::Corrupt { .. } => Remedy::Operator,
            Error::TooLarge { .. } | Error::NoOutcome { .. } => Remedy::GiveUp,
        }
    }
}
