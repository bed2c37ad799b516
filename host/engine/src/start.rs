//! Starts: from a wish, or a message on a trigger topic, to a saga's first message and its `started` record.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use host_broker::Subscription;
use host_core::envelope::{self, Envelope};
use host_core::id::{GlobalId, Lsn, UseCaseName};
use host_core::json::Json;
use host_core::limits;
use host_core::time::Timestamp;
use host_core::unit::{Ack, Publish, Unit};
use host_core::use_case::UseCase;
use tokio_util::sync::CancellationToken;

use crate::ack_guard::AckGuard;
use crate::commit::Stopped;
use crate::context::Context;
use crate::lanes::next_delivery;
use crate::limits::{COMMANDS_IN_FLIGHT_MAX, START_LOCK_COUNT};
use crate::parking::{Error, submit};
use crate::settle::{address, started};

/// A wish to start a saga. The body was checked to be JSON; its schema is the caller's affair.
#[derive(Debug, Clone)]
pub struct Start {
    pub use_case: UseCaseName,
    pub body: Json,
    /// None lets the host mint a UUIDv7.
    pub global_id: Option<GlobalId>,
    /// The caller minted `global_id` for this start, so no saga can have it yet: there is nothing to look up.
    pub minted: bool,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

/// A saga that was started, or was there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub global_id: GlobalId,
    pub existed: bool,
    /// Until this unit is durable nobody may be told.
    pub lsn: Option<Lsn>,
}

/// Why no saga was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("there is no use case {0}")]
    UnknownUseCase(UseCaseName),
    #[error("the body is larger than {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[error("{backlog} messages are waiting already")]
    Busy { backlog: u64 },
    #[error(transparent)]
    Store(#[from] host_store::Error),
    #[error(transparent)]
    Broker(#[from] host_broker::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Starts sagas. Two starts with one global-id are one after the other, so that the second finds the first.
pub(crate) struct Starts {
    context: Arc<Context>,
    locks: Vec<tokio::sync::Mutex<()>>,
    backlog_max: u64,
}

impl Starts {
    pub(crate) fn new(context: Arc<Context>, backlog_max: u64) -> Self {
        let locks = (0..START_LOCK_COUNT).map(|_| tokio::sync::Mutex::new(())).collect();
        Self { context, locks, backlog_max }
    }

    pub(crate) async fn start(&self, start: Start) -> Result<Started, StartError> {
        let context = &*self.context;
        let Some(use_case) = context.use_cases.current(&start.use_case) else {
            return Err(StartError::UnknownUseCase(start.use_case));
        };
        let bytes_max = context.limits.body_bytes_max;
        if start.body.len() > bytes_max {
            return Err(StartError::BodyTooLarge { bytes_max });
        }
        let backlog = context.metrics.backlog.get();
        if backlog > self.backlog_max {
            return Err(StartError::Busy { backlog });
        }
        let Some(global_id) = start.global_id.clone() else {
            let lsn = self.begin(mint(), &use_case, start, None).await?;
            return Ok(lsn);
        };
        if start.minted {
            return Ok(self.begin(global_id, &use_case, start, None).await?);
        }
        let _one_at_a_time = self.lock(&global_id).lock().await;
        let _no_stranger = context.strangers.turn(&global_id).await;
        context.broker.catch_up().await?;
        if !context.store.journal(&global_id).await?.is_empty() {
            return Ok(Started { global_id, existed: true, lsn: None });
        }
        if context.has_other_hosts() {
            return Ok(self.begin_from_outside(global_id, &use_case, start).await?);
        }
        Ok(self.begin(global_id, &use_case, start, None).await?)
    }

    /// Where hosts share the work, another one may be asked for the same saga at this moment. The first message goes
    /// out as one from outside: the host that owns its key begins the saga, and drops what comes second.
    async fn begin_from_outside(
        &self,
        global_id: GlobalId,
        use_case: &UseCase,
        start: Start,
    ) -> Result<Started, Stopped> {
        let context = &*self.context;
        let envelope = first_envelope(&global_id, use_case, start, context.now());
        let mut message = address(context, Arc::new(envelope));
        message.headers.foreign = true;
        let mut unit = Unit::default();
        unit.publishes.push(Publish { message, due: None });
        let lsn = submit(context, unit).await?;
        Ok(Started { global_id, existed: false, lsn })
    }

    /// The unit that starts a saga.
    async fn begin(
        &self,
        global_id: GlobalId,
        use_case: &UseCase,
        start: Start,
        ack: Option<Ack>,
    ) -> Result<Started, Stopped> {
        let context = &*self.context;
        let now = context.now();
        let envelope = first_envelope(&global_id, use_case, start, now);
        let mut unit = Unit { ack, ..Unit::default() };
        unit.records.push(started(&envelope, now));
        unit.publishes.push(Publish { message: address(context, Arc::new(envelope)), due: None });
        let lsn = submit(context, unit).await?;
        context.metrics.sagas_started.add(u64::from(lsn.is_some()));
        Ok(Started { global_id, existed: false, lsn })
    }

    fn lock(&self, global_id: &GlobalId) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        global_id.hash(&mut hasher);
        let index = usize::try_from(hasher.finish()).unwrap_or_default() % self.locks.len();
        &self.locks[index]
    }

    /// Consume the trigger topic of a use case until `stop`. The saga's id is made from the message's place, so a
    /// message that comes twice starts one saga.
    pub(crate) async fn run_trigger(
        self: Arc<Self>,
        use_case: Arc<UseCase>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let Some(topic) = use_case.trigger_topic.clone() else { return Ok(()) };
        let group = format!("use-case.{}", use_case.name);
        let subscription = Subscription { group, topic, in_flight_max: COMMANDS_IN_FLIGHT_MAX };
        let mut consumer = self.context.broker.subscribe(subscription).await?;
        while let Some(delivery) = next_delivery(&mut *consumer, &stop).await {
            self.triggered(&use_case, delivery).await?;
        }
        Ok(())
    }

    async fn triggered(&self, use_case: &UseCase, delivery: host_broker::Delivery) -> Result<(), Error> {
        let global_id = triggered_id(&use_case.name, &delivery.ack);
        let place = (delivery.ack.topic.clone(), delivery.ack.offset.0);
        let ack = AckGuard::new(&*self.context.broker, delivery.ack);
        let body = match Json::try_new(delivery.message.payload.encode()) {
            Ok(body) if body.len() <= self.context.limits.body_bytes_max => body,
            Ok(_) | Err(_) => {
                tracing::warn!(topic = %place.0, use_case = %use_case.name, offset = place.1,
                    "a message on a trigger topic is no JSON body within the limit and starts nothing");
                submit(&self.context, Unit { ack: Some(ack.take()), ..Unit::default() }).await?;
                return Ok(());
            }
        };
        let _one_at_a_time = self.lock(&global_id).lock().await;
        if self.context.store.journal(&global_id).await?.is_empty() {
            let name = use_case.name.clone();
            let start =
                Start { use_case: name, body, global_id: None, minted: false, traceparent: None, tracestate: None };
            self.begin(global_id, use_case, start, Some(ack.take())).await?;
        } else {
            submit(&self.context, Unit { ack: Some(ack.take()), ..Unit::default() }).await?;
        }
        Ok(())
    }
}

fn first_envelope(global_id: &GlobalId, use_case: &UseCase, start: Start, now: Timestamp) -> Envelope {
    Envelope::try_start(envelope::Start {
        global_id: global_id.clone(),
        steps: use_case.steps.clone(),
        body: start.body,
        use_case: Some(use_case.reference()),
        deadline: use_case.deadline.map(|span| now.plus(span)),
        trace: start.traceparent.map(|parent| (parent, start.tracestate)),
    })
    .expect("a checked use case has steps within the bounds")
}

/// The id of the saga that a message starts, made from the message's place. Where that is too long the topic is cut and
/// stands last: what tells one message from the next is never cut off.
fn triggered_id(name: &UseCaseName, ack: &Ack) -> GlobalId {
    let mut place = format!("{name}:{}:{}:{}", ack.topic, ack.partition, ack.offset.0);
    if place.len() > limits::GLOBAL_ID_CHARACTERS_MAX {
        let topic_last = format!("{name}:{}:{}:{}", ack.partition, ack.offset.0, ack.topic);
        place = limits::cut(&topic_last, limits::GLOBAL_ID_CHARACTERS_MAX);
    }
    GlobalId::try_new(&place).expect("names and numbers are printable")
}

fn mint() -> GlobalId {
    GlobalId::try_new(uuid::Uuid::now_v7().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
        .expect("a UUID is printable and short")
}

#[cfg(test)]
mod tests {
    use host_core::id::TopicName;
    use host_core::unit::Offset;

    use super::*;

    fn id(topic_bytes: usize, offset: u64) -> GlobalId {
        let topic = TopicName::try_new(&"t".repeat(topic_bytes)).expect("a topic name");
        let name = UseCaseName::try_new(&"u".repeat(64)).expect("a name");
        triggered_id(&name, &Ack { topic, partition: u32::MAX, offset: Offset(offset) })
    }

    /// A long topic once pushed the offset out of the id, so that every message but the first started nothing.
    #[test]
    fn two_messages_of_a_trigger_topic_start_two_sagas_however_long_its_name() {
        for topic_bytes in [1, 50, 249] {
            assert_ne!(id(topic_bytes, u64::MAX), id(topic_bytes, u64::MAX - 1), "{topic_bytes}");
            assert_eq!(id(topic_bytes, 7), id(topic_bytes, 7), "{topic_bytes}");
        }
    }
}
