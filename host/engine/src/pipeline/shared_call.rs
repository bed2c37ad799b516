//! Calls of steps whose key-values hosts share: what a call read and wrote is committed in their database first, with
//! what came of it, then the unit goes its usual way. A message that comes again between the two is not called again.

use std::sync::Arc;

use host_core::decide::{Input, bounded};
use host_core::envelope::Envelope;
use host_core::id::{Lsn, MessageId};
use host_core::manifest::Manifest;
use host_core::outcome::{Answer, Outcome};
use host_core::unit::{Ack, KeyValueTxn, Message, Unit};
use host_runtime::{Effects, Report};
use host_store::shared::{Remedy, Taken};

use super::{Pipeline, Turn, call};
use crate::commit::{self, Refused, Stopped};
use crate::failpoint::FailPoint;
use crate::intake::{First, Pinned};
use crate::limits::{CONFLICTS_BEFORE_ALONE, CONFLICTS_MAX, UNREADABLE_PAUSE};
use crate::settle::CallFacts;
use crate::shared::{self, Settled, Shared, Stored};

/// A delivery that is to be called.
pub(super) struct Delivered<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) message: Message,
    pub(super) ack: Ack,
    pub(super) envelope: Arc<Envelope>,
    pub(super) pinned: Pinned,
    pub(super) first: First,
}

/// What became of an attempt.
enum Attempt {
    /// It is to be published; with it goes the batch of the database that holds its outcome.
    Ended(Box<Report>, CallFacts, Option<Lsn>),
    /// Another call overwrote what this one read.
    Conflict(String),
    /// The database could not be asked.
    Failed(shared::Stopped),
}

impl Pipeline {
    pub(super) async fn call_shared(&self, shared: &Shared, delivered: Delivered<'_>) -> Result<(), Stopped> {
        let context = &*self.context;
        let message_id = delivered.envelope.meta.message_id();
        match shared.outcome(&message_id).await.map(|stored| stored.and_then(Stored::into_report)) {
            Ok(Some((report, facts))) => return self.publish(shared, delivered, report, facts, None).await,
            Ok(None) => {}
            Err(error) => return self.not_asked(delivered, error.into()).await,
        }
        let lock = self.lock_of(&delivered.manifest.address);
        let mut conflict_count = 0;
        loop {
            let turn = match conflict_count >= CONFLICTS_BEFORE_ALONE {
                true => Turn::Alone(lock.write().await),
                false => Turn::Shared(lock.read().await),
            };
            let attempt = self.attempt(shared, &delivered, &message_id).await;
            drop(turn);
            match attempt {
                Attempt::Ended(report, facts, batch) => {
                    return self.publish(shared, delivered, *report, facts, batch).await;
                }
                Attempt::Failed(error) => return self.not_asked(delivered, error).await,
                Attempt::Conflict(conflict) => {
                    context.metrics.conflicts.add(1);
                    conflict_count += 1;
                    if conflict_count >= CONFLICTS_MAX {
                        let reason = format!("lost {conflict_count} races for the same data; last: {conflict}");
                        return self.try_later(delivered, reason).await;
                    }
                }
            }
        }
    }

    async fn attempt(&self, shared: &Shared, delivered: &Delivered<'_>, message_id: &MessageId) -> Attempt {
        let context = &*self.context;
        let Delivered { message, envelope, pinned, .. } = delivered;
        let snapshot = match shared.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => return Attempt::Failed(error.into()),
        };
        let began_at = context.now();
        context.metrics.calls.add(1);
        let mut report = context.runner.call(call(envelope, message, pinned), context.key_values.clone()).await;
        context.fail_points.hit(FailPoint::AfterExecute);
        let attempt = message.headers.attempts.number();
        let facts = CallFacts { began_at: Some(began_at), attempt, digest: report.digest, at: context.now() };
        let answer = bounded(envelope, report.answer.clone(), &context.limits);
        let stored = Stored::of(&answer, &report, facts);
        let Some(txn) = take_key_values(&mut report.effects, snapshot, stored.is_some()) else {
            return Attempt::Ended(Box::new(report), facts, None);
        };
        let outcome = stored.map(|stored| stored.encode().into());
        match shared.commit(message_id.clone(), txn, outcome).await {
            Ok(Settled { taken: Ok(Taken::Now), batch }) => Attempt::Ended(Box::new(report), facts, batch),
            // Another host had come so far with this message, and then lost it.
            Ok(Settled { taken: Ok(Taken::Before(bytes)), batch }) => {
                match Stored::decode(message_id, &bytes).and_then(Stored::into_report) {
                    Some((report, facts)) => Attempt::Ended(Box::new(report), facts, batch),
                    None => Attempt::Conflict("an outcome of this message is stored that cannot be read".to_owned()),
                }
            }
            Ok(Settled { taken: Err(conflict), .. }) => Attempt::Conflict(conflict.to_string()),
            Err(error) => Attempt::Failed(error),
        }
    }

    async fn publish(
        &self,
        shared: &Shared,
        delivered: Delivered<'_>,
        report: Report,
        facts: CallFacts,
        batch: Option<Lsn>,
    ) -> Result<(), Stopped> {
        let Delivered { manifest, message, ack, envelope, first, .. } = delivered;
        let mut unit = Unit { ack: Some(ack), ..Unit::default() };
        self.answered(manifest, &mut unit, &message, &envelope, report, facts, Lsn::default(), first);
        let (parked, unmarked) = (unit.park.clone(), unit.unmark.clone());
        match commit::submit(&*self.context.commit, &mut unit).await {
            Ok(lsn) => {
                self.forget(unmarked);
                if let Some(batch) = batch {
                    shared.published(lsn, batch).await;
                }
                self.parked(parked).await
            }
            Err(Refused::Stopped(stopped)) => Err(stopped),
            Err(Refused::Lost) => {
                tracing::debug!(step = %manifest.address, "a message went to another host while it was handled");
                Ok(())
            }
            Err(Refused::Conflict(conflict)) => unreachable!("its key-values are elsewhere, yet: {conflict}"),
        }
    }

    /// The database could not be asked, or will not do it. Where asking again may help, the message is given back.
    async fn not_asked(&self, delivered: Delivered<'_>, error: shared::Stopped) -> Result<(), Stopped> {
        let is_in_vain = match &error {
            shared::Stopped::Failed(error) => error.remedy() != Remedy::Again,
            shared::Stopped::Ending => false,
        };
        let (step, saga) = (&delivered.manifest.address, &delivered.envelope.meta.global_id);
        tracing::error!(%error, %step, %saga, "the key-values that hosts share cannot be used");
        if is_in_vain {
            return self.try_later(delivered, error.to_string()).await;
        }
        tokio::time::sleep(UNREADABLE_PAUSE).await;
        self.context.broker.release(delivered.ack);
        Ok(())
    }

    /// As if the step had asked for it.
    async fn try_later(&self, delivered: Delivered<'_>, reason: String) -> Result<(), Stopped> {
        let Delivered { manifest, message, ack, envelope, first, .. } = delivered;
        let answer = Answer::Outcome(Outcome::Retry { reason, after: None });
        let unit = self.decided(manifest, &message, ack, &envelope, Input::Answered { answer, digest: None }, first);
        self.submit(unit).await
    }
}

/// What the call read, and what it wrote if it is done. None if it did neither.
fn take_key_values(effects: &mut Effects, snapshot: Lsn, is_done: bool) -> Option<KeyValueTxn> {
    let (reads, listed) = (std::mem::take(&mut effects.reads), std::mem::take(&mut effects.listed));
    let writes = std::mem::take(&mut effects.writes);
    let is_empty = reads.is_empty() && listed.is_empty() && writes.is_empty();
    let writes = if is_done { writes } else { Vec::new() };
    (!is_empty).then_some(KeyValueTxn { snapshot, reads, listed, writes })
}
