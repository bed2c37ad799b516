//! The smallest host: one message, one journal, the rules, and a tape that answers for everybody else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host_core::decide::{Input, Moment, Next, Rules, Transition, decide, is_past_deadline};
use host_core::envelope::{Envelope, Start, decode, encode};
use host_core::id::{Digest, Direction, GlobalId, Position, StepAddress, WaitKey};
use host_core::json::Json;
use host_core::limits::Limits;
use host_core::manifest::{Retry, Wait};
use host_core::outcome::{Answer, Fault, FaultKind, Outcome};
use host_core::record::{EndStatus, Event, Record, Standing, Verb};
use host_core::retry::{Jitter, RetryPolicy};
use host_core::saga::{CallState, Saga, Status};
use host_core::time::Timestamp;
use host_core::unit::{Attempts, Mark, OnTimeout};
use host_core::use_case::Policy;

/// What is random, and how much of what could go on for ever.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) step_count: u16,
    pub(crate) foreign: Vec<bool>,
    pub(crate) policy: Policy,
    pub(crate) deadline_ms: Option<u64>,
    /// Attempts of `handle`, of `compensate`, after faults.
    pub(crate) budgets: (u32, u32, u32),
    pub(crate) tape: Vec<u8>,
    pub(crate) signals: u32,
    pub(crate) acts: u32,
}

impl Case {
    /// Foreign services stand in the middle only, so that every start and end is seen here.
    pub(crate) fn is_foreign(&self, position: Position) -> bool {
        position.0 > 0 && position.0 + 1 < self.step_count && self.foreign[usize::from(position.0)]
    }

    pub(crate) fn has_foreign(&self) -> bool {
        (0..self.step_count).any(|position| self.is_foreign(Position(position)))
    }
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Over(EndStatus),
    BeforePerson,
}

/// One call of a `compensate`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undo {
    pub(crate) position: Position,
    pub(crate) done: bool,
    pub(crate) second_try: bool,
}

/// What happened.
pub(crate) struct Lived {
    pub(crate) journal: Vec<Record>,
    /// Folded while living.
    pub(crate) saga: Saga,
    /// Whose `handle` was done by our plugins, in order.
    pub(crate) handled: Vec<Position>,
    pub(crate) compensated: Vec<Undo>,
    pub(crate) end: End,
}

struct World<'a> {
    case: &'a Case,
    rules: Rules,
    tape_at: usize,
    signals: u32,
    acts: u32,
    now: Timestamp,
    envelope: Envelope,
    attempts: Attempts,
    journal: Vec<Record>,
    saga: Option<Saga>,
    handled: Vec<Position>,
    compensated: Vec<Undo>,
}

/// What follows a transition.
enum Flow {
    Deliver,
    Parked(WaitKey, String, Timestamp, OnTimeout),
    Stands,
    Over(EndStatus),
}

pub(crate) fn live(case: &Case) -> Lived {
    let mut world = World::new(case);
    let mut flow = Flow::Deliver;
    // Five steps, two directions, a handful of tries, a few acts: far below this, or it would never end.
    for _ in 0..2000 {
        flow = match flow {
            Flow::Deliver => world.deliver(),
            Flow::Parked(key, reason, until, on_timeout) => world.parked(key, reason, until, on_timeout),
            Flow::Stands => match world.person() {
                Some(flow) => flow,
                None => return world.lived(End::BeforePerson),
            },
            Flow::Over(status) => match world.person_after(status) {
                Some(flow) => flow,
                None => return world.lived(End::Over(status)),
            },
        };
    }
    panic!("a saga went on for ever: {:#?}", world.journal);
}

impl<'a> World<'a> {
    fn new(case: &'a Case) -> Self {
        let now = Timestamp::from_ms(1_795_000_000_000);
        let steps = (0..case.step_count)
            .map(|index| StepAddress::try_new(&format!("d.s.step-{index}")).expect("three words"))
            .collect();
        let envelope = Envelope::try_start(Start {
            global_id: GlobalId::try_new("saga").expect("an id"),
            steps,
            body: json("0"),
            use_case: None,
            deadline: case.deadline_ms.map(|ms| now.plus(Duration::from_millis(ms))),
            trace: None,
        })
        .expect("steps");
        let policy = |attempt_count_max| RetryPolicy {
            attempt_count_max,
            initial: Duration::from_millis(100),
            max: Duration::from_secs(5),
        };
        let (handle, compensate, fault) = case.budgets;
        let retry = Retry { handle: policy(handle), compensate: policy(compensate), fault: policy(fault) };
        let on_timeout = if case.tape[0].is_multiple_of(2) { OnTimeout::Reject } else { OnTimeout::Error };
        let wait = Wait { timeout: Duration::from_secs(20), on_timeout };
        let mut world = World {
            case,
            rules: Rules { retry, wait, policy: case.policy },
            tape_at: 0,
            signals: case.signals,
            acts: case.acts,
            now,
            envelope: envelope.clone(),
            attempts: Attempts::default(),
            journal: Vec::new(),
            saga: None,
            handled: Vec::new(),
            compensated: Vec::new(),
        };
        let (steps, deadline) = (envelope.meta.forward_steps(), envelope.meta.deadline);
        world.write(Event::Started { steps, body: envelope.body, deadline }, 0, None);
        world
    }

    fn choose(&mut self) -> u8 {
        let choice = self.case.tape[self.tape_at % self.case.tape.len()];
        self.tape_at += 1;
        choice
    }

    fn saga(&self) -> &Saga {
        self.saga.as_ref().expect("it was started")
    }

    fn lived(self, end: End) -> Lived {
        let mut handled = self.handled;
        handled.sort();
        let saga = self.saga.expect("it was started");
        Lived { journal: self.journal, saga, handled, compensated: self.compensated, end }
    }

    fn write(&mut self, event: Event, attempt: u32, digest: Option<Digest>) {
        let meta = &self.envelope.meta;
        let record = Record {
            global_id: meta.global_id.clone(),
            position: meta.position(),
            address: meta.address().clone(),
            direction: meta.direction,
            at: self.now,
            began_at: self.now,
            attempt,
            digest,
            use_case: meta.use_case.clone(),
            event,
        };
        match &mut self.saga {
            Some(saga) => saga.apply(&record),
            none => *none = Some(Saga::begin(&record)),
        }
        self.journal.push(record);
    }

    /// The message comes to its step: ours, or a service's that keeps no journal.
    fn deliver(&mut self) -> Flow {
        if self.choose().is_multiple_of(3) {
            self.through_the_wire();
        }
        let meta = &self.envelope.meta;
        let (position, direction) = (meta.position(), meta.direction);
        if self.case.is_foreign(position) {
            self.foreign();
            return Flow::Deliver;
        }
        if self.acts > 0 && self.choose().is_multiple_of(16) {
            let mark = self.mark();
            return self.decide(Input::Acted(mark), 0);
        }
        if is_past_deadline(&self.envelope, self.rules.policy, self.now) {
            return self.decide(Input::DeadlinePassed, 0);
        }
        let entry = self.envelope.meta.compensation_entry(position).cloned();
        let answer = match (direction, entry) {
            (Direction::Compensate, None) => return self.decide(Input::NeverRan, 0),
            (Direction::Compensate, Some(entry)) => {
                assert_eq!(entry.digest, Some(digest(position)), "undone by what did it");
                assert_eq!(entry.log, log(position), "with what it asked for");
                let answer = self.answer(position);
                let done = matches!(answer, Answer::Outcome(Outcome::Done { .. }));
                let second_try = self.envelope.meta.given_up.contains(&position);
                self.compensated_once(Undo { position, done, second_try });
                answer
            }
            (Direction::Handle, _) => {
                let answer = self.answer(position);
                if matches!(answer, Answer::Outcome(Outcome::Done { .. })) {
                    assert!(!self.handled.contains(&position), "done twice");
                    self.handled.push(position);
                }
                answer
            }
        };
        let attempt = self.attempts.number();
        self.now = self.now.plus(Duration::from_millis(u64::from(self.choose())));
        self.decide(Input::Answered { answer, digest: Some(digest(position)) }, attempt)
    }

    /// Several calls of the same `compensate` are one undoing.
    fn compensated_once(&mut self, undo: Undo) {
        match self.compensated.last_mut() {
            Some(last) if last.position == undo.position && last.second_try == undo.second_try => {
                assert!(!last.done, "undone twice");
                last.done = undo.done;
            }
            Some(_) | None => self.compensated.push(undo),
        }
    }

    fn through_the_wire(&mut self) {
        let meta = &self.envelope.meta;
        let read = decode(&encode(&self.envelope), meta.direction, meta.address(), &Limits::default());
        assert_eq!(read.as_ref(), Ok(&self.envelope));
    }

    /// A service of another system hands the message on with its `meta` as it came, or turns the list round.
    fn foreign(&mut self) {
        let meta = &self.envelope.meta;
        let refuses = meta.direction == Direction::Handle
            && self.case.tape[self.tape_at % self.case.tape.len()].is_multiple_of(5);
        self.tape_at += 1;
        let mut text: serde_json::Value = serde_json::from_slice(&encode(&self.envelope)).expect("our own text");
        let at = usize::from(self.envelope.meta.index());
        let steps = text["meta"]["steps"].as_array_mut().expect("a list");
        let (direction, next) = if refuses {
            steps.reverse();
            (Direction::Compensate, steps.len() - at)
        } else {
            (self.envelope.meta.direction, at + 1)
        };
        let next = StepAddress::try_new(steps[next].as_str().expect("a text")).expect("an address");
        let text = Bytes::from(text.to_string());
        self.envelope = decode(&text, direction, &next, &Limits::default()).expect("what a service hands on");
        self.attempts = Attempts::default();
    }

    fn answer(&mut self, position: Position) -> Answer {
        let choice = self.choose();
        let body = json(&self.tape_at.to_string());
        let outcome = match choice % 16 {
            0..=7 => Outcome::Done { body, compensation: log(position) },
            8 | 9 => Outcome::Rejected { code: "no".into(), reason: "it refused".into(), details: None },
            10 => Outcome::Retry { reason: "busy".into(), after: Some(Duration::from_millis(choice.into())) },
            11 => Outcome::Retry { reason: "busy".into(), after: None },
            12 | 13 => {
                let key = WaitKey::try_new(&format!("key/{}", choice % 3)).expect("a key");
                let timeout = (choice > 127).then(|| Duration::from_secs(u64::from(choice)));
                Outcome::Wait { key, reason: "not yet".into(), timeout }
            }
            _ => return Answer::Fault(Fault { kind: FaultKind::Trap, reason: "panicked".into() }),
        };
        Answer::Outcome(outcome)
    }

    fn mark(&mut self) -> Mark {
        self.acts -= 1;
        let verbs = [Verb::Retry, Verb::Compensate, Verb::Skip, Verb::Close];
        let verb = verbs[usize::from(self.choose()) % verbs.len()];
        let global_id = self.envelope.meta.global_id.clone();
        Mark { global_id, verb, who: "ada".into(), reason: None, at: self.now }
    }

    fn parked(&mut self, key: WaitKey, reason: String, until: Timestamp, on_timeout: OnTimeout) -> Flow {
        let choice = self.choose();
        if self.acts > 0 && choice.is_multiple_of(8) {
            let mark = self.mark();
            return self.decide(Input::Acted(mark), 0);
        }
        if self.signals > 0 && choice.is_multiple_of(2) {
            self.signals -= 1;
            self.write(Event::Signalled { key }, 0, None);
            let saga = self.saga();
            assert!(saga.waiting.is_none() && saga.status == self.moving());
            return Flow::Deliver;
        }
        self.now = self.now.max(until);
        self.decide(Input::WaitExpired { key, reason, on_timeout }, 0)
    }

    /// The saga stands: a person acts on its letter, or leaves it there.
    fn person(&mut self) -> Option<Flow> {
        if self.acts == 0 || self.choose().is_multiple_of(4) {
            return None;
        }
        self.take_letter();
        let mark = self.mark();
        Some(self.decide(Input::Acted(mark), 0))
    }

    /// The saga is over, and what was given up can be tried again.
    fn person_after(&mut self, status: EndStatus) -> Option<Flow> {
        let saga = self.saga();
        assert_eq!(saga.letter.is_some(), status == EndStatus::CompensationFailed);
        if saga.letter.is_none() || self.acts == 0 {
            return None;
        }
        self.take_letter();
        let mut mark = self.mark();
        mark.verb = if mark.verb == Verb::Skip { Verb::Skip } else { Verb::Retry };
        Some(self.decide(Input::Acted(mark), 0))
    }

    fn take_letter(&mut self) {
        let saga = self.saga();
        let letter = saga.letter.clone().expect("a letter");
        let failure = saga.failure.clone().expect("a failure");
        assert_eq!(saga.at, (failure.position, failure.direction));
        self.envelope =
            decode(&letter, failure.direction, &failure.address, &Limits::default()).expect("our own letter");
        self.attempts = Attempts::default();
    }

    fn decide(&mut self, input: Input, attempt: u32) -> Flow {
        let jitter = Jitter::new(f64::from(self.choose()) / 256.0);
        let moment = Moment { now: self.now, jitter };
        let transition = decide(&self.envelope, self.attempts, input, &self.rules, moment);
        let Transition { events, next, aside } = transition;
        let beside = |event: &Event| matches!(event, Event::DeadLettered { standing: Standing::Beside, .. });
        assert_eq!(aside.is_some(), events.iter().any(beside));
        let called = (attempt > 0).then(|| digest(self.envelope.meta.position()));
        for event in events {
            self.write(event, attempt, called);
        }
        self.follow(next)
    }

    /// What was decided becomes the case, and the journal agrees with it.
    fn follow(&mut self, next: Next) -> Flow {
        let (position, direction) = (self.envelope.meta.position(), self.envelope.meta.direction);
        match next {
            Next::Publish(envelope) => {
                self.envelope = Arc::unwrap_or_clone(envelope);
                self.attempts = Attempts::default();
                let saga = self.saga();
                assert_eq!(saga.at, (self.envelope.meta.position(), self.envelope.meta.direction));
                assert_eq!((saga.status, saga.ended, &saga.letter), (self.moving(), false, &None));
                Flow::Deliver
            }
            Next::Again { due, attempts } => {
                assert!(due >= self.now);
                self.attempts = attempts;
                let saga = self.saga();
                let state = saga.call(position, direction).map(|call| call.state);
                let expected = if saga.retry_due.is_some() { CallState::Retrying } else { CallState::Pending };
                assert_eq!((saga.at, saga.status, state), ((position, direction), self.moving(), Some(expected)));
                assert!(saga.retry_due.is_none_or(|at| at == due) && saga.letter.is_none() && !saga.ended);
                self.now = due;
                Flow::Deliver
            }
            Next::Park { key, reason, until, on_timeout } => {
                let saga = self.saga();
                let waiting = saga.waiting.as_ref().expect("it waits");
                assert_eq!((&waiting.key, waiting.until, saga.status), (&key, until, Status::Waiting));
                Flow::Parked(key, reason, until, on_timeout)
            }
            Next::DeadLetter(failure) => {
                let saga = self.saga();
                let status = match direction {
                    Direction::Handle => Status::Failed,
                    Direction::Compensate => Status::CompensationFailed,
                };
                assert_eq!((saga.status, saga.failure.as_ref(), saga.ended), (status, Some(&failure), false));
                assert_eq!(saga.letter.as_ref(), Some(&encode(&self.envelope)));
                Flow::Stands
            }
            Next::End(status) => {
                let saga = self.saga();
                assert_eq!((saga.status, saga.ended), (Status::from(status), true));
                Flow::Over(status)
            }
            Next::Drop => panic!("nothing here is late"),
        }
    }

    fn moving(&self) -> Status {
        match self.envelope.meta.direction {
            Direction::Handle => Status::Running,
            Direction::Compensate => Status::Compensating,
        }
    }
}

fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("JSON")
}

fn digest(position: Position) -> Digest {
    Digest([u8::try_from(position.0).expect("few steps"); 32])
}

/// What a step hands to its own undoing: every second one something.
fn log(position: Position) -> Option<Json> {
    (position.0.is_multiple_of(2)).then(|| json(&format!("\"log-{}\"", position.0)))
}
