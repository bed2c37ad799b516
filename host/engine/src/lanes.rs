//! Lanes: one per topic of a served step. A lane takes deliveries from its consumer and runs them, no more at once than
//! its step and the host allow; what is not taken waits in the broker. Lanes follow the plugins that come and go.

mod hands;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use host_broker::{Broker, Subscription};
use host_core::id::{Direction, StepAddress};
use host_core::manifest::Manifest;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::pipeline::Pipeline;
use hands::Hands;

/// The steps that this host serves now, with the manifests in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Served {
    pub steps: BTreeMap<StepAddress, Arc<Manifest>>,
}

/// The service: keeps one pair of lanes for each served step.
pub(crate) struct Lanes {
    context: Arc<Context>,
    pipeline: Arc<Pipeline>,
    served: watch::Receiver<Arc<Served>>,
    /// Calls on this host that may be under way at once.
    permits: Arc<Semaphore>,
    /// Owns the hands of the lanes.
    tasks: TaskTracker,
}

struct Lane {
    manifest: Arc<Manifest>,
    stop: CancellationToken,
}

impl Lanes {
    pub(crate) fn new(
        context: Arc<Context>,
        served: watch::Receiver<Arc<Served>>,
        in_flight_max: usize,
        tasks: TaskTracker,
    ) -> Self {
        let pipeline = Arc::new(Pipeline::new(context.clone()));
        Self { context, pipeline, served, permits: Arc::new(Semaphore::new(in_flight_max)), tasks }
    }

    /// Follow the served steps until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut lanes: BTreeMap<StepAddress, Lane> = BTreeMap::new();
        loop {
            let served = self.served.borrow_and_update().clone();
            self.follow(&mut lanes, &served, &stop).await;
            tokio::select! {
                changed = self.served.changed() => if changed.is_err() { break },
                () = stop.cancelled() => break,
            }
        }
    }

    /// Stop the lanes of steps that are gone, start those of new ones; a lane whose bounds changed is both.
    async fn follow(&self, lanes: &mut BTreeMap<StepAddress, Lane>, served: &Served, stop: &CancellationToken) {
        lanes.retain(|address, lane| {
            let keep =
                served.steps.get(address).is_some_and(|manifest| manifest.concurrency == lane.manifest.concurrency);
            if !keep {
                lane.stop.cancel();
            }
            keep
        });
        for (address, manifest) in &served.steps {
            if let Some(lane) = lanes.get_mut(address) {
                lane.manifest = manifest.clone();
                continue;
            }
            let lane = Lane { manifest: manifest.clone(), stop: stop.child_token() };
            for direction in [Direction::Handle, Direction::Compensate] {
                if let Err(error) = self.open(manifest, direction, lane.stop.clone()).await {
                    tracing::error!(%error, step = %address, "a step's topic cannot be consumed");
                }
            }
            lanes.insert(address.clone(), lane);
        }
    }

    async fn open(
        &self,
        manifest: &Arc<Manifest>,
        direction: Direction,
        stop: CancellationToken,
    ) -> Result<(), host_broker::Error> {
        let topic = manifest.address.topic(direction.topic_kind());
        let in_flight_max = usize::try_from(manifest.concurrency).unwrap_or(usize::MAX);
        let group = manifest.address.to_string();
        let consumer = self.context.broker.subscribe(Subscription { group, topic, in_flight_max }).await?;
        let hands = Hands {
            context: self.context.clone(),
            pipeline: self.pipeline.clone(),
            address: manifest.address.clone(),
            direction,
            consumer: Mutex::new(Some(consumer)),
            permits: self.permits.clone(),
            waiting_count: AtomicUsize::new(0),
            stop,
            tasks: self.tasks.clone(),
        };
        Arc::new(hands).join();
        Ok(())
    }
}

/// The next delivery, or none when `stop` is told or the broker closes. `Consumer::next` is cancel-safe: a delivery
/// that is not returned was not taken.
pub(crate) async fn next_delivery(
    consumer: &mut dyn host_broker::Consumer,
    stop: &CancellationToken,
) -> Option<host_broker::Delivery> {
    if stop.is_cancelled() {
        return None;
    }
    // Under load there is one at hand, and nothing to wait for.
    if let Some(delivery) = consumer.try_next() {
        return Some(delivery);
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        delivery = consumer.next() => delivery,
    }
}

/// The topics whose backlog counts, and of them those that nobody consumes.
pub(crate) async fn backlog(broker: &dyn Broker) -> Result<(u64, Vec<host_core::id::TopicName>), host_broker::Error> {
    let mut waiting = 0;
    let mut unserved = Vec::new();
    for state in broker.queues().await? {
        let Some((_, kind)) = state.topic.step() else { continue };
        match kind {
            host_core::id::TopicKind::In | host_core::id::TopicKind::Compensate => {}
            host_core::id::TopicKind::Error => continue,
        }
        waiting += state.message_count;
        if state.consumers.is_empty() && state.message_count > 0 {
            unserved.push(state.topic);
        }
    }
    Ok((waiting, unserved))
}
