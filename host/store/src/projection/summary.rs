//! One saga in a line: the part of the fold of `host_core::saga` that lists need, kept without bodies and calls.
//! Invariant: status, step, start and last change are those that `Saga` has after the same records.

use std::sync::Arc;

use host_core::envelope::UseCaseRef;
use host_core::failure::Failure;
use host_core::id::{Direction, GlobalId, Position, StepAddress};
use host_core::record::{EndStatus, Event, Record, Verb};
use host_core::saga::Status;
use host_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A saga as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub global_id: GlobalId,
    pub use_case: Option<UseCaseRef>,
    pub status: Status,
    /// The step at which the saga stands, or stood at its end; none if no record names it.
    pub step: Option<StepAddress>,
    pub position: Position,
    pub direction: Direction,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    /// No message of this saga is on its way any more.
    pub ended: bool,
    /// A dead letter that stands: nobody has acted on it.
    pub dead_letter: Option<Trouble>,
    /// Why the saga does not go on at this moment: it waits, or comes again for a retry.
    pub pending: Option<Trouble>,
    /// The forward itinerary as far as it is known; dropped when the saga is stored ended.
    pub(super) steps: Arc<[StepAddress]>,
    /// Steps of the itinerary, those included that no record has named.
    pub(super) step_count: u16,
}

/// Why a saga stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub address: StepAddress,
    pub position: Position,
    pub direction: Direction,
    /// A failure kind, `retrying` or `waiting`.
    pub kind: String,
    pub code: String,
    pub reason: String,
    /// When it began to stand for this cause.
    pub since: Timestamp,
    /// The last time it was tried.
    pub at: Timestamp,
}

/// Kind of a trouble that goes away by itself if all is well.
pub(super) const RETRYING: &str = "retrying";
const WAITING: &str = "waiting";

impl Summary {
    /// Fold a journal; none for an empty one.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Summary> {
        let mut records = records.into_iter();
        let mut summary = Summary::begin(records.next()?);
        records.for_each(|record| summary.apply(record));
        Some(summary)
    }

    /// The saga that its first record begins.
    pub fn begin(record: &Record) -> Summary {
        let mut summary = Summary {
            global_id: record.global_id.clone(),
            use_case: record.use_case.clone(),
            status: Status::Running,
            step: Some(record.address.clone()),
            position: record.position,
            direction: record.direction,
            started_at: record.at,
            updated_at: record.at,
            ended: false,
            dead_letter: None,
            pending: None,
            steps: Arc::from([]),
            step_count: 0,
        };
        summary.apply(record);
        summary
    }

    /// What an operator is to see: the dead letter, else the retry under way. Waiting is no error.
    pub fn error(&self) -> Option<&Trouble> {
        self.dead_letter.as_ref().or(self.pending.as_ref().filter(|trouble| trouble.kind == RETRYING))
    }

    /// Live through one more record.
    pub fn apply(&mut self, record: &Record) {
        self.updated_at = self.updated_at.max(record.at);
        match &record.event {
            Event::Started { steps, .. } => {
                self.steps = steps.clone();
                self.step_count = u16::try_from(steps.len()).unwrap_or(u16::MAX);
                self.reach(record.position);
                self.stand_at(record.position, Direction::Handle, record);
            }
            Event::Done { .. } | Event::Compensated { .. } | Event::NotRun => {
                self.arrive(record);
                self.settle(record);
            }
            Event::Rejected { .. } => self.turned(record),
            Event::Retried { reason, fault, .. } => {
                let code = fault.map_or("retry", |kind| kind.as_str());
                let trouble = self.trouble(record, RETRYING, code, reason);
                self.arrive(record);
                self.pending = Some(trouble);
                self.status = self.moving_status();
            }
            Event::Waiting { reason, .. } => {
                let trouble = self.trouble(record, WAITING, WAITING, reason);
                self.arrive(record);
                self.pending = Some(trouble);
                self.status = Status::Waiting;
            }
            Event::Signalled { .. } => {
                self.arrive(record);
                self.status = self.moving_status();
            }
            Event::DeadLettered { failure, .. } => self.dead_lettered(record, failure),
            Event::LateDropped { .. } => {}
            Event::Acted { verb, .. } => self.acted(record, *verb),
            Event::Ended { status } => self.end(*status),
        }
    }

    /// A record of a step says that the message has come there.
    fn arrive(&mut self, record: &Record) {
        self.stand_at(record.position, record.direction, record);
        self.reach(record.position);
        self.pending = None;
    }

    fn stand_at(&mut self, position: Position, direction: Direction, record: &Record) {
        self.position = position;
        self.direction = direction;
        let known = self.steps.get(usize::from(position.0));
        self.step = known.or((position == record.position).then_some(&record.address)).cloned();
    }

    /// The itinerary has at least this step, whether or not a record has named it.
    fn reach(&mut self, position: Position) {
        self.step_count = self.step_count.max(position.0.saturating_add(1));
    }

    /// The message has left this step for the next stop in its direction.
    fn settle(&mut self, record: &Record) {
        self.clear_dead_letter_of(record);
        let next = match record.direction {
            Direction::Handle => record.position.0.checked_add(1).filter(|next| *next < self.step_count),
            Direction::Compensate => record.position.0.checked_sub(1),
        };
        if let Some(next) = next {
            self.stand_at(Position(next), record.direction, record);
        }
        self.status = self.moving_status();
    }

    fn turned(&mut self, record: &Record) {
        self.arrive(record);
        self.clear_dead_letter_of(record);
        if let Some(before) = record.position.0.checked_sub(1) {
            self.stand_at(Position(before), Direction::Compensate, record);
        }
        self.status = Status::Compensating;
    }

    fn dead_lettered(&mut self, record: &Record, failure: &Failure) {
        let trouble = self.trouble(record, failure.kind.as_str(), &failure.code, &failure.reason);
        self.arrive(record);
        self.dead_letter = Some(trouble);
        self.status = match record.direction {
            Direction::Handle => Status::Failed,
            Direction::Compensate => Status::CompensationFailed,
        };
    }

    fn acted(&mut self, record: &Record, verb: Verb) {
        self.pending = None;
        match verb {
            Verb::Retry => self.resume(record),
            Verb::Compensate if record.direction == Direction::Compensate => self.resume(record),
            Verb::Skip => {
                self.stand_at(record.position, record.direction, record);
                self.reach(record.position);
                self.settle(record);
            }
            // The record that follows says what became of it: `rejected` or `ended`.
            Verb::Compensate | Verb::Close => {}
        }
    }

    /// The message is on its way to the call again at which it stood.
    fn resume(&mut self, record: &Record) {
        self.stand_at(record.position, record.direction, record);
        self.reach(record.position);
        self.clear_dead_letter_of(record);
        self.status = self.moving_status();
    }

    fn end(&mut self, status: EndStatus) {
        self.status = status.into();
        self.ended = true;
        self.pending = None;
        match status {
            // The compensation that was given up stays before a person.
            EndStatus::CompensationFailed => {}
            EndStatus::Completed | EndStatus::Compensated | EndStatus::Closed => self.dead_letter = None,
        }
    }

    fn clear_dead_letter_of(&mut self, record: &Record) {
        let here = |trouble: &Trouble| (trouble.position, trouble.direction) == (record.position, record.direction);
        if self.dead_letter.as_ref().is_some_and(here) {
            self.dead_letter = None;
        }
    }

    /// A trouble that goes on keeps the time since when it stands.
    fn trouble(&self, record: &Record, kind: &str, code: &str, reason: &str) -> Trouble {
        let same = |before: &&Trouble| {
            before.kind == kind
                && before.code == code
                && (before.position, before.direction) == (record.position, record.direction)
        };
        let since = self.pending.as_ref().filter(same).map_or(record.at, |before| before.since);
        Trouble {
            address: record.address.clone(),
            position: record.position,
            direction: record.direction,
            kind: kind.to_owned(),
            code: code.to_owned(),
            reason: reason.to_owned(),
            since,
            at: record.at,
        }
    }

    fn moving_status(&self) -> Status {
        match self.direction {
            Direction::Handle => Status::Running,
            Direction::Compensate => Status::Compensating,
        }
    }
}
