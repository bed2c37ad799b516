//! The one transition function: a message, what came of it, and the rules, to what happens next. Pure.
//! Invariant: every transition consumes the saga's one message and yields exactly one continuation, so a saga never
//! forks and never vanishes: it has one message on its way, or one that waits, or one before a person, or it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use crate::envelope::{CompensationEntry, Envelope, encode, meta_bytes, meta_bytes_at_most};
use crate::failure::{Failure, FailureKind};
use crate::id::{Digest, Direction, WaitKey};
use crate::json::Json;
use crate::limits::{self, Limits};
use crate::manifest::{Retry, Wait};
use crate::outcome::{Answer, Fault, FaultKind, Outcome};
use crate::record::{EndStatus, Event, Standing, Verb};
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
    Publish(Arc<Envelope>),
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
                        Transition::new(events, Next::Publish(Arc::new(Envelope { meta, body })))
                    }
                    None => Transition::ended(events, EndStatus::Completed),
                }
            }
        }
    }

    /// On to the next stop in the direction of travel, with nothing learned at this one.
    fn go_on(&self, body: Json, events: SmallVec<[Event; 2]>) -> Transition {
        let meta = &self.envelope.meta;
        let next = if self.is_second_try() { None } else { meta.advanced() };
        match (next, meta.direction) {
            (Some(meta), _) => Transition::new(events, Next::Publish(Arc::new(Envelope { meta, body }))),
            (None, Direction::Handle) => Transition::ended(events, EndStatus::Completed),
            (None, Direction::Compensate) => Transition::ended(events, self.compensated_status()),
        }
    }

    /// How a saga ends whose last compensation is this one, done.
    fn compensated_status(&self) -> EndStatus {
        let meta = &self.envelope.meta;
        let others_given_up = meta.given_up.iter().any(|position| *position != meta.position());
        if others_given_up { EndStatus::CompensationFailed } else { EndStatus::Compensated }
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

    /// A fault has a small budget of its own, and then a person: what would have to be undone was done by code that
    /// works, and the code that does not can be replaced.
    fn fault(&self, fault: Fault) -> Transition {
        let kind = FailureKind::from(fault.kind);
        let attempts = Attempts { fault_count: self.attempts.fault_count.saturating_add(1), ..self.attempts };
        let why = (fault.reason.as_str(), Some(kind), None);
        self.again_or(self.rules.retry.fault, attempts, self.attempts.fault_count, why, |case| {
            let failure = case.failure(kind, kind.as_str(), &fault.reason);
            match case.envelope.meta.direction {
                Direction::Handle => case.dead_lettered(failure),
                Direction::Compensate => case.compensation_given_up(failure),
            }
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
        let after = after.map(|after| after.min(limits::WAIT_TIMEOUT_MAX));
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
        if is_past_deadline(self.envelope, self.rules.policy, self.moment.now) {
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
        let kind = FailureKind::Deadline;
        let reason = match self.envelope.meta.deadline {
            Some(deadline) => format!("the saga's deadline {deadline} passed before this step was done"),
            None => "the saga's deadline passed before this step was done".to_owned(),
        };
        let failure = self.failure(kind, kind.as_str(), &reason);
        // A deadline stops only what can still be turned round; asked for anything else, leave it to a person.
        if self.may_meet_deadline() { self.turn_round(failure, None) } else { self.dead_lettered(failure) }
    }

    fn acted(&self, mark: Mark) -> Transition {
        let meta = &self.envelope.meta;
        let reason = mark.reason.map(|reason| limits::cut(&reason, limits::REASON_BYTES_MAX));
        let asked = reason.as_deref().unwrap_or("asked for by a person").to_owned();
        let who = limits::cut(&mark.who, limits::WHO_BYTES_MAX);
        let event = Event::Acted { verb: mark.verb, who, reason };
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
                Transition::new(events, Next::Publish(Arc::new(Envelope { meta, body })))
            }
            None => Transition::ended(events, EndStatus::Compensated),
        }
    }

    fn compensation_given_up(&self, failure: Failure) -> Transition {
        match self.rules.policy.on_compensation_failure {
            OnCompensationFailure::Stop => self.dead_lettered(failure),
            OnCompensationFailure::Continue => {
                let body = self.envelope.body.clone();
                let letter = Envelope { meta: self.envelope.meta.clone().with_given_up(), body: body.clone() };
                let event = Event::DeadLettered {
                    failure: failure.clone(),
                    letter: encode(&letter),
                    standing: Standing::Beside,
                };
                let next = if self.is_second_try() { None } else { letter.meta.advanced() };
                let mut transition = match next {
                    Some(meta) => Transition::new(smallvec![event], Next::Publish(Arc::new(Envelope { meta, body }))),
                    None => Transition::ended(smallvec![event], EndStatus::CompensationFailed),
                };
                transition.aside = Some(failure);
                transition
            }
        }
    }

    fn dead_lettered(&self, failure: Failure) -> Transition {
        let letter = encode(self.envelope);
        let event = Event::DeadLettered { failure: failure.clone(), letter, standing: Standing::InTheWay };
        Transition::new(smallvec![event], Next::DeadLetter(failure))
    }

    /// A compensation that was given up once already: those behind it have had their turn.
    fn is_second_try(&self) -> bool {
        let meta = &self.envelope.meta;
        meta.direction == Direction::Compensate && meta.given_up.contains(&meta.position())
    }

    fn failure(&self, kind: FailureKind, code: &str, reason: &str) -> Failure {
        let meta = &self.envelope.meta;
        Failure {
            position: meta.position(),
            address: meta.address().clone(),
            direction: meta.direction,
            kind,
            code: limits::cut(&printable(code), limits::CODE_BYTES_MAX),
            reason: limits::cut(&printable(reason), limits::REASON_BYTES_MAX),
            at: self.moment.now,
        }
    }

    /// Whether the pivot's `handle` was done: then the saga only goes forward.
    fn is_past_pivot(&self) -> bool {
        is_past_pivot(self.envelope, self.rules.policy)
    }

    fn may_meet_deadline(&self) -> bool {
        self.envelope.meta.direction == Direction::Handle && !self.is_past_pivot()
    }

    fn before_deadline(&self, at: Timestamp) -> Timestamp {
        match self.envelope.meta.deadline {
            Some(deadline) if self.may_meet_deadline() => at.min(deadline.max(self.moment.now)),
            Some(_) | None => at,
        }
    }
}

/// Without control characters but line breaks: a failure travels on in `meta`, where each of the others takes six
/// bytes.
fn printable(text: &str) -> Cow<'_, str> {
    let unprintable = |character: char| character.is_control() && character != '\n' && character != '\t';
    if text.contains(unprintable) { Cow::Owned(text.replace(unprintable, " ")) } else { Cow::Borrowed(text) }
}

/// The answer, unless the message that it leads to would be over a limit: then it is a fault of the plugin, said while
/// its call can still be told so, and not at the next step. Asked before `decide`.
pub fn bounded(envelope: &Envelope, answer: Answer, limits: &Limits) -> Answer {
    match answer {
        Answer::Outcome(Outcome::Done { body, compensation }) => {
            let over = over_body(&body, limits).or_else(|| over_meta(envelope, compensation.as_ref(), limits));
            match over {
                None => Answer::Outcome(Outcome::Done { body, compensation }),
                Some(reason) => Answer::Fault(Fault { kind: FaultKind::OutputLimit, reason }),
            }
        }
        Answer::Outcome(Outcome::Rejected { .. } | Outcome::Retry { .. } | Outcome::Wait { .. }) | Answer::Fault(_) => {
            answer
        }
    }
}

fn over_body(body: &Json, limits: &Limits) -> Option<String> {
    let (bytes, bytes_max) = (body.len(), limits.body_bytes_max);
    (bytes > bytes_max).then(|| format!("the body it gave back has {bytes} bytes, the limit is {bytes_max}"))
}

/// All compensation logs travel in `meta`, and so will the failure that turns the saga round.
fn over_meta(envelope: &Envelope, compensation: Option<&Json>, limits: &Limits) -> Option<String> {
    let (meta, log) = match (envelope.meta.direction, compensation) {
        (Direction::Handle, Some(log)) => (&envelope.meta, log),
        (Direction::Handle, None) | (Direction::Compensate, _) => return None,
    };
    let bytes_max = limits.meta_bytes_max - limits::FAILURE_BYTES_RESERVED.min(limits.meta_bytes_max / 2);
    let added = log.len() + limits::LOG_ENTRY_BYTES;
    if meta_bytes_at_most(meta) + added <= bytes_max {
        return None;
    }
    let bytes = meta_bytes(meta) + added;
    (bytes > bytes_max).then(|| {
        format!(
            "with its compensation log of {} bytes the head of the message has {bytes}, the limit is {bytes_max}; \
             hand back a key of what is to be undone instead of the data",
            log.len()
        )
    })
}

/// Whether a delivery must be turned round for its deadline instead of being run.
pub fn is_past_deadline(envelope: &Envelope, policy: Policy, now: Timestamp) -> bool {
    let meta = &envelope.meta;
    meta.direction == Direction::Handle
        && !is_past_pivot(envelope, policy)
        && meta.deadline.is_some_and(|deadline| deadline <= now)
}

fn is_past_pivot(envelope: &Envelope, policy: Policy) -> bool {
    policy.pivot.is_some_and(|pivot| envelope.meta.position() > pivot)
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

#[cfg(test)]
mod tests;
