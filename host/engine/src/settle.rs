//! From a decision to a unit of work: effects as data, in the shape the commit stage takes.
//! Straight-line; what happens was decided in `host_core::decide`.

use std::sync::Arc;

use host_core::decide::{Input, Next, Rules, Transition, decide};
use host_core::envelope::Envelope;
use host_core::failure::Failure;
use host_core::id::{Digest, TopicKind};
use host_core::json::Json;
use host_core::manifest::Manifest;
use host_core::record::{EndStatus, Event, Record};
use host_core::time::Timestamp;
use host_core::unit::{Attempts, Cause, Headers, Message, Parked, ParkedId, Payload, Publish, Unit};

use crate::context::{Context, moment_at};
use crate::topics::{self, OnKey, Waits};

/// The call that a transition came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallFacts {
    pub(crate) began_at: Option<Timestamp>,
    pub(crate) attempt: u32,
    pub(crate) digest: Option<Digest>,
    /// When it was over: the moment of the decision and of all that follows from it.
    pub(crate) at: Timestamp,
}

impl CallFacts {
    /// A decision at this moment that no call led to.
    pub(crate) fn none(at: Timestamp) -> Self {
        Self { began_at: None, attempt: 0, digest: None, at }
    }
}

/// Add to `unit` what becomes of a message now, without a call.
pub(crate) fn settle_uncalled(
    context: &Context,
    unit: &mut Unit,
    message: &Message,
    envelope: &Envelope,
    input: Input,
    rules: &Rules,
) {
    let now = context.now();
    let transition = decide(envelope, message.headers.attempts, input, rules, moment_at(now));
    settle(context, unit, message, envelope, transition, CallFacts::none(now));
}

/// Add to `unit` what the transition of this message says.
pub(crate) fn settle(
    context: &Context,
    unit: &mut Unit,
    message: &Message,
    envelope: &Envelope,
    transition: Transition,
    facts: CallFacts,
) {
    let now = facts.at;
    let record = |event| record(envelope, event, facts);
    for event in transition.events {
        count(context, &event);
        unit.records.push(record(event));
    }
    if let Some(failure) = transition.aside {
        unit.publishes.push(dead_letter(context, message, envelope, failure, now, facts));
    }
    match transition.next {
        Next::Publish(next) => unit.publishes.push(Publish { message: address(context, next), due: None }),
        Next::Again { due, attempts } => unit.publishes.push(again(message, due, attempts, now)),
        Next::Park { key, reason, until, on_timeout } => {
            context.parking.expect_due(until);
            if context.has_other_hosts() {
                let parked = Waits::of(&envelope.meta.message_id());
                unit.publishes.push(topics::on_key(&OnKey::Parked { key: key.clone(), parked }));
            }
            unit.park = Some(Parked {
                id: ParkedId { key, message_id: envelope.meta.message_id() },
                message: message.clone(),
                reason,
                since: now,
                until,
                on_timeout,
            });
        }
        Next::DeadLetter(failure) => {
            unit.publishes.push(dead_letter(context, message, envelope, failure, now, facts));
        }
        Next::End(_) => {
            if context.marks.get(&envelope.meta.global_id).is_some() {
                unit.unmark = Some(envelope.meta.global_id.clone());
            }
        }
        Next::Drop => {}
    }
}

/// The record of an event of this message.
pub(crate) fn record(envelope: &Envelope, event: Event, facts: CallFacts) -> Record {
    let meta = &envelope.meta;
    Record {
        global_id: meta.global_id.clone(),
        position: meta.position(),
        address: meta.address().clone(),
        direction: meta.direction,
        at: facts.at,
        began_at: facts.began_at.unwrap_or(facts.at),
        attempt: facts.attempt,
        digest: facts.digest,
        use_case: meta.use_case.clone(),
        event,
    }
}

/// The first record of a saga, for the message that starts it.
pub(crate) fn started(envelope: &Envelope, at: Timestamp) -> Record {
    let meta = &envelope.meta;
    let event = Event::Started { steps: meta.forward_steps(), body: envelope.body.clone(), deadline: meta.deadline };
    record(envelope, event, CallFacts::none(at))
}

/// The message that carries an envelope to its addressee, keyed as the addressee declares.
pub(crate) fn address(context: &Context, envelope: Arc<Envelope>) -> Message {
    let meta = &envelope.meta;
    let topic = meta.address().topic(meta.direction.topic_kind());
    let manifest = context.runner.manifest(meta.address());
    let key = ordering_key(manifest.as_deref(), &envelope.body);
    let key = key.unwrap_or_else(|| Arc::from(meta.global_id.as_str()));
    Message { topic, key, headers: Headers::default(), payload: Payload::Decoded(envelope) }
}

/// The value that a step orders its messages by; none where it does not, or the body has no such value.
pub(crate) fn ordering_key(manifest: Option<&Manifest>, body: &Json) -> Option<Arc<str>> {
    let pointer = manifest?.ordering_key.as_deref()?;
    let body: serde_json::Value = serde_json::from_slice(body.as_bytes()).ok()?;
    match body.pointer(pointer)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.as_str().into()),
        value @ (serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => Some(value.to_string().into()),
    }
}

fn again(message: &Message, due: Timestamp, attempts: Attempts, now: Timestamp) -> Publish {
    let mut message = message.clone();
    message.headers.first_at = (attempts != Attempts::default()).then_some(message.headers.first_at.unwrap_or(now));
    message.headers.attempts = attempts;
    // It is our own message from now on: the journal knows it.
    message.headers.foreign = false;
    Publish { message, due: (due > now).then_some(due) }
}

fn dead_letter(
    context: &Context,
    message: &Message,
    envelope: &Envelope,
    failure: Failure,
    now: Timestamp,
    facts: CallFacts,
) -> Publish {
    let mut letter = envelope.clone();
    letter.meta.failure = Some(Arc::new(failure.clone()));
    let cause = Cause {
        failure,
        attempts: facts.attempt,
        first_at: message.headers.first_at.or(facts.began_at).unwrap_or(now),
        last_at: now,
        digest: facts.digest,
        host: context.host_name.clone(),
    };
    let headers = Headers { cause: Some(Arc::new(cause)), ..message.headers.clone() };
    Publish {
        message: Message {
            topic: envelope.meta.address().topic(TopicKind::Error),
            key: message.key.clone(),
            headers,
            payload: Payload::Decoded(Arc::new(letter)),
        },
        due: None,
    }
}

fn count(context: &Context, event: &Event) {
    let metrics = &context.metrics;
    match event {
        Event::Started { .. } => metrics.sagas_started.add(1),
        Event::Retried { fault: Some(_), .. } => metrics.faults.add(1),
        Event::Retried { fault: None, .. } => metrics.retries.add(1),
        Event::Waiting { .. } => metrics.waits.add(1),
        Event::DeadLettered { .. } => metrics.dead_letters.add(1),
        Event::LateDropped { .. } => metrics.duplicates.add(1),
        Event::Acted { .. } => metrics.operator_acts.add(1),
        Event::Ended { status: EndStatus::Completed } => metrics.sagas_completed.add(1),
        Event::Ended { status: EndStatus::Compensated } => metrics.sagas_compensated.add(1),
        Event::Ended { status: EndStatus::CompensationFailed | EndStatus::Closed } => {
            metrics.sagas_ended_otherwise.add(1);
        }
        Event::Done { .. }
        | Event::Rejected { .. }
        | Event::Signalled { .. }
        | Event::Compensated { .. }
        | Event::NotRun => {}
    }
}
