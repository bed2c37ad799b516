//! Instances: how one is made, and the ready ones that a version keeps for its next calls.
//! Invariant: instances in use and idle ones together never exceed what the engine's pool was sized for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Store;

use crate::capabilities::bindings::{StepPlugin, StepPluginPre};
use crate::engine::Engine;
use crate::error::Error;
use crate::sandbox::{Allowance, Sandbox, Terms};

/// What all plugins of a host share: the engine and the room for instances.
pub(crate) struct Sandboxes {
    pub(crate) engine: Engine,
    permits: Semaphore,
    idle: Arc<IdleRoom>,
}

impl Sandboxes {
    pub(crate) fn try_new(calls_at_once_max: u32, idle_instances_max: u32) -> Result<Self, Error> {
        let calls_at_once_max = calls_at_once_max.max(1);
        Ok(Self {
            engine: Engine::try_new(calls_at_once_max.saturating_add(idle_instances_max))?,
            permits: Semaphore::new(usize::try_from(calls_at_once_max).unwrap_or(Semaphore::MAX_PERMITS)),
            idle: Arc::new(IdleRoom { taken: AtomicU32::new(0), max: idle_instances_max }),
        })
    }

    /// Room for one live instance; waits in order of arrival while there is none. Must outlive the instance.
    pub(crate) async fn permit(&self) -> SemaphorePermit<'_> {
        if let Ok(permit) = self.permits.try_acquire() {
            return permit;
        }
        self.permits.acquire().await.expect("this semaphore is never closed")
    }

    pub(crate) fn idle_room(&self) -> Arc<IdleRoom> {
        self.idle.clone()
    }
}

/// Room for idle instances over all plugins.
pub(crate) struct IdleRoom {
    taken: AtomicU32,
    max: u32,
}

impl IdleRoom {
    fn take(&self) -> bool {
        let more = |taken: u32| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, count: u32) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }
}

/// One live instance of a step.
pub(crate) struct Instance {
    pub(crate) store: Store<Sandbox>,
    pub(crate) step: StepPlugin,
    pub(crate) call_count: u32,
    /// Linear memory after its first call: what is far above it later is a leak.
    pub(crate) memory_bytes_at_first: usize,
}

impl Instance {
    /// Bring an instance to life. Its start code runs under the limits of a call.
    pub(crate) async fn start(
        engine: &Engine,
        pre: &StepPluginPre<Sandbox>,
        terms: Arc<Terms>,
        now: Instant,
        allowance: Allowance,
    ) -> Result<Self, (wasmtime::Error, Store<Sandbox>)> {
        let mut store = Sandbox::store(engine, terms, now, allowance);
        store.set_epoch_deadline(1);
        match pre.instantiate_async(&mut store).await {
            Ok(step) => Ok(Self { store, step, call_count: 0, memory_bytes_at_first: 0 }),
            Err(error) => Err((error, store)),
        }
    }
}

/// Shards of a version's idle instances: threads that call the same step at once seldom meet.
const SHARDS: usize = 8;

/// Idle instances of one version, last used first: their memory is warm.
pub(crate) struct IdleInstances {
    shards: [Mutex<Vec<Instance>>; SHARDS],
    room: Arc<IdleRoom>,
}

impl IdleInstances {
    pub(crate) fn new(room: Arc<IdleRoom>) -> Self {
        Self { shards: Default::default(), room }
    }

    pub(crate) fn take(&self) -> Option<Instance> {
        let own = shard();
        let instance = (0..SHARDS).find_map(|step| self.shards[(own + step) % SHARDS].lock().pop())?;
        self.room.give_back(1);
        Some(instance)
    }

    /// Keep it for the next call, if there is room; otherwise it ends here.
    pub(crate) fn put(&self, instance: Instance) {
        if self.room.take() {
            self.shards[shard()].lock().push(instance);
        }
    }

    /// End them all.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let instances = std::mem::take(&mut *shard.lock());
            let count = u32::try_from(instances.len()).unwrap_or(u32::MAX);
            drop(instances);
            self.room.give_back(count);
        }
    }
}

impl Drop for IdleInstances {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The shard of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}
