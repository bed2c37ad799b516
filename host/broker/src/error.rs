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
    #[error("the broker is shutting down")]
    ShuttingDown,
}
