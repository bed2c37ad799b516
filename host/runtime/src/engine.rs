//! The wasmtime engine with the settings every sandbox lives under, and the clock that interrupts guests.
//! It must not know plugins or calls.

use std::thread;

use wasmtime::{Config, Enabled, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::Error;
use crate::limits;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Slots that are wiped in place between instances: a fresh instance costs microseconds.
    Pooled,
    /// A mapping for each instance: slower, but asks nothing of the kernel.
    OnDemand,
}

/// An engine whose ticker runs as long as any clone of it lives.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) allocation: Allocation,
}

impl Engine {
    /// An engine for at most `instance_count_max` live instances. Takes the slower allocation where this machine
    /// refuses the address space that the pool reserves.
    pub(crate) fn try_new(instance_count_max: u32) -> Result<Self, Error> {
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instance_count_max)));
        let (wasmtime, allocation) = match wasmtime::Engine::new(&config) {
            Ok(engine) => (engine, Allocation::Pooled),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "instance pool refused by this machine, calls will be slower");
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                let engine = wasmtime::Engine::new(&config).map_err(|error| Error::Engine(format!("{error:#}")))?;
                (engine, Allocation::OnDemand)
            }
        };
        start_ticker(wasmtime.weak())?;
        Ok(Self { wasmtime, allocation })
    }
}

/// An engine that makes code for those of `try_new` and runs none: it needs no pool and no ticker.
pub(crate) fn for_compiling() -> Result<wasmtime::Engine, Error> {
    wasmtime::Engine::new(&config()).map_err(|error| Error::Engine(format!("{error:#}")))
}

/// What the code depends on stands here, so that all engines of this file are of one kind.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // No step uses the async ABI of components; without it a call is a third cheaper.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits::WASM_STACK_BYTES_MAX)
        .async_stack_size(limits::CALL_STACK_BYTES)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(limits::DENSE_IMAGE_BYTES_MAX)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(limits::FRAMES_SEEN_MAX));
    config
}

fn pool(instance_count_max: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instance_count_max)
        .total_core_instances(instance_count_max.saturating_mul(limits::CORE_INSTANCES_MAX))
        .total_memories(instance_count_max.saturating_mul(limits::MEMORIES_MAX))
        .total_tables(instance_count_max.saturating_mul(limits::TABLES_MAX))
        .total_stacks(instance_count_max)
        .max_core_instances_per_component(limits::CORE_INSTANCES_MAX)
        .max_memories_per_component(limits::MEMORIES_MAX)
        .max_tables_per_component(limits::TABLES_MAX)
        .max_tables_per_module(limits::TABLES_MAX)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .max_memory_size(limits::MEMORY_BYTES_HARD_MAX)
        .table_keep_resident(limits::TABLE_KEEP_RESIDENT_BYTES);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(limits::MEMORY_KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::Yes);
    } else {
        // Without the scan the whole kept part is wiped each time, so only a little is kept.
        pool.linear_memory_keep_resident(limits::TABLE_KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::No);
    }
    pool
}

/// One thread a engine, which ends with the engine.
fn start_ticker(engine: EngineWeak) -> Result<(), Error> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(limits::TICK);
        }
    };
    let ticker = thread::Builder::new().name("plugin-ticker".to_owned()).spawn(tick);
    // The handle is let go on purpose: the thread owns nothing and sees the end of the engine by itself.
    ticker.map(drop).map_err(|error| Error::Engine(format!("cannot start the ticker thread: {error}")))
}
