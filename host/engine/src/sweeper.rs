//! Housekeeping: counts the backlog, turns round sagas whose deadline passes while their message lies where nobody
//! serves it, moves delayed messages, and lets retention forget.

use std::sync::Arc;
use std::time::Duration;

use host_core::decide::{Input, is_past_deadline};
use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::{Offset, Unit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::lanes::backlog;
use crate::limits::{
    RETENTION_INTERVAL, RETENTION_REST_MIN, RETENTION_SAGAS_MAX, SIGNALS_FORGOTTEN_MAX, SWEEP_INTERVAL,
    SWEEP_MESSAGES_MAX,
};
use crate::parking::{Error, decoded, submit};
use crate::settle::settle_uncalled;
use crate::topics::{self, OnKey};

/// Count and sweep until `stop`.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    loop {
        let (waiting, unserved) = backlog(&*context.broker).await?;
        context.metrics.backlog.set(waiting);
        for topic in unserved {
            // One host does it, and only what no other host serves.
            if context.has_other_hosts()
                && (!context.broker.is_here(&topics::commands(), "")
                    || context.broker.is_consumed_elsewhere(&topic).await?)
            {
                continue;
            }
            sweep(&context, &topic).await?;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
        }
    }
}

/// Turn round what lies on a topic without a server past its deadline.
async fn sweep(context: &Context, topic: &TopicName) -> Result<(), Error> {
    for browsed in context.broker.browse(topic, Offset(0), SWEEP_MESSAGES_MAX).await? {
        let Some(envelope) = decoded(context, &browsed.message) else { continue };
        if !is_past_deadline(&envelope, context.policy(&envelope.meta), context.now()) {
            continue;
        }
        let Some(delivery) = context.broker.claim(topic, &browsed.message.key).await? else { continue };
        let rules = context.rules_of(&envelope);
        let mut unit = Unit { ack: Some(delivery.ack), ..Unit::default() };
        settle_uncalled(context, &mut unit, &delivery.message, &envelope, Input::DeadlinePassed, &rules);
        submit(context, unit).await?;
    }
    Ok(())
}

/// Where hosts share the work, the one that owns a key forgets its signal.
async fn forget_signals(context: &Context, now: Timestamp) -> Result<(), Error> {
    let mut unit = Unit::default();
    for key in context.store.expired_signals(now, SIGNALS_FORGOTTEN_MAX).await? {
        if context.broker.is_here(&topics::signals(), key.as_str()) {
            unit.publishes.push(topics::on_key(&OnKey::Expired { key, expired: now }));
        }
    }
    if !unit.publishes.is_empty() {
        submit(context, unit).await?;
    }
    Ok(())
}

/// Let retention forget until `stop`.
pub(crate) async fn run_retention(
    context: Arc<Context>,
    finished: Duration,
    stop: CancellationToken,
) -> Result<(), Error> {
    loop {
        let began = Instant::now();
        let now = context.now();
        let before =
            Timestamp::from_ms(now.as_ms().saturating_sub(u64::try_from(finished.as_millis()).unwrap_or(u64::MAX)));
        let removed = context.store.retain(before, now, RETENTION_SAGAS_MAX).await?;
        if context.has_other_hosts() {
            forget_signals(&context, now).await?;
        }
        context.broker.retain(now).await?;
        if let Some(shared) = &context.shared
            && let Err(error) = shared.state().forget(before, RETENTION_SAGAS_MAX).await
        {
            tracing::warn!(%error, "old outcomes stay in the database that hosts share");
        }
        let pause =
            if removed < RETENTION_SAGAS_MAX { RETENTION_INTERVAL } else { began.elapsed().max(RETENTION_REST_MIN) };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
