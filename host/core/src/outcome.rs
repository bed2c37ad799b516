//! What came of one call of a step: its answer, or the fault that kept it from answering.

use std::time::Duration;

use crate::id::WaitKey;
use crate::json::Json;
use crate::limits::{CODE_BYTES_MAX, REASON_BYTES_MAX, cut};

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

/// A text for people as a step may give it: bounded, and it can do no more to their terminal than begin a new line.
pub fn reason(text: String) -> String {
    let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    let text = if text.len() <= REASON_BYTES_MAX { text } else { cut(&text, REASON_BYTES_MAX) };
    if text.contains(is_bad) { text.replace(is_bad, "\u{fffd}") } else { text }
}

/// The code of a refusal, or what is wrong with it.
pub fn code(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(
            "answered rejected with an empty code; a code is short and stable, like \"out-of-stock\"".to_owned()
        );
    }
    if text.len() > CODE_BYTES_MAX || text.chars().any(char::is_control) {
        let start = cut(&text, 40);
        return Err(format!(
            "answered rejected with the code {start:?}; a code has up to {CODE_BYTES_MAX} printable bytes"
        ));
    }
    Ok(text)
}
