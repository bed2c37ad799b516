//! The hands of one lane: tasks that take a delivery, run it to its end, and come back for the next. One hand at a time
//! stands at the consumer; when it leaves with a delivery another takes its place, so that calls run side by side up to
//! the bounds of step and host, and no task is made for a message.
//! Invariant: until the lane stops, a hand stands at the consumer or is on its way there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use host_broker::{Consumer, Delivery};
use host_core::id::{Direction, StepAddress};
use host_runtime::Place;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::next_delivery;
use crate::context::Context;
use crate::limits::HANDS_WAITING_MAX;
use crate::pipeline::Pipeline;

/// What the hands of a lane share.
pub(super) struct Hands {
    pub(super) context: Arc<Context>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) address: StepAddress,
    pub(super) direction: Direction,
    /// Held by the hand that waits for the next delivery. Gone when the lane has stopped: its topic is then free for
    /// another consumer, also while calls of this lane still run.
    pub(super) consumer: Mutex<Option<Box<dyn Consumer>>>,
    /// Calls on this host that may be under way at once.
    pub(super) permits: Arc<Semaphore>,
    /// Hands that wait for a delivery, or for their turn to.
    pub(super) waiting_count: AtomicUsize,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// Where a call runs.
enum Room<'a> {
    /// Here, within what the host allows at once.
    Here(SemaphorePermit<'a>),
    /// With somebody elsewhere, who asked for it. It takes nothing of what the host allows.
    Elsewhere(Box<dyn Place>),
}

impl Hands {
    /// One more hand, on its way to the consumer.
    pub(super) fn join(self: &Arc<Self>) {
        self.waiting_count.fetch_add(1, Ordering::AcqRel);
        self.tasks.spawn(self.clone().hand());
    }

    /// Boxed, because a hand calls the next one.
    fn hand(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.work().await })
    }

    async fn work(self: &Arc<Self>) {
        loop {
            let taken = self.take().await;
            let is_last = self.waiting_count.fetch_sub(1, Ordering::AcqRel) == 1;
            let Some((delivery, room)) = taken else { return };
            if is_last {
                self.join();
            }
            self.run(delivery, room).await;
            let come_back = |waiting| (waiting < HANDS_WAITING_MAX).then_some(waiting + 1);
            if self.waiting_count.fetch_update(Ordering::AcqRel, Ordering::Acquire, come_back).is_err() {
                return;
            }
        }
    }

    /// The next delivery, with room to run it. A lane holds at most one that has no room yet, and an idle lane holds no
    /// permit, so that lanes without work never starve those with work. None when the lane stops; what is caught
    /// without room then is given back.
    async fn take(&self) -> Option<(Delivery, Room<'_>)> {
        let mut place = self.consumer.lock().await;
        let consumer = place.as_mut()?;
        let Some(delivery) = next_delivery(&mut **consumer, &self.stop).await else {
            *place = None;
            return None;
        };
        let elsewhere = self.context.runner.place(&self.address);
        if elsewhere.is_none()
            && let Ok(permit) = self.permits.try_acquire()
        {
            return Some((delivery, Room::Here(permit)));
        }
        let room = async {
            match elsewhere {
                Some(place) => Some(Room::Elsewhere(place.await)),
                None => self.permits.acquire().await.ok().map(Room::Here),
            }
        };
        let room = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            room = room => room,
        };
        match room {
            Some(room) => Some((delivery, room)),
            None => {
                self.context.broker.release(delivery.ack);
                *place = None;
                None
            }
        }
    }

    async fn run(&self, delivery: Delivery, room: Room<'_>) {
        let (_permit, place) = match room {
            Room::Here(permit) => (Some(permit), None),
            Room::Elsewhere(place) => (None, Some(place)),
        };
        // The manifest of this moment: a reload between two deliveries is seen by the second.
        match self.context.runner.manifest(&self.address) {
            Some(manifest) => self.pipeline.run(&manifest, self.direction, delivery, place).await,
            None => self.context.broker.release(delivery.ack),
        }
    }
}
