//! Intake: from a delivery to what has to be done with it. Bytes are bounded, then decoded; then the journal is asked
//! wherever a message might not be the saga's own next one.

use std::sync::Arc;

use host_broker::Delivery;
use host_core::decide::{Input, is_past_deadline};
use host_core::envelope::{DecodeError, Envelope, decode};
use host_core::id::{Digest, Direction, GlobalId, StepAddress};
use host_core::json::Json;
use host_core::record::{Event, Record};
use host_core::saga::{CallState, Saga};
use host_core::unit::{Mark, Payload};

use crate::context::Context;
use crate::parking::Error;
use crate::settle::ordering_key;
use crate::strangers::Turn;

/// What has to be done with a delivery.
pub(crate) enum Work {
    /// Call the plugin.
    Call { envelope: Arc<Envelope>, pinned: Pinned, first: First },
    /// The plugin is not called: decide with this.
    Decide { envelope: Arc<Envelope>, input: Box<Input>, first: First },
    /// Not a message that can be read.
    Undecodable { global_id: Option<GlobalId>, reason: String },
}

/// What `compensate` gets from its `handle`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pinned {
    pub(crate) digest: Option<Digest>,
    pub(crate) log: Option<Json>,
}

/// Whether this message begins its saga, so that `started` has to be written with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Yes,
    No,
}

/// Look at a delivery to a step. What comes from outside is given a `turn`, which its caller holds until the commit.
pub(crate) async fn intake(
    context: &Context,
    address: &StepAddress,
    direction: Direction,
    delivery: &mut Delivery,
    turn: &mut Option<Turn>,
) -> Result<Work, Error> {
    let envelope = match take_envelope(context, address, direction, delivery) {
        Ok(envelope) => envelope,
        Err(error) => {
            return Ok(Work::Undecodable { global_id: error.global_id(), reason: error.to_string() });
        }
    };
    let trusted =
        !delivery.message.headers.foreign && (!delivery.redelivered || context.broker.capabilities().atomic_commit);
    let mut first = First::No;
    if !trusted {
        *turn = Some(context.strangers.turn(&envelope.meta.global_id).await);
        context.broker.catch_up().await?;
        let journal = context.store.journal(&envelope.meta.global_id).await?;
        let saga = Saga::fold(&journal);
        let late = match admit(saga.as_ref(), &envelope, delivery.redelivered) {
            Admission::New => {
                first = First::Yes;
                None
            }
            Admission::Next => None,
            Admission::FromAbroad(saga) if comes_from_abroad(context, saga).await? => None,
            Admission::FromAbroad(_) => Some("the saga's own message has not come this far"),
            Admission::Late(reason) => Some(reason),
        };
        if let Some(reason) = late {
            return Ok(decide_with(envelope, Input::Late { reason: reason.to_owned() }, First::No));
        }
    }
    if let Some(mark) = context.marks.get(&envelope.meta.global_id)
        && stands(context, &mark).await?
    {
        return Ok(decide_with(envelope, Input::Acted(mark), first));
    }
    // The policy is looked up only for a saga that has a deadline.
    if envelope.meta.deadline.is_some() && is_past_deadline(&envelope, context.policy(&envelope.meta), context.now()) {
        return Ok(decide_with(envelope, Input::DeadlinePassed, first));
    }
    match direction {
        Direction::Handle => Ok(Work::Call { envelope, pinned: Pinned::default(), first }),
        Direction::Compensate => match pinned(context, &envelope).await? {
            Some(pinned) => Ok(Work::Call { envelope, pinned, first }),
            None => Ok(decide_with(envelope, Input::NeverRan, first)),
        },
    }
}

/// Whether no message of the saga has met the mark yet: where hosts share the work another one may have seen to it.
pub(crate) async fn stands(context: &Context, mark: &Mark) -> Result<bool, Error> {
    if !context.has_other_hosts() {
        return Ok(true);
    }
    context.broker.catch_up().await?;
    Ok(context.store.marks().await?.contains(mark))
}

fn decide_with(envelope: Arc<Envelope>, input: Input, first: First) -> Work {
    Work::Decide { envelope, input: Box::new(input), first }
}

/// The envelope of a delivery. A decoded one is shared with the message, from which what has to be sent again is made.
fn take_envelope(
    context: &Context,
    address: &StepAddress,
    direction: Direction,
    delivery: &mut Delivery,
) -> Result<Arc<Envelope>, DecodeError> {
    match &delivery.message.payload {
        Payload::Decoded(envelope) => Ok(envelope.clone()),
        Payload::Encoded(bytes) => decode(bytes, direction, address, &context.limits).map(Arc::new),
    }
}

/// Whether a message that may come from anywhere, or a second time, is the saga's next one.
enum Admission<'a> {
    /// The first that is heard of this saga.
    New,
    Next,
    /// Its next one if the step where the saga's own message was last seen is a foreign service's.
    FromAbroad(&'a Saga),
    Late(&'static str),
}

/// The journal says where the saga's one message is. A message from outside is its next one only if the saga's message
/// was last in the hands of a service that is not ours, before this step in the direction of travel.
fn admit<'a>(saga: Option<&'a Saga>, envelope: &Envelope, redelivered: bool) -> Admission<'a> {
    let Some(saga) = saga else { return Admission::New };
    let (position, direction) = (envelope.meta.position(), envelope.meta.direction);
    if saga.ended {
        return Admission::Late("the saga has ended");
    }
    if saga.call(position, direction).is_some_and(|call| call.state.is_settled()) {
        return Admission::Late("this step has done its work for this saga already");
    }
    let (at, travelling) = saga.at;
    match (travelling, direction) {
        (Direction::Compensate, Direction::Handle) => {
            Admission::Late("the saga has turned round before this handle came")
        }
        (Direction::Handle, Direction::Handle) if position < at => Admission::Late("the saga is past this step"),
        (Direction::Handle, Direction::Handle) if position > at => Admission::FromAbroad(saga),
        (Direction::Handle, Direction::Compensate) if position < at => Admission::FromAbroad(saga),
        (Direction::Handle, Direction::Compensate) => Admission::Late("the saga has not come past this step"),
        (Direction::Compensate, Direction::Compensate) if position < at => Admission::FromAbroad(saga),
        (Direction::Compensate, Direction::Compensate) if position > at => {
            Admission::Late("the saga is past this step")
        }
        // The saga stands exactly here: with a broker that repeats itself this is its message; otherwise it is a
        // second one beside the message that is queued, delayed, parked or before a person.
        (Direction::Handle, Direction::Handle) | (Direction::Compensate, Direction::Compensate) => {
            match saga.call(position, direction).map(|call| call.state) {
                Some(CallState::Pending) if redelivered => Admission::Next,
                Some(_) | None => Admission::Late("the saga's own message is at this step already"),
            }
        }
    }
}

/// A message from beyond the step where the saga's own was last seen: its next one, if a foreign service had that one
/// in its hands. Where we hold the saga's message ourselves, a second one would fork it.
async fn comes_from_abroad(context: &Context, saga: &Saga) -> Result<bool, Error> {
    let (at, direction) = saga.at;
    let is_on_its_way = saga.call(at, direction).is_some_and(|call| call.state == CallState::Pending);
    let Some(step) = saga.steps.get(usize::from(at.0)).filter(|_| is_on_its_way) else { return Ok(false) };
    // A step that is ours by now: if its queue holds nothing of this saga, the service before us had taken it. It lies
    // under the key that the step asks for, or was published when nobody knew one.
    let Some(manifest) = context.runner.manifest(&step.address) else { return Ok(true) };
    let topic = step.address.topic(direction.topic_kind());
    let asked_for = ordering_key(Some(&manifest), &saga.body);
    for key in asked_for.as_deref().into_iter().chain([saga.global_id.as_str()]) {
        if context.broker.is_waiting(&topic, key).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the message's compensation log, or failing that the journal, says of this step's `handle`. None: it never ran.
async fn pinned(context: &Context, envelope: &Envelope) -> Result<Option<Pinned>, Error> {
    let position = envelope.meta.position();
    if let Some(entry) = envelope.meta.compensation_entry(position) {
        return Ok(Some(Pinned { digest: entry.digest, log: entry.log.clone() }));
    }
    // A service between us that dropped what it did not know: the journal still has it.
    context.broker.catch_up().await?;
    let journal = context.store.journal(&envelope.meta.global_id).await?;
    let done = journal.iter().rev().find_map(|record| done_handle(record, envelope));
    Ok(done)
}

fn done_handle(record: &Record, envelope: &Envelope) -> Option<Pinned> {
    let same = record.position == envelope.meta.position() && record.direction == Direction::Handle;
    match &record.event {
        Event::Done { compensation, .. } if same => Some(Pinned { digest: record.digest, log: compensation.clone() }),
        Event::Done { .. }
        | Event::Started { .. }
        | Event::Rejected { .. }
        | Event::Retried { .. }
        | Event::Waiting { .. }
        | Event::Signalled { .. }
        | Event::DeadLettered { .. }
        | Event::Compensated { .. }
        | Event::LateDropped { .. }
        | Event::NotRun
        | Event::Acted { .. }
        | Event::Ended { .. } => None,
    }
}
