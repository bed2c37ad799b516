//! The message: an envelope of `meta` and `body`, and the routing slip that `meta` carries.
//! Invariant: `position` is the index of the addressee inside `steps`, and `steps` is not empty.

mod decode;
mod encode;
mod layout;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::failure::Failure;
use crate::id::{Digest, Direction, GlobalId, MessageId, Position, StepAddress, UseCaseName};
use crate::json::Json;
use crate::limits::STEPS_HARD_MAX;
use crate::time::Timestamp;
use layout::Layout;

pub use decode::{DecodeError, DecodeReason, decode};
pub use encode::{encode, meta_bytes, meta_bytes_at_most};

/// One message of a saga, decoded. Cloning is cheap: everything large is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub meta: Meta,
    pub body: Json,
}

/// The head of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub global_id: GlobalId,
    /// Which topic kind it travels on. Not a field of the text: the topic tells.
    pub direction: Direction,
    /// The whole itinerary in the direction of travel: turned round when `direction` is `Compensate`.
    steps: Arc<[StepAddress]>,
    /// Index of the addressee in `steps`, in the direction of travel.
    index: u16,
    pub use_case: Option<UseCaseRef>,
    pub compensation_log: CompensationLog,
    pub failure: Option<Arc<Failure>>,
    /// Steps whose compensation was given up on the way, under `on-compensation-failure = "continue"`, in the order of
    /// travel. A message to one of them is a second try, asked for by a person; it leads no further.
    pub given_up: SmallVec<[Position; 2]>,
    pub deadline: Option<Timestamp>,
    /// The members that the host does not know and the places of those it does, so that `encode` writes each where it
    /// stood. None for a text as the host itself writes it.
    layout: Option<Arc<Layout>>,
}

/// What a saga begins with.
#[derive(Debug, Clone)]
pub struct Start {
    pub global_id: GlobalId,
    pub steps: Arc<[StepAddress]>,
    pub body: Json,
    pub use_case: Option<UseCaseRef>,
    pub deadline: Option<Timestamp>,
    /// `traceparent` and `tracestate` of the request that starts it.
    pub trace: Option<(String, Option<String>)>,
}

/// The definition that started a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseCaseRef {
    pub name: UseCaseName,
    pub version: u32,
}

/// What finished steps asked to be handed back, by position. An entry says: this `handle` ran, on this digest.
pub type CompensationLog = Arc<[CompensationEntry]>;

/// One finished step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationEntry {
    pub position: Position,
    /// The plugin version that ran `handle`; none for a step that was skipped by a person or is foreign.
    pub digest: Option<Digest>,
    pub log: Option<Json>,
}

/// Why an itinerary cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItineraryError {
    #[error("the itinerary is empty; name at least one step")]
    Empty,
    #[error("position {position} is outside the itinerary of {step_count} steps")]
    PositionOutside { position: u64, step_count: usize },
    #[error("the itinerary has {step_count} steps, more than {STEPS_HARD_MAX}; split the saga")]
    TooLong { step_count: usize },
}

impl Envelope {
    /// The message to the first step of a new saga.
    pub fn try_start(start: Start) -> Result<Self, ItineraryError> {
        let mut meta = Meta::try_start(start.global_id, start.steps)?;
        meta.use_case = start.use_case;
        meta.deadline = start.deadline;
        if let Some((parent, state)) = start.trace {
            meta = meta.with_trace(&parent, state.as_deref());
        }
        Ok(Self { meta, body: start.body })
    }
}

impl Meta {
    /// A message to the first step of a saga.
    pub fn try_start(global_id: GlobalId, steps: Arc<[StepAddress]>) -> Result<Self, ItineraryError> {
        Self::try_new(global_id, Direction::Handle, steps, 0)
    }

    fn try_new(
        global_id: GlobalId,
        direction: Direction,
        steps: Arc<[StepAddress]>,
        index: u16,
    ) -> Result<Self, ItineraryError> {
        if steps.is_empty() {
            return Err(ItineraryError::Empty);
        }
        if steps.len() > STEPS_HARD_MAX {
            return Err(ItineraryError::TooLong { step_count: steps.len() });
        }
        if usize::from(index) >= steps.len() {
            return Err(ItineraryError::PositionOutside { position: index.into(), step_count: steps.len() });
        }
        Ok(Self {
            global_id,
            direction,
            steps,
            index,
            use_case: None,
            compensation_log: Arc::from([]),
            failure: None,
            given_up: SmallVec::new(),
            deadline: None,
            layout: None,
        })
    }

    /// The itinerary in the direction of travel.
    pub fn steps(&self) -> &Arc<[StepAddress]> {
        &self.steps
    }

    /// The itinerary from the first step to the last, whatever the direction of travel.
    pub fn forward_steps(&self) -> Arc<[StepAddress]> {
        match self.direction {
            Direction::Handle => self.steps.clone(),
            Direction::Compensate => self.steps.iter().rev().cloned().collect(),
        }
    }

    /// Index of the addressee in `steps`: what the text calls `position`.
    pub fn index(&self) -> u16 {
        self.index
    }

    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// The step this message is for.
    pub fn address(&self) -> &StepAddress {
        &self.steps[usize::from(self.index)]
    }

    /// The addressee's number, counted forward.
    pub fn position(&self) -> Position {
        match self.direction {
            Direction::Handle => Position(self.index),
            Direction::Compensate => Position(self.last_index() - self.index),
        }
    }

    pub fn message_id(&self) -> MessageId {
        MessageId { global_id: self.global_id.clone(), direction: self.direction, position: self.position() }
    }

    /// Whether the addressee is the last stop in the direction of travel.
    pub fn is_last(&self) -> bool {
        self.index == self.last_index()
    }

    fn last_index(&self) -> u16 {
        u16::try_from(self.steps.len() - 1).expect("the codec bounds the itinerary by STEPS_HARD_MAX")
    }

    /// The same message to the next stop in the direction of travel; none after the last.
    pub fn advanced(&self) -> Option<Self> {
        (!self.is_last()).then(|| Self { index: self.index + 1, ..self.clone() })
    }

    /// The saga turned round at this step: a message to the step before it, travelling backwards. None when this is
    /// the first step, before which there is nothing to undo. Only a forward message can be turned.
    pub fn turned_round(&self, failure: Failure) -> Option<Self> {
        assert_eq!(self.direction, Direction::Handle, "only a forward message can be turned round");
        if self.index == 0 {
            return None;
        }
        Some(Self {
            direction: Direction::Compensate,
            steps: self.steps.iter().rev().cloned().collect(),
            index: self.last_index() - (self.index - 1),
            failure: Some(Arc::new(failure)),
            ..self.clone()
        })
    }

    /// The same head, with the addressee's compensation given up. Naming it again changes nothing.
    pub fn with_given_up(mut self) -> Self {
        let position = self.position();
        if !self.given_up.contains(&position) {
            self.given_up.push(position);
        }
        self
    }

    /// The entry of a finished step, if the message carries it.
    pub fn compensation_entry(&self, position: Position) -> Option<&CompensationEntry> {
        self.compensation_log.iter().find(|entry| entry.position == position)
    }

    /// The same head with this entry added, or put in the place of an older one.
    pub fn with_compensation_entry(mut self, entry: CompensationEntry) -> Self {
        let position = entry.position;
        let mut log = Vec::with_capacity(self.compensation_log.len() + 1);
        log.extend(self.compensation_log.iter().filter(|other| other.position != position).cloned());
        let place = log.partition_point(|other| other.position < position);
        log.insert(place, entry);
        self.compensation_log = log.into();
        self
    }
}
