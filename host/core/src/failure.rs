//! The failure taxonomy: what can turn a saga round or put it before a person, in the words that all surfaces share.

use serde::{Deserialize, Serialize};

use crate::id::{Direction, Position, StepAddress};
use crate::outcome::FaultKind;
use crate::time::Timestamp;

/// Why a saga turned round or stands still. Travels in `meta.failure` and in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    pub position: Position,
    pub address: StepAddress,
    pub direction: Direction,
    pub kind: FailureKind,
    /// Stable, for programs. A refusal's own code, or the kind's.
    pub code: String,
    /// For people.
    pub reason: String,
    pub at: Timestamp,
}

/// Kinds of failure, kebab-case on every surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The step refused.
    Rejected,
    /// The step asked for a retry once more than its budget allows.
    RetryExhausted,
    /// The plugin trapped; its budget for that is used up.
    Trap,
    TimeLimit,
    MemoryLimit,
    OutputLimit,
    InvalidOutput,
    /// The plugin version that must run is not here.
    Unavailable,
    /// What the step waited for was not signalled in time.
    WaitTimeout,
    /// The saga's deadline passed.
    Deadline,
    /// The message could not be read: not an envelope, over a limit, a position outside the itinerary.
    Undecodable,
    /// A person asked for it.
    Operator,
}

impl FailureKind {
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::Rejected => "rejected",
            FailureKind::RetryExhausted => "retry-exhausted",
            FailureKind::Trap => "trap",
            FailureKind::TimeLimit => "time-limit",
            FailureKind::MemoryLimit => "memory-limit",
            FailureKind::OutputLimit => "output-limit",
            FailureKind::InvalidOutput => "invalid-output",
            FailureKind::Unavailable => "unavailable",
            FailureKind::WaitTimeout => "wait-timeout",
            FailureKind::Deadline => "deadline",
            FailureKind::Undecodable => "undecodable",
            FailureKind::Operator => "operator",
        }
    }
}

impl From<FaultKind> for FailureKind {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Trap => FailureKind::Trap,
            FaultKind::TimeLimit => FailureKind::TimeLimit,
            FaultKind::MemoryLimit => FailureKind::MemoryLimit,
            FaultKind::OutputLimit => FailureKind::OutputLimit,
            FaultKind::InvalidOutput => FailureKind::InvalidOutput,
            FaultKind::Unavailable => FailureKind::Unavailable,
        }
    }
}
