//! One version of a plugin, loaded: its code ready to be instantiated, the manifest it runs under, its idle instances.
//! Invariant: its imports are granted, and it has come to life once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use host_core::id::Digest;
use host_core::manifest::{CallsPerInstance, Manifest};
use tokio::sync::Notify;
use wasmtime::component::Component;

use crate::capabilities::bindings::StepPluginPre;
use crate::error::Rejection;
use crate::instances::{IdleInstances, Instance, Sandboxes};
use crate::sandbox::{Allowance, Exceeded, Sandbox, Terms};
use crate::standing::Standing;
use crate::{capabilities, fault, limits};

/// A plugin version that can be called.
pub(crate) struct Version {
    pub(crate) digest: Digest,
    pub(crate) terms: Arc<Terms>,
    pub(crate) pre: StepPluginPre<Sandbox>,
    pub(crate) idle: IdleInstances,
    pub(crate) facts: Facts,
    /// Calls that one instance serves; none: without end.
    calls_per_instance: Option<u32>,
    pub(crate) standing: Standing,
    in_flight: Arc<InFlight>,
}

/// What was learned while the version was loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) wasm_bytes: u64,
    /// Zero if the compiled code came from the cache.
    pub(crate) compile_time: Duration,
    /// Linear memory of an instance that has just been started.
    pub(crate) instance_memory_bytes: usize,
    /// The shortest of a few starts, if it decides how often an instance is used or somebody asked for it.
    pub(crate) start_time: Duration,
}

/// What the manifest says, or what the time that an instance takes to start suggests.
fn calls_per_instance(manifest: &Manifest, start_time: Duration) -> Option<u32> {
    match manifest.calls_per_instance {
        CallsPerInstance::Count(count) => Some(count),
        CallsPerInstance::Unlimited => None,
        CallsPerInstance::Measured if start_time > limits::QUICK_START_MAX => Some(limits::CALLS_OF_A_SLOW_START),
        CallsPerInstance::Measured => Some(1),
    }
}

impl Version {
    /// Link the code to what the manifest grants and start it once, to see that it lives. `wake` is told when the last
    /// call of the retired version ends.
    pub(crate) async fn try_new(
        sandboxes: &Sandboxes,
        component: &Component,
        digest: Digest,
        manifest: Arc<Manifest>,
        mut facts: Facts,
        wake: Arc<Notify>,
    ) -> Result<Self, Rejection> {
        let memory_bytes_max = manifest.limits.memory_bytes_max;
        if memory_bytes_max > limits::MEMORY_BYTES_HARD_MAX {
            let allowed = limits::MEMORY_BYTES_HARD_MAX;
            let text = format!("[limits] memory is {memory_bytes_max} bytes, a host gives {allowed} at most; lower it");
            return Err(Rejection::Manifest(text));
        }
        let linker = capabilities::linker(&sandboxes.engine, &manifest)
            .map_err(|error| Rejection::Invalid(format!("{error:#}")))?;
        let terms = Terms::try_new(manifest).map_err(|error| Rejection::Manifest(error.to_string()))?;
        let pre = linker.instantiate_pre(component).and_then(StepPluginPre::new);
        let pre = pre.map_err(|error| Rejection::Invalid(format!("{error:#}")))?;
        let terms = Arc::new(terms);
        smoke(sandboxes, &pre, &terms, &mut facts).await?;
        if terms.manifest.calls_per_instance == CallsPerInstance::Measured {
            start_again(sandboxes, &pre, &terms, &mut facts).await?;
        }
        Ok(Self {
            digest,
            calls_per_instance: calls_per_instance(&terms.manifest, facts.start_time),
            terms,
            pre,
            idle: IdleInstances::new(sandboxes.idle_room()),
            facts,
            standing: Standing::default(),
            in_flight: Arc::new(InFlight {
                count: AtomicU32::new(0),
                retired: AtomicBool::new(false),
                watched: AtomicBool::new(false),
                wake,
            }),
        })
    }

    /// For whoever shows what a start costs. Where it decides nothing, a host need not know it, and did not look.
    pub(crate) async fn measure_start(&mut self, sandboxes: &Sandboxes) -> Result<(), Rejection> {
        if self.manifest().calls_per_instance == CallsPerInstance::Measured {
            return Ok(());
        }
        start_again(sandboxes, &self.pre, &self.terms, &mut self.facts).await
    }

    pub(crate) fn manifest(&self) -> &Arc<Manifest> {
        &self.terms.manifest
    }

    /// Whether instances of this version serve more than one call.
    pub(crate) fn reuses_instances(&self) -> bool {
        self.calls_per_instance != Some(1)
    }

    /// Calls that one instance serves; none: without end.
    pub(crate) fn calls_per_instance(&self) -> Option<u32> {
        self.calls_per_instance
    }

    /// An instance for one call: an idle one, or a new one. Its allowance counts from `now`.
    pub(crate) async fn instance(
        &self,
        sandboxes: &Sandboxes,
        now: Instant,
        allowance: Allowance,
    ) -> Result<Instance, host_core::outcome::Fault> {
        if self.reuses_instances()
            && let Some(mut instance) = self.idle.take()
        {
            instance.store.data_mut().start_clock(now, allowance);
            instance.store.set_epoch_deadline(1);
            return Ok(instance);
        }
        let started = Instance::start(&sandboxes.engine, &self.pre, self.terms.clone(), now, allowance).await;
        started.map_err(|(error, mut store)| fault::fault(&error, store.data_mut()))
    }

    /// An instance whose call ended well is kept for the next, as far as the manifest allows.
    pub(crate) fn keep(&self, mut instance: Instance) {
        instance.call_count += 1;
        let within_count = self.calls_per_instance.is_none_or(|count| instance.call_count < count);
        if !within_count || self.is_retired() {
            return;
        }
        let memory_bytes = instance.store.data().memory_bytes;
        if instance.call_count == 1 {
            instance.memory_bytes_at_first = memory_bytes;
        }
        // A slow leak would end in a fault of some innocent call: begin anew well before.
        let leaks =
            memory_bytes > instance.memory_bytes_at_first && memory_bytes > self.manifest().limits.memory_bytes_max / 2;
        if !leaks {
            self.idle.put(instance);
        }
    }

    /// No new call will come, except for the compensation of what this version handled: instances are kept no more.
    pub(crate) fn retire(&self) {
        self.in_flight.retired.store(true, Ordering::Release);
        self.idle.clear();
    }

    /// Someone waits for the last call of this version to end, or no longer does.
    pub(crate) fn watch_drain(&self, watched: bool) {
        self.in_flight.watched.store(watched, Ordering::Release);
    }

    fn is_retired(&self) -> bool {
        self.in_flight.retired.load(Ordering::Acquire)
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }
}

/// The first start pays for pages that the next ones find in memory, and another program may have been in the way: the
/// shortest is what a start costs.
async fn start_again(
    sandboxes: &Sandboxes,
    pre: &StepPluginPre<Sandbox>,
    terms: &Arc<Terms>,
    facts: &mut Facts,
) -> Result<(), Rejection> {
    for _ in 1..limits::MEASURED_STARTS {
        if facts.start_time <= limits::QUICK_START_MAX {
            break;
        }
        let mut again = *facts;
        smoke(sandboxes, pre, terms, &mut again).await?;
        facts.start_time = facts.start_time.min(again.start_time);
    }
    Ok(())
}

async fn smoke(
    sandboxes: &Sandboxes,
    pre: &StepPluginPre<Sandbox>,
    terms: &Arc<Terms>,
    facts: &mut Facts,
) -> Result<(), Rejection> {
    let _permit = sandboxes.permit().await;
    let (began, time_max) = (Instant::now(), limits::SMOKE_TIME_MAX);
    let started = Instance::start(&sandboxes.engine, pre, terms.clone(), began, Allowance::Start(time_max));
    // A guest that waits inside the host is not seen by the ticker.
    match tokio::time::timeout(time_max + limits::TIME_SLACK, started).await {
        Ok(Ok(instance)) => {
            facts.instance_memory_bytes = instance.store.data().memory_bytes;
            facts.start_time = began.elapsed();
            Ok(())
        }
        Ok(Err((error, mut store))) => Err(Rejection::Smoke(fault::fault(&error, store.data_mut()).reason)),
        Err(_) => Err(Rejection::Smoke(Exceeded::StartTime(time_max).to_string())),
    }
}

/// How many calls of a version are running, and whom to tell when the last one ends, if anyone waits for that.
pub(crate) struct InFlight {
    count: AtomicU32,
    retired: AtomicBool,
    watched: AtomicBool,
    wake: Arc<Notify>,
}

impl InFlight {
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Count one call until the guard goes.
    pub(crate) fn enter(&self) -> InFlightGuard<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        InFlightGuard(self)
    }
}

pub(crate) struct InFlightGuard<'a>(&'a InFlight);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.watched.load(Ordering::Acquire) {
            self.0.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_slowly_is_reused_unless_the_manifest_says_otherwise() {
        let address = host_core::id::StepAddress::try_new("a.b.c").expect("an address");
        let mut manifest = Manifest::of(address);
        let (quick, slow) = (Duration::from_micros(100), Duration::from_millis(1));
        assert_eq!(calls_per_instance(&manifest, quick), Some(1));
        assert_eq!(calls_per_instance(&manifest, slow), Some(limits::CALLS_OF_A_SLOW_START));
        manifest.calls_per_instance = CallsPerInstance::Count(1);
        assert_eq!(calls_per_instance(&manifest, slow), Some(1));
        manifest.calls_per_instance = CallsPerInstance::Unlimited;
        assert_eq!(calls_per_instance(&manifest, quick), None);
    }
}
