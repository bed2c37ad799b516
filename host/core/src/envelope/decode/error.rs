//! Why bytes are no message: each reason names the field and the cure, for the person who reads the dead letter.

use crate::id::{GlobalId, StepAddress};

/// A message that cannot be read. It becomes a dead letter; trying again would not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    pub reason: DecodeReason,
    global_id: Option<GlobalId>,
}

impl DecodeError {
    pub(super) fn new(reason: DecodeReason, global_id: Option<GlobalId>) -> Self {
        Self { reason, global_id }
    }

    /// The saga that the message names, where that much of it could be read.
    pub fn global_id(&self) -> Option<GlobalId> {
        self.global_id.clone()
    }
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeReason {
    #[error("the {what} has {bytes} bytes, the limit is {bytes_max}; send less, or raise the limit in saga.toml")]
    TooLarge { what: &'static str, bytes: usize, bytes_max: usize },
    #[error("the message is not UTF-8 at byte {at}; send JSON in UTF-8")]
    NotUtf8 { at: usize },
    #[error("the message is not a JSON object: {problem}; send {{\"meta\":{{…}},\"body\":…}}")]
    NotAnEnvelope { problem: String },
    #[error("{field} is missing; meta needs global-id and steps, and use-case and use-case-version go together")]
    Missing { field: &'static str },
    #[error("{field} stands in the message twice; send it once")]
    Twice { field: &'static str },
    #[error("{field} is not valid: {problem}; {cure}")]
    Invalid { field: &'static str, problem: String, cure: &'static str },
    #[error("steps has more than {step_count_max} steps; split the saga, or raise the limit in saga.toml")]
    TooManySteps { step_count_max: usize },
    #[error("step {address} is not in steps; publish to the topic of a step that is, or name this one there")]
    NotInSteps { address: StepAddress },
    #[error("ambiguous position: step {address} occurs more than once in steps; say in position which one is meant")]
    AmbiguousPosition { address: StepAddress },
    #[error("position {found} is outside the {step_count} steps; write the index of the addressee, counted from 0")]
    PositionOutside { found: String, step_count: usize },
    #[error(
        "position {index} is step {found}, but the message came to step {address}, which occurs more than once; \
             write the index of the addressee"
    )]
    WrongPosition { address: StepAddress, index: u16, found: StepAddress },
}
