//! What a call costs in each language: a component in a bare loop of wasmtime and in the host, by turns. What the host
//! takes on top of the step's own time is the difference. A third loop does the least that any host must, so that it is
//! seen how much of the difference could be saved.
//!
//! `cargo bench --workspace --profile release --bench languages -- [--seconds S] FOLDER...`: each folder holds the
//! conformance step of a language, as `saga build tests/conformance/<language> --out FOLDER` writes it, and is named
//! after it; relative ones are below the root of the tree.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends when it cannot run")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host_core::id::{Direction, StepAddress};
use host_core::json::Json;
use host_core::outcome::{Answer, Outcome};
use host_runtime::{StepRunner as _, Trial};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable, ResourceType};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

#[path = "../tests/runtime/support.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "step-plugin",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// The same for a guest that can be made to wait.
mod waiting {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "step-plugin",
        ownership: Borrowing { duplicate_if_necessary: false },
        exports: { default: async },
        with: { "saga:step/types@0.1.0": super::bindings::saga::step::types },
    });
}

use bindings::saga::step::types as wit;

/// The address of the conformance step.
const ADDRESS: &str = "test.sdk.conformance";
/// Turns of each.
const TURNS: usize = 5;
/// Instances that live at once to see what one takes.
const LIVE_COUNT: usize = 8;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut seconds, mut folders) = (0.5, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(seconds),
            folder => folders.push(support::root().join(folder)),
        }
    }
    let span = Duration::from_secs_f64(seconds);
    let subjects: Vec<Subject> = folders.iter().map(|folder| Subject::read(folder)).collect();
    println!(
        "{:12} {:>10} {:>12} {:>12} {:>14} {:>16}",
        "language", "MiB", "compile ms", "start ms", "memory MiB", "of its own MiB"
    );
    for subject in &subjects {
        println!("{}", subject.facts());
    }
    for (name, body) in [("small", small()), ("1 MiB", large())] {
        println!("\nbody: {name} ({} bytes)", body.len());
        println!(
            "{:12} {:>12} {:>12} {:>12} {:>12} {:>16} {:>14} {:>14}",
            "language",
            "bare us",
            "endable us",
            "least us",
            "host us",
            "host to endable",
            "host to least",
            "to the first"
        );
        let mut first = None;
        for subject in &subjects {
            let [bare, endable, least, host] = subject.by_turns(&body, span);
            let base = *first.get_or_insert(host);
            println!(
                "{:12} {bare:>12.1} {endable:>12.1} {least:>12.1} {host:>12.1} {:>16.3} {:>14.3} {:>14.1}",
                subject.name,
                host / endable,
                host / least,
                host / base
            );
        }
    }
}

/// What every language reads as a type of its own, changes a member of, and writes.
fn small() -> String {
    r#"{"do":"set","order-id":9007199254740993,"note":"old","amount":12.50,"to":"new"}"#.to_owned()
}

/// The same with as many members that the step does not name as a body may have bytes.
fn large() -> String {
    let mut body = r#"{"do":"set","note":"old","to":"new","lines":[{"sku":"a-0","count":1,"price":12.50}"#.to_owned();
    for number in 1.. {
        if body.len() > (1 << 20) - 100 {
            break;
        }
        let _ = write!(body, r#",{{"sku":"a-{number}","count":{number},"price":12.50}}"#);
    }
    body + "]}"
}

/// A component, in both places.
struct Subject {
    name: String,
    wasm: PathBuf,
    runtime: tokio::runtime::Runtime,
    stage: support::Stage,
}

impl Subject {
    fn read(folder: &Path) -> Self {
        let file = |extension: &str| folder.join(format!("{ADDRESS}.{extension}"));
        let (wasm, manifest) = (file("wasm"), std::fs::read_to_string(file("toml")).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let installation = support::Installation::new();
        // Its instances are never thrown away here, whatever it says itself.
        let kept: Vec<&str> = manifest.lines().filter(|line| !line.starts_with("calls-per-instance")).collect();
        installation.manifest(ADDRESS, &format!("calls-per-instance = \"unlimited\"\n{}", kept.join("\n")));
        installation.write(&format!("{ADDRESS}.wasm"), &std::fs::read(&wasm).unwrap());
        let plugins = runtime.block_on(installation.open());
        let shown = plugins.snapshot().plugins.iter().find_map(|plugin| plugin.reason.clone());
        assert!(shown.is_none(), "{} is not served: {shown:?}", wasm.display());
        let stage = support::Stage { installation, plugins, key_values: std::sync::Arc::default() };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, wasm, runtime, stage }
    }

    /// Sizes and times that are there once.
    fn facts(&self) -> String {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let address = StepAddress::try_new(ADDRESS).unwrap();
        let manifest = host_runtime::manifest_beside(&self.wasm, &address).unwrap();
        let trial = self.runtime.block_on(Trial::try_new(&self.wasm, manifest)).unwrap();
        let bytes = std::fs::metadata(&self.wasm).unwrap().len();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:12} {:>10.2} {:>12.0} {:>12.3} {:>14.1} {:>16.1}",
            self.name,
            mib(usize::try_from(bytes).unwrap()),
            ms(trial.compile_time),
            ms(trial.start_time),
            mib(trial.instance_memory_bytes),
            mib(self.resident_bytes()),
        )
    }

    /// What a living instance takes of memory that it does not share, after a call.
    fn resident_bytes(&self) -> usize {
        let mut first = Bare::start(&self.wasm, false);
        first.call(&small());
        let before = resident();
        let lives: Vec<Bare> = (0..LIVE_COUNT)
            .map(|_| {
                let mut bare = first.another();
                bare.call(&small());
                bare
            })
            .collect();
        let grown = resident().saturating_sub(before);
        drop(lives);
        grown / LIVE_COUNT
    }

    async fn hosted(&self, call: &host_runtime::Call, span: Duration) -> f64 {
        microseconds_of(span, async || {
            let report = self.stage.plugins.call(call.clone(), self.stage.key_values.clone()).await;
            assert!(matches!(report.answer, Answer::Outcome(Outcome::Done { .. })), "{report:?}");
        })
        .await
    }

    /// Microseconds a call takes in the bare loop, in one whose code can be ended from outside as every step's can, in
    /// one that does the least, and in the host. Of each the best turn: whatever else the machine does only adds to it.
    fn by_turns(&self, body: &str, span: Duration) -> [f64; 4] {
        let (mut bare, mut endable) = (Bare::start(&self.wasm, false), Bare::start(&self.wasm, true));
        let mut least = self.runtime.block_on(Least::start(&self.wasm));
        let call = support::call(ADDRESS, Direction::Handle, body);
        let mut best = [f64::INFINITY; 4];
        for _ in 0..TURNS {
            let turn = [
                microseconds(span, || bare.call(body)),
                microseconds(span, || endable.call(body)),
                self.runtime.block_on(microseconds_of(span, async || least.call(body).await)),
                self.runtime.block_on(self.hosted(&call, span)),
            ];
            best = std::array::from_fn(|index| best[index].min(turn[index]));
        }
        best
    }
}

fn microseconds(span: Duration, mut call: impl FnMut()) -> f64 {
    let (began, mut calls) = (Instant::now(), 0_u32);
    while began.elapsed() < span || calls < 3 {
        call();
        calls += 1;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// The same for calls that wait, made one after the other within one task, as a lane makes them.
async fn microseconds_of(span: Duration, mut call: impl AsyncFnMut()) -> f64 {
    let (began, mut calls) = (Instant::now(), 0_u32);
    while began.elapsed() < span || calls < 3 {
        call().await;
        calls += 1;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// Memory of this process that is in use. Zero where there is no /proc.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

/// A component with nothing around it: no limits, no interruption, no capabilities but WASI's.
struct Bare {
    engine: Engine,
    component: Component,
    store: Store<World>,
    step: bindings::StepPlugin,
}

#[derive(Default)]
struct World {
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for World {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Bare {
    fn start(wasm: &Path, is_endable: bool) -> Self {
        let mut config = Config::new();
        config.wasm_component_model(true).concurrency_support(false).epoch_interruption(is_endable);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, wasm).unwrap();
        Self::live(engine, component)
    }

    /// Another instance of the same code.
    fn another(&self) -> Self {
        Self::live(self.engine.clone(), self.component.clone())
    }

    fn live(engine: Engine, component: Component) -> Self {
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        refuse_capabilities(&engine, &component, &mut linker);
        let mut store = Store::new(&engine, World::default());
        // Without interruption it is there and is never looked at.
        store.set_epoch_deadline(1 << 40);
        let step = bindings::StepPlugin::instantiate(&mut store, &component, &linker).unwrap();
        Self { engine, component, store, step }
    }

    fn call(&mut self, body: &str) {
        let outcome = self.step.saga_step_step().call_handle(&mut self.store, CONTEXT, body).unwrap();
        assert!(matches!(outcome, wit::Outcome::Done(_)), "{outcome:?}");
    }
}

const CONTEXT: wit::Context<'static> = wit::Context {
    global_id: "saga-1",
    use_case: None,
    use_case_version: None,
    address: ADDRESS,
    position: 1,
    direction: wit::Direction::Handle,
    attempt: 1,
    idempotency_key: "saga-1/handle/1",
    deadline: None,
    signalled: None,
    failure: None,
    headers: &[],
};

/// The least that a host does around code that it does not trust: the guest has a stack of its own, so that it can be
/// made to wait, and what it answers is checked to be JSON.
struct Least {
    store: Store<World>,
    step: waiting::StepPlugin,
}

impl Least {
    async fn start(wasm: &Path) -> Self {
        let mut config = Config::new();
        config.wasm_component_model(true).concurrency_support(false).epoch_interruption(true);
        config.allocation_strategy(InstanceAllocationStrategy::pooling());
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        refuse_capabilities(&engine, &component, &mut linker);
        let mut store = Store::new(&engine, World::default());
        store.set_epoch_deadline(1 << 40);
        let step = waiting::StepPlugin::instantiate_async(&mut store, &component, &linker).await.unwrap();
        Self { store, step }
    }

    async fn call(&mut self, body: &str) {
        let outcome = self.step.saga_step_step().call_handle(&mut self.store, CONTEXT, body).await.unwrap();
        let wit::Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
        Json::try_from_string(done.body).unwrap();
    }
}

/// What a step imports beyond WASI's world of commands is there and fails: the calls of this bench need none of it.
fn refuse_capabilities(engine: &Engine, component: &Component, linker: &mut Linker<World>) {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if ["cli", "clocks", "filesystem", "io", "random", "sockets"]
            .iter()
            .any(|package| name.starts_with(&format!("wasi:{package}/")))
        {
            continue;
        }
        let mut instance = linker.instance(name).unwrap();
        for (name, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    instance.func_new(name, |_, _, _, _| Err(wasmtime::format_err!("not in this bench"))).unwrap();
                }
                ComponentItem::Resource(_) => {
                    instance.resource(name, ResourceType::host::<World>(), |_, _| Ok(())).unwrap();
                }
                _ => {}
            }
        }
    }
}
