//! The one transition function: a message, what came of it, and the rules, to what happens next. Pure.
//! Invariant: every transition consumes the saga's one message and yields exactly one continuation, so a saga never
//! forks and never vanishes: it has one message on its way, or one that waits, or one before a person, or it is over.

use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use crate::envelope::{CompensationEntry, Envelope, encode};
use crate::failure::{Failure, FailureKind};
use crate::id::{Digest, Direction, WaitKey};
use crate::json::Json;
use crate::limits;
use crate::manifest::{Retry, Wait};
use crate::outcome::{Answer, Fault, Outcome};
use crate::record::{EndStatus, Event, Verb};
use crate::retry::{Jitter, RetryPolicy};
use crate::time::Timestamp;
use crate::unit::{Attempts, Mark, OnTimeout};
use crate::use_case::{OnCompensationFailure, OnExhausted, Policy};

/// What came of a delivery.
#[derive(Debug, Clone)]
pub enum Input {
    /// The plugin was called.
    Answered { answer: Answer, digest: Option<Digest> },
    /// A compensation for a `handle` that never ran: the plugin is not called.
    NeverRan,
    /// A message that must not run any more.
    Late { reason: String },
    /// The saga's deadline passed before this `handle` was called.
    DeadlinePassed,
    /// Nobody signalled in time.
    WaitExpired { key: WaitKey, reason: String, on_timeout: OnTimeout },
    /// A person acts on the saga where it stands.
    Acted(Mark),
}

/// What holds for this step and this saga.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub retry: Retry,
    pub wait: Wait,
    pub policy: Policy,
}

/// The moment of the decision: the world, as arguments.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: Timestamp,
    pub jitter: Jitter,
}

/// What happens next, as data.
#[derive(Debug, Clone)]
pub struct Transition {
    /// For the journal, in this order.
    pub events: SmallVec<[Event; 2]>,
    pub next: Next,
    /// A dead letter beside a saga that goes on (`on-compensation-failure = "continue"`).
    pub aside: Option<Failure>,
}

/// The one continuation.
#[derive(Debug, Clone)]
pub enum Next {
    /// To the next stop.
    Publish(Box<Envelope>),
    /// The same message again, at `due`.
    Again { due: Timestamp, attempts: Attempts },
    /// The same message, parked.
    Park { key: WaitKey, reason: String, until: Timestamp, on_timeout: OnTimeout },
    /// The same message, before a person.
    DeadLetter(Failure),
    /// The saga is over.
    End(EndStatus),
    /// The message is dropped; the saga has another one, or is over already.
    Drop,
}

/// Decide. `envelope` is the delivered message, `attempts` what it had failed before this delivery.
pub fn decide(envelope: &Envelope, attempts: Attempts, input: Input, rules: &Rules, moment: Moment) -> Transition {
    let case = Case { envelope, attempts, rules, moment };
    match input {
        Input::Answered { answer: Answer::Outcome(outcome), digest } => case.outcome(outcome, digest),
        Input::Answered { answer: Answer::Fault(fault), .. } => case.fault(fault),
        Input::NeverRan => case.go_on(envelope.body.clone(), smallvec![Event::NotRun]),
        Input::Late { reason } => {
            Transition { events: smallvec![Event::LateDropped { reason }], next: Next::Drop, aside: None }
        }
        Input::DeadlinePassed => case.deadline_passed(),
        Input::WaitExpired { key, reason, on_timeout } => case.wait_expired(&key, &reason, on_timeout),
        Input::Acted(mark) => case.acted(mark),
    }
}

/// The arguments of `decide`, so that its parts need not pass them round.
struct Case<'a> {
    envelope: &'a Envelope,
    attempts: Attempts,
    rules: &'a Rules,
    moment: Moment,
}

impl Case<'_> {
    fn outcome(&self, outcome: Outcome, digest: Option<Digest>) -> Transition {
        match outcome {
            Outcome::Done { body, compensation } => self.done(body, compensation, digest),
            Outcome::Rejected { code, reason, details } => self.rejected(&code, &reason, details),
            Outcome::Retry { reason, after } => self.retry(&reason, after),
            Outcome::Wait { key, reason, timeout } => self.wait(key, &reason, timeout),
        }
    }

    fn done(&self, body: Json, compensation: Option<Json>, digest: Option<Digest>) -> Transition {
        let meta = &self.envelope.meta;
        match meta.direction {
            Direction::Compensate => self.go_on(body.clone(), smallvec![Event::Compensated { body }]),
            Direction::Handle => {
                let events: SmallVec<[Event; 2]> =
                    smallvec![Event::Done { body: body.clone(), compensation: compensation.clone() }];
                let entry = CompensationEntry { position: meta.position(), digest, log: compensation };
                match meta.advanced() {
                    Some(next) => {
                        let meta = next.with_compensation_entry(entry);
                        Transition::new(events, Next::Publish(Box::new(Envelope { meta, body })))
                    }
                    None => Transition::ended(events, EndStatus::Completed),
                }
            }
        }
    }

    /// On to the next stop in the direction of travel, with nothing learned at this one.
    fn go_on(&self, body: Json, events: SmallVec<[Event; 2]>) -> Transition {
        let meta = &self.envelope.meta;
        match (meta.advanced(), meta.direction) {
            (Some(meta), _) => Transition::new(events, Next::Publish(Box::new(Envelope { meta, body }))),
            (None, Direction::Handle) => Transition::ended(events, EndStatus::Completed),
            (None, Direction::Compensate) => Transition::ended(events, self.compensated_status()),
        }
    }

    fn compensated_status(&self) -> EndStatus {
        if self.envelope.meta.compensation_failed { EndStatus::CompensationFailed } else { EndStatus::Compensated }
    }

    fn rejected(&self, code: &str, reason: &str, details: Option<Json>) -> Transition {
        let failure = self.failure(FailureKind::Rejected, code, reason);
        match self.envelope.meta.direction {
            Direction::Compensate => self.compensation_given_up(failure),
            // Past the pivot a refusal is no reason to undo: it is tried again, then put before a person.
            Direction::Handle if self.is_past_pivot() => self.again_or(
                self.rules.retry.handle,
                Attempts { retry_count: self.attempts.retry_count.saturating_add(1), ..self.attempts },
                self.attempts.retry_count,
                (reason, None, None),
                |case| case.dead_lettered(failure.clone()),
            ),
            Direction::Handle => self.turn_round(failure, details),
        }
    }

    fn retry(&self, reason: &str, after: Option<Duration>) -> Transition {
        let policy = match self.envelope.meta.direction {
            Direction::Handle => self.rules.retry.handle,
            Direction::Compensate => self.rules.retry.compensate,
        };
        let attempts = Attempts { retry_count: self.attempts.retry_count.saturating_add(1), ..self.attempts };
        self.again_or(policy, attempts, self.attempts.retry_count, (reason, None, after), |case| {
            let kind = FailureKind::RetryExhausted;
            case.exhausted(case.failure(kind, kind.as_str(), reason))
        })
    }

    fn fault(&self, fault: Fault) -> Transition {
        let kind = FailureKind::from(fault.kind);
        let attempts = Attempts { fault_count: self.attempts.fault_count.saturating_add(1), ..self.attempts };
        let why = (fault.reason.as_str(), Some(kind), None);
        self.again_or(self.rules.retry.fault, attempts, self.attempts.fault_count, why, |case| {
            case.exhausted(case.failure(kind, kind.as_str(), &fault.reason))
        })
    }

    /// The same message later while the budget lasts, otherwise what `exhausted` says. No wait reaches past the
    /// deadline: the message must come in time to meet it.
    fn again_or(
        &self,
        policy: RetryPolicy,
        attempts: Attempts,
        failed_before: u32,
        (reason, fault, after): (&str, Option<FailureKind>, Option<Duration>),
        exhausted: impl FnOnce(&Self) -> Transition,
    ) -> Transition {
        let Some(delay) = policy.delay_after(failed_before.saturating_add(1), self.moment.jitter, after) else {
            return exhausted(self);
        };
        let due = self.before_deadline(self.moment.now.plus(delay));
        let reason = limits::cut(reason, limits::REASON_BYTES_MAX);
        Transition::new(smallvec![Event::Retried { reason, fault, due }], Next::Again { due, attempts })
    }

    fn exhausted(&self, failure: Failure) -> Transition {
        match (self.envelope.meta.direction, self.rules.policy.on_exhausted) {
            (Direction::Compensate, _) => self.compensation_given_up(failure),
            (Direction::Handle, OnExhausted::Compensate) if !self.is_past_pivot() => self.turn_round(failure, None),
            (Direction::Handle, OnExhausted::Compensate | OnExhausted::Error) => self.dead_lettered(failure),
        }
    }

    fn wait(&self, key: WaitKey, reason: &str, timeout: Option<Duration>) -> Transition {
        let span = timeout.unwrap_or(self.rules.wait.timeout).min(limits::WAIT_TIMEOUT_MAX);
        let until = self.before_deadline(self.moment.now.plus(span));
        let reason = limits::cut(reason, limits::REASON_BYTES_MAX);
        Transition::new(
            smallvec![Event::Waiting { key: key.clone(), reason: reason.clone(), until }],
            Next::Park { key, reason, until, on_timeout: self.rules.wait.on_timeout },
        )
    }

    fn wait_expired(&self, key: &WaitKey, reason: &str, on_timeout: OnTimeout) -> Transition {
        if self.is_past_deadline() {
            return self.deadline_passed();
        }
        let reason = format!("waited in vain for {key}: {reason}");
        let failure = self.failure(FailureKind::WaitTimeout, FailureKind::WaitTimeout.as_str(), &reason);
        match (self.envelope.meta.direction, on_timeout) {
            (Direction::Compensate, _) => self.compensation_given_up(failure),
            (Direction::Handle, OnTimeout::Reject) if !self.is_past_pivot() => self.turn_round(failure, None),
            (Direction::Handle, OnTimeout::Reject | OnTimeout::Error) => self.dead_lettered(failure),
        }
    }

    fn deadline_passed(&self) -> Transition {
        assert!(self.may_meet_deadline(), "a deadline stops only what can still be turned round");
        let kind = FailureKind::Deadline;
        let reason = match self.envelope.meta.deadline {
            Some(deadline) => format!("the saga's deadline {deadline} passed before this step began"),
            None => "the saga's deadline passed before this step began".to_owned(),
        };
        self.turn_round(self.failure(kind, kind.as_str(), &reason), None)
    }

    fn acted(&self, mark: Mark) -> Transition {
        let meta = &self.envelope.meta;
        let asked = mark.reason.as_deref().unwrap_or("asked for by a person").to_owned();
        let event = Event::Acted { verb: mark.verb, who: mark.who, reason: mark.reason };
        let mut transition = match (mark.verb, meta.direction) {
            (Verb::Retry, _) => {
                Transition::new(SmallVec::new(), Next::Again { due: self.moment.now, attempts: Attempts::default() })
            }
            (Verb::Compensate, Direction::Handle) => {
                let kind = FailureKind::Operator;
                self.turn_round(self.failure(kind, kind.as_str(), &asked), None)
            }
            // It travels backwards already: what it needs is another try.
            (Verb::Compensate, Direction::Compensate) => {
                Transition::new(SmallVec::new(), Next::Again { due: self.moment.now, attempts: Attempts::default() })
            }
            (Verb::Skip, Direction::Handle) => self.skipped(),
            (Verb::Skip, Direction::Compensate) => self.go_on(self.envelope.body.clone(), SmallVec::new()),
            (Verb::Close, _) => Transition::ended(SmallVec::new(), EndStatus::Closed),
        };
        transition.events.insert(0, event);
        transition
    }

    /// A skipped `handle` did nothing, so it leaves no compensation entry: the host answers its `compensate` by itself.
    fn skipped(&self) -> Transition {
        self.go_on(self.envelope.body.clone(), SmallVec::new())
    }

    fn turn_round(&self, failure: Failure, details: Option<Json>) -> Transition {
        let events = smallvec![Event::Rejected { failure: failure.clone(), details }];
        match self.envelope.meta.turned_round(failure) {
            Some(meta) => {
                let body = self.envelope.body.clone();
                Transition::new(events, Next::Publish(Box::new(Envelope { meta, body })))
            }
            None => Transition::ended(events, EndStatus::Compensated),
        }
    }

    fn compensation_given_up(&self, failure: Failure) -> Transition {
        match self.rules.policy.on_compensation_failure {
            OnCompensationFailure::Stop => self.dead_lettered(failure),
            OnCompensationFailure::Continue => {
                let event = Event::DeadLettered { failure: failure.clone(), letter: encode(self.envelope) };
                let mut marked = self.envelope.clone();
                marked.meta.compensation_failed = true;
                let case = Case { envelope: &marked, ..*self };
                let mut transition = case.go_on(marked.body.clone(), smallvec![event]);
                transition.aside = Some(failure);
                transition
            }
        }
    }

    fn dead_lettered(&self, failure: Failure) -> Transition {
        let letter = encode(self.envelope);
        Transition::new(smallvec![Event::DeadLettered { failure: failure.clone(), letter }], Next::DeadLetter(failure))
    }

    fn failure(&self, kind: FailureKind, code: &str, reason: &str) -> Failure {
        let meta = &self.envelope.meta;
        Failure {
            position: meta.position(),
            address: meta.address().clone(),
            direction: meta.direction,
            kind,
            code: limits::cut(code, limits::CODE_BYTES_MAX),
            reason: limits::cut(reason, limits::REASON_BYTES_MAX),
            at: self.moment.now,
        }
    }

    /// Whether the pivot's `handle` was done: then the saga only goes forward.
    fn is_past_pivot(&self) -> bool {
        let position = self.envelope.meta.position();
        self.rules.policy.pivot.is_some_and(|pivot| position > pivot)
    }

    fn may_meet_deadline(&self) -> bool {
        self.envelope.meta.direction == Direction::Handle && !self.is_past_pivot()
    }

    fn is_past_deadline(&self) -> bool {
        self.may_meet_deadline() && self.envelope.meta.deadline.is_some_and(|deadline| deadline <= self.moment.now)
    }

    fn before_deadline(&self, at: Timestamp) -> Timestamp {
        match self.envelope.meta.deadline {
            Some(deadline) if self.may_meet_deadline() => at.min(deadline.max(self.moment.now)),
            Some(_) | None => at,
        }
    }
}

/// Whether a delivery must be turned round for its deadline instead of being run.
pub fn is_past_deadline(envelope: &Envelope, policy: Policy, now: Timestamp) -> bool {
    let meta = &envelope.meta;
    let past_pivot = policy.pivot.is_some_and(|pivot| meta.position() > pivot);
    meta.direction == Direction::Handle && !past_pivot && meta.deadline.is_some_and(|deadline| deadline <= now)
}

impl Transition {
    fn new(events: SmallVec<[Event; 2]>, next: Next) -> Self {
        Self { events, next, aside: None }
    }

    fn ended(mut events: SmallVec<[Event; 2]>, status: EndStatus) -> Self {
        events.push(Event::Ended { status });
        Self::new(events, Next::End(status))
    }
}
