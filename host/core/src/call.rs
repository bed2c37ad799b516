//! One call of a step, wherever it runs: what it gets, and what somebody who runs it elsewhere answers.

use std::sync::Arc;
use std::time::Duration;

use crate::envelope::UseCaseRef;
use crate::failure::Failure;
use crate::id::{Digest, Direction, GlobalId, MessageId, Position, StepAddress, TopicName, WaitKey};
use crate::json::Json;
use crate::outcome::Outcome;
use crate::time::Timestamp;

/// Everything one call gets.
#[derive(Debug, Clone)]
pub struct Call {
    pub address: StepAddress,
    /// The version that must run; none lets the registry take the serving one.
    pub digest: Option<Digest>,
    pub global_id: GlobalId,
    pub use_case: Option<UseCaseRef>,
    pub position: Position,
    pub direction: Direction,
    pub attempt: u32,
    pub idempotency_key: MessageId,
    pub deadline: Option<Timestamp>,
    pub signalled: Option<WaitKey>,
    /// What turned the saga round.
    pub failure: Option<Arc<Failure>>,
    /// Unknown members of `meta`: key as text, value as JSON text.
    pub headers: Vec<(String, String)>,
    pub body: Json,
    /// Of `compensate` only.
    pub compensation_log: Option<Json>,
}

/// A worker's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// As the worker calls itself, for people.
    pub worker: String,
    /// Calls that it takes at once.
    pub count_max: usize,
    /// How long it waits for the first.
    pub wait: Duration,
}

/// A call under a lease.
#[derive(Debug, Clone)]
pub struct Work {
    pub lease: String,
    /// How long the worker may be silent.
    pub lease_span: Duration,
    pub call: Call,
}

/// What a worker elsewhere says came of a call. Not held against the step's manifest yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub outcome: Outcome,
    /// What leaves with the commit if the outcome is `done`.
    pub emits: Vec<(TopicName, Json)>,
    pub signals: Vec<WaitKey>,
}
