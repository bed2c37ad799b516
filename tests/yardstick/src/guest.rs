//! The step in its sandbox, called without a fiber and without limits of time.

use std::path::Path;

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::message::Envelope;

mod bindings {
    //! Made by wasmtime from the contract of the steps.
    wasmtime::component::bindgen!({ path: "../../wit", world: "step-plugin" });
}

use bindings::saga::step::types::{Context, Direction, Outcome};

/// Bytes of a slot that are wiped in place, as in the host.
const KEEP_RESIDENT_BYTES: usize = 16 << 20;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
const MEMORY_BYTES_MAX: usize = 64 << 20;
const INSTANCES_MAX: u32 = 64;

/// The compiled step.
#[derive(Clone)]
pub struct Step {
    engine: Engine,
    pre: bindings::StepPluginPre<State>,
}

/// What a store holds; made when the guest first asks for it, which this one never does.
#[derive(Default)]
struct State {
    wasi: Option<Box<(WasiCtx, ResourceTable)>>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (ctx, table) =
            &mut **self.wasi.get_or_insert_with(|| Box::new((WasiCtxBuilder::new().build(), ResourceTable::new())));
        WasiCtxView { ctx, table }
    }
}

impl Step {
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(INSTANCES_MAX)
            .total_core_instances(INSTANCES_MAX * 4)
            .total_memories(INSTANCES_MAX)
            .total_tables(INSTANCES_MAX * 2)
            .max_memory_size(MEMORY_BYTES_MAX)
            .max_unused_warm_slots(INSTANCES_MAX)
            .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::Yes);
        }
        let mut config = Config::new();
        config.concurrency_support(false).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        linker.define_unknown_imports_as_traps(&component)?;
        let pre = bindings::StepPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    pub fn instance(&self) -> anyhow::Result<Instance> {
        let mut store = Store::new(&self.engine, State::default());
        let step = self.pre.instantiate(&mut store)?;
        Ok(Instance { store, step })
    }
}

/// One sandbox.
pub struct Instance {
    store: Store<State>,
    step: bindings::StepPlugin,
}

impl Instance {
    /// The body that the step hands on.
    pub fn handle(&mut self, envelope: &Envelope<'_>) -> anyhow::Result<String> {
        let meta = &envelope.meta;
        let context = Context {
            global_id: meta.global_id.to_owned(),
            use_case: Some(meta.use_case.to_owned()),
            use_case_version: Some(1),
            address: meta.steps[usize::from(meta.position)].to_owned(),
            position: meta.position.into(),
            direction: Direction::Handle,
            attempt: 1,
            idempotency_key: meta.message_id.clone(),
            deadline: None,
            signalled: None,
            failure: None,
            headers: Vec::new(),
        };
        match self.step.saga_step_step().call_handle(&mut self.store, &context, envelope.body.get())? {
            Outcome::Done(done) => Ok(done.body),
            Outcome::Rejected(_) | Outcome::Retry(_) | Outcome::Wait(_) => {
                anyhow::bail!("the step of the yardstick is expected to answer done")
            }
        }
    }
}
