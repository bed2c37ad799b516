//! What the host keeps for one instance: the terms it lives under, its limits, and the state of the call it serves.
//! Invariant: between two calls nothing of the earlier one is left in here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::id::{BucketName, GlobalId};
use host_core::manifest::Manifest;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use crate::capabilities::keyvalue::KeyValueState;
use crate::capabilities::wasi::Wasi;
use crate::engine::Engine;
use crate::{Effects, KeyValues, LogLine, limits, long_calls};

/// What every instance of one plugin version is given.
pub(crate) struct Terms {
    pub(crate) manifest: Arc<Manifest>,
    /// The own bucket first; a guest's handle is a place in here.
    pub(crate) buckets: Vec<GrantedBucket>,
}

pub(crate) struct GrantedBucket {
    /// What the guest calls it.
    pub(crate) identifier: String,
    pub(crate) name: BucketName,
}

impl Terms {
    /// Fails only for a shared bucket whose name is no bucket name.
    pub(crate) fn try_new(manifest: Arc<Manifest>) -> Result<Self, host_core::id::Error> {
        let own = BucketName::try_new(manifest.address.as_str())?;
        let mut buckets = vec![GrantedBucket { identifier: String::new(), name: own }];
        for shared in &manifest.shared_buckets {
            let name = BucketName::try_new(&format!("{}/{shared}", manifest.address.domain()))?;
            buckets.push(GrantedBucket { identifier: shared.clone(), name });
        }
        Ok(Self { manifest, buckets })
    }
}

/// The data of one store.
pub(crate) struct Sandbox {
    pub(crate) terms: Arc<Terms>,
    pub(crate) call: CallState,
    pub(crate) wasi: Option<Box<Wasi>>,
    /// When the guest must have answered, and the time it had for it.
    deadline: Instant,
    allowance: Allowance,
    /// Ticks that met the guest at work since its clock was started.
    pub(crate) tick_count: u32,
    /// Of all linear memories together.
    pub(crate) memory_bytes: usize,
    table_elements: usize,
}

/// What belongs to one call.
#[derive(Default)]
pub(crate) struct CallState {
    pub(crate) global_id: Option<GlobalId>,
    pub(crate) source: Option<Arc<dyn KeyValues>>,
    pub(crate) key_values: KeyValueState,
    pub(crate) effects: Effects,
    pub(crate) event_bytes: usize,
    pub(crate) log_count: u32,
    pub(crate) log_bytes: usize,
    pub(crate) log_dropped: u32,
    /// The lines themselves, for a caller who wants to show them.
    pub(crate) kept_logs: Option<Vec<LogLine>>,
}

/// The time a guest has, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// To answer a call, the start of its instance included.
    Call(Duration),
    /// To come to life when it is loaded.
    Start(Duration),
}

impl Allowance {
    fn span(self) -> Duration {
        match self {
            Allowance::Call(span) | Allowance::Start(span) => span,
        }
    }
}

impl From<Allowance> for Exceeded {
    fn from(allowance: Allowance) -> Self {
        match allowance {
            Allowance::Call(span) => Exceeded::CallTime(span),
            Allowance::Start(span) => Exceeded::StartTime(span),
        }
    }
}

/// A limit that the guest went over. Travels through wasmtime as the cause of a trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("call took longer than {}; raise [limits] time if it needs more", host_core::time::format_span(*.0))]
    CallTime(Duration),
    #[error("has not started after {}", host_core::time::format_span(*.0))]
    StartTime(Duration),
    #[error(
        "call asked for {asked} bytes of memory, more than the {allowed} allowed; raise [limits] memory if it needs \
         more"
    )]
    Memory { asked: usize, allowed: usize },
    #[error("call asked for a table of {asked} elements, more than the {allowed} a plugin may have")]
    Table { asked: usize, allowed: usize },
}

impl Sandbox {
    /// A store for one instance, whose guest has so long from `now`.
    pub(crate) fn store(engine: &Engine, terms: Arc<Terms>, now: Instant, allowance: Allowance) -> Store<Self> {
        let sandbox = Self {
            terms,
            call: CallState::default(),
            wasi: None,
            deadline: now + allowance.span(),
            allowance,
            tick_count: 0,
            memory_bytes: 0,
            table_elements: 0,
        };
        let mut store = Store::new(&engine.wasmtime, sandbox);
        store.limiter(|sandbox| sandbox);
        store.set_hostcall_fuel(handed_over_bytes_max(&store.data().terms.manifest));
        store.set_max_component_handles(limits::HANDLES_MAX);
        // At every tick the guest lets its neighbours go on; past its deadline it ends where it stands.
        store.epoch_deadline_callback(|mut ctx| {
            let sandbox = ctx.data_mut();
            if Instant::now() >= sandbox.deadline {
                return Err(Exceeded::from(sandbox.allowance).into());
            }
            sandbox.tick_count = sandbox.tick_count.saturating_add(1);
            if sandbox.tick_count >= limits::SHORT_CALL_TICKS {
                long_calls::ran_long();
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// The guest is about to run and has this long.
    pub(crate) fn start_clock(&mut self, now: Instant, allowance: Allowance) {
        self.deadline = now + allowance.span();
        self.allowance = allowance;
        self.tick_count = 0;
    }
}

/// Bytes that a guest under this manifest may hand over at once: what the host copies of it before it can look.
pub(crate) fn handed_over_bytes_max(manifest: &Manifest) -> usize {
    let outputs = manifest.limits.output_bytes_max.saturating_mul(limits::HOST_CALL_OUTPUTS);
    outputs.max(limits::HOST_CALL_BYTES_MIN)
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let allowed = self.terms.manifest.limits.memory_bytes_max;
        if asked > allowed {
            // A trap names the limit; a refused growth would end in whatever the guest's allocator then says.
            return Err(Exceeded::Memory { asked, allowed }.into());
        }
        self.memory_bytes = asked;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.table_elements.saturating_add(desired.saturating_sub(current));
        let allowed = limits::TABLE_ELEMENTS_MAX;
        if asked > allowed {
            return Err(Exceeded::Table { asked, allowed }.into());
        }
        self.table_elements = asked;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use host_core::id::StepAddress;

    use super::*;

    fn sandbox() -> Sandbox {
        let manifest = Manifest::of(StepAddress::try_new("d.s.one").unwrap());
        Sandbox {
            terms: Arc::new(Terms::try_new(Arc::new(manifest)).unwrap()),
            call: CallState::default(),
            wasi: None,
            deadline: Instant::now(),
            allowance: Allowance::Call(Duration::ZERO),
            tick_count: 0,
            memory_bytes: 0,
            table_elements: 0,
        }
    }

    #[test]
    fn memories_are_counted_together() {
        let mut sandbox = sandbox();
        let allowed = sandbox.terms.manifest.limits.memory_bytes_max;
        assert!(sandbox.memory_growing(0, allowed / 2, None).unwrap());
        assert!(sandbox.memory_growing(0, allowed / 2, None).unwrap());
        let error = sandbox.memory_growing(allowed / 2, allowed / 2 + 65_536, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory { asked: allowed + 65_536, allowed }));
        assert_eq!(sandbox.memory_bytes, allowed, "what was refused is not counted");
    }

    #[test]
    fn tables_are_counted_together() {
        let mut sandbox = sandbox();
        let allowed = limits::TABLE_ELEMENTS_MAX;
        assert!(sandbox.table_growing(0, allowed, None).unwrap());
        let error = sandbox.table_growing(0, 1, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Table { asked: allowed + 1, allowed }));
    }

    #[test]
    fn the_own_bucket_comes_first_and_shared_ones_belong_to_the_domain() {
        let mut manifest = Manifest::of(StepAddress::try_new("shop.orders.order").unwrap());
        manifest.shared_buckets = vec!["stock".to_owned()];
        let terms = Terms::try_new(Arc::new(manifest)).unwrap();
        let named: Vec<_> =
            terms.buckets.iter().map(|bucket| (bucket.identifier.as_str(), bucket.name.as_str())).collect();
        assert_eq!(named, [("", "shop.orders.order"), ("stock", "shop/stock")]);
    }
}
