//! Starts a guest while it is built and freezes what it then has in memory into a component: a scripting language has
//! read and run its modules before the first call. Knows neither languages nor projects; who builds says which modules
//! there are. Invariant: nothing of the world gets into the frozen memory but the modules. There are no files, no
//! environment and no capabilities; a guest that asks for one while it starts is told that there is none.

mod code;
mod state;

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{Component, Instance, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wizer::Wizer;

use crate::limits;

/// The imports that only the start needs. Whoever freezes a component takes them out of it.
pub const MODULE_LOADER: &str = "local:init/module-loader";
/// The export that starts the guest; of no use afterwards.
pub const START: &str = "init";

/// Where a guest that starts gets its modules from. Paths are the implementor's own; the guest only hands them back.
pub trait Modules: Send + Sync + 'static {
    /// The path of what a module names in an import; an error is told to the guest, which shows it at the import.
    fn resolve(&self, importer: &str, specifier: &str) -> Result<String, String>;

    /// The text of the module at a path.
    fn load(&self, path: &str) -> Result<String, String>;
}

/// What the guest runs first.
pub struct Script<'a> {
    /// Run before everything else, in the global scope.
    pub prelude: &'a str,
    /// The entry module, and its path.
    pub text: &'a str,
    pub path: &'a str,
}

/// A component whose memory is that of the started guest, and what the guest printed meanwhile.
#[derive(Debug)]
pub struct Frozen {
    pub component: Vec<u8>,
    pub printed: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Unfrozen {
    /// The guest's own words: a syntax error, an exception while a module was run, an import that was not found.
    #[error("{message}")]
    Refused { message: String, printed: String },
    /// The guest died while it started.
    #[error("the runtime stopped while it read the modules: {cause}")]
    Trapped { cause: String, printed: String },
    /// The runtime cannot be started at all: a mistake in this program.
    #[error("the runtime cannot be started: {0}")]
    Runtime(String),
}

/// Start `runtime` with a script and freeze it. Compiling the runtime takes seconds, so its code is kept in the folder
/// `kept`, which only this user may write; what is kept there may be deleted at any time.
pub fn freeze(
    runtime: &[u8],
    kept: Option<&Path>,
    script: &Script<'_>,
    modules: Arc<dyn Modules>,
) -> Result<Frozen, Unfrozen> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(runtime).map_err(broken)?;
    let engine = engine()?;
    let component = code::component(&engine, kept, &instrumented)?;
    let printed = MemoryOutputPipe::new(limits::PRINTED_AT_START_BYTES_MAX);
    let mut store = Store::new(&engine, Room::new(&printed));
    let instance = instantiate(&mut store, &component, modules)?;
    start(&mut store, &instance, script, &printed)?;
    let mut state = state::State { store: &mut store, instance };
    let component = at_once(wizer.snapshot_component(&context, &mut state))?.map_err(broken)?;
    Ok(Frozen { component, printed: text_of(&printed) })
}

fn engine() -> Result<Engine, Unfrozen> {
    let mut config = wasmtime::Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        // The guest starts here with the stack that it has in a host.
        .max_wasm_stack(limits::WASM_STACK_BYTES_MAX)
        .memory_init_cow(true);
    Engine::new(&config).map_err(broken)
}

fn instantiate(
    store: &mut Store<Room>,
    component: &Component,
    modules: Arc<dyn Modules>,
) -> Result<Instance, Unfrozen> {
    let mut linker = Linker::new(store.engine());
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).map_err(broken)?;
    offer_modules(&mut linker, modules).map_err(broken)?;
    refuse_the_rest(&mut linker, component).map_err(broken)?;
    linker.instantiate(store, component).map_err(broken)
}

fn offer_modules(linker: &mut Linker<Room>, modules: Arc<dyn Modules>) -> wasmtime::Result<()> {
    let mut loader = linker.instance(MODULE_LOADER)?;
    let resolving = Arc::clone(&modules);
    loader.func_wrap("resolve", move |_, (importer, specifier): (String, String)| {
        Ok((resolving.resolve(&importer, &specifier),))
    })?;
    loader.func_wrap("load", move |_, (path,): (String,)| Ok((modules.load(&path),)))
}

/// Capabilities have no place in a start. Resources cannot be named here without their types, so only functions that a
/// guest could call are given: each says what was asked for.
fn refuse_the_rest(linker: &mut Linker<Room>, component: &Component) -> wasmtime::Result<()> {
    use wasmtime::component::types::ComponentItem;

    let engine = linker.engine().clone();
    let capabilities = component.component_type();
    for (name, item) in capabilities.imports(&engine) {
        let is_offered = name == MODULE_LOADER
            || ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"]
                .iter()
                .any(|known| name.starts_with(known));
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if is_offered {
            continue;
        }
        let mut interface = linker.instance(name)?;
        for (function, member) in instance.exports(&engine) {
            match member.ty {
                ComponentItem::ComponentFunc(_) => {
                    let asked = format!("{name} {function}");
                    interface.func_new(function, move |_, _, _, _| {
                        Err(wasmtime::Error::msg(format!("{asked} was called while the module was loaded")))
                    })?;
                }
                ComponentItem::Resource(_) => {
                    let kind = wasmtime::component::ResourceType::host::<Nothing>();
                    interface.resource(function, kind, |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A resource of which there is never one.
enum Nothing {}

type StartOf<'a> = (&'a str, &'a str, Option<&'a str>, bool);

fn start(
    store: &mut Store<Room>,
    instance: &Instance,
    script: &Script<'_>,
    printed: &MemoryOutputPipe,
) -> Result<(), Unfrozen> {
    let start = instance.get_typed_func::<StartOf<'_>, (Result<(), String>,)>(&mut *store, START).map_err(broken)?;
    // The last argument turns the collection of garbage off.
    let (answer,) = start
        .call(store, (script.prelude, script.text, Some(script.path), false))
        .map_err(|error| Unfrozen::Trapped { cause: cause_of(&error), printed: text_of(printed) })?;
    answer.map_err(|message| Unfrozen::Refused { message, printed: text_of(printed) })
}

/// The innermost cause, without the frames of the runtime's own functions: its names say nothing to an author.
fn cause_of(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Poll a future that never waits: the guest is called without async.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, Unfrozen> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(Unfrozen::Runtime("reading its memory did not come to an end".to_owned())),
    }
}

fn broken(error: wasmtime::Error) -> Unfrozen {
    Unfrozen::Runtime(format!("{error:#}"))
}

fn text_of(printed: &MemoryOutputPipe) -> String {
    String::from_utf8_lossy(&printed.contents()).into_owned()
}

/// What the guest has around it while it starts: nothing but a place to print to.
struct Room {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Room {
    fn new(printed: &MemoryOutputPipe) -> Self {
        let wasi = WasiCtx::builder()
            .stdout(printed.clone())
            .stderr(printed.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self { wasi, table: ResourceTable::new() }
    }
}

impl WasiView for Room {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
