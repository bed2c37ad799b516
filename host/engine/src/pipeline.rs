//! The path of one delivery: intake, execute, commit; left to right, never back. No lock and no transaction is held
//! while a plugin runs.

mod shared_call;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use host_broker::Delivery;
use host_core::decide::{Input, bounded, decide};
use host_core::envelope::Envelope;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Direction, GlobalId, Position, StepAddress, TopicKind};
use host_core::limits::{self, REASON_BYTES_MAX};
use host_core::manifest::{Grant, Manifest};
use host_core::outcome::{Answer, Outcome};
use host_core::record::{Event, Record, Standing};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Cause, Headers, KeyValueTxn, Message, Parked, Payload, Publish, Unit};
use host_runtime::{Call, Effects, Place, Report};
use host_store::Remedy;
use parking_lot::Mutex;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::commit::{self, Refused, Stopped};
use crate::context::{Context, moment_at};
use crate::failpoint::FailPoint;
use crate::intake::{First, Pinned, Work, intake};
use crate::limits::{CONFLICTS_BEFORE_ALONE, CONFLICTS_MAX, UNREADABLE_PAUSE};
use crate::parking::{self, meet_remembered_signal};
use crate::settle::{CallFacts, settle, settle_uncalled, started};
use crate::topics;
use shared_call::Delivered;

/// Runs deliveries of steps.
pub(crate) struct Pipeline {
    context: Arc<Context>,
    /// One lock a step with key-values: calls share it, a call that lost races often enough takes it alone.
    alone: Mutex<HashMap<StepAddress, Arc<RwLock<()>>>>,
}

impl Pipeline {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, alone: Mutex::default() }
    }

    /// Handle one delivery to its end: committed, or given back to the broker when the host stops. A step that runs
    /// elsewhere has a place for its call.
    pub(crate) async fn run(
        &self,
        manifest: &Manifest,
        direction: Direction,
        mut delivery: Delivery,
        place: Option<Box<dyn Place>>,
    ) {
        let context = &*self.context;
        let mut turn = None;
        let work = match intake(context, &manifest.address, direction, &mut delivery, &mut turn).await {
            Ok(work) => work,
            // Nothing changes that by itself: the message is put before a person, and its topic goes on.
            Err(parking::Error::Store(error)) if error.remedy() != Remedy::AfterRestart => {
                Work::Undecodable { global_id: None, reason: error.to_string() }
            }
            Err(error) => {
                tracing::error!(%error, step = %manifest.address, "the journal cannot be read, a message is given back");
                tokio::time::sleep(UNREADABLE_PAUSE).await;
                context.broker.release(delivery.ack);
                return;
            }
        };
        let Delivery { message, ack, redelivered: _ } = delivery;
        context.fail_points.hit(FailPoint::BeforeExecute);
        let outcome = match work {
            Work::Call { envelope, pinned, first } => {
                self.call(manifest, message, ack, envelope, pinned, first, place).await
            }
            Work::Decide { envelope, input, first } => {
                let unit = self.decided(manifest, &message, ack, &envelope, *input, first);
                self.submit(unit).await
            }
            Work::Undecodable { global_id, reason } => {
                let unit = undecodable(context, &manifest.address, direction, message, ack, global_id, &reason);
                self.submit(unit).await
            }
        };
        drop(turn);
        if let Err(stopped) = outcome {
            // The message is where it was: the next host takes it up. Nothing was promised to anybody.
            tracing::debug!(error = %stopped, step = %manifest.address, "a message stays with the broker");
        }
    }

    /// Execute and commit; again if another call wrote what this one read, which a call elsewhere cannot have read.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one fact of the delivery; a struct would be made for one reader"
    )]
    async fn call(
        &self,
        manifest: &Manifest,
        message: Message,
        ack: Ack,
        envelope: Arc<Envelope>,
        pinned: Pinned,
        first: First,
        mut place: Option<Box<dyn Place>>,
    ) -> Result<(), Stopped> {
        let context = &*self.context;
        let transactional = manifest.grants(Grant::KeyValue);
        if let Some(shared) = context.shared.as_ref().filter(|_| transactional) {
            let delivered = Delivered { manifest, message, ack, envelope, pinned, first };
            return self.call_shared(shared, delivered).await;
        }
        let lock = transactional.then(|| self.lock_of(&manifest.address));
        let attempt = message.headers.attempts.number();
        let mut ack = ack;
        let mut conflict_count = 0;
        loop {
            let _turn = match &lock {
                Some(lock) if conflict_count >= CONFLICTS_BEFORE_ALONE => Some(Turn::Alone(lock.write().await)),
                Some(lock) => Some(Turn::Shared(lock.read().await)),
                None => None,
            };
            let snapshot = transactional.then(|| context.store.snapshot());
            let began_at = context.now();
            context.metrics.calls.add(1);
            let call = call(&envelope, &message, &pinned);
            let report = match place.take() {
                Some(place) => place.call(call).await,
                None => context.runner.call(call, context.key_values.clone()).await,
            };
            context.fail_points.hit(FailPoint::AfterExecute);
            let facts = CallFacts { began_at: Some(began_at), attempt, digest: report.digest, at: context.now() };
            let at = snapshot.as_ref().map(|snapshot| snapshot.lsn);
            let mut unit = Unit { ack: Some(ack), ..Unit::default() };
            self.answered(manifest, &mut unit, &message, &envelope, report, facts, at.unwrap_or_default(), first);
            let parked = unit.park.clone();
            let unmarked = unit.unmark.clone();
            match commit::submit(&*context.commit, &mut unit).await {
                Ok(_) => {
                    self.forget(unmarked);
                    drop((snapshot, _turn));
                    return self.parked(parked).await;
                }
                Err(Refused::Stopped(stopped)) => return Err(stopped),
                Err(Refused::Lost) => {
                    tracing::debug!(step = %manifest.address, "a message went to another host while it was handled");
                    return Ok(());
                }
                Err(Refused::Conflict(conflict)) => {
                    context.metrics.conflicts.add(1);
                    conflict_count += 1;
                    ack = unit.ack.take().expect("a refused unit is left as it was");
                    if conflict_count < CONFLICTS_MAX {
                        continue;
                    }
                    let reason = format!("lost {conflict_count} races for the same data; last: {conflict}");
                    let answer = Answer::Outcome(Outcome::Retry { reason, after: None });
                    let input = Input::Answered { answer, digest: facts.digest };
                    let unit = self.decided(manifest, &message, ack, &envelope, input, first);
                    return self.submit(unit).await;
                }
            }
        }
    }

    /// Put everything that a call answered into its unit.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one fact of the call; a struct would be made for one reader"
    )]
    fn answered(
        &self,
        manifest: &Manifest,
        unit: &mut Unit,
        message: &Message,
        envelope: &Envelope,
        report: Report,
        facts: CallFacts,
        snapshot: host_core::id::Lsn,
        first: First,
    ) {
        let context = &*self.context;
        let Report { answer, digest, effects, usage: _ } = report;
        let answer = bounded(envelope, answer, &context.limits);
        let done = matches!(answer, Answer::Outcome(Outcome::Done { .. }));
        if first == First::Yes {
            unit.records.push(started(envelope, facts.began_at.unwrap_or(facts.at)));
        }
        let rules = context.rules(envelope, manifest);
        let input = Input::Answered { answer, digest };
        let transition = decide(envelope, message.headers.attempts, input, &rules, moment_at(facts.at));
        settle(context, unit, message, envelope, transition, facts);
        apply_effects(context, unit, envelope, effects, snapshot, done, facts.at);
    }

    /// A unit for a delivery whose plugin is not called.
    fn decided(
        &self,
        manifest: &Manifest,
        message: &Message,
        ack: Ack,
        envelope: &Envelope,
        input: Input,
        first: First,
    ) -> Unit {
        let context = &*self.context;
        let mut unit = Unit { ack: Some(ack), ..Unit::default() };
        if first == First::Yes {
            unit.records.push(started(envelope, context.now()));
        }
        if matches!(input, Input::Acted(_)) {
            unit.unmark = Some(envelope.meta.global_id.clone());
        }
        let rules = context.rules(envelope, manifest);
        settle_uncalled(context, &mut unit, message, envelope, input, &rules);
        unit
    }

    async fn submit(&self, unit: Unit) -> Result<(), Stopped> {
        let unmarked = unit.unmark.clone();
        if parking::submit(&self.context, unit).await?.is_some() {
            self.forget(unmarked);
        }
        Ok(())
    }

    /// The store dropped this mark: the mirror follows.
    fn forget(&self, unmarked: Option<GlobalId>) {
        if let Some(global_id) = unmarked {
            self.context.marks.remove(&global_id);
        }
    }

    /// A message was parked: its signal may have come before it. Where hosts share the work, its unit tells the one
    /// that owns the key.
    async fn parked(&self, parked: Option<Parked>) -> Result<(), Stopped> {
        let Some(parked) = parked.filter(|_| !self.context.has_other_hosts()) else { return Ok(()) };
        match meet_remembered_signal(&self.context, &parked).await {
            Ok(()) => Ok(()),
            Err(parking::Error::Stopped(stopped)) => Err(stopped),
            // It stays parked; the next signal or its time-out takes it up.
            Err(error @ (parking::Error::Store(_) | parking::Error::Broker(_))) => {
                tracing::error!(%error, wait_key = %parked.id.key, "a remembered signal could not be looked up");
                Ok(())
            }
        }
    }

    fn lock_of(&self, address: &StepAddress) -> Arc<RwLock<()>> {
        self.alone.lock().entry(address.clone()).or_default().clone()
    }
}

/// Held while a call of a step with key-values runs.
enum Turn<'a> {
    Shared(#[expect(dead_code, reason = "held for its drop")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held for its drop")] RwLockWriteGuard<'a, ()>),
}

fn call(envelope: &Envelope, message: &Message, pinned: &Pinned) -> Call {
    let meta = &envelope.meta;
    Call {
        address: meta.address().clone(),
        digest: pinned.digest,
        global_id: meta.global_id.clone(),
        use_case: meta.use_case.clone(),
        position: meta.position(),
        direction: meta.direction,
        attempt: message.headers.attempts.number(),
        idempotency_key: meta.message_id(),
        deadline: meta.deadline,
        signalled: message.headers.signalled.as_ref().map(|(key, _)| key.clone()),
        failure: meta.failure.clone(),
        headers: meta.other_fields().map(|(key, value)| (unquoted(key.as_str()), value.as_str().to_owned())).collect(),
        body: envelope.body.clone(),
        compensation_log: pinned.log.clone(),
    }
}

/// The text of a JSON string.
fn unquoted(key: &str) -> String {
    serde_json::from_str(key).unwrap_or_else(|_| key.to_owned())
}

/// What the call asked for besides its answer. Reads are checked whatever the answer was: a refusal that rests on a
/// value that was overwritten meanwhile is no refusal.
fn apply_effects(
    context: &Context,
    unit: &mut Unit,
    envelope: &Envelope,
    effects: Effects,
    snapshot: host_core::id::Lsn,
    done: bool,
    now: Timestamp,
) {
    let Effects { emits, signals, reads, listed, writes } = effects;
    if !(reads.is_empty() && listed.is_empty() && writes.is_empty()) {
        let writes = if done { writes } else { Vec::new() };
        unit.key_values = Some(KeyValueTxn { snapshot, reads, listed, writes });
    }
    if !done {
        return;
    }
    for (topic, body) in emits {
        let key = Arc::from(envelope.meta.global_id.as_str());
        let headers = Headers { foreign: true, ..Headers::default() };
        let payload = Payload::Encoded(body.as_bytes().clone());
        unit.publishes.push(Publish { message: Message { topic, key, headers, payload }, due: None });
    }
    for key in signals {
        context.metrics.signals.add(1);
        unit.publishes.push(topics::signal(key, now));
    }
}

/// A message that cannot be read: kept as it is on the step's error topic, and put before a person under the saga's id,
/// or, where it has none, under one that names its place.
fn undecodable(
    context: &Context,
    address: &StepAddress,
    direction: Direction,
    message: Message,
    ack: Ack,
    global_id: Option<GlobalId>,
    reason: &str,
) -> Unit {
    let now = context.now();
    context.metrics.undecodable.add(1);
    let reason = limits::cut(reason, REASON_BYTES_MAX);
    tracing::warn!(step = %address, reason, "a message cannot be read and was put aside");
    let failure = Failure {
        position: Position(0),
        address: address.clone(),
        direction,
        kind: FailureKind::Undecodable,
        code: FailureKind::Undecodable.as_str().to_owned(),
        reason,
        at: now,
    };
    // Not under the id that the message claims: a broken message must not disturb a saga that may be well.
    let place = format!("undecodable:{}:{}:{}", ack.topic, ack.partition, ack.offset.0);
    let place = limits::cut(&place, limits::GLOBAL_ID_CHARACTERS_MAX);
    let aside = GlobalId::try_new(&place).expect("a topic name and two numbers are printable");
    let letter: Bytes = message.payload.encode();
    let record = Record {
        global_id: aside,
        position: Position(0),
        address: address.clone(),
        direction,
        at: now,
        began_at: now,
        attempt: 0,
        digest: None,
        use_case: None,
        event: Event::DeadLettered { failure: named(failure.clone(), global_id), letter, standing: Standing::InTheWay },
    };
    let cause =
        Cause { failure, attempts: 0, first_at: now, last_at: now, digest: None, host: context.host_name.clone() };
    let headers = Headers { cause: Some(Arc::new(cause)), ..message.headers };
    let letter = Message { topic: address.topic(TopicKind::Error), headers, ..message };
    let mut unit = Unit { ack: Some(ack), ..Unit::default() };
    unit.records.push(record);
    unit.publishes.push(Publish { message: letter, due: None });
    unit
}

fn named(mut failure: Failure, global_id: Option<GlobalId>) -> Failure {
    if let Some(global_id) = global_id {
        failure.reason = limits::cut(&format!("{} (global-id {global_id})", failure.reason), REASON_BYTES_MAX);
    }
    failure
}
