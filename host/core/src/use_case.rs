//! A use case: a named, versioned, owned list of steps, as data in `use-cases/<name>.toml`.

mod parse;

use std::sync::Arc;
use std::time::Duration;

use crate::envelope::UseCaseRef;
use crate::id::{Position, StepAddress, TopicName, UseCaseName};

pub use parse::parse;

/// A checked definition. Invariant: at least one step; `pivot` is one of the positions.
#[derive(Debug, Clone, PartialEq)]
pub struct UseCase {
    pub name: UseCaseName,
    /// From 1.
    pub version: u32,
    pub owner: String,
    pub description: String,
    pub steps: Arc<[StepAddress]>,
    pub policy: Policy,
    pub deadline: Option<Duration>,
    /// A message on this topic starts a saga, with its body for the first step's.
    pub trigger_topic: Option<TopicName>,
    /// File name of a JSON Schema that the body of a start must meet, relative to the definition.
    pub body_schema: Option<String>,
}

impl UseCase {
    pub fn reference(&self) -> UseCaseRef {
        UseCaseRef { name: self.name.clone(), version: self.version }
    }
}

/// What a definition says about failures. The default is what a foreign saga gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// After this step's `handle` is done, nothing is turned round any more.
    pub pivot: Option<Position>,
    pub on_exhausted: OnExhausted,
    pub on_compensation_failure: OnCompensationFailure,
}

/// What becomes of a `handle` whose budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExhausted {
    #[default]
    Error,
    Compensate,
}

/// What becomes of the compensations behind one that cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCompensationFailure {
    /// They wait for a person: strict reverse order.
    #[default]
    Stop,
    /// They go on; the failed one is put before a person beside them.
    Continue,
}
