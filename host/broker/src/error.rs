//! Errors of the broker, and whether to try again.

use host_core::id::TopicName;
use host_core::table;

/// Why the broker could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Table(#[from] table::Error),
    #[error("a message of topic {topic} is corrupt: {cause}")]
    Corrupt { topic: TopicName, cause: String },
    #[error("the cluster did not do it while {doing}: {cause}")]
    Cluster { doing: String, cause: String },
    #[error("topic {topic} is missing; {cure}")]
    TopicMissing { topic: String, cure: String },
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl Error {
    /// The cluster answered with an error, or not at all.
    pub(crate) fn cluster(doing: &str, cause: &impl std::fmt::Display) -> Self {
        Error::Cluster { doing: doing.to_owned(), cause: cause.to_string() }
    }

    /// A client could not be made: its settings are wrong.
    pub(crate) fn client(who: &str, cause: &impl std::fmt::Display) -> Self {
        Error::Cluster { doing: format!("making {who} from the settings in [broker]"), cause: cause.to_string() }
    }
}
