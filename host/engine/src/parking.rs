//! Waiting and signals: messages that wait for a key, signals that release them or are remembered, and the time-outs.
//! Invariant: a parked message is taken by one hand only. Whoever takes one holds `turn` from reading the parked
//! message to submitting the unit that removes it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use host_broker::{Delivery, Subscription};
use host_core::decide::Input;
use host_core::envelope::{Envelope, decode};
use host_core::id::{Lsn, WaitKey};
use host_core::record::Event;
use host_core::time::Timestamp;
use host_core::unit::{Message, Parked, ParkedId, Payload, Publish, RememberedSignal, Unit};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ack_guard::AckGuard;
use crate::commands;
use crate::commit::{self, Refused, Stopped};
use crate::context::Context;
use crate::lanes::next_delivery;
use crate::limits::{ASK_AGAIN, ASKED_PAUSE, COMMANDS_IN_FLIGHT_MAX, RELEASE_BATCH_MAX, TIMER_SLEEP_MAX};
use crate::settle::{CallFacts, record, settle_uncalled};
use crate::topics::{self, OnKey, Signal, Waits};

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

/// Why a service of the engine could not go on.
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

/// After a message was parked on the only host: if its signal came first and is remembered, release it. `since` is the
/// signal that delivered the message the last time, which must not release it twice.
pub(crate) async fn meet_remembered_signal(context: &Context, parked: &Parked) -> Result<(), Error> {
    let now = context.now();
    let Some(signal) = context.store.signal(&parked.id.key, now).await? else { return Ok(()) };
    if !is_news(&parked.message, &signal.key, signal.at) {
        return Ok(());
    }
    let _turn = context.parking.turn.lock().await;
    if let Some(parked) = context.store.parked_message(&parked.id).await? {
        let mut unit = Unit::default();
        release(context, &mut unit, parked, signal.at);
        submit(context, unit).await?;
    }
    Ok(())
}

/// Whether this message was not yet released by this signal or a later one of the same key.
fn is_news(message: &Message, key: &WaitKey, at: Timestamp) -> bool {
    message.headers.signalled.as_ref().is_none_or(|(last, last_at)| last != key || *last_at < at)
}

/// Consume what concerns those who wait until `stop`.
pub(crate) async fn run_signals(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let subscription =
        Subscription { group: "saga".to_owned(), topic: topics::signals(), in_flight_max: COMMANDS_IN_FLIGHT_MAX };
    let mut consumer = context.broker.subscribe(subscription).await?;
    while let Some(first) = next_delivery(&mut *consumer, &stop).await {
        let guarded = |delivery: Delivery| (delivery.message, AckGuard::new(&*context.broker, delivery.ack));
        let mut deliveries = vec![guarded(first)];
        if context.has_other_hosts() {
            // What is at hand shares one look at how far the others are.
            let at_hand = std::iter::from_fn(|| consumer.try_next()).take(COMMANDS_IN_FLIGHT_MAX);
            deliveries.extend(at_hand.map(guarded));
            if !caught_up(&context, &stop).await {
                return Ok(());
            }
        }
        for (message, ack) in deliveries {
            take_up(&context, &message, ack).await?;
        }
    }
    Ok(())
}

/// Wait until what the other hosts have committed is known here, however long the cluster does not tell. False if the
/// host ends before.
pub(crate) async fn caught_up(context: &Context, stop: &CancellationToken) -> bool {
    loop {
        let error = tokio::select! {
            caught_up = context.broker.catch_up() => match caught_up {
                Ok(()) => return true,
                Err(error) => error,
            },
            () = stop.cancelled() => return false,
        };
        tracing::warn!(%error, "what other hosts did is not known, and is asked for again");
        tokio::select! {
            () = tokio::time::sleep(TIMER_SLEEP_MAX) => {}
            () = stop.cancelled() => return false,
        }
    }
}

async fn take_up(context: &Context, message: &Message, ack: AckGuard<'_>) -> Result<(), Error> {
    match serde_json::from_slice::<OnKey>(&message.payload.encode()) {
        Ok(OnKey::Signal(signal)) => released_by(context, signal, ack).await,
        Ok(OnKey::Parked { key, parked }) => meet(context, parked.parked(key), ack).await,
        Ok(OnKey::Overdue { key, overdue }) => expire_if_due(context, overdue.parked(key), ack).await,
        Ok(OnKey::Acted { key, acted, waits }) => commands::act_on_parked(context, waits.parked(key), acted, ack).await,
        Ok(OnKey::Expired { key, expired: _ }) => forget(context, key, ack).await,
        Err(error) => {
            tracing::warn!(%error, "a message on saga.signals is no signal and was dropped");
            acknowledge(context, ack).await
        }
    }
}

/// Nothing is to be done.
pub(crate) async fn acknowledge(context: &Context, ack: AckGuard<'_>) -> Result<(), Error> {
    submit(context, Unit { ack: Some(ack.take()), ..Unit::default() }).await?;
    Ok(())
}

/// Remember a signal and release everyone who waits for it, a page at a time: the signal is sent on for the next. The
/// last page acknowledges it. A crash in between repeats it: what is released already is parked no more.
async fn released_by(context: &Context, signal: Signal, ack: AckGuard<'_>) -> Result<(), Error> {
    let until = signal.at.plus(context.parking.signal_memory);
    let remembered = RememberedSignal { key: signal.key.clone(), at: signal.at, until };
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    if context.has_other_hosts() {
        // Whoever parks a message says so behind this signal, and is met then.
        unit.remember_signal = Some(remembered);
    } else {
        // Before the look at who waits: whoever parks a message meanwhile finds it.
        submit(context, Unit { remember_signal: Some(remembered), ..Unit::default() }).await?;
    }
    let _turn = context.parking.turn.lock().await;
    let parked = context.store.parked(&signal.key, RELEASE_BATCH_MAX).await?;
    let page_is_full = parked.len() == RELEASE_BATCH_MAX;
    for parked in parked.into_iter().filter(|parked| is_news(&parked.message, &signal.key, signal.at)) {
        release(context, &mut unit, parked, signal.at);
    }
    // A full page of which nothing was news would come again and again.
    if page_is_full && !unit.unpark.is_empty() {
        unit.publishes.push(topics::signal(signal.key, signal.at));
    }
    submit(context, unit).await?;
    Ok(())
}

/// A message was parked, on whatever host: if its signal came first and is remembered, release it.
async fn meet(context: &Context, id: ParkedId, ack: AckGuard<'_>) -> Result<(), Error> {
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    let _turn = context.parking.turn.lock().await;
    if let Some(signal) = context.store.signal(&id.key, context.now()).await?
        && let Some(parked) = context.store.parked_message(&id).await?
        && is_news(&parked.message, &signal.key, signal.at)
    {
        release(context, &mut unit, parked, signal.at);
    }
    submit(context, unit).await?;
    Ok(())
}

async fn expire_if_due(context: &Context, id: ParkedId, ack: AckGuard<'_>) -> Result<(), Error> {
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    let _turn = context.parking.turn.lock().await;
    if let Some(parked) = context.store.parked_message(&id).await?
        && parked.until <= context.now()
    {
        expire(context, &mut unit, parked);
    }
    submit(context, unit).await?;
    Ok(())
}

/// A signal that came anew since is still remembered.
async fn forget(context: &Context, key: WaitKey, ack: AckGuard<'_>) -> Result<(), Error> {
    let is_over = context.store.signal(&key, context.now()).await?.is_none();
    submit(context, Unit { ack: Some(ack.take()), forget_signal: is_over.then_some(key), ..Unit::default() }).await?;
    Ok(())
}

/// Send a parked message on its way again. The caller holds the turn until the unit is submitted.
fn release(context: &Context, unit: &mut Unit, parked: Parked, signalled_at: Timestamp) {
    let key = parked.id.key.clone();
    if let Some(envelope) = envelope(context, &parked) {
        let event = Event::Signalled { key: key.clone() };
        unit.records.push(record(&envelope, event, CallFacts::none(context.now())));
    }
    unit.unpark.push(parked.id);
    let mut message = parked.message;
    message.headers.signalled = Some((key, signalled_at));
    message.headers.foreign = false;
    unit.publishes.push(Publish { message, due: None });
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
    let mut asked = HashMap::new();
    let mut state = context.commit.state();
    loop {
        let due = context.store.parked_due(context.now(), RELEASE_BATCH_MAX).await?;
        let page_is_full = due.len() == RELEASE_BATCH_MAX;
        let pause_min = if context.has_other_hosts() {
            ask_for_ends(&context, due, &mut asked).await?;
            // What is due stays here until its owner, which may be another host, has ended it.
            ASKED_PAUSE
        } else {
            for parked in due {
                end_wait(&context, parked).await?;
            }
            if page_is_full {
                continue;
            }
            Duration::ZERO
        };
        // Anything parked from here on lowers the number again.
        context.parking.next_due.store(u64::MAX, Ordering::Release);
        if let Some(next) = context.store.parked_next_due().await? {
            context.parking.next_due.fetch_min(next.as_ms(), Ordering::AcqRel);
        }
        let next = Timestamp::from_ms(context.parking.next_due.load(Ordering::Acquire));
        let sleep = next.since(context.now()).clamp(pause_min, TIMER_SLEEP_MAX);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = context.parking.sooner.notified() => {}
            // Another host may have parked a message whose key this one owns.
            Ok(()) = state.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Where hosts share the work, the one that owns the key ends a wait, and only as an answer to a message: it would not
/// be known otherwise that it owns the key still.
async fn ask_for_ends(
    context: &Context,
    due: Vec<Parked>,
    asked: &mut HashMap<ParkedId, Instant>,
) -> Result<(), Error> {
    asked.retain(|_, at| at.elapsed() < ASK_AGAIN);
    let mut unit = Unit::default();
    for Parked { id, .. } in due {
        if !context.broker.is_here(&topics::signals(), id.key.as_str()) {
            continue;
        }
        if let Entry::Vacant(place) = asked.entry(id) {
            let (key, overdue) = (place.key().key.clone(), Waits::of(&place.key().message_id));
            unit.publishes.push(topics::on_key(&OnKey::Overdue { key, overdue }));
            place.insert(Instant::now());
        }
    }
    if !unit.publishes.is_empty() {
        submit(context, unit).await?;
    }
    Ok(())
}

async fn end_wait(context: &Context, parked: Parked) -> Result<(), Error> {
    let _turn = context.parking.turn.lock().await;
    let Some(parked) = context.store.parked_message(&parked.id).await? else { return Ok(()) };
    let mut unit = Unit::default();
    expire(context, &mut unit, parked);
    submit(context, unit).await?;
    Ok(())
}

/// The wait of a message is over. The caller holds the turn until the unit is submitted.
fn expire(context: &Context, unit: &mut Unit, parked: Parked) {
    unit.unpark.push(parked.id.clone());
    match envelope(context, &parked) {
        Some(envelope) => {
            let input = Input::WaitExpired {
                key: parked.id.key.clone(),
                reason: parked.reason.clone(),
                on_timeout: parked.on_timeout,
            };
            let rules = context.rules_of(&envelope);
            settle_uncalled(context, unit, &parked.message, &envelope, input, &rules);
        }
        // Limits were lowered since it was parked: its step says so when it gets it.
        None => unit.publishes.push(Publish { message: parked.message, due: None }),
    }
}
