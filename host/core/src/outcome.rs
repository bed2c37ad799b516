//! What came of one call of a step: its answer, or the fault that kept it from answering.

use std::time::Duration;

use crate::id::WaitKey;
use crate::json::Json;

/// What a step answers. Consumed by value: it is applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Finished: the next stop gets `body`; `compensation` comes back to this step's `compensate`.
    Done { body: Json, compensation: Option<Json> },
    /// A business refusal, final.
    Rejected { code: String, reason: String, details: Option<Json> },
    /// Technical, may pass. Not sooner than `after`, if it is given.
    Retry { reason: String, after: Option<Duration> },
    /// A precondition is not there yet.
    Wait { key: WaitKey, reason: String, timeout: Option<Duration> },
}

/// A fault of the plugin: no answer came, or one that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// What happened, with the plugin's own last words (panic text, stack) where it left some.
    pub reason: String,
}

/// How a plugin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// A panic, an abort, an illegal instruction, a stack overflow.
    Trap,
    /// The call took longer than its limit.
    TimeLimit,
    /// The call asked for more memory or table space than its limit.
    MemoryLimit,
    /// Body, compensation log, logs or events are larger than their limits.
    OutputLimit,
    /// The answer breaks the contract: not JSON, a bad key, a code that is empty.
    InvalidOutput,
    /// The plugin's version that must run is not here and cannot be loaded.
    Unavailable,
}

/// What the runtime hands to `decide`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Outcome(Outcome),
    Fault(Fault),
}
