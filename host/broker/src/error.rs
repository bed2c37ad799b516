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
    /// The cure is a text of many lines, for whoever owns the cluster.
    #[error("{} in the cluster and this host may not make {}: {cure}", missing(topics), them(topics))]
    TopicsMissing { topics: Vec<String>, cure: String },
    /// A second host took over while this one was silent.
    #[error("another host has taken over, because this one was silent for longer than broker.session-timeout")]
    Taken,
    /// Two hosts put each other out of their groups.
    #[error(
        "another host works with these topics under the name {host_name}, and the cluster lets only one of a name: \
        give each host a name of its own (host-name), or end the other one"
    )]
    Namesake { host_name: String },
    /// What a batch has handled is another host's by now.
    #[error(
        "work went to another host while this one had it in its hands ({cause}); nothing of the last batch happened"
    )]
    Lost { cause: String },
    /// The cluster did not say what became of a transaction.
    #[error(
        "whether the last transaction was made is not known ({cause}); a host that starts reads it from the cluster"
    )]
    Uncertain { cause: String },
    #[error("the broker is shutting down")]
    ShuttingDown,
}

fn missing(topics: &[String]) -> String {
    match topics {
        [topic] => format!("topic {topic} is missing"),
        topics => format!("{} topics are missing", topics.len()),
    }
}

fn them(topics: &[String]) -> &'static str {
    if topics.len() == 1 { "it" } else { "them" }
}

impl Error {
    /// Whether a host that starts again goes on, with nothing mended before.
    pub fn restart_helps(&self) -> bool {
        match self {
            Error::Taken | Error::Lost { .. } | Error::Uncertain { .. } | Error::Cluster { .. } => true,
            Error::Table(_)
            | Error::Corrupt { .. }
            | Error::TopicsMissing { .. }
            | Error::Namesake { .. }
            | Error::ShuttingDown => false,
        }
    }

    /// The cluster answered with an error, or not at all.
    pub(crate) fn cluster(doing: &str, cause: &impl std::fmt::Display) -> Self {
        Error::Cluster { doing: doing.to_owned(), cause: cause.to_string() }
    }

    /// A client could not be made: its settings are wrong.
    pub(crate) fn client(who: &str, cause: &impl std::fmt::Display) -> Self {
        Error::Cluster { doing: format!("making {who} from the settings in [broker]"), cause: cause.to_string() }
    }
}
