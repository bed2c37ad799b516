//! A saga as its journal tells it: the fold of its records. What `show` answers, and what an operator's act starts
//! from.
//! Invariant: folding the journal gives the state that living through it gave.

use std::sync::Arc;

use bytes::Bytes;

use crate::envelope::UseCaseRef;
use crate::failure::Failure;
use crate::id::{Digest, Direction, GlobalId, Position, StepAddress, WaitKey};
use crate::json::Json;
use crate::limits::STEPS_HARD_MAX;
use crate::record::{EndStatus, Event, Record, Standing, Verb};
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
    /// What makes the saga stand, was given up on the way, or else turned it round.
    pub failure: Option<Failure>,
    pub waiting: Option<Waiting>,
    /// When the message comes again, while the saga waits for a retry.
    pub retry_due: Option<Timestamp>,
    pub actions: Vec<Action>,
    /// The last step's body; of a compensated or failed saga the body at the point of failure.
    pub body: Json,
    /// The encoded message at which a saga stands: the dead letter in its way, or, when it is over, the last of the
    /// compensations that were given up. `failure` says why and `at` says where.
    pub letter: Option<Bytes>,
    /// What turned the saga round.
    pub turned_by: Option<Failure>,
    /// Compensations that were given up and have not been done since.
    pub given_up: Vec<GivenUp>,
    /// Where the saga's message is, or was last: the step and the direction.
    pub at: (Position, Direction),
}

/// A compensation that was given up while the saga went on behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenUp {
    pub failure: Failure,
    /// The encoded message, from which it can be tried again.
    pub letter: Bytes,
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
    /// Calls of the plugin, those before a person's retry included.
    pub attempts: u32,
    /// Calls before the last time a person gave it a fresh budget.
    pub attempts_before: u32,
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
            turned_by: None,
            given_up: Vec::new(),
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
            Event::DeadLettered { failure, letter, standing } => {
                self.dead_lettered(record, failure, letter, *standing);
            }
            Event::LateDropped { .. } => {}
            Event::Acted { verb, who, reason } => self.acted(record, *verb, who, reason),
            Event::Ended { status } => self.end(*status),
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
        self.know(record);
        // A saga that a foreign service started and turned round is met for the first time on its way back.
        self.at = (record.position, record.direction);
        self.call_mut(record.position, record.direction).state = CallState::Pending;
        self.status = self.moving_status();
    }

    /// A record of a step says that the message has come there.
    fn reach(&mut self, record: &Record) {
        match &record.event {
            Event::Started { .. } | Event::LateDropped { .. } | Event::Acted { .. } | Event::Ended { .. } => {}
            Event::Done { .. }
            | Event::Rejected { .. }
            | Event::Retried { .. }
            | Event::Waiting { .. }
            | Event::Signalled { .. }
            | Event::DeadLettered { .. }
            | Event::Compensated { .. }
            | Event::NotRun => self.arrive(record),
        }
    }

    /// What lies between here and where the message was last seen was done by services that keep no journal of ours.
    fn arrive(&mut self, record: &Record) {
        let was_at = std::mem::replace(&mut self.at, (record.position, record.direction));
        self.waiting = None;
        self.retry_due = None;
        self.letter = None;
        self.know(record);
        let here = usize::from(record.position.0);
        match record.direction {
            Direction::Handle => self.steps[..here].iter_mut().for_each(|step| finish(&mut step.handle)),
            Direction::Compensate => {
                if was_at.1 == Direction::Handle {
                    self.turned_by_foreign(here);
                }
                self.steps[here + 1..].iter_mut().filter_map(|step| step.compensate.as_mut()).for_each(finish);
            }
        }
    }

    /// The saga comes back and no record says who turned it round: the service where it was last on its way to.
    fn turned_by_foreign(&mut self, here: usize) {
        let refused = self.steps[here + 1..].iter_mut().find(|step| !step.handle.state.is_settled());
        if let Some(step) = refused
            && self.turned_by.is_none()
        {
            step.handle.state = CallState::Rejected;
        }
    }

    /// The itinerary has at least this step. A journal whose head is beyond retention does not say which came before.
    fn know(&mut self, record: &Record) {
        let index = usize::from(record.position.0);
        assert!(index < STEPS_HARD_MAX, "a record's position was bounded when it was made and when it was read");
        while self.steps.len() <= index {
            let address = if self.steps.len() == index {
                record.address.clone()
            } else {
                StepAddress::try_new("unknown.unknown.unknown").expect("a literal of three words")
            };
            let position = Position(u16::try_from(self.steps.len()).expect("bounded above"));
            self.steps.push(StepState { position, address, handle: Call::default(), compensate: None });
        }
    }

    /// The call of a step that the itinerary is known to have.
    fn call_mut(&mut self, position: Position, direction: Direction) -> &mut Call {
        let step = &mut self.steps[usize::from(position.0)];
        match direction {
            Direction::Handle => &mut step.handle,
            Direction::Compensate => step.compensate.get_or_insert_with(Call::default),
        }
    }

    fn note(&mut self, record: &Record, state: CallState) -> &mut Call {
        let call = self.call_mut(record.position, record.direction);
        call.state = state;
        call.attempts = call.attempts.max(call.attempts_before.saturating_add(record.attempt));
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
        if record.direction == Direction::Compensate {
            self.given_up.retain(|given_up| given_up.failure.position != record.position);
        }
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
        // A step behind it that had its turn already gets no second message.
        let next = next.map(Position).filter(|next| !self.has_had_its_turn(*next, record.direction));
        if let Some(next) = next {
            self.at = (next, record.direction);
            self.call_mut(next, record.direction).state = CallState::Pending;
        }
        self.letter = None;
        self.status = self.moving_status();
        self.explain();
    }

    /// Going back, each step is met once; only a person sends a message to one of them again.
    fn has_had_its_turn(&self, position: Position, direction: Direction) -> bool {
        self.call(position, direction).is_some_and(|call| match call.state {
            CallState::Done | CallState::Rejected | CallState::Skipped | CallState::Failed => true,
            CallState::NotReached | CallState::Pending | CallState::Retrying | CallState::Waiting => false,
        })
    }

    fn turned(&mut self, record: &Record, failure: &Failure) {
        let call = self.note(record, CallState::Rejected);
        call.ended_at = Some(record.at);
        call.code = Some(failure.code.clone());
        call.reason = Some(failure.reason.clone());
        self.turned_by = Some(failure.clone());
        self.letter = None;
        if let Some(before) = record.position.0.checked_sub(1) {
            self.at = (Position(before), Direction::Compensate);
            self.call_mut(Position(before), Direction::Compensate).state = CallState::Pending;
        }
        self.status = Status::Compensating;
        self.explain();
    }

    fn dead_lettered(&mut self, record: &Record, failure: &Failure, letter: &Bytes, standing: Standing) {
        let call = self.note(record, CallState::Failed);
        call.ended_at = Some(record.at);
        call.code = Some(failure.code.clone());
        call.reason = Some(failure.reason.clone());
        match standing {
            Standing::InTheWay => {
                self.failure = Some(failure.clone());
                self.letter = Some(letter.clone());
                self.status = match record.direction {
                    Direction::Handle => Status::Failed,
                    Direction::Compensate => Status::CompensationFailed,
                };
            }
            Standing::Beside => {
                self.given_up.retain(|given_up| given_up.failure.position != failure.position);
                self.given_up.push(GivenUp { failure: failure.clone(), letter: letter.clone() });
                self.move_on(record);
            }
        }
    }

    /// The message is on its way to the call again at which it stood.
    fn resume(&mut self, record: &Record) {
        let call = self.call_mut(record.position, record.direction);
        call.state = CallState::Pending;
        call.ended_at = None;
        call.code = None;
        call.reason = None;
        self.status = self.moving_status();
    }

    fn acted(&mut self, record: &Record, verb: Verb, who: &str, reason: &Option<String>) {
        self.actions.push(Action { verb, who: who.to_owned(), reason: reason.clone(), at: record.at });
        match (verb, record.direction) {
            (Verb::Retry, _) | (Verb::Compensate, Direction::Compensate) => {
                self.take_up(record);
                self.resume(record);
                let call = self.call_mut(record.position, record.direction);
                call.attempts_before = call.attempts;
                self.explain();
            }
            (Verb::Skip, _) => {
                self.take_up(record);
                self.settle(record, CallState::Skipped);
                self.move_on(record);
            }
            // The record that follows says what became of it: `rejected` or `ended`.
            (Verb::Compensate, Direction::Handle) | (Verb::Close, _) => {}
        }
    }

    /// A person moves the saga from where it stands, or opens it again for what was given up.
    fn take_up(&mut self, record: &Record) {
        self.arrive(record);
        self.ended = false;
    }

    fn end(&mut self, status: EndStatus) {
        self.status = status.into();
        self.ended = true;
        self.waiting = None;
        self.retry_due = None;
        self.letter = None;
        match status {
            EndStatus::CompensationFailed => {
                if let Some(last) = self.given_up.last() {
                    self.letter = Some(last.letter.clone());
                    self.at = (last.failure.position, Direction::Compensate);
                }
            }
            EndStatus::Completed | EndStatus::Compensated | EndStatus::Closed => {}
        }
    }

    /// No dead letter stands in the way: what was given up explains the saga, or else what turned it round.
    fn explain(&mut self) {
        let given_up = self.given_up.last().map(|given_up| given_up.failure.clone());
        self.failure = given_up.or_else(|| self.turned_by.clone());
    }

    fn moving_status(&self) -> Status {
        match self.at.1 {
            Direction::Handle => Status::Running,
            Direction::Compensate => Status::Compensating,
        }
    }
}

/// A call before which the message is no more, and of which no record tells: it was done elsewhere.
fn finish(call: &mut Call) {
    match call.state {
        CallState::NotReached | CallState::Pending | CallState::Retrying | CallState::Waiting => {
            call.state = CallState::Done;
        }
        CallState::Done | CallState::Rejected | CallState::Skipped | CallState::Failed => {}
    }
}

#[cfg(test)]
mod tests;
