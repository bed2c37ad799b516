//! Waiting and signals: messages that wait for a key, signals that release them or are remembered, and the time-outs.
//! Invariant: a parked message is taken by one hand only. Whoever takes one holds `turn` from reading the parked
//! message to submitting the unit that removes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use host_broker::Subscription;
use host_core::decide::Input;
use host_core::envelope::{Envelope, decode};
use host_core::id::{Lsn, WaitKey};
use host_core::record::Event;
use host_core::time::Timestamp;
use host_core::unit::{Ack, Message, Parked, Payload, Publish, RememberedSignal, Unit};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::commit::{self, Refused, Stopped};
use crate::context::Context;
use crate::lanes::next_delivery;
use crate::limits::{COMMANDS_IN_FLIGHT_MAX, RELEASE_BATCH_MAX, TIMER_SLEEP_MAX};
use crate::settle::{CallFacts, record, settle_uncalled};
use crate::topics::{self, Signal};

/// What the services of waiting share.
pub(crate) struct Parking {
    /// Guards the taking of parked messages.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Earliest known time-out, in milliseconds.
    next_due: AtomicU64,
    sooner: Notify,
    pub(crate) signal_memory: Duration,
}

impl Parking {
    pub(crate) fn new(signal_memory: Duration) -> Self {
        Self { turn: tokio::sync::Mutex::new(()), next_due: AtomicU64::new(0), sooner: Notify::new(), signal_memory }
    }

    /// A message is being parked until then.
    pub(crate) fn expect_due(&self, until: Timestamp) {
        if self.next_due.fetch_min(until.as_ms(), Ordering::AcqRel) > until.as_ms() {
            self.sooner.notify_one();
        }
    }
}

/// Why a service of the engine ended before the host did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] host_store::Error),
    #[error(transparent)]
    Broker(#[from] host_broker::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Submit a unit that holds no key-values. None if its delivery went to another host: nothing of it happened here.
pub(crate) async fn submit(context: &Context, mut unit: Unit) -> Result<Option<Lsn>, Stopped> {
    match commit::submit(&*context.commit, &mut unit).await {
        Ok(lsn) => Ok(Some(lsn)),
        Err(Refused::Lost) => Ok(None),
        Err(Refused::Stopped(stopped)) => Err(stopped),
        Err(Refused::Conflict(conflict)) => unreachable!("a unit without key-values cannot conflict, yet: {conflict}"),
    }
}

/// After a message was parked: if its signal came first and is remembered, release it. `since` is the signal that
/// delivered the message the last time, which must not release it twice.
pub(crate) async fn meet_remembered_signal(context: &Context, parked: &Parked) -> Result<(), Error> {
    let now = context.now();
    let Some(signal) = context.store.signal(&parked.id.key, now).await? else { return Ok(()) };
    if !is_news(&parked.message, &signal.key, signal.at) {
        return Ok(());
    }
    let _turn = context.parking.turn.lock().await;
    if let Some(parked) = context.store.parked_message(&parked.id).await? {
        release(context, parked, signal.at).await?;
    }
    Ok(())
}

/// Whether this message was not yet released by this signal or a later one of the same key.
fn is_news(message: &Message, key: &WaitKey, at: Timestamp) -> bool {
    message.headers.signalled.as_ref().is_none_or(|(last, last_at)| last != key || *last_at < at)
}

/// Consume signals until `stop`.
pub(crate) async fn run_signals(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let subscription =
        Subscription { group: "saga".to_owned(), topic: topics::signals(), in_flight_max: COMMANDS_IN_FLIGHT_MAX };
    let mut consumer = context.broker.subscribe(subscription).await?;
    while let Some(delivery) = next_delivery(&mut *consumer, &stop).await {
        let bytes = delivery.message.payload.encode();
        match serde_json::from_slice::<Signal>(&bytes) {
            Ok(signal) => released_by(&context, signal, delivery.ack).await?,
            Err(error) => {
                tracing::warn!(%error, "a message on saga.signals is no signal and was dropped");
                submit(&context, Unit { ack: Some(delivery.ack), ..Unit::default() }).await?;
            }
        }
    }
    Ok(())
}

/// Remember a signal, release everyone who waits for it, then acknowledge it. A crash in between repeats it: what is
/// released already is parked no more.
async fn released_by(context: &Context, signal: Signal, ack: Ack) -> Result<(), Error> {
    let until = signal.at.plus(context.parking.signal_memory);
    let remembered = RememberedSignal { key: signal.key.clone(), at: signal.at, until };
    submit(context, Unit { remember_signal: Some(remembered), ..Unit::default() }).await?;
    loop {
        let _turn = context.parking.turn.lock().await;
        let parked = context.store.parked(&signal.key, RELEASE_BATCH_MAX).await?;
        let page_is_full = parked.len() == RELEASE_BATCH_MAX;
        let mut released_count = 0;
        for parked in parked {
            if is_news(&parked.message, &signal.key, signal.at) {
                release(context, parked, signal.at).await?;
                released_count += 1;
            }
        }
        // A full page of which nothing was news would come again and again.
        if !page_is_full || released_count == 0 {
            break;
        }
    }
    submit(context, Unit { ack: Some(ack), ..Unit::default() }).await?;
    Ok(())
}

/// Send a parked message on its way again. The caller holds the turn.
async fn release(context: &Context, parked: Parked, signalled_at: Timestamp) -> Result<(), Error> {
    let key = parked.id.key.clone();
    let mut unit = Unit { unpark: Some(parked.id.clone()), ..Unit::default() };
    if let Some(envelope) = envelope(context, &parked) {
        let event = Event::Signalled { key: key.clone() };
        unit.records.push(record(&envelope, event, CallFacts::none(context.now())));
    }
    let mut message = parked.message;
    message.headers.signalled = Some((key, signalled_at));
    message.headers.foreign = false;
    unit.publishes.push(Publish { message, due: None });
    submit(context, unit).await?;
    Ok(())
}

/// The envelope of a parked message. It was decoded when it was parked, so it can be now.
pub(crate) fn envelope(context: &Context, parked: &Parked) -> Option<Envelope> {
    decoded(context, &parked.message)
}

/// The envelope of a message that stands on, or is bound for, a step's topic.
pub(crate) fn decoded(context: &Context, message: &Message) -> Option<Envelope> {
    match &message.payload {
        Payload::Decoded(envelope) => Some((**envelope).clone()),
        Payload::Encoded(bytes) => {
            let (address, kind) = message.topic.step()?;
            let direction = match kind {
                host_core::id::TopicKind::In => host_core::id::Direction::Handle,
                host_core::id::TopicKind::Compensate => host_core::id::Direction::Compensate,
                host_core::id::TopicKind::Error => return None,
            };
            decode(bytes, direction, &address, &context.limits).ok()
        }
    }
}

/// End waits whose time is over, until `stop`.
pub(crate) async fn run_time_outs(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    loop {
        let now = context.now();
        let due = context.store.parked_due(now, RELEASE_BATCH_MAX).await?;
        let page_is_full = due.len() == RELEASE_BATCH_MAX;
        for parked in due {
            expire(&context, parked).await?;
        }
        if page_is_full {
            continue;
        }
        // Anything parked from here on lowers the number again.
        context.parking.next_due.store(u64::MAX, Ordering::Release);
        if let Some(next) = context.store.parked_next_due().await? {
            context.parking.next_due.fetch_min(next.as_ms(), Ordering::AcqRel);
        }
        let next = Timestamp::from_ms(context.parking.next_due.load(Ordering::Acquire));
        let sleep = next.since(context.now()).min(TIMER_SLEEP_MAX);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = context.parking.sooner.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

async fn expire(context: &Context, parked: Parked) -> Result<(), Error> {
    let _turn = context.parking.turn.lock().await;
    let Some(parked) = context.store.parked_message(&parked.id).await? else { return Ok(()) };
    let mut unit = Unit { unpark: Some(parked.id.clone()), ..Unit::default() };
    match envelope(context, &parked) {
        Some(envelope) => {
            let input = Input::WaitExpired {
                key: parked.id.key.clone(),
                reason: parked.reason.clone(),
                on_timeout: parked.on_timeout,
            };
            let rules = context.rules_of(&envelope);
            settle_uncalled(context, &mut unit, &parked.message, &envelope, input, &rules);
        }
        // Limits were lowered since it was parked: its step says so when it gets it.
        None => unit.publishes.push(Publish { message: parked.message.clone(), due: None }),
    }
    submit(context, unit).await?;
    Ok(())
}
