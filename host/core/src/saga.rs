//! A saga as its journal tells it: the fold of its records. What `show` answers, and what an operator's act starts
//! from.
//! Invariant: folding the journal gives the state that living through it gave.

use std::sync::Arc;

use bytes::Bytes;

use crate::envelope::UseCaseRef;
use crate::failure::Failure;
use crate::id::{Digest, Direction, GlobalId, Position, StepAddress, WaitKey};
use crate::json::Json;
use crate::record::{EndStatus, Event, Record, Verb};
use crate::time::Timestamp;

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Running,
    Waiting,
    Compensating,
    Completed,
    Compensated,
    /// A dead letter stands in the way going forward.
    Failed,
    /// A compensation cannot be done.
    CompensationFailed,
    /// By a person, with a reason.
    Closed,
}

impl Status {
    pub const ALL: [Status; 8] = [
        Status::Running,
        Status::Waiting,
        Status::Compensating,
        Status::Completed,
        Status::Compensated,
        Status::Failed,
        Status::CompensationFailed,
        Status::Closed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Waiting => "waiting",
            Status::Compensating => "compensating",
            Status::Completed => "completed",
            Status::Compensated => "compensated",
            Status::Failed => "failed",
            Status::CompensationFailed => "compensation-failed",
            Status::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl From<EndStatus> for Status {
    fn from(status: EndStatus) -> Self {
        match status {
            EndStatus::Completed => Status::Completed,
            EndStatus::Compensated => Status::Compensated,
            EndStatus::CompensationFailed => Status::CompensationFailed,
            EndStatus::Closed => Status::Closed,
        }
    }
}

/// The state of one saga.
#[derive(Debug, Clone, PartialEq)]
pub struct Saga {
    pub global_id: GlobalId,
    pub use_case: Option<UseCaseRef>,
    pub status: Status,
    /// No message of this saga is on its way any more, and none will be.
    pub ended: bool,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub deadline: Option<Timestamp>,
    /// In the order of the itinerary.
    pub steps: Vec<StepState>,
    /// What turned the saga round or made it stand.
    pub failure: Option<Failure>,
    pub waiting: Option<Waiting>,
    /// When the message comes again, while the saga waits for a retry.
    pub retry_due: Option<Timestamp>,
    pub actions: Vec<Action>,
    /// The last step's body; of a compensated or failed saga the body at the point of failure.
    pub body: Json,
    /// The encoded message at which a failed saga stands.
    pub letter: Option<Bytes>,
    /// Where the saga's message is, or was last: the step and the direction.
    pub at: (Position, Direction),
}

/// One stop of the itinerary.
#[derive(Debug, Clone, PartialEq)]
pub struct StepState {
    pub position: Position,
    pub address: StepAddress,
    pub handle: Call,
    /// None until the compensation of this step was asked for.
    pub compensate: Option<Call>,
}

/// One direction of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    pub state: CallState,
    pub attempts: u32,
    pub digest: Option<Digest>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub code: Option<String>,
    pub reason: Option<String>,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallState {
    #[default]
    NotReached,
    Pending,
    Retrying,
    Waiting,
    Done,
    Rejected,
    Failed,
    Skipped,
}

impl CallState {
    pub fn as_str(self) -> &'static str {
        match self {
            CallState::NotReached => "not-reached",
            CallState::Pending => "pending",
            CallState::Retrying => "retrying",
            CallState::Waiting => "waiting",
            CallState::Done => "done",
            CallState::Rejected => "rejected",
            CallState::Failed => "failed",
            CallState::Skipped => "skipped",
        }
    }

    /// Whether the call will not be made again by itself.
    pub fn is_settled(self) -> bool {
        match self {
            CallState::Done | CallState::Rejected | CallState::Skipped => true,
            CallState::NotReached
            | CallState::Pending
            | CallState::Retrying
            | CallState::Waiting
            | CallState::Failed => false,
        }
    }
}

/// What a waiting saga waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub key: WaitKey,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// What a person did.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub verb: Verb,
    pub who: String,
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl Saga {
    /// Fold a journal. None for an empty one. The records are in the order in which they were committed.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Saga> {
        let mut records = records.into_iter();
        let mut saga = Saga::begin(records.next()?);
        records.for_each(|record| saga.apply(record));
        Some(saga)
    }

    /// The saga that its first record begins.
    pub fn begin(record: &Record) -> Saga {
        let mut saga = Saga {
            global_id: record.global_id.clone(),
            use_case: record.use_case.clone(),
            status: Status::Running,
            ended: false,
            started_at: record.at,
            updated_at: record.at,
            deadline: None,
            steps: Vec::new(),
            failure: None,
            waiting: None,
            retry_due: None,
            actions: Vec::new(),
            body: Json::null(),
            letter: None,
            at: (record.position, record.direction),
        };
        saga.apply(record);
        saga
    }

    /// Live through one more record.
    pub fn apply(&mut self, record: &Record) {
        self.updated_at = self.updated_at.max(record.at);
        self.reach(record);
        match &record.event {
            Event::Started { steps, body, deadline } => self.started(record, steps, body, *deadline),
            Event::Done { body, .. } => {
                self.settle(record, CallState::Done);
                self.body = body.clone();
                self.move_on(record);
            }
            Event::Compensated { .. } => {
                self.settle(record, CallState::Done);
                self.move_on(record);
            }
            Event::NotRun => {
                self.settle(record, CallState::Skipped);
                self.move_on(record);
            }
            Event::Rejected { failure, .. } => self.turned(record, failure),
            Event::Retried { reason, fault, due } => {
                let code = fault.map(|kind| kind.as_str().to_owned());
                self.stop_at(record, CallState::Retrying, code, Some(reason.clone()));
                self.retry_due = Some(*due);
            }
            Event::Waiting { key, reason, until } => {
                self.stop_at(record, CallState::Waiting, None, Some(reason.clone()));
                self.waiting =
                    Some(Waiting { key: key.clone(), reason: reason.clone(), since: record.at, until: *until });
                self.status = Status::Waiting;
            }
            Event::Signalled { .. } => self.resume(record),
            Event::DeadLettered { failure, letter } => self.dead_lettered(record, failure, letter),
            Event::LateDropped { .. } => {}
            Event::Acted { verb, who, reason } => self.acted(record, *verb, who, reason),
            Event::Ended { status } => {
                self.status = (*status).into();
                self.ended = true;
                self.waiting = None;
                self.retry_due = None;
            }
        }
    }

    /// The call of a step in a direction, if the itinerary has that step.
    pub fn call(&self, position: Position, direction: Direction) -> Option<&Call> {
        let step = self.steps.get(usize::from(position.0))?;
        match direction {
            Direction::Handle => Some(&step.handle),
            Direction::Compensate => step.compensate.as_ref(),
        }
    }

    /// Whether the saga has turned round.
    pub fn is_turned(&self) -> bool {
        self.at.1 == Direction::Compensate || self.status == Status::Compensated
    }

    fn started(&mut self, record: &Record, steps: &Arc<[StepAddress]>, body: &Json, deadline: Option<Timestamp>) {
        self.steps = steps
            .iter()
            .zip(0u16..)
            .map(|(address, index)| StepState {
                position: Position(index),
                address: address.clone(),
                handle: Call::default(),
                compensate: None,
            })
            .collect();
        self.body = body.clone();
        self.deadline = deadline;
        self.at = (record.position, Direction::Handle);
        self.call_mut(record.position, Direction::Handle).state = CallState::Pending;
    }

    /// A record of a step says that the message has come there. Steps before it that left no record were run by
    /// services that keep no journal of ours.
    fn reach(&mut self, record: &Record) {
        match &record.event {
            Event::Started { .. } | Event::LateDropped { .. } | Event::Acted { .. } | Event::Ended { .. } => return,
            Event::Done { .. }
            | Event::Rejected { .. }
            | Event::Retried { .. }
            | Event::Waiting { .. }
            | Event::Signalled { .. }
            | Event::DeadLettered { .. }
            | Event::Compensated { .. }
            | Event::NotRun => {}
        }
        self.at = (record.position, record.direction);
        self.waiting = None;
        self.retry_due = None;
        if record.direction == Direction::Handle {
            for step in self.steps.iter_mut().take(usize::from(record.position.0)) {
                if !step.handle.state.is_settled() {
                    step.handle.state = CallState::Done;
                }
            }
        }
    }

    fn call_mut(&mut self, position: Position, direction: Direction) -> &mut Call {
        let index = usize::from(position.0);
        let at_most = crate::limits::STEPS_HARD_MAX;
        assert!(index < at_most, "a record's position was bounded when it was made");
        while self.steps.len() <= index {
            // A record without its start: the journal's head is beyond retention. The address is not known.
            let address = StepAddress::try_new("unknown.unknown.unknown").expect("a literal of three words");
            let position = Position(u16::try_from(self.steps.len()).expect("bounded above"));
            self.steps.push(StepState { position, address, handle: Call::default(), compensate: None });
        }
        let step = &mut self.steps[index];
        match direction {
            Direction::Handle => &mut step.handle,
            Direction::Compensate => step.compensate.get_or_insert_with(Call::default),
        }
    }

    fn note(&mut self, record: &Record, state: CallState) -> &mut Call {
        let call = self.call_mut(record.position, record.direction);
        call.state = state;
        call.attempts = call.attempts.max(record.attempt);
        if record.digest.is_some() {
            call.digest = record.digest;
        }
        if record.attempt > 0 && call.started_at.is_none() {
            call.started_at = Some(record.began_at);
        }
        call
    }

    fn settle(&mut self, record: &Record, state: CallState) {
        let call = self.note(record, state);
        call.ended_at = Some(record.at);
        call.code = None;
        call.reason = None;
    }

    fn stop_at(&mut self, record: &Record, state: CallState, code: Option<String>, reason: Option<String>) {
        let call = self.note(record, state);
        call.code = code;
        call.reason = reason;
        self.status = self.moving_status();
    }

    /// The message has left this step for the next stop in its direction.
    fn move_on(&mut self, record: &Record) {
        let next = match record.direction {
            Direction::Handle => record.position.0.checked_add(1).filter(|next| usize::from(*next) < self.steps.len()),
            Direction::Compensate => record.position.0.checked_sub(1),
        };
        if let Some(next) = next {
            let next = Position(next);
            self.at = (next, record.direction);
            let call = self.call_mut(next, record.direction);
            if !call.state.is_settled() {
                call.state = CallState::Pending;
            }
        }
        self.letter = None;
        self.status = self.moving_status();
    }

    fn turned(&mut self, record: &Record, failure: &Failure) {
        let call = self.note(record, CallState::Rejected);
        call.ended_at = Some(record.at);
        call.code = Some(failure.code.clone());
        call.reason = Some(failure.reason.clone());
        self.failure = Some(failure.clone());
        self.letter = None;
        if let Some(before) = record.position.0.checked_sub(1) {
            self.at = (Position(before), Direction::Compensate);
            self.call_mut(Position(before), Direction::Compensate).state = CallState::Pending;
        }
        self.status = Status::Compensating;
    }

    fn dead_lettered(&mut self, record: &Record, failure: &Failure, letter: &Bytes) {
        let call = self.note(record, CallState::Failed);
        call.ended_at = Some(record.at);
        call.code = Some(failure.code.clone());
        call.reason = Some(failure.reason.clone());
        self.failure = Some(failure.clone());
        self.letter = Some(letter.clone());
        self.status = match record.direction {
            Direction::Handle => Status::Failed,
            Direction::Compensate => Status::CompensationFailed,
        };
    }

    /// The message is on its way to the call again at which it stood.
    fn resume(&mut self, record: &Record) {
        self.call_mut(record.position, record.direction).state = CallState::Pending;
        self.status = self.moving_status();
    }

    fn acted(&mut self, record: &Record, verb: Verb, who: &str, reason: &Option<String>) {
        self.actions.push(Action { verb, who: who.to_owned(), reason: reason.clone(), at: record.at });
        self.waiting = None;
        self.retry_due = None;
        match verb {
            Verb::Retry => {
                self.at = (record.position, record.direction);
                self.letter = None;
                self.resume(record);
                if record.direction == Direction::Handle {
                    self.failure = None;
                }
            }
            Verb::Skip => {
                self.at = (record.position, record.direction);
                self.settle(record, CallState::Skipped);
                self.move_on(record);
                if record.direction == Direction::Handle {
                    self.failure = None;
                }
            }
            Verb::Compensate if record.direction == Direction::Compensate => {
                self.at = (record.position, record.direction);
                self.letter = None;
                self.resume(record);
            }
            // The record that follows says what became of it: `rejected` or `ended`.
            Verb::Compensate | Verb::Close => {}
        }
    }

    fn moving_status(&self) -> Status {
        match self.at.1 {
            Direction::Handle => Status::Running,
            Direction::Compensate => Status::Compensating,
        }
    }
}
