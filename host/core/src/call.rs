//! One call of a step, wherever it runs: what it gets, and what somebody who runs it elsewhere answers.

use std::sync::Arc;

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

/// What a worker elsewhere says came of a call. Not held against the step's manifest yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub outcome: Outcome,
    /// What leaves with the commit if the outcome is `done`.
    pub emits: Vec<(TopicName, Json)>,
    pub signals: Vec<WaitKey>,
}
