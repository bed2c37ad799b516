//! Operators' acts: each is a message through the same door as all others. A saga at rest is moved at once; one whose
//! message is out with a plugin gets a mark, which the message meets at its next delivery.

use std::sync::Arc;

use host_broker::{Delivery, Subscription};
use host_core::decide::Input;
use host_core::envelope::{Envelope, decode};
use host_core::id::{Direction, GlobalId, TopicName};
use host_core::record::{EndStatus, Event, Record, Verb};
use host_core::saga::{Saga, Status};
use host_core::unit::{Headers, Mark, Message, ParkedId, Payload, Publish, Unit};
use tokio_util::sync::CancellationToken;

use crate::ack_guard::AckGuard;
use crate::context::Context;
use crate::intake::stands;
use crate::lanes::next_delivery;
use crate::limits::COMMANDS_IN_FLIGHT_MAX;
use crate::parking::{self, Error, acknowledge, submit};
use crate::settle::settle_uncalled;
use crate::topics::{self, OnKey, Waits};

/// For which sagas an act makes sense; the text names them.
pub(crate) fn possible(verb: Verb, saga: &Saga) -> Result<(), &'static str> {
    match verb {
        Verb::Retry if saga.letter.is_some() => Ok(()),
        Verb::Retry if saga.ended => Err("sagas that are not over"),
        Verb::Retry => match saga.status {
            Status::Running | Status::Waiting | Status::Compensating => Ok(()),
            Status::Failed | Status::CompensationFailed => Ok(()),
            Status::Completed | Status::Compensated | Status::Closed => Err("sagas that are not over"),
        },
        Verb::Compensate if saga.ended => Err("sagas that are not over"),
        Verb::Compensate if is_undecodable(saga) => Err("sagas whose message can be read"),
        Verb::Skip if saga.ended && saga.letter.is_none() => Err("sagas that are not over"),
        Verb::Skip if is_undecodable(saga) => Err("sagas whose message can be read"),
        Verb::Compensate | Verb::Skip => Ok(()),
        Verb::Close if saga.ended && saga.status != Status::CompensationFailed => Err("sagas that are not over"),
        Verb::Close => Ok(()),
    }
}

/// Stands for a message that cannot be read, not for a saga.
fn is_undecodable(saga: &Saga) -> bool {
    saga.failure.as_ref().is_some_and(|failure| failure.kind == host_core::failure::FailureKind::Undecodable)
}

/// Consume acts until `stop`.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let subscription =
        Subscription { group: "saga".to_owned(), topic: topics::commands(), in_flight_max: COMMANDS_IN_FLIGHT_MAX };
    let mut consumer = context.broker.subscribe(subscription).await?;
    while let Some(delivery) = next_delivery(&mut *consumer, &stop).await {
        if !parking::caught_up(&context, &stop).await {
            return Ok(());
        }
        take_up(&context, &delivery.message, AckGuard::new(&*context.broker, delivery.ack)).await?;
    }
    Ok(())
}

async fn take_up(context: &Context, message: &Message, ack: AckGuard<'_>) -> Result<(), Error> {
    match serde_json::from_slice::<Mark>(&message.payload.encode()) {
        Ok(mark) => act(context, mark, ack).await,
        Err(error) => {
            tracing::warn!(%error, "a message on saga.commands is no act and was dropped");
            acknowledge(context, ack).await
        }
    }
}

/// Apply one act. Repeating it after a crash does nothing: the journal holds it already.
async fn act(context: &Context, mark: Mark, ack: AckGuard<'_>) -> Result<(), Error> {
    let journal = context.store.journal(&mark.global_id).await?;
    let Some(saga) = Saga::fold(&journal) else { return acknowledge(context, ack).await };
    let known = saga.actions.iter().any(|action| action.at == mark.at && action.verb == mark.verb);
    if known || possible(mark.verb, &saga).is_err() {
        return acknowledge(context, ack).await;
    }
    if saga.ended && mark.verb == Verb::Close {
        return close_ended(context, &saga, &mark, ack).await;
    }
    if let Some(letter) = &saga.letter {
        let at = saga.at;
        return act_on_letter(context, &saga, letter.clone(), at.1, mark, ack).await;
    }
    if context.has_other_hosts() {
        return send_to_holder(context, &saga, mark, ack).await;
    }
    act_on_message(context, &saga, mark, ack).await
}

/// A saga that ended with a given-up compensation, closed by a person.
async fn close_ended(context: &Context, saga: &Saga, mark: &Mark, ack: AckGuard<'_>) -> Result<(), Error> {
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    unit.records.push(bare(saga, mark));
    unit.records.push(Record { event: Event::Ended { status: EndStatus::Closed }, ..bare(saga, mark) });
    submit(context, unit).await?;
    Ok(())
}

/// The record of an act on a saga whose message cannot be read.
fn bare(saga: &Saga, mark: &Mark) -> Record {
    let (position, direction) = saga.at;
    let address = saga.steps.get(usize::from(position.0)).map(|step| step.address.clone());
    let failed = saga.failure.as_ref().map(|failure| failure.address.clone());
    let address = failed.or(address).expect("a saga has steps, and one that cannot be read has a failure");
    Record {
        global_id: saga.global_id.clone(),
        position,
        address,
        direction,
        at: mark.at,
        began_at: mark.at,
        attempt: 0,
        digest: None,
        use_case: saga.use_case.clone(),
        event: Event::Acted { verb: mark.verb, who: mark.who.clone(), reason: mark.reason.clone() },
    }
}

/// The saga stands before a person, or is over but for a compensation that was given up: the message is in the journal.
async fn act_on_letter(
    context: &Context,
    saga: &Saga,
    letter: bytes::Bytes,
    direction: Direction,
    mark: Mark,
    ack: AckGuard<'_>,
) -> Result<(), Error> {
    let failed_at = saga.failure.as_ref().map(|failure| failure.address.clone());
    let decoded = failed_at.as_ref().map(|address| decode(&letter, direction, address, &context.limits));
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    match (decoded, failed_at) {
        (Some(Ok(envelope)), _) if !is_undecodable(saga) => {
            let topic = envelope.meta.address().topic(direction.topic_kind());
            let message = own_message(topic, &saga.global_id, Payload::Decoded(Arc::new(envelope.clone())));
            moved(context, &mut unit, &message, &envelope, mark);
        }
        // It could not be read when it came. A retry gives it to its step again, as it was; if it can be read now, it
        // begins its own saga, and this entry is done with.
        (_, Some(address)) => {
            unit.records.push(bare(saga, &mark));
            unit.records.push(Record { event: Event::Ended { status: EndStatus::Closed }, ..bare(saga, &mark) });
            if mark.verb == Verb::Retry {
                let topic = address.topic(direction.topic_kind());
                let mut message = own_message(topic, &saga.global_id, Payload::Encoded(letter));
                message.headers.foreign = true;
                unit.publishes.push(Publish { message, due: None });
            }
        }
        (_, None) => {}
    }
    submit(context, unit).await?;
    Ok(())
}

fn own_message(topic: TopicName, global_id: &GlobalId, payload: Payload) -> Message {
    Message { topic, key: Arc::from(global_id.as_str()), headers: Headers::default(), payload }
}

/// The saga has a message somewhere: take it where it rests, or leave a mark for it.
async fn act_on_message(context: &Context, saga: &Saga, mark: Mark, ack: AckGuard<'_>) -> Result<(), Error> {
    if let Some(waiting) = &saga.waiting {
        let _turn = context.parking.turn.lock().await;
        let id = ParkedId { key: waiting.key.clone(), message_id: message_id(saga) };
        if let Some(parked) = context.store.parked_message(&id).await?
            && let Some(envelope) = parking::envelope(context, &parked)
        {
            let mut unit = Unit { ack: Some(ack.take()), unpark: [id].into(), ..Unit::default() };
            moved(context, &mut unit, &parked.message, &envelope, mark);
            submit(context, unit).await?;
            return Ok(());
        }
    }
    if let Some(topic) = topic_of(saga)
        && let Some(delivery) = context.broker.claim(&topic, saga.global_id.as_str()).await?
        && act_on_claimed(context, delivery, mark.clone(), Unit::default()).await?
    {
        return acknowledge(context, ack).await;
    }
    // Out with a plugin, or keyed by its step's own ordering key: the message meets the mark when it comes by.
    context.marks.insert(mark.clone());
    submit(context, Unit { ack: Some(ack.take()), mark: Some(mark), ..Unit::default() }).await?;
    Ok(())
}

/// The topic on which the saga's message is or was last.
fn topic_of(saga: &Saga) -> Option<TopicName> {
    let (position, direction) = saga.at;
    let step = saga.steps.get(usize::from(position.0))?;
    Some(step.address.topic(direction.topic_kind()))
}

/// Where hosts share the work, only the one that has the saga's message may touch it: the owner of the key that it
/// waits for is told, or all are by a mark. What lies where no host serves is taken from here.
async fn send_to_holder(context: &Context, saga: &Saga, mark: Mark, ack: AckGuard<'_>) -> Result<(), Error> {
    if let Some(waiting) = &saga.waiting {
        let waits = Waits::of(&message_id(saga));
        let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
        unit.publishes.push(topics::on_key(&OnKey::Acted { key: waiting.key.clone(), acted: mark, waits }));
        submit(context, unit).await?;
        return Ok(());
    }
    let is_elsewhere = match topic_of(saga) {
        Some(topic) => context.broker.is_consumed_elsewhere(&topic).await?,
        None => true,
    };
    if !is_elsewhere {
        return act_on_message(context, saga, mark, ack).await;
    }
    submit(context, Unit { ack: Some(ack.take()), mark: Some(mark), ..Unit::default() }).await?;
    Ok(())
}

/// An act on a message that waits, by the host that owns the key. If it waits no more, the act finds it where it is.
pub(crate) async fn act_on_parked(context: &Context, id: ParkedId, mark: Mark, ack: AckGuard<'_>) -> Result<(), Error> {
    let mut unit = Unit { ack: Some(ack.take()), ..Unit::default() };
    let _turn = context.parking.turn.lock().await;
    let parked = context.store.parked_message(&id).await?;
    match parked.and_then(|parked| Some((parking::envelope(context, &parked)?, parked))) {
        Some((envelope, parked)) => {
            unit.unpark.push(id);
            moved(context, &mut unit, &parked.message, &envelope, mark);
        }
        None => unit.publishes.push(topics::command(&mark)),
    }
    submit(context, unit).await?;
    Ok(())
}

/// Where hosts share the work: keep to the marks that any of them sets, until `stop`. A message that rests here meets
/// its mark at once, any other when it comes by.
pub(crate) async fn run_marks(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let mut state = context.commit.state();
    let mut seen: Vec<Mark> = Vec::new();
    loop {
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Ok(()) },
            () = stop.cancelled() => return Ok(()),
        }
        let marks = context.store.marks().await?;
        context.marks.replace(&marks);
        for mark in marks.iter().filter(|mark| !seen.contains(mark)) {
            meet_at_rest(&context, mark).await?;
        }
        seen = marks;
    }
}

async fn meet_at_rest(context: &Context, mark: &Mark) -> Result<(), Error> {
    let journal = context.store.journal(&mark.global_id).await?;
    let Some(topic) = Saga::fold(&journal).as_ref().and_then(topic_of) else { return Ok(()) };
    let Some(delivery) = context.broker.claim_here(&topic, mark.global_id.as_str()).await? else { return Ok(()) };
    // With its message in hand, what another host has made of the saga before is known.
    if !stands(context, mark).await? {
        context.broker.release(delivery.ack);
        return Ok(());
    }
    let unit = Unit { unmark: Some(mark.global_id.clone()), ..Unit::default() };
    act_on_claimed(context, delivery, mark.clone(), unit).await?;
    Ok(())
}

/// An act on a message that was taken out for it. False if nothing came of it: it cannot be read, or went to another
/// host.
async fn act_on_claimed(context: &Context, delivery: Delivery, mark: Mark, unit: Unit) -> Result<bool, Error> {
    let Some(envelope) = parking::decoded(context, &delivery.message) else {
        context.broker.release(delivery.ack);
        return Ok(false);
    };
    let mut unit = Unit { ack: Some(delivery.ack), ..unit };
    moved(context, &mut unit, &delivery.message, &envelope, mark);
    Ok(submit(context, unit).await?.is_some())
}

fn message_id(saga: &Saga) -> host_core::id::MessageId {
    let (position, direction) = saga.at;
    host_core::id::MessageId { global_id: saga.global_id.clone(), direction, position }
}

/// Add to the unit what the act makes of this message.
fn moved(context: &Context, unit: &mut Unit, message: &Message, envelope: &Envelope, mark: Mark) {
    let rules = context.rules_of(envelope);
    settle_uncalled(context, unit, message, envelope, Input::Acted(mark), &rules);
}
